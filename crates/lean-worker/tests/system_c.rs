//! Risk: the worker's C part (`lean/worker/c/system.c`), which is compiled where Lean is, does not do what the protocol says. Here it is compiled
//! with a stand-in for Lean's header and for what `Main.lean` does with it.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{Cause, CheckTimes, Ending, Limits, Surroundings, Verdict, Workers};
use support::{around, check_around, is_alive, said, until, watchdog, workers};

/// The program, compiled for one test.
struct Compiled(tempfile::TempDir);

impl Compiled {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.args(["-std=gnu11", "-O1", "-w", "-fno-builtin", "-o"]).arg(folder.path().join("worker"));
        cc.arg("-I").arg(here.join("tests/system")).arg("-I").arg(here.join("worker/c"));
        cc.arg(here.join("tests/system/worker.c"));
        assert!(cc.status().expect("a C compiler").success());
        Self(folder)
    }

    fn program(&self) -> PathBuf {
        self.0.path().join("worker")
    }

    fn check(&self, workers: &Workers, script: &str, times: CheckTimes) -> Verdict {
        let around = Surroundings { worker: self.program(), ..Surroundings::clone(&around()) };
        check_around(workers, &Arc::new(around), &format!("import A\n{script}\n"), times)
    }
}

fn cause(verdict: &Verdict) -> Cause {
    assert_eq!(said(verdict)[0], "begun", "what was said before is kept");
    let Ending::Died(death) = &verdict.ending else { panic!("{verdict:?}") };
    death.cause.clone()
}

#[test]
fn children_check_die_and_are_reported() {
    let _watchdog = watchdog();
    let (compiled, workers) = (Compiled::new(), workers(Limits::default()));
    let check = |script: &str| compiled.check(&workers, script, CheckTimes::default());
    assert_eq!((check("").ending, said(&check(""))), (Ending::Done, vec!["begun"]));
    assert_eq!(cause(&check("-- exit")), Cause::Exited(0));
    let aborted = check("-- abort");
    assert_eq!(cause(&aborted), Cause::Signal(6));
    let Ending::Died(death) = aborted.ending else { panic!() };
    assert_eq!(death.output, "oops\n");
    assert_eq!(said(&check("-- print")), ["begun", "kept 65536"], "output is bounded");
    let soon = CheckTimes { timeout: Some(Duration::from_millis(20)), grace: Duration::from_secs(3600) };
    assert_eq!(
        compiled.check(&workers, "-- until-cancelled", soon).ending,
        Ending::TimedOut { killed: false }
    );
    let soon = CheckTimes { grace: Duration::from_millis(20), ..soon };
    assert_eq!(compiled.check(&workers, "-- spin", soon).ending, Ending::TimedOut { killed: true });
    assert_eq!(workers.stats().zygotes, 1, "all of it in one");
}

#[test]
fn orphans_end_with_the_child_that_left_them() {
    let _watchdog = watchdog();
    let compiled = Compiled::new();
    let workers = workers(Limits { files_a_child: 1, ..Limits::default() });
    let verdict = compiled.check(&workers, "-- orphan", CheckTimes::default());
    let orphan = said(&verdict)[1].to_owned();
    until(|| !is_alive(&orphan));
}

#[test]
fn limits_end_the_child_and_say_which() {
    let _watchdog = watchdog();
    let compiled = Compiled::new();
    let check =
        |limits: Limits, script: &str| compiled.check(&workers(limits), script, CheckTimes::default());
    let memory = check(Limits { memory: Some(32 << 20), ..Limits::default() }, "-- eat");
    assert_eq!(cause(&memory), Cause::Memory(Some(32 << 20)));
    let cpu = check(Limits { cpu: Some(1), ..Limits::default() }, "-- spin");
    assert_eq!(cause(&cpu), Cause::Processor(Some(1)));
    let file = check(Limits { file_size: Some(1 << 20), ..Limits::default() }, "-- fill");
    assert_eq!(cause(&file), Cause::FileSize);
}

#[test]
fn sandbox_keeps_files_from_being_written_and_says_what_it_is() {
    let _watchdog = watchdog();
    let compiled = Compiled::new();
    let path = |name: &str| compiled.0.path().join(name);
    let script = |name: &str| format!("-- socket\n-- touch {}", path(name).display());
    let free = compiled.check(&workers(Limits::default()), &script("free"), CheckTimes::default());
    assert_eq!((said(&free), path("free").exists()), (vec!["begun", "a socket", "written"], true));
    let limits = Limits { sandbox: true, ..Limits::default() };
    let kept = compiled.check(&workers(limits), &script("kept"), CheckTimes::default());
    let got = kept.sandbox.unwrap();
    println!("{got:?}");
    // Where the kernel can't, it says so, and nothing else is promised.
    let words = said(&kept);
    assert_eq!(words[1] == "no socket", got.seccomp, "{words:?}");
    assert_eq!(words[2] == "not written", got.landlock > 0, "{words:?}");
    assert_eq!(path("kept").exists(), got.landlock == 0);
}
