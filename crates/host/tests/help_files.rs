//! Risk: a command has no manual page, a shell can't read its completions, or a folder that can't be written is silent.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

fn leanpool(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leanpool")).args(args).output().unwrap()
}

fn printed(args: &[&str]) -> String {
    let output = leanpool(args);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names in the list of commands of `leanpool … --help`.
fn commands(of: &[&str]) -> Vec<String> {
    let help = printed(&[of, &["--help"]].concat());
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    names
        .filter(|line| !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn each_command_has_a_page_and_no_page_is_of_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    printed(&["man", "--output", folder.to_str().unwrap()]);
    let pages: BTreeSet<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected = BTreeSet::from(["leanpool.1".to_owned()]);
    for command in commands(&[]).iter().filter(|command| *command != "help") {
        expected.insert(format!("leanpool-{command}.1"));
    }
    for command in commands(&["worker"]).iter().filter(|command| *command != "help") {
        expected.insert(format!("leanpool-worker-{command}.1"));
    }
    assert!(expected.len() > 12, "{expected:?}");
    assert_eq!(pages, expected);
    for page in pages {
        let text = std::fs::read_to_string(folder.join(&page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    assert!(printed(&["man"]).contains("leanpool\\-check(1)"));
}

#[test]
fn shell_can_read_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let file = printed(&["completions", shell]);
        assert!(file.contains("max-errors"), "{shell} is not told of the flags");
        let Ok(mut checked) =
            Command::new(shell).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()
        else {
            assert_ne!(shell, "bash", "no bash on this machine");
            continue;
        };
        checked.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
        let output = checked.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}

#[test]
fn folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = leanpool(&["man", "--output", file.join("pages").to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("file/pages") && said.contains("can't be written"), "{said}");
}
