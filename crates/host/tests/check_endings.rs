//! Risk: what a file runs ends the process, or never comes back, and with it goes what was found in the others; or it can't be stopped.
#![cfg(all(unix, feature = "lean", any(lean_linked, feature = "abi-model")))]
#![cfg_attr(lean_library, allow(dead_code, reason = "real Lean runs some of it"))]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything here takes: a hang is a failure.
const LIMIT: Duration = Duration::from_secs(60);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
        command.current_dir(self.path()).env_remove("LEAN_PATH").arg("check").args(args);
        if cfg!(feature = "abi-model") {
            command.env("LEAN_SYSROOT", "/model");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn check(&self, args: &[&str]) -> Output {
        ended(self.start(args), String::new())
    }
}

/// What `child` says until it ends, after what was read of it already.
fn ended(mut child: Child, read: String) -> Output {
    let deadline = Instant::now() + LIMIT;
    let read_all = |mut from: Box<dyn std::io::Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map(|_| bytes)
        })
    };
    let stdout = read_all(Box::new(child.stdout.take().unwrap()));
    let stderr = read_all(Box::new(child.stderr.take().unwrap()));
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                panic!("it did not end within {LIMIT:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let stdout = [read.into_bytes(), stdout.join().unwrap().unwrap()].concat();
    Output { status, stdout, stderr: stderr.join().unwrap().unwrap() }
}

/// The first line that `child` prints.
fn first_line(child: &mut Child) -> String {
    let mut line = Vec::new();
    // One byte at a time: what comes after it is for somebody else.
    let mut out = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
    out.read_until(b'\n', &mut line).unwrap();
    text(&line)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model {
    use super::*;

    #[test]
    fn file_that_ends_the_process_takes_no_other_files_errors_with_it() {
        let files = Files::new(&[
            ("before.lean", "example := oops"),
            ("exit.lean", "example := oops\n-- model: exit"),
            ("after.lean", "example := oops"),
        ]);
        let output = files.check(&["before.lean", "exit.lean", "after.lean"]);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(70), "{said}{errors}");
        let [before, exit] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert_eq!(before, "before.lean:1:11: error: Unknown identifier `oops`");
        assert!(
            exit.starts_with("exit.lean:1:0: error: the process was ended while this file was checked"),
            "{exit}"
        );
        assert!(errors.contains("ended from inside a file; 2 files, 2 errors, 1 not begun"), "{errors}");
    }

    #[test]
    fn what_waits_for_its_turn_to_be_printed_is_printed_when_the_process_is_ended() {
        // The second of them is known first, since the third shares its header with the first.
        let files = Files::new(&[
            ("a.lean", "#check Nat"),
            ("b.lean", "import Lean\n-- model: exit"),
            ("c.lean", "example := oops"),
        ]);
        let output = files.check(&["a.lean", "b.lean", "c.lean"]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(70), "{said}");
        assert!(said.contains("c.lean:1:11: error: Unknown identifier `oops`"), "{said}");
        assert!(said.contains("b.lean:1:0: error: the process was ended"), "{said}");
        let json = text(&files.check(&["a.lean", "b.lean", "c.lean", "--json"]).stdout);
        assert!(json.contains(r#""file":"b.lean""#) && json.contains("the process was ended"), "{json}");
    }

    #[test]
    fn check_that_does_not_come_back_is_named_and_the_process_ends_with_what_the_others_found() {
        let files = Files::new(&[
            ("deaf.lean", "example := oops\n-- model: deaf"),
            ("beside.lean", "example := oops"),
            ("later.lean", "import Lean"),
        ]);
        let names = ["beside.lean", "deaf.lean", "later.lean"];
        for more in [&[][..], &["--json"]] {
            let output = files.check(&[&names[..], &["--timeout", "0.1", "--grace", "0.1"], more].concat());
            let (said, errors) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{said}{errors}");
            assert!(said.contains("beside.lean") && said.contains("Unknown identifier"), "{said}");
            assert!(said.contains("deaf.lean") && said.contains("did not come back within 0.1 s"), "{said}");
            assert!(!said.contains("later.lean") && errors.contains("1 not begun"), "{said}{errors}");
        }
        // Beside another that needs no import any more.
        let names = ["deaf.lean", "beside.lean"];
        let output =
            files.check(&[&names[..], &["--jobs", "2", "--timeout", "0.1", "--grace", "0.1"]].concat());
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}{errors}");
        assert!(said.contains("beside.lean:1:11: error: Unknown identifier"), "{said}");
        assert!(said.contains("deaf.lean:1:0: error: the time for this file is over"), "{said}");
    }

    /// What becomes of a run over a file that never comes back, when `signals` says so after the first file's line has come. Nothing says that the
    /// second file has been begun: if the signal comes before, all ends at once and well, and it is tried again.
    fn broken_off(grace: &str, signals: impl Fn(&Child)) {
        let files =
            Files::new(&[("first.lean", "#check Nat"), ("deaf.lean", "-- model: deaf"), ("last.lean", "")]);
        let was_begun = (0..20).any(|_| {
            let mut child = files.start(&["first.lean", "deaf.lean", "last.lean", "--grace", grace]);
            let line = first_line(&mut child);
            assert_eq!(line, "first.lean:1:0: info: Nat : Type\n");
            thread::sleep(Duration::from_millis(50));
            signals(&child);
            let output = ended(child, line);
            let (said, errors) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(130), "{said}{errors}");
            assert!(!said.contains("last.lean"), "{said}");
            errors.contains("broken off") && said.contains("deaf.lean:1:0: error: the check was to end")
        });
        assert!(was_begun);
    }

    #[test]
    fn polite_kill_ends_a_check_that_does_not_come_back() {
        broken_off("0.2", |child| signal(child, "-TERM"));
    }

    #[test]
    fn second_signal_ends_it_at_once() {
        broken_off("10000", |child| {
            signal(child, "-INT");
            // Two that come at the same time are one.
            thread::sleep(Duration::from_millis(50));
            signal(child, "-INT");
        });
    }
}

