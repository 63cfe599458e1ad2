//! Risk: `leanpool check` says something else of a file than the command `lean` does, or one bad file hurts another. On Lean's official runtime, with the texts in
//! `tests/official-lean`; run by `.ci/official-lean`, which sets LEAN_SYSROOT and LEANPOOL_KIT and runs what is ignored elsewhere.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn texts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/official-lean/texts").canonicalize().unwrap()
}

fn kit(folder: &str) -> String {
    std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` sets it") + "/" + folder
}

fn lines(output: &Output) -> Vec<Value> {
    let said = std::str::from_utf8(&output.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn leanpool(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
    command.arg("check").env_remove("LEAN_PATH").current_dir(folder);
    // Built by the kit's `lake`, once, as a user's would be.
    command.args(["--quiet", "--json", "--path", &kit("lib"), "--cache", &kit("cache")]);
    command
}

/// The texts, and what is odd about files without being wrong, in a folder of their own.
fn odd_and_usual() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(texts()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().ends_with(".lean") {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
            count += 1;
        }
    }
    assert!(count >= 27, "{count}");
    let odd: [(&str, &[u8]); 12] = [
        ("bom.lean", b"\xef\xbb\xbfprelude\nimport Kit\n#check Nat\n"),
        ("crlf.lean", b"prelude\r\nimport Kit\r\n#check Nat\r\n#check Foo\r\n"),
        ("bytes.lean", b"prelude\nimport Kit\n#check Foo -- \xff\x80\x80 \xe2\x88\n#print \"\xed\xa0\x80\"\n#check \xc0 Nat\n"),
        ("no_newline.lean", b"prelude\nimport Kit\n#check Foo"),
        ("comment.lean", b"/- one -/ -- two\nprelude -- three\n/- four\n-/ import Kit\n#check Foo\n"),
        ("lang.lean", b"#lang lean4\nprelude\nimport Kit\n#check Foo\n"),
        ("lang_crlf.lean", b"#lang  lean4 \r\nprelude\r\nimport Kit\r\n#check Foo"),
        ("empty.lean", b""),
        ("space.lean", b"\n\n   \n"),
        ("tab.lean", b"prelude\n\timport Kit\n#check Foo\n"),
        ("doc.lean", b"prelude\nimport Kit\n/-! text -/\n#check Foo\n/-- open"),
        ("two_on_a_line.lean", b"prelude import Kit.Core import Kit #check Foo"),
    ];
    for (name, bytes) in odd {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn nothing_differs_from_lean_in_text_objects_or_exit_codes_whatever_the_options() {
    let folder = odd_and_usual();
    for options in [
        &[][..],
        &["-DmaxErrors=2", "-Elinter.unusedVariables"],
        &["-DmaxErrors=1", "-Elinter.unusedVariables"],
        &["--max-errors", "0", "-Dpp.all=true"],
        &["-DprintMessageEndPos=true", "-DElab.async=false"],
        &["-Dnonsense=1"],
        &["-Dweak.nonsense=1", "--root", ".."],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
        command.args([
            "conformance",
            "--quiet",
            "--json",
            "--no-project",
            "--path",
            &kit("lib"),
            "--cache",
            &kit("cache"),
        ]);
        let output =
            command.args(options).current_dir(folder.path()).env_remove("LEAN_PATH").output().unwrap();
        let said = lines(&output);
        let report = said.last().unwrap_or_else(|| panic!("{output:?}"));
        println!("{options:?}: {report}");
        assert_eq!(output.status.code(), Some(0), "{said:#?}");
        let counts =
            ["files", "compared", "differences"].map(|what| report["report"][what].as_u64().unwrap());
        assert!(counts[0] >= 39 && counts[1] == 3 * counts[0] && counts[2] == 0, "{report}");
        assert!(report["report"]["lean"].as_str().unwrap().contains("4.35.0"));
    }
}

/// Not `leanpool conformance`: what the command prints of all files at once, with either engine.
#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn command_prints_what_lean_prints_of_one_file_after_the_other() {
    let folder = odd_and_usual();
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let by_lean = |args: &[&str]| -> String {
        let lean = Path::new(&std::env::var("LEAN_SYSROOT").unwrap()).join("bin/lean");
        let said = names.iter().map(|name| {
            let mut command = Command::new(&lean);
            command.args(args).arg(name).env("LEAN_PATH", kit("lib")).current_dir(folder.path());
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        });
        said.collect()
    };
    let (text, json) = (by_lean(&[]), by_lean(&["--json"]));
    for args in
        [&["-j", "1"][..], &["-j", "2"], &["-j", "8", "--isolate", "file"], &["--engine", "lean", "-j", "2"]]
    {
        let run = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
            command.args([
                "check",
                "--quiet",
                "--no-project",
                "--path",
                &kit("lib"),
                "--cache",
                &kit("cache"),
            ]);
            command.args(&names).args(args).args(more).current_dir(folder.path()).env_remove("LEAN_PATH");
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        assert_eq!(run(&[]), text, "{args:?}");
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        // Each file's own are in order; those of several come as they come.
        assert_eq!(sorted(&run(&["--json"])), sorted(&json), "{args:?}");
    }
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn four_bad_files_of_twenty_hurt_themselves_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bad = ["exit.lean", "spin.lean", "deep.lean", "allocate.lean"];
    for name in bad {
        std::fs::copy(texts().join("ends").join(name), folder.path().join(name)).unwrap();
    }
    let good: Vec<String> = (0..16).map(|number| format!("good{number}.lean")).collect();
    for (number, name) in good.iter().enumerate() {
        let text = format!("prelude\nimport Kit\n#check Nat\ntheorem t{number} : Eq 1 2 := by decide\n");
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // The one that never ends takes all of its time, so it is checked apart; the others end by themselves, however slow the machine is.
    for (bad, seconds) in [(&["exit.lean", "deep.lean", "allocate.lean"][..], "300"), (&["spin.lean"], "20")]
    {
        // Bad ones between good ones.
        let mut names: Vec<&str> = good.iter().map(String::as_str).collect();
        for (at, name) in bad.iter().enumerate() {
            names.insert(at * 4 + 2, name);
        }
        let mut command = leanpool(folder.path());
        command.args(names).args(["-j", "2", "--timeout", seconds, "--grace", "1", "--max-memory", "1G"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for said in lines(&output) {
            let words = said["data"].as_str().unwrap().to_owned();
            found.entry(said["fileName"].as_str().unwrap().to_owned()).or_default().push(words);
        }
        for name in &good {
            let [first, second] = &found[name][..] else { panic!("{name}: {:?}", found[name]) };
            assert!(first == "Nat : Type" && second.contains("decide"), "{name}: {second}");
        }
        for name in bad {
            let last = found[*name].last().unwrap();
            let expected = match *name {
                "exit.lean" => "exit code 0",
                "deep.lean" => "stack overflow",
                "allocate.lean" => "more memory than",
                _ => "the time for this file is over",
            };
            assert!(last.contains(expected), "{name}: {last}");
        }
        // What was said before is kept.
        assert!(bad.len() > 1 || found["spin.lean"][0] == "Nat : Type");
    }
}
