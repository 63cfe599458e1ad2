//! Risk: `leanpool check` says something else of a file than the command `lean` does. On Lean's official runtime, with the texts in
//! `tests/official-lean`; run by `.ci/official-lean`.
#![cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]

mod on_official_runtime {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use serde_json::Value;

    fn texts() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/official-lean/texts").canonicalize().unwrap()
    }

    fn lib() -> String {
        std::env::var("LEANPOOL_KIT").expect("LEANPOOL_KIT: `.ci/official-lean` sets it") + "/lib"
    }

    fn lines(command: &mut Command) -> Vec<Value> {
        let output = command.current_dir(texts()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Line, column, end, severity and text of what the command `lean` says of a file.
    fn by_lean(name: &str) -> Vec<Value> {
        let sysroot = std::env::var("LEAN_SYSROOT").expect("LEAN_SYSROOT: `.ci/official-lean` sets it");
        let mut lean = Command::new(Path::new(&sysroot).join("bin/lean"));
        let severity = |said: &Value| if said == "information" { "info".into() } else { said.clone() };
        lines(lean.args(["--json", name]).env("LEAN_PATH", lib()))
            .into_iter()
            .map(|said| {
                let (pos, end) = (&said["pos"], &said["endPos"]);
                serde_json::json!([
                    pos["line"],
                    pos["column"],
                    end["line"],
                    end["column"],
                    severity(&said["severity"]),
                    said["data"]
                ])
            })
            .collect()
    }

    #[test]
    fn command_says_what_lean_says_of_every_text() {
        let mut names: Vec<String> = std::fs::read_dir(texts())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".lean"))
            .collect();
        names.sort();
        assert!(names.len() >= 27, "{names:?}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
        // All in one process, two at a time, over environments that they share.
        command.arg("check").args(&names).args(["--json", "--quiet", "--jobs", "2", "--path", &lib()]);
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for said in lines(&mut command) {
            let line = serde_json::json!([
                said["line"],
                said["column"],
                said["end_line"],
                said["end_column"],
                said["severity"],
                said["message"]
            ]);
            found.entry(said["file"].as_str().unwrap().to_owned()).or_default().push(line);
        }
        for name in names {
            let expected = by_lean(&name);
            let found = found.remove(&name).unwrap_or_default();
            // What keeps a file from being checked is a line of our own: an import that fails at the beginning of the file, an error in the
            // header where it is, both without an end.
            if name.contains("missing-import") || name.contains("header-error") {
                let ([found], [expected]) = (&found[..], &expected[..]) else { panic!("{name}: {found:?}") };
                assert_eq!((&found[4], &found[5]), (&expected[4], &expected[5]), "{name}");
                continue;
            }
            assert_eq!(found, expected, "{name}");
        }
    }
}
