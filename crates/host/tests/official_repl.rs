//! Risk: what a session does without a REPL in its worker (imports that fail, numbers, requests that are none, deaths) holds on the scripted worker alone. On
//! Lean's official runtime, whose stand-in worker has no REPL; run by `.ci/official-lean`.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

fn kit(folder: &str) -> String {
    std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` sets it") + "/" + folder
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn session_imports_refuses_and_goes_on_where_the_worker_has_no_repl() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
    command
        .args(["repl", "--alone", "--path", &kit("lib"), "--cache", &kit("cache")])
        .env_remove("LEAN_PATH");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let requests = [
        r#"{"cmd": "prelude\nimport Kit\n#check Nat"}"#,
        r#"{"cmd": "prelude\nimport Kit.Nope"}"#,
        r#"{"cmd": "", "env": 0}"#,
        "hello",
        r#"{"cmd": "prelude\nimport Kit\n#check Nat"}"#,
    ];
    let words = [
        "understands no requests of the REPL",
        // Lean's own words, and where it has looked.
        "Kit/Nope.olean",
        "Unknown environment.",
        "Could not parse the request",
        "understands no requests of the REPL",
    ];
    child.stdin.take().unwrap().write_all(requests.join("\n\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = said.split_terminator("\n\n").collect();
    assert_eq!((answers.len(), output.status.code()), (words.len(), Some(0)), "{said}");
    for (answer, words) in answers.iter().zip(words) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert!(answer["message"].as_str().unwrap().contains(words), "{answer}");
    }
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
