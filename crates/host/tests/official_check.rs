//! Risk: `leanpool check` says something else of a file than the command `lean` does, or one bad file hurts another. On Lean's official runtime, with the texts in
//! `tests/official-lean`; run by `.ci/official-lean`, which sets LEAN_SYSROOT and LEANPOOL_KIT and runs what is ignored elsewhere.
#![cfg(target_os = "linux")]

#[path = "support/by_lean.rs"]
mod by_lean;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use by_lean::by_lean;
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

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".lean")).collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs the official Lean: `.ci/official-lean`"]
fn command_says_what_lean_says_of_every_text_with_either_engine() {
    let names = names(&texts());
    assert!(names.len() >= 27, "{names:?}");
    let expected: BTreeMap<&str, Vec<Value>> =
        names.iter().map(|name| (name.as_str(), by_lean(&texts(), &kit("lib"), name))).collect();
    for more in [&["--jobs", "8"][..], &["--isolate", "file", "-j", "2"], &["--engine", "lean", "-j", "2"]] {
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for said in lines(&leanpool(&texts()).args(&names).args(more).output().unwrap()) {
            let keys = ["line", "column", "end_line", "end_column", "severity", "message"];
            let line = keys.map(|key| said[key].clone()).to_vec().into();
            found.entry(said["file"].as_str().unwrap().to_owned()).or_default().push(line);
        }
        for name in &names {
            let found = found.remove(name).unwrap_or_default();
            assert_eq!(found, expected[name.as_str()], "{name} with {more:?}");
        }
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
    // Bad ones between good ones.
    let mut names: Vec<&str> = good.iter().map(String::as_str).collect();
    for (at, name) in bad.iter().enumerate() {
        names.insert(at * 4 + 2, name);
    }
    let mut command = leanpool(folder.path());
    // Enough time for the good ones on a slow machine: the one that never ends takes all of it.
    command.args(names).args(["-j", "2", "--timeout", "20", "--grace", "1", "--max-memory", "1G"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let mut found: BTreeMap<String, Vec<(Value, String)>> = BTreeMap::new();
    for said in lines(&output) {
        let words = said["message"].as_str().unwrap().to_owned();
        found
            .entry(said["file"].as_str().unwrap().to_owned())
            .or_default()
            .push((said["severity"].clone(), words));
    }
    for name in &good {
        let [(_, first), (_, second)] = &found[name][..] else { panic!("{name}: {:?}", found[name]) };
        assert!(first == "Nat : Type" && second.contains("decide"), "{name}: {second}");
    }
    let last = |name: &str| found[name].last().unwrap().1.clone();
    assert!(last("exit.lean").contains("exit code 0"), "{}", last("exit.lean"));
    assert!(last("spin.lean").contains("the time for this file is over"), "{}", last("spin.lean"));
    assert!(last("deep.lean").contains("stack overflow"), "{}", last("deep.lean"));
    assert!(last("allocate.lean").contains("more memory than"), "{}", last("allocate.lean"));
    // What was said before is kept.
    assert_eq!(found["spin.lean"][0].1, "Nat : Type");
}
