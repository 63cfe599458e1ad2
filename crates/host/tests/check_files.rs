//! Risk: `leanpool check` says that all is well where it is not, loses a file, or says it of another.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Files, ended, text};

#[test]
fn what_lean_says_is_printed_with_its_place_and_the_rest_go_on() {
    let files = Files::of_bytes(&[
        ("good.lean", b"import Lean\n-- say Nat : Type\n"),
        ("bad.lean", b"-- error oops\n"),
        ("missing_import.lean", b"\n  import Script.Missing\n"),
        ("not_text.lean", b"-- say \xff\xfe\x80"),
        ("bad_header.lean", b"import"),
        ("exit.lean", b"-- say before\n-- exit 0\n"),
        ("late.lean", b"import Lean\n-- say early\n"),
    ]);
    let names = [
        "good.lean",
        "bad.lean",
        "missing_import.lean",
        "not_text.lean",
        "bad_header.lean",
        "nowhere.lean",
        "exit.lean",
        "late.lean",
    ];
    for jobs in ["1", "2", "8"] {
        let output = files.check(&[&names[..], &["--jobs", jobs]].concat());
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        let expected = [
            "Nat : Type",
            "bad.lean:1:0: error: error oops",
            "missing_import.lean:2:2: error: unknown module prefix 'Script.Missing'",
            "\u{fffd}\u{fffd}",
            "bad_header.lean:1:0: error: unknown module prefix",
            "nowhere.lean:1:0: error: the file can't be read",
            "before",
            "exit.lean:1:0: error: the process that checked this file ended with exit code 0",
            "early",
        ];
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line} is not {expected}");
        }
        let summary = text(&output.stderr);
        assert!(
            summary.starts_with("8 files, 3 without errors, 5 errors, 0 warnings; 2 imports"),
            "{summary}"
        );
    }
}

