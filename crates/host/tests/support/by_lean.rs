//! What the command `lean` says, to be compared with.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Line, column, end, severity and text of each thing that it says of a file, with modules in `lib`.
pub(crate) fn by_lean(folder: &Path, lib: &str, name: &str) -> Vec<Value> {
    let sysroot = std::env::var("LEAN_SYSROOT").expect("LEAN_SYSROOT: `.ci/official-lean` sets it");
    let mut lean = Command::new(Path::new(&sysroot).join("bin/lean"));
    let output = lean.args(["--json", name]).env("LEAN_PATH", lib).current_dir(folder).output().unwrap();
    let severity = |said: &Value| if said == "information" { "info".into() } else { said.clone() };
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let said = lines.map(|line| serde_json::from_str::<Value>(line).unwrap()).map(|said| {
        let (pos, end) = (&said["pos"], &said["endPos"]);
        let severity = severity(&said["severity"]);
        json!([pos["line"], pos["column"], end["line"], end["column"], severity, said["data"]])
    });
    said.collect()
}
