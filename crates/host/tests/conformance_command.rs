//! Risk: `leanpool conformance` finds no difference where there is one, or one where there is none. Its `lean` is a script here that says what lies beside each file;
//! with the real one it is run by `official_check.rs`.
#![cfg(target_os = "linux")]

mod support;

use serde_json::Value;
use support::{Files, ended, signal, text};

/// Says `FILE.txt`, or with `--json` `FILE.json`, and ends with what `FILE.code` says; `FILE.count` makes it say something else each time.
const LEAN: &str = r#"
case "$*" in --version) echo 'Lean (version 4.99.0, x86_64, commit 1, Release)'; exit;; esac
for file; do :; done
case "$*" in *--json*) cat "$file.json";; *) cat "$file.txt";; esac
if [ -f "$file.errors" ]; then cat "$file.errors" >&2; fi
if [ -f "$file.count" ]; then echo x >>"$file.count"; wc -l <"$file.count"; fi
if [ -f "$file.code" ]; then exit "$(cat "$file.code")"; fi"#;

fn object(name: &str, data: &str, severity: &str) -> String {
    format!(
        r#"{{"caption":"","data":"{data}","endPos":null,"fileName":"{name}","isSilent":false,"keepFullRange":false,"kind":"[anonymous]","pos":{{"column":0,"line":1}},"severity":"{severity}"}}"#
    ) + "\n"
}

/// A file that says `one`, of which `lean` says the same.
fn same(files: &Files, name: &str) {
    files.write(name, b"-- say one");
    files.write(&format!("{name}.txt"), b"one\n");
    files.write(&format!("{name}.json"), object(name, "one", "information").as_bytes());
}

fn run(files: &Files, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut command = files.leanpool();
    command.args(["conformance", "--json", "--quiet", "--worker"]).arg(files.worker()).args(args);
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    let lines =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}"))).collect();
    (output.status.code(), lines)
}

fn files() -> Files {
    let files = Files::new(&[]);
    files.program("lean/bin/lean", LEAN);
    files
}

#[test]
fn files_of_which_the_same_is_said_are_no_difference_wherever_they_lie() {
    let files = files();
    for name in ["a.lean", "deep/er/b.lean", "-c.lean"] {
        same(&files, name);
    }
    files.write("deep/.lake/built.lean", b"-- say nothing of it");
    // A name that begins with a dash is given as a path.
    files.write("-c.lean.json", object("-c.lean", "one", "information").as_bytes());
    let (code, lines) = run(&files, &[]);
    let report = &lines.last().unwrap()["report"];
    assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
    assert_eq!(
        (&report["files"], &report["compared"], &report["differences"]),
        (&3.into(), &9.into(), &0.into())
    );
}

#[test]
fn each_kind_of_difference_is_found_in_each_order() {
    for (file, bytes, what) in [
        ("a.lean.txt", &b"One\n"[..], "text"),
        ("a.lean.json", object("a.lean", "two", "information").as_bytes(), "objects"),
        ("a.lean.code", b"1", "the exit code"),
        ("a.lean", b"-- say one\n-- exit 0", "the end of the process"),
        ("a.lean", b"-- say one\n-- print x", "what programs print"),
    ] {
        let files = files();
        same(&files, "a.lean");
        same(&files, "b.lean");
        files.write(file, bytes);
        if what == "the end of the process" {
            files.write("a.lean.code", b"4");
        }
        if what == "objects" {
            files.write("a.lean.txt", b"two\n");
        }
        let (code, lines) = run(&files, &["."]);
        let found: Vec<&Value> = lines.iter().filter_map(|line| line.get("difference")).collect();
        assert_eq!((code, found.len()), (Some(1), 3), "{what}: {lines:?}");
        assert!(
            found.iter().all(|found| found["what"] == what && found["fileName"] == "a.lean"),
            "{found:?}"
        );
    }
}

