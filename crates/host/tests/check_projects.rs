//! Risk: a file of a Lake project is checked with other options, another Lean, another search path or another module's name than `lake build` has for it; or Lake
//! is asked for each file. Lake is a script here, which answers as the real one does (`lake env`, `lake setup-file --no-build`).
#![cfg(target_os = "linux")]

mod support;

use serde_json::{Value, json};
use support::{Files, text};

/// A `lake` that notes each call, and answers with what lies in the project: `path` for the search path, and for a file below a folder that
/// folder's `setup.json` (one of the project for the rest). `stale.json` there means that something is not built.
const LAKE: &str = r#"
here=$(pwd)
echo "$*" >>"$here/calls"
case "$1" in
  env) cat "$here/path" ;;
  setup-file)
    file=$3 header=$4
    if [ -f "$here/hangs" ]; then exec "$here/../worker" orphan; fi
    if grep -q "import Lost" "$file" && [ -z "$header" ]; then echo "error: Lost: no such file" >&2; exit 1; fi
    if [ -f "$here/refuses" ]; then cat "$here/refuses" >&2; exit 1; fi
    if [ -f "$here/stale.json" ] && [ -z "$header" ]; then cat "$here/stale.json"; exit 3; fi
    folder=$(dirname "$file")
    name=$(basename "$file" .lean)
    if [ -f "$folder/$name.setup.json" ]; then cat "$folder/$name.setup.json"; exit; fi
    while [ ! -f "$folder/setup.json" ]; do name=$(basename "$folder").$name; folder=$(dirname "$folder"); done
    sed "s/NAME/$name/" "$folder/setup.json" ;;
esac"#;

const CONFIGURED: &str = "import Script.Configured";

fn project(files: &[(&str, &str)]) -> Files {
    let all = Files::new(files);
    all.program("lean/bin/lake", LAKE);
    all.write("p/lakefile.toml", b"");
    all.write("p/path", format!("{}/p/lib:/from/lake", all.path().display()).as_bytes());
    all
}

/// What the worker was started with, for each file.
fn configs(files: &Files, args: &[&str]) -> Vec<Value> {
    let output = files.check(&[args, &["--quiet", "-j", "1"]].concat());
    configs_in(&text(&output.stdout))
}

/// The worker says what it was started with, and that it can't import that.
fn configs_in(said: &str) -> Vec<Value> {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn calls(files: &Files) -> usize {
    std::fs::read_to_string(files.path().join("p/calls")).unwrap_or_default().lines().count()
}

const OPTIONS: &str = r#"{"name": "NAME", "package": "p", "isModule": false, "importArts": {}, "dynlibs": [], "plugins": [],
    "options": {"autoImplicit": false, "weak.linter.mine": true}}"#;

#[test]
fn options_and_search_path_of_the_project_are_lake_s_and_asked_once_for_a_library() {
    let files = project(&[
        ("p/setup.json", OPTIONS),
        ("p/A/B.lean", CONFIGURED),
        ("p/A/C/D.lean", CONFIGURED),
        ("p/A.lean", CONFIGURED),
    ]);
    let names = ["p/A/B.lean", "p/A/C/D.lean", "p/A.lean"];
    let found = configs(&files, &names);
    assert_eq!(found.len(), 3);
    for config in &found {
        assert_eq!(config["searchPath"], json!([format!("{}/p/lib", files.path().display()), "/from/lake"]));
        assert_eq!(config["setup"]["options"], json!({"autoImplicit": false, "weak.linter.mine": true}));
        assert_eq!(config["setup"]["package"], "p");
        for field in ["name", "isModule", "importArts", "dynlibs", "plugins", "options"] {
            assert!(config["setup"].get(field).is_some(), "Lean reads no set-up without {field}");
        }
    }
    assert_eq!(calls(&files), 2, "the path, and the library once");
    assert_eq!(configs(&files, &names).len(), 3);
    assert_eq!(calls(&files), 2, "what was answered is kept");
    files.write("p/lakefile.toml", b"# changed");
    configs(&files, &names);
    assert_eq!(calls(&files), 4, "another lakefile is asked again");
}

