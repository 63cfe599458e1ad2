//! What a check in a worker costs: on the scripted worker, which takes no time itself, and on the official Lean beside the command `lean`.
//!
//! `cargo bench -p benches --bench worker`; with `-- --official` where LEAN_SYSROOT, LEANPOOL_KIT and LEANPOOL_WORKER are set, as `.ci/official-lean` does; with
//! `-- --test` a few of each, for whether it runs.
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("workers run on Linux only");
}

#[cfg(target_os = "linux")]
fn main() {
    let is_test = std::env::args().any(|arg| arg == "--test");
    if std::env::args().any(|arg| arg == "--official") {
        linux::official(if is_test { 2 } else { 21 });
    } else {
        linux::scripted(if is_test { 40 } else { 6_000 });
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::num::NonZero;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use lean_worker::{
        CancelToken, CheckTimes, Ending, Engine, Event, File, Kept, Limits, Surroundings, ToCheck, Workers,
        check_files, launch::Launcher,
    };

    fn scripted_worker() -> PathBuf {
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "lean-worker",
            "--bin",
            "scripted-worker",
            "--target-dir",
        ]);
        cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().unwrap().success(), "the scripted worker can't be built");
        folder.parent().unwrap().join("release/scripted-worker")
    }

    fn around(
        worker: PathBuf,
        sysroot: PathBuf,
        search_path: Vec<String>,
        stack_size: Option<u64>,
    ) -> Arc<Surroundings> {
        Arc::new(Surroundings {
            sysroot,
            worker,
            search_path,
            setup: None,
            options: Vec::new(),
            project: None,
            stack_size,
            saves_headers: true,
        })
    }

    /// Seconds of processor that this process has had, without its children, in clock ticks of 10 ms.
    fn own_seconds() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    pub(super) fn scripted(count: usize) {
        let worker = scripted_worker();
        let around = around(worker.clone(), "/".into(), Vec::new(), None);
        let text = |number| format!("import H{}\n-- say one\n-- error two\n", number % 4);
        let files: Vec<ToCheck> = (0..count)
            .map(|number| ToCheck {
                file: File::new(format!("{number}.lean"), text(number)),
                around: around.clone(),
            })
            .collect();
        println!("scripted worker, {count} files behind 4 headers, 2 messages each");
        for (files_a_child, jobs) in [(20, 1), (20, 2), (20, 8), (1, 2)] {
            let limits = Limits { files_a_child, ..Limits::default() };
            let launcher = Some(Launcher::new(&worker));
            let workers = Workers::new(Kept { zygotes: 8, memory: 4 << 30 }, limits, launcher);
            let engine = Engine::Worker { workers: &workers, lean: None };
            let (began, cpu) = (Instant::now(), own_seconds());
            let (token, jobs) = (CancelToken::new(), NonZero::new(jobs).unwrap());
            check_files(engine, &files, jobs, CheckTimes::default(), &token, |_, event| {
                let Event::Verdict(verdict) = event else { return };
                assert!(verdict.ending == Ending::Done && verdict.messages.len() == 2, "{verdict:?}");
            })
            .unwrap();
            let (wall, cpu) = (began.elapsed().as_secs_f64(), own_seconds() - cpu);
            println!(
                "  {jobs} jobs, {files_a_child:>2} files a child: {:>7.0} checks/s, {:>5.0} us of leanpool's own processor each",
                count as f64 / wall,
                cpu / count as f64 * 1e6
            );
        }
    }

    fn set(name: &str) -> String {
        std::env::var(name).unwrap_or_else(|_| panic!("{name}: `.ci/official-lean` sets it"))
    }

    /// In milliseconds.
    fn median(mut times: Vec<Duration>) -> f64 {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    }

    pub(super) fn official(rounds: usize) {
        let (sysroot, lib) = (PathBuf::from(set("LEAN_SYSROOT")), set("LEANPOOL_KIT") + "/lib");
        let around =
            around(set("LEANPOOL_WORKER").into(), sysroot.clone(), vec![lib.clone()], Some(64 << 20));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/official-lean/texts");
        let new = |files_a_child| {
            let limits = Limits { files_a_child, ..Limits::default() };
            Workers::new(Kept { zygotes: 8, memory: 4 << 30 }, limits, None)
        };
        for name in ["01-check.lean", "25-gen.lean"] {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            let file =
                File { module: vec![name.trim_end_matches(".lean").to_owned()], ..File::new(name, text) };
            let check = |workers: &Workers| {
                let began = Instant::now();
                let verdict =
                    workers.check(&around, &file, CheckTimes::default(), &CancelToken::new(), &mut |_| ());
                assert_eq!(verdict.ending, Ending::Done);
                began.elapsed()
            };
            let lean = || {
                let mut lean = Command::new(sysroot.join("bin/lean"));
                lean.args(["--json", name]).env("LEAN_PATH", &lib).current_dir(&folder).stdout(Stdio::null());
                let began = Instant::now();
                lean.status().unwrap();
                began.elapsed()
            };
            let (one, kept) = (new(1), new(20));
            check(&one);
            check(&kept);
            // By turns, so that what else the machine does meets all of them.
            let mut columns = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..rounds {
                columns[0].push(check(&new(1)));
                columns[1].push(check(&one));
                columns[2].push(check(&kept));
                columns[3].push(lean());
            }
            let [cold, forked, shared, lean] = columns.map(median);
            println!("official Lean, {name}, medians of {rounds}");
            for (what, ms) in [
                ("zygote start, fork, check, done", cold),
                ("fork, check, done", forked),
                ("check, done in a kept child", shared),
                ("`lean` on the same file", lean),
            ] {
                println!("  {what:<34} {ms:>8.1} ms  {:>6.3} of `lean`", ms / lean);
            }
        }
    }
}