#[test]
fn lean_that_differs_from_itself_and_processes_that_end_alike_are_listed_and_no_difference() {
    let files = files();
    same(&files, "a.lean");
    same(&files, "unsteady.lean");
    files.write("unsteady.lean.count", b"");
    same(&files, "ended.lean");
    files.write("ended.lean", b"-- say one\n-- exit 7");
    files.write("ended.lean.code", b"7");
    let (code, lines) = run(&files, &[]);
    let report = &lines.last().unwrap()["report"];
    assert_eq!((code, &report["differences"]), (Some(0), &0.into()), "{lines:?}");
    let list = |what: &str| report[what].as_array().unwrap().clone();
    assert_eq!((list("unsteady"), list("ended")), (vec!["unsteady.lean".into()], vec!["ended.lean".into()]));
}

#[test]
fn lean_that_never_ends_is_not_compared_and_nothing_to_compare_is_wrong_usage() {
    let files = files();
    same(&files, "a.lean");
    files.program(
        "lean/bin/lean",
        &format!(
            "case $1 in --version) echo 'Lean (version 4.99.0, x)'; exit;; esac; exec '{}' orphan",
            files.worker().display()
        ),
    );
    let (code, lines) = run(&files, &["--timeout", "1"]);
    assert_eq!((code, &lines[0]["report"]["not_compared"][0]), (Some(1), &"a.lean".into()), "{lines:?}");
    files.until_processes(|count| count == 0);
    let mut command = files.leanpool();
    let output = command.args(["conformance", "nowhere"]).output().unwrap();
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("nowhere"), "{output:?}");
}

#[test]
fn what_programs_print_is_compared_in_text_and_objects() {
    // By program and by `lean`: on standard output of both forms, on standard error.
    for (printed, out, text_out, errors, is_same) in [
        ("x", "x\n", "x\n", "", true),
        ("x", "", "", "x\n", true),
        ("x", "y\n", "y\n", "", false),
        ("x", "x\n", "y\n", "", false),
        ("x", "x\n", "x\n", "more\n", false),
    ] {
        let files = files();
        same(&files, "a.lean");
        files.write("a.lean", format!("-- say one\n-- print {printed}").as_bytes());
        files.write("a.lean.txt", format!("{text_out}one\n").as_bytes());
        files.write("a.lean.json", (object("a.lean", "one", "information") + out).as_bytes());
        files.write("a.lean.errors", errors.as_bytes());
        let (code, lines) = run(&files, &[]);
        assert_eq!(code, Some(i32::from(!is_same)), "{out:?} {text_out:?} {errors:?}: {lines:?}");
    }
}

#[test]
fn nothing_is_left_of_lean_when_conformance_is_broken_off_or_killed() {
    use std::os::unix::process::ExitStatusExt as _;

    for (signals, code) in [
        (&["-TERM"][..], Some(143)),
        (&["-INT"], Some(130)),
        (&["-INT", "-INT"], Some(130)),
        (&["-KILL"], None),
    ] {
        let files = files();
        same(&files, "a.lean");
        files.write("setup.json", br#"{"name": "A", "options": {}}"#);
        files.write("tmp/.here", b"");
        // What `lean` starts has to end, too, but where nobody is left to end it.
        let starts = if code.is_some() {
            "\"$0.worker\" orphan & exec \"$0.worker\" orphan"
        } else {
            "exec \"$0.worker\" orphan"
        };
        let lean = format!("case $1 in --version) echo 'Lean (version 4.99.0, x)'; exit;; esac; {starts}");
        files.program("lean/bin/lean", &lean.replace("$0.worker", &files.worker().display().to_string()));
        let mut command = files.leanpool();
        command
            .args(["conformance", "a.lean", "--quiet", "--setup", "setup.json", "--worker"])
            .arg(files.worker());
        let child = command.env("TMPDIR", files.path().join("tmp")).spawn().unwrap();
        files.until_processes(|count| count == if code.is_some() { 2 } else { 1 });
        signals.iter().for_each(|name| signal(&child, name));
        let status = ended(child, String::new()).status;
        assert!(
            status.code() == code && (code.is_some() || status.signal() == Some(9)),
            "{signals:?}: {status}"
        );
        files.until_processes(|count| count == 0);
        assert_eq!(std::fs::read_dir(files.path().join("tmp")).unwrap().count(), 1, "{signals:?}");
    }
}