#[test]
fn no_error_ends_with_0_and_quiet_says_nothing() {
    let files = Files::new(&[("a.lean", "-- say one")]);
    let output = files.check(&["a.lean", "--quiet"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(text(&output.stdout), "one\n");
}

fn json(output: &std::process::Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn json_has_an_object_a_line_and_the_summary_last() {
    let odd = r#"-- odd {"caption":"","data":"Unknown","endPos":{"column":15,"line":1},"fileName":"a.lean","pos":{"column":11,"line":1},"severity":"error"}"#;
    let files = Files::new(&[("a.lean", odd), ("b.lean", "import Script.Missing"), ("c.lean", "")]);
    let lines = json(&files.check(&["a.lean", "b.lean", "c.lean", "--json", "--stats"]));
    let [first, second, last] = &lines[..] else { panic!("{lines:?}") };
    let place = |line, column| serde_json::json!({"line": line, "column": column});
    assert_eq!((&first["fileName"], &first["pos"]), (&"a.lean".into(), &place(1, 11)));
    assert_eq!((&first["endPos"], &first["severity"]), (&place(1, 15), &"error".into()));
    assert_eq!(first["data"], "Unknown");
    assert_eq!((&second["fileName"], &second["endPos"]), (&"b.lean".into(), &Value::Null));
    let summary = &last["summary"];
    assert_eq!(summary["files"], 3);
    assert_eq!(summary["errors"], 2);
    assert_eq!(
        (&summary["pool"]["opens_failed"], &summary["workers"]["zygotes_started"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn files_with_one_header_share_one_import_whatever_their_order() {
    let files = Files::new(&[
        ("a1.lean", "import Lean\n-- say a"),
        ("b1.lean", "-- say b"),
        ("a2.lean", "/- another -/ import Lean\n-- say a"),
        ("b2.lean", "-- say b"),
    ]);
    let names = ["a1.lean", "b1.lean", "a2.lean", "b2.lean"];
    for jobs in ["1", "3"] {
        let output = files.check(&[&names[..], &["--capacity", "1", "--jobs", jobs]].concat());
        let said = text(&output.stdout);
        assert_eq!(said, "a\nb\na\nb\n", "in the order given");

        let lines =
            json(&files.check(&[&names[..], &["--capacity", "1", "-j", jobs, "--json", "--stats"]].concat()));
        let printed: BTreeSet<&str> = lines.iter().filter_map(|line| line["fileName"].as_str()).collect();
        assert_eq!(printed, BTreeSet::from(names));
        let pool = &lines.last().unwrap()["summary"]["pool"];
        assert_eq!((&pool["imports_performed"], &pool["acquired"]), (&2.into(), &4.into()), "{pool}");
    }
}

#[test]
fn unordered_prints_a_file_while_one_before_it_is_still_checked() {
    let files = Files::new(&[("a.lean", "-- ignore-cancel"), ("b.lean", "-- say b")]);
    let mut child = files.start(&["a.lean", "b.lean", "-j", "2", "--unordered"]);
    assert_eq!(support::first_line(&mut child), "b\n");
    support::signal(&child, "-INT");
    assert_eq!(ended(child, String::new()).status.code(), Some(130));
}

#[test]
fn file_named_twice_is_checked_twice() {
    let files = Files::new(&[("a.lean", "-- say Nat")]);
    let output = files.check(&["a.lean", "a.lean", "--quiet"]);
    assert_eq!(text(&output.stdout), "Nat\n".repeat(2));
}

#[test]
fn files_share_a_process_unless_they_are_to_be_isolated() {
    let files = Files::new(&[("a.lean", "-- pid")]);
    let pids = |more: &[&str]| {
        let output = files.check(&[&["a.lean"; 6][..], &["-j", "1"], more].concat());
        text(&output.stdout).lines().map(str::to_owned).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((pids(&[]), pids(&["--isolate", "file"])), (1, 6));
}

#[test]
fn stats_are_words_without_json() {
    let files = Files::new(&[("a.lean", ""), ("b.lean", "-- exit 3")]);
    let output = files.check(&["a.lean", "b.lean", "--stats", "-j", "1"]);
    assert_eq!(text(&output.stdout).lines().count(), 1, "what `lean` says, and a death");
    let said = text(&output.stderr);
    for line in [
        "environments        2 acquired, 1 reused, 1 imported",
        "misses       1 cold",
        "dropped      none",
        "workers             1 zygotes started, 1 hits, 0 zygotes died; ",
        "; 1 checks died; ",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn what_a_worker_is_started_with_is_what_was_asked_for() {
    let files = Files::new(&[("own/x", ""), ("a.lean", "import Script.Configured")]);
    let mut command = files.leanpool();
    command.args([
        "check",
        "a.lean",
        "--path",
        "own",
        "--max-heartbeats",
        "77",
        "-Dpp.all=true",
        "--max-errors",
        "3",
    ]);
    let output = command.arg("--worker").arg(files.worker()).env("LEAN_PATH", "/from/env").output().unwrap();
    let said = text(&output.stdout);
    let config: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let own = files.path().join("own").display().to_string();
    assert_eq!(config["searchPath"], serde_json::json!(["/from/env", own]));
    assert_eq!(config["options"], serde_json::json!(["pp.all=true", "maxHeartbeats=77", "maxErrors=3"]));
    assert_eq!(config["stackSize"], 64 << 20, "a limit on memory needs it from Lean 4.30 on");
}

/// As the command `lean` names a module: some messages have the name.
#[test]
fn module_is_named_by_its_path_below_the_working_folder() {
    let files = Files::new(&[("here/A/B.lean", "-- module"), ("C.lean", "-- module")]);
    let absolute = files.path().join("here/A/B.lean");
    for (name, module) in [("A/B.lean", "A.B"), (absolute.to_str().unwrap(), "A.B"), ("../C.lean", "")] {
        let mut command = files.leanpool();
        command.current_dir(files.path().join("here")).args(["check", "--quiet", name, "--worker"]);
        let output = command.arg(files.worker()).output().unwrap();
        assert_eq!(text(&output.stdout), format!("{module}\n"));
    }
}

#[test]
fn output_that_nobody_reads_ends_it() {
    let files = Files::new(&[("a.lean", "-- say Nat")]);
    let mut command = files.leanpool();
    command.args(["check", "--worker"]).arg(files.worker()).args(["a.lean"; 200]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    child.stdout = None;
    let output = child.wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    assert!(output.status.code().is_some_and(|code| code <= 1));
}

/// The engine `lean`, with a `lean` that says what it was given.
#[test]
fn engine_lean_starts_lean_for_each_file() {
    let files =
        Files::new(&[("a.lean", ""), ("b.lean", ""), ("-c.lean", ""), ("crash.lean", ""), ("exit.lean", "")]);
    files.program(
        "lean/bin/lean",
        r#"case "$*" in
  --version) echo 'Lean (version 4.31.0, x86_64, commit 1, Release)'; exit;;
esac
for file; do :; done
say() { echo "{\"data\":\"$1\",\"endPos\":null,\"fileName\":\"$file\",\"pos\":{\"column\":0,\"line\":1},\"severity\":\"$2\"}"; }
case $file in
  a.lean) say "args $* path $LEAN_PATH" information; echo 'from a program';;
  b.lean) say wrong error; exit 1;;
  crash.lean) say before information; echo 'last words' >&2; kill -ABRT $$;;
  exit.lean) say wrong error; exit 0;;
  *) say "$file" information;;
esac"#,
    );
    let args = ["check", "--engine", "lean", "--max-memory", "1G", "--max-heartbeats", "5", "-j", "2"];
    let names = ["a.lean", "b.lean", "crash.lean", "exit.lean"];
    let output = files.leanpool().args(args).args(names).env("LEAN_PATH", "/one").output().unwrap();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    let expected = [
        "args --json --tstack=65536 -DmaxHeartbeats=5 a.lean path /one",
        "b.lean:1:0: error: wrong",
        "before",
        "crash.lean:1:0: error: the process that checked this file was ended by signal 6 (SIGABRT). Its last words: last words",
        "exit.lean:1:0: error: wrong",
        "exit.lean:1:0: error: the process that checked this file ended with exit code 0",
    ];
    // Before 4.30 stacks are small, and 4.31 has no saved headers.
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
    assert_eq!((output.status.code(), errors.contains("from a program")), (Some(1), true), "{errors}");
    let output =
        files.leanpool().args(["check", "--engine", "lean", "--quiet", "--", "-c.lean"]).output().unwrap();
    assert_eq!(text(&output.stdout), "./-c.lean\n", "no option");
}

#[test]
fn file_is_read_whatever_its_name_and_one_that_lean_can_t_be_given_is_told_so() {
    use std::os::unix::ffi::OsStrExt as _;

    let odd = std::ffi::OsStr::from_bytes(b"odd\xff.lean");
    let files = Files::new(&[("<stdin>", "-- say the file"), ("a:b\n.lean", "-- error oops")]);
    std::fs::write(files.path().join(odd), "-- say lost").unwrap();
    let mut command = files.leanpool();
    command
        .args(["check", "--quiet", "--worker"])
        .arg(files.worker())
        .args(["<stdin>", "a:b\n.lean"])
        .arg(odd);
    let output = ended(command.spawn().unwrap(), String::new());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "the file\na:b\n.lean:1:0: error: error oops\n\
         odd\u{fffd}.lean:1:0: error: the file's name is not UTF-8, which Lean needs: rename it, or its folder\n"
    );
}
