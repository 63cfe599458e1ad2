//! Risk: `leanpool check` takes wrong usage for right, or says nothing of use where it can't check.
#![cfg(unix)]

use std::process::Command;

fn leanpool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_leanpool"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn without_lean_it_says_in_one_line_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.lean"), "").unwrap();
    let mut command = leanpool();
    command
        .args(["check", "a.lean"])
        .current_dir(folder.path())
        .env_remove("LEAN_SYSROOT")
        .env("PATH", "/nowhere")
        .env("ELAN_HOME", "/nowhere");
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains("no Lean was found") && said.contains("install elan"), "{said}");
}

#[test]
fn wrong_usage_is_named_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let cases = [
        (vec!["check"], "<FILE>"),
        (vec!["check", "a.lean", "--jobs", "0"], "from 1 to 1024"),
        (vec!["check", "a.lean", "--timeout", "-1"], "positive number of seconds"),
        (vec!["check", "a.lean", "--timeout", "NaN"], "positive number of seconds"),
        (vec!["check", "a.lean", "--max-heartbeats", "many"], "--max-heartbeats"),
        (vec!["check", "a.lean", "--max-memory", "4 apples"], "800M or 4G"),
        (vec!["check", "a.lean", "--engine", "steam"], "possible values"),
        (vec!["check", "a.lean", "--isolate", "no"], "possible values"),
        (vec!["check", "a.lean", "--project", nowhere], "lakefile"),
        (vec!["check", "a.lean", "--path", nowhere], "no folder"),
        (vec!["check", "a.lean", "--worker", nowhere], "no file"),
        (vec!["check", "a.lean", "-Dpp.all"], "invalid -D parameter, argument must contain '='"),
        (vec!["check", "-", "--stdin"], "standard input can be read once"),
        (vec!["check", "a.lean", "--json", "--format", "text"], "cannot be used with"),
        (vec!["check", "a.lean", "--project", ".", "--no-project"], "cannot be used with"),
        (vec!["check", "a.lean", "--engine", "lean", "--axioms"], "leave --engine out"),
    ];
    for (args, hint) in cases {
        let output = leanpool().args(&args).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}