#[test]
fn libraries_and_files_of_none_have_options_of_their_own() {
    let own = |option: &str, name: &str| OPTIONS.replace("autoImplicit", option).replace("NAME", name);
    let files = project(&[
        ("p/setup.json", &own("ofProject", "_unknown")),
        ("p/src/A/setup.json", &own("ofA", "A.NAME")),
        ("p/src/B/setup.json", &own("ofB", "B.NAME")),
        ("p/src/A/X.lean", CONFIGURED),
        ("p/src/A/Z.lean", "-- module"),
        ("p/src/B/X.lean", CONFIGURED),
        ("p/scratch.lean", CONFIGURED),
    ]);
    let names = ["p/scratch.lean", "p/src/A/X.lean", "p/src/B/X.lean"];
    let found = configs(&files, &names);
    for (config, option) in found.iter().zip(["ofProject", "ofA", "ofB"]) {
        assert_eq!(config["setup"]["options"][option], false, "{config}");
    }
    // Its module is named as Lake names it, and not by its path below the working folder.
    let output = files.check(&["p/src/A/Z.lean", "--quiet"]);
    assert_eq!(text(&output.stdout), "A.Z\n");
}

#[test]
fn each_header_is_asked_where_imports_make_a_difference() {
    let loads = OPTIONS.replace(r#""dynlibs": []"#, r#""dynlibs": ["/p/libA.so"]"#);
    let files = project(&[
        ("p/setup.json", &loads),
        ("p/A/X.lean", CONFIGURED),
        ("p/A/Y.lean", CONFIGURED),
        ("p/A/Z.lean", "import Script.Configured import Other"),
    ]);
    let found = configs(&files, &["p/A/X.lean", "p/A/Y.lean", "p/A/Z.lean"]);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|config| config["setup"]["dynlibs"] == json!(["/p/libA.so"])), "{found:?}");
    assert_eq!(calls(&files), 4, "the path, the library, and two headers");
}

#[test]
fn what_is_not_built_is_said_in_one_line_with_what_mends_it_and_options_hold() {
    let stale = r#"{"directImports": [{"module": "A.One", "sourcePath?": null}, {"module": "A.Two"}]}"#;
    let files = project(&[("p/setup.json", OPTIONS), ("p/stale.json", stale), ("p/A/X.lean", CONFIGURED)]);
    let output = files.check(&["p/A/X.lean"]);
    let said = text(&output.stderr);
    let line = format!(
        "leanpool: not built, or out of date: A.One, A.Two; run `lake build A.One A.Two` in {}/p\n",
        files.path().display()
    );
    assert!(said.contains(&line), "{said}");
    let config = &configs_in(&text(&output.stdout))[0];
    assert_eq!(config["setup"]["options"]["autoImplicit"], false);
    std::fs::remove_file(files.path().join("p/stale.json")).unwrap();
    assert!(!text(&files.check(&["p/A/X.lean"]).stderr).contains("not built"), "half an answer is not kept");
}