#[cfg(all(lean_library, not(feature = "abi-model")))]
mod on_real_lean {
    use super::*;

    #[test]
    fn file_that_ends_the_process_takes_no_other_files_errors_with_it() {
        let files =
            Files::new(&[("before.lean", "example := oops"), ("exit.lean", "#eval IO.Process.exit 0")]);
        let output = files.check(&["before.lean", "exit.lean"]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(70), "{said}");
        assert!(said.contains("before.lean:1:11: error: Unknown identifier `oops`"), "{said}");
    }
}

/// Over the small library of modules in `tests/official-lean`. Run by `.ci/official-lean`.
#[cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]
mod on_official_runtime {
    use super::*;

    fn ends(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/official-lean/texts/ends");
        std::fs::read_to_string(folder.join(name)).unwrap()
    }

    fn files() -> Files {
        let names = ["exit.lean", "spin.lean", "sleep.lean", "deep.lean"];
        let texts = names.map(|name| (name, ends(name)));
        let wrong = ("wrong.lean", "prelude\nimport Kit\n#check oops\n");
        Files::new(
            &texts.iter().map(|(name, text)| (*name, text.as_str())).chain([wrong]).collect::<Vec<_>>(),
        )
    }

    fn lib() -> String {
        std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` sets it") + "/lib"
    }

    const WRONG: &str = "wrong.lean:3:7: error: Unknown identifier `oops`";

    #[test]
    fn file_that_ends_the_process_takes_no_other_files_errors_with_it() {
        let output = files().check(&["wrong.lean", "exit.lean", "--path", &lib()]);
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(70), "{said}{errors}");
        assert!(
            said.contains(WRONG) && said.contains("exit.lean:1:0: error: the process was ended"),
            "{said}"
        );
        assert!(errors.contains("ended from inside a file"), "{errors}");
    }

    #[test]
    fn interpreted_and_compiled_code_that_does_not_come_back_is_named() {
        for name in ["spin.lean", "sleep.lean"] {
            let arguments = ["wrong.lean", name, "--timeout", "0.5", "--grace", "0.3", "--path", &lib()];
            let output = files().check(&arguments);
            let (said, errors) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{said}{errors}");
            assert!(said.contains(WRONG), "{said}");
            assert!(said.contains(&format!("{name}:1:0: error: the time for this file is over")), "{said}");
        }
    }

    #[test]
    fn polite_kill_ends_a_check_that_does_not_come_back() {
        let files = files();
        // See above.
        let was_begun = (0..20).any(|_| {
            let mut child = files.start(&["wrong.lean", "spin.lean", "--grace", "0.3", "--path", &lib()]);
            let line = first_line(&mut child);
            thread::sleep(Duration::from_millis(50));
            signal(&child, "-TERM");
            let output = ended(child, line);
            let said = text(&output.stdout);
            assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
            assert!(said.contains(WRONG), "{said}");
            said.contains("spin.lean:1:0: error: the check was to end")
        });
        assert!(was_begun);
    }

    #[test]
    fn exception_that_nothing_catches_loses_no_line_that_was_printed() {
        use std::os::unix::process::ExitStatusExt as _;

        let output = files().check(&["wrong.lean", "deep.lean", "--json", "--path", &lib()]);
        assert_eq!(output.status.signal(), Some(6));
        assert!(text(&output.stdout).contains("Unknown identifier `oops`"));
    }
}
