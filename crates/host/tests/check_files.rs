//! Risk: `leanpool check` says that all is well where it is not, loses a file, or can't be stopped.
#![cfg(all(unix, feature = "lean", any(lean_library, feature = "abi-model")))]

use std::path::Path;
use std::process::{Command, Output};

fn leanpool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_leanpool"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder of files to check.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, args: &[&str]) -> Output {
        let mut command = leanpool();
        if cfg!(feature = "abi-model") {
            command.env("LEAN_SYSROOT", "/model");
        }
        command.current_dir(self.path()).arg("check").args(args).env_remove("LEAN_PATH").output().unwrap()
    }
}

/// Tests of the command on Lean, real or modelled; see `tests/sessions.rs`.
macro_rules! on_lean {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        #[cfg(feature = "abi-model")]
        mod on_the_abi_model { use super::*; $($(#[$attribute])* #[test] fn $name() $body)* }
        #[cfg(all(lean_library, not(feature = "abi-model")))]
        mod on_real_lean { use super::*; $($(#[$attribute])* #[test] fn $name() $body)* }
    };
}

on_lean! {
    fn what_lean_says_is_printed_with_its_place_and_the_rest_go_on() {
        let files = Files::new(&[
            ("good.lean", b"import Lean\n#check Nat\n"),
            ("bad.lean", b"example := oops\n"),
            ("missing_import.lean", b"import Nope\n"),
            ("not_text.lean", b"-- ok\n\xff\xfe"),
            ("bad_header.lean", b"import"),
            ("warning.lean", b"theorem t : 1 = 1 := sorry"),
        ]);
        let names =
            ["good.lean", "bad.lean", "missing_import.lean", "not_text.lean", "bad_header.lean", "nowhere.lean", "warning.lean"];
        for jobs in ["1", "2", "8"] {
            let output = files.check(&[&names[..], &["--jobs", jobs]].concat());
            let said = text(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let places: Vec<&str> = said.lines().filter(|line| line.contains(".lean:")).collect();
            let expected = [
                "good.lean:2:0: info: Nat : Type",
                "bad.lean:1:11: error: Unknown identifier `oops`",
                "missing_import.lean:1:0: error: unknown module prefix 'Nope'",
                "not_text.lean:2:0: error: the file is not UTF-8",
                "bad_header.lean:1:6: error: unexpected end of input; expected identifier",
                "nowhere.lean:1:0: error: the file can't be read",
                "warning.lean:1:8: warning: declaration uses 'sorry'",
            ];
            assert_eq!(places.len(), expected.len(), "{said}");
            for (place, expected) in places.iter().zip(expected) {
                assert!(place.starts_with(expected), "{place} is not {expected}");
            }
            let summary = text(&output.stderr);
            assert!(summary.starts_with("7 files, 2 without errors, 5 errors, 1 warning; 2 imports"), "{summary}");
        }
    }

    fn no_error_ends_with_0_and_quiet_says_nothing() {
        let files = Files::new(&[("a.lean", b"theorem t : 1 = 1 := sorry")]);
        let output = files.check(&["a.lean", "--quiet"]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
        assert_eq!(text(&output.stdout), "a.lean:1:8: warning: declaration uses 'sorry'\n");
    }

    fn json_has_an_object_a_line_and_the_summary_last() {
        let files = Files::new(&[("a.lean", b"example := oops"), ("b.lean", b"import Nope"), ("c.lean", b"")]);
        let output = files.check(&["a.lean", "b.lean", "c.lean", "--json", "--stats"]);
        let lines: Vec<serde_json::Value> =
            text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [first, second, last] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&first["file"], &first["line"], &first["column"]), (&"a.lean".into(), &1.into(), &11.into()));
        assert_eq!((&first["end_line"], &first["end_column"]), (&1.into(), &15.into()));
        assert_eq!((&first["severity"], &first["message"]), (&"error".into(), &"Unknown identifier `oops`".into()));
        assert_eq!((&second["file"], &second["end_line"]), (&"b.lean".into(), &serde_json::Value::Null));
        let summary = &last["summary"];
        assert_eq!((&summary["files"], &summary["clean"], &summary["errors"]), (&3.into(), &1.into(), &2.into()));
        assert_eq!(summary["pool"]["opens_failed"], 1);
    }

    fn files_with_one_header_share_one_import_whatever_their_order() {
        let files = Files::new(&[
            ("a1.lean", b"import Lean\n#check Nat"),
            ("b1.lean", b"#check Nat"),
            ("a2.lean", b"import Lean\n-- another\n#check Nat"),
            ("b2.lean", b"#check Nat"),
        ]);
        let names = ["a1.lean", "b1.lean", "a2.lean", "b2.lean"];
        for jobs in ["1", "3"] {
            let output = files.check(&[&names[..], &["--capacity", "1", "--jobs", jobs]].concat());
            let said = text(&output.stdout);
            let printed: Vec<&str> = said.lines().filter_map(|line| line.split(':').next()).collect();
            assert_eq!(printed, names, "in the order given");

            let output =
                files.check(&[&names[..], &["--capacity", "1", "--jobs", jobs, "--json", "--stats"]].concat());
            let said = text(&output.stdout);
            let mut printed: Vec<&str> =
                said.lines().filter_map(|line| line.split("\"file\":\"").nth(1)?.split('"').next()).collect();
            printed.sort_unstable();
            assert_eq!(printed, ["a1.lean", "a2.lean", "b1.lean", "b2.lean"]);
            let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
            let pool = &summary["summary"]["pool"];
            assert_eq!((&pool["imports_performed"], &pool["acquired"]), (&2.into(), &4.into()), "{pool}");
        }
    }

    fn file_named_twice_is_checked_twice() {
        let files = Files::new(&[("a.lean", b"#check Nat")]);
        let output = files.check(&["a.lean", "a.lean", "--quiet"]);
        assert_eq!(text(&output.stdout), "a.lean:1:0: info: Nat : Type\n".repeat(2));
    }

    fn project_that_is_not_built_or_for_another_lean_is_named_before_its_imports_fail() {
        let files = Files::new(&[
            ("project/lakefile.toml", b""),
            ("project/lean-toolchain", b"leanprover/lean4:v4.20.0"),
            ("a.lean", b"#check Nat"),
        ]);
        let said = text(&files.check(&["a.lean", "--project", "project"]).stderr);
        assert!(said.contains("built with leanprover/lean4:v4.20.0, whose modules Lean 4.27.0 can't read"), "{said}");
        assert!(said.contains("run `lake build`"), "{said}");
        assert_eq!(text(&files.check(&["a.lean", "--project", "project", "--quiet"]).stderr), "");
    }

    fn stats_are_words_without_json() {
        let files = Files::new(&[("a.lean", b""), ("b.lean", b"")]);
        let output = files.check(&["a.lean", "b.lean", "--stats"]);
        let said = text(&output.stdout);
        for line in ["environments        2 acquired, 1 reused, 1 imported", "misses       1 cold", "dropped      none"] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    fn timeout_of_a_file_is_an_error_and_the_next_one_is_checked() {
        let endless = "example : 1 + 1 = 2 := rfl\n".repeat(20_000) + "-- until cancelled\n";
        let files = Files::new(&[("endless.lean", endless.as_bytes()), ("next.lean", b"#check Nat")]);
        let output = files.check(&["endless.lean", "next.lean", "--timeout", "0.05"]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("endless.lean:1:0: error: the time for this file is over"), "{said}");
        // On a slow machine that may be over its time as well, which is not what is tested.
        assert!(said.contains("next.lean:1:0: "), "{said}");
    }

    fn modules_of_a_project_and_of_what_it_depends_on_are_found() {
        // Real Lean reads what is in them, so there the error is another one.
        let files = Files::new(&[
            ("project/lakefile.toml", b""),
            ("project/lake-manifest.json", br#"{"packages": [{"name": "dep", "type": "git"}]}"#),
            ("project/.lake/build/lib/lean/Own.olean", b"no module"),
            ("project/.lake/packages/dep/.lake/build/lib/lean/Dep/Inner.olean", b"no module"),
            ("own.lean", b"import Own"),
            ("dep.lean", b"import Dep.Inner"),
        ]);
        let without = text(&files.check(&["own.lean", "dep.lean"]).stdout);
        assert_eq!(without.matches("unknown module prefix").count(), 2, "{without}");
        let with = text(&files.check(&["own.lean", "dep.lean", "--project", "project"]).stdout);
        assert_eq!(with.matches("unknown module prefix").count(), 0, "{with}");
    }

    fn output_that_nobody_reads_ends_it() {
        let files = Files::new(&[("a.lean", b"#check Nat")]);
        let mut command = Command::new("sh");
        command.current_dir(files.path()).env("LEANPOOL", env!("CARGO_BIN_EXE_leanpool"));
        if cfg!(feature = "abi-model") {
            command.env("LEAN_SYSROOT", "/model");
        }
        let output = command.args(["-c", "\"$LEANPOOL\" check a.lean 2>err | true; cat err"]).output().unwrap();
        assert!(!text(&output.stdout).contains("panicked"), "{}", text(&output.stdout));
    }
}

/// As the command `lean` names a module: some messages have the name.
#[cfg(feature = "abi-model")]
#[test]
fn on_the_abi_model_a_module_is_named_by_its_path_below_the_working_folder() {
    let files =
        Files::new(&[("here/A/B.lean", b"-- model: main module"), ("C.lean", b"-- model: main module")]);
    let absolute = files.path().join("here/A/B.lean");
    let names = ["A/B.lean", absolute.to_str().unwrap(), "../C.lean"];
    for (name, module) in names.into_iter().zip(["A.B", "A.B", "_stdin"]) {
        let mut command = leanpool();
        command.current_dir(files.path().join("here")).env("LEAN_SYSROOT", "/model");
        let output = command.args(["check", "--quiet", name]).output().unwrap();
        assert_eq!(text(&output.stdout), format!("{name}:1:0: info: {module}\n"));
    }
}

/// Ctrl-C, where the model's own mark makes the check wait for it.
#[cfg(feature = "abi-model")]
#[test]
fn on_the_abi_model_ctrl_c_ends_the_check_that_runs_and_prints_what_was_found() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::process::Stdio;

    let files = Files::new(&[
        ("first.lean", b"#check Nat"),
        ("endless.lean", b"example := oops\n-- until cancelled\n"),
        ("last.lean", b"#check Nat\n"),
    ]);
    let mut child = leanpool()
        .current_dir(files.path())
        .env("LEAN_SYSROOT", "/model")
        .args(["check", "first.lean", "endless.lean", "last.lean"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "first.lean:1:0: info: Nat : Type\n");
    // The second is being checked, or about to be; either way it ends.
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(!rest.contains("last.lean"), "{rest}");
    assert!(said.contains("not begun"), "{said}");
}

/// On the model alone: where address space is short, real Lean would end the process for want of memory of its own.
#[cfg(all(feature = "abi-model", target_os = "linux"))]
#[test]
fn on_the_abi_model_threads_that_the_system_refuses_are_done_without() {
    let names: Vec<String> = (0..12).map(|number| format!("{number}.lean")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"#check Nat"[..])).collect();
    let files = Files::new(&files);
    let mut command = Command::new("bash");
    command
        .current_dir(files.path())
        .env("LEANPOOL", env!("CARGO_BIN_EXE_leanpool"))
        .env("LEAN_SYSROOT", "/model");
    // Room for some stacks of 256 MiB, but not for 64.
    let script = "ulimit -v 2000000; exec \"$LEANPOOL\" check --jobs 64 *.lean";
    let output = command.args(["-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("Nat : Type").count(), 12);
}