#[test]
fn project_that_lake_refuses_is_an_error_of_its_files_alone() {
    let files = project(&[
        ("p/setup.json", OPTIONS),
        ("p/refuses", "error: lakefile.toml:1:0: oops"),
        ("p/A.lean", "-- say of the project"),
        ("p/B.lean", "-- say of the project"),
        ("free.lean", "-- say free"),
    ]);
    let output = files.check(&["p/A.lean", "free.lean", "p/B.lean", "--quiet"]);
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].starts_with("p/A.lean:1:0: error: Lake refuses the project in"), "{said}");
    assert!(lines[0].ends_with("error: lakefile.toml:1:0: oops"), "{said}");
    assert_eq!(lines[1], "free");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn projects_of_several_toolchains_are_checked_in_one_run_each_with_its_own() {
    let files = Files::new(&[
        ("one/lakefile.toml", ""),
        ("one/lean-toolchain", "leanprover/lean4:v4.30.0"),
        ("one/a.lean", "import Script.Configured"),
        ("two/lakefile.toml", ""),
        ("two/lean-toolchain", "leanprover/lean4:v4.36.0"),
        ("two/a.lean", "import Script.Configured"),
        ("none/lakefile.toml", ""),
        ("none/lean-toolchain", "leanprover/lean4:v4.1.0"),
        ("none/a.lean", ""),
    ]);
    for version in ["4.30.0", "4.36.0"] {
        let folder = format!("elan/toolchains/leanprover--lean4---v{version}/bin");
        files.program(
            &format!("{folder}/lean"),
            &format!("echo 'Lean (version {version}, x86_64, commit 1, Release)'"),
        );
        let lake = r#"case "$1" in env) echo /lib;; *) echo '{"name": "_unknown", "options": {}}';; esac"#;
        files.program(&format!("{folder}/lake"), lake);
    }
    let mut command = files.leanpool();
    command.env_remove("LEAN_SYSROOT").env("ELAN_HOME", files.path().join("elan"));
    command.args(["check", "--quiet", "one/a.lean", "two/a.lean", "--worker"]).arg(files.worker());
    let found = configs_in(&text(&command.output().unwrap().stdout));
    assert_eq!(found.len(), 2);
    for (config, version) in found.iter().zip(["4.30.0", "4.36.0"]) {
        assert!(config["sysroot"].as_str().unwrap().ends_with(version), "{config}");
    }
    // One that is not there is told of, and takes no other project's files with it.
    let mut command = files.leanpool();
    command
        .env_remove("LEAN_SYSROOT")
        .env("ELAN_HOME", files.path().join("elan"))
        .env("PATH", "/usr/bin:/bin");
    command.args(["check", "--quiet", "none/a.lean", "two/a.lean", "--worker"]).arg(files.worker());
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(said.starts_with("none/a.lean:1:0: error: ") && said.contains("v4.1.0"), "{said}");
    assert_eq!((configs_in(&said).len(), output.status.code()), (1, Some(3)));
}

#[test]
fn project_is_left_out_where_it_is_not_wanted_and_set_ups_are_taken_as_given() {
    let files = project(&[
        ("p/setup.json", OPTIONS),
        ("p/A.lean", CONFIGURED),
        ("own.json", r#"{"name": "Given.«a.b»", "options": {"given": 1}}"#),
        ("m.lean", "-- module"),
    ]);
    let found = configs(&files, &["p/A.lean", "--no-project"]);
    assert_eq!((&found[0]["setup"], &found[0]["searchPath"]), (&Value::Null, &json!([])));
    let found = configs(&files, &["p/A.lean", "--setup", "own.json"]);
    assert_eq!(found[0]["setup"]["options"], json!({"given": 1}));
    assert_eq!(calls(&files), 0);
    assert_eq!(text(&files.check(&["m.lean", "--setup", "own.json", "--quiet"]).stdout), "Given.a.b\n");
    assert_eq!(text(&files.check(&["p/../m.lean", "--root", ".", "--quiet"]).stdout), "m\n");
    files.write("own.json", b"{}");
    let output = files.check(&["m.lean", "--setup", "own.json"]);
    assert!(text(&output.stderr).contains("as `lake setup-file` prints it"), "{}", text(&output.stderr));
}

#[test]
fn standard_input_belongs_to_the_project_of_the_working_folder() {
    use std::io::Write as _;

    let files = project(&[("p/setup.json", OPTIONS)]);
    let mut command = files.leanpool();
    command
        .current_dir(files.path().join("p"))
        .args(["check", "--quiet", "-", "--worker"])
        .arg(files.worker());
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(CONFIGURED.as_bytes()).unwrap();
    let found = configs_in(&text(&child.wait_with_output().unwrap().stdout));
    assert_eq!(found[0]["setup"]["options"]["autoImplicit"], false);
}

#[test]
fn lake_that_hangs_is_ended_and_told_of_once_waited_for() {
    let files = project(&[
        ("p/setup.json", OPTIONS),
        ("p/hangs", ""),
        ("p/A.lean", ""),
        ("p/B.lean", ""),
        ("free.lean", "-- say free"),
    ]);
    let output = files.check(&["p/A.lean", "p/B.lean", "free.lean", "--quiet", "--lake-timeout", "2"]);
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("p/A.lean:1:0: error: `lake setup-file` in "), "{said}");
    assert!(
        lines[0].contains("has not answered within 2 s") && lines[0].contains("--lake-timeout"),
        "{said}"
    );
    assert!(lines[1].starts_with("p/B.lean:1:0: error: `lake setup-file` in "), "{said}");
    assert_eq!((lines[2], output.status.code()), ("free", Some(1)));
    assert_eq!(calls(&files), 2, "the path, and one file");
    files.until_processes(|count| count == 0);
}

#[test]
fn root_of_a_library_and_the_lakefile_are_not_taken_for_their_neighbours_of_no_library() {
    let own = |option: &str, name: &str| OPTIONS.replace("autoImplicit", option).replace("NAME", name);
    let files = project(&[
        ("p/setup.json", &own("ofProject", "_unknown")),
        ("p/Lib.setup.json", &own("ofLib", "Lib")),
        ("p/lakefile.setup.json", &own("ofLakefile", "_unknown")),
        ("p/scratch.lean", CONFIGURED),
        ("p/other.lean", CONFIGURED),
        ("p/Lib.lean", CONFIGURED),
        ("p/lakefile.lean", CONFIGURED),
    ]);
    files.write("p/lakefile.toml", b"[[lean_lib]]\nname = \"Lib\"");
    let names = ["p/lakefile.lean", "p/scratch.lean", "p/Lib.lean", "p/other.lean"];
    for _ in 0..2 {
        let found = configs(&files, &names);
        for (config, option) in found.iter().zip(["ofLakefile", "ofProject", "ofLib", "ofProject"]) {
            assert_eq!(config["setup"]["options"][option], false, "{config}");
        }
        assert_eq!(calls(&files), 4, "the path, the lakefile, the folder, and the library, once for all");
    }
}

#[test]
fn what_imports_load_is_asked_for_each_header_where_a_lakefile_precompiles() {
    let files = project(&[
        ("p/setup.json", OPTIONS),
        ("p/A/X.lean", CONFIGURED),
        ("p/A/Y.lean", "import Script.Configured import Other"),
    ]);
    files.write("p/lakefile.toml", b"precompileModules = true");
    configs(&files, &["p/A/X.lean", "p/A/Y.lean"]);
    assert_eq!(calls(&files), 4, "the path, the library, and two headers");
}

#[test]
fn import_that_lake_can_t_find_is_told_by_lean_in_its_words_and_the_options_hold() {
    let files = project(&[("p/setup.json", OPTIONS), ("p/A/X.lean", "import Lost import Script.Configured")]);
    let found = configs(&files, &["p/A/X.lean"]);
    assert_eq!(found[0]["setup"]["options"]["autoImplicit"], false);
}

#[test]
fn kept_answers_that_can_t_be_read_are_asked_anew() {
    let files = project(&[("p/setup.json", OPTIONS), ("p/A/X.lean", CONFIGURED)]);
    configs(&files, &["p/A/X.lean"]);
    let folder = files.path().join("cache/leanpool/lake");
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    for bad in [&b""[..], b"\xff", b"{}", b"[1, 2]", b"{\"search_path\": [1], \"libraries\": 7}"] {
        std::fs::write(&kept[0], bad).unwrap();
        let before = calls(&files);
        assert_eq!(configs(&files, &["p/A/X.lean"])[0]["setup"]["options"]["autoImplicit"], false);
        assert_eq!(calls(&files), before + 2, "{bad:?}");
    }
}
