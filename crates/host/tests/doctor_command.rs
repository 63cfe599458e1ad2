//! Risk: the doctor says that all is well where it is not, or does not say what to do.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A machine with a Lean of that version, a package that was built, and a project with one dependency.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new(version: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        let library = if cfg!(target_os = "macos") { "libleanshared.dylib" } else { "libleanshared.so" };
        machine.file(&format!("lean/lib/lean/{library}"), "");
        machine.file("lean/lib/lean/Init.olean", "");
        machine.program("lean/bin/cadical", "");
        machine.program("lean/bin/lean", &format!("echo 'Lean (version {version}, x86_64, commit 1)'"));
        machine.file("package/lakefile.toml", "");
        machine.file("package/.lake/build/lib/libleanpool_LeanpoolBackend.a", "");
        machine.file("project/lakefile.toml", "");
        machine.file("project/lean-toolchain", "leanprover/lean4:v4.27.0\n");
        machine.file("project/lake-manifest.json", r#"{"packages": [{"name": "dep", "type": "git"}]}"#);
        machine.file("project/.lake/build/lib/lean/A.olean", "");
        machine.file("project/.lake/packages/dep/.lake/build/lib/lean/B.olean", "");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        self.file(name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn with(self, name: &str, text: &str) -> Self {
        self.file(name, text);
        self
    }

    fn without(self, name: &str) -> Self {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    fn doctor(&self, more: &[&str]) -> Output {
        let mut command = doctor(&self.path("package"));
        command.env("LEAN_SYSROOT", self.path("lean")).arg("--project").arg(self.path("project"));
        command.args(more).output().unwrap()
    }
}

fn doctor(package: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leanpool"));
    command.args(["doctor", "--package"]).arg(package);
    command.env_remove("LEAN_SYSROOT").env_remove("LEAN_PATH").env("PATH", "/nowhere");
    command
}

fn lines(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn all_is_well_where_everything_is_there() {
    let output = Machine::new("4.27.0").doctor(&[]);
    let said = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("to do"), "{said}");
    for line in [
        "sysroot      ok",
        "version      ok     4.27.0",
        "library      ok",
        "cadical      ok",
        "package      ok",
        "memory",
        "maps",
        "stack",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(said.matches("search path  ok").count(), 3, "Lean's, the project's, its dependency's: {said}");
}

#[test]
fn whatever_is_missing_is_named_with_what_to_do() {
    let machine = || Machine::new("4.27.0");
    let library = if cfg!(target_os = "macos") { "libleanshared.dylib" } else { "libleanshared.so" };
    let library = format!("lean/lib/lean/{library}");
    let cases = [
        (machine().without("lean/lib"), "sysroot", "elan toolchain install leanprover/lean4:v4.27.0"),
        (Machine::new("4.28.0"), "version", "4.28.0; sessions inside a program need 4.27.0"),
        (machine().without("lean/bin/lean"), "version", "can't be run"),
        (machine().without(&library), "library", "reinstall"),
        (machine().without("lean/bin/cadical"), "cadical", "bv_decide"),
        (
            machine().without("package/.lake"),
            "package",
            if cfg!(feature = "lean") { "lake build LeanpoolBackend:static" } else { "not built" },
        ),
        (
            machine().without("package"),
            "package",
            if cfg!(feature = "lean") { "--package" } else { "no Lake package" },
        ),
        (machine().without("lean/lib/lean/Init.olean"), "search path", "Init.olean"),
        (machine().without("project/lakefile.toml"), "search path", "--project"),
        (machine().without("project/.lake/packages/dep/.lake"), "search path", "lake build"),
        (machine().with("project/lake-manifest.json", "{"), "search path", "lake update"),
        (
            machine().with("project/lean-toolchain", "leanprover/lean4:v4.20.0"),
            "toolchain",
            "v4.20.0, whose modules sessions of Lean 4.27.0 can't read",
        ),
    ];
    for (machine, what, hint) in cases {
        if what == "package" && cfg!(lean_linked) {
            continue; // It is linked into this very command.
        }
        let output = machine.doctor(&[]);
        let said = lines(&output);
        // `check` takes any Lean, and links no package.
        let of_sessions = what == "package" || what == "toolchain" || hint.contains("sessions");
        if of_sessions && !cfg!(feature = "lean") {
            assert_eq!(output.status.code(), Some(0), "{what}: {said}");
            assert!(said.lines().any(|line| line.starts_with(what) && line.contains(hint)), "{hint}: {said}");
            assert!(!said.contains(" to do "), "{said}");
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
        let to_do: Vec<&str> = said.lines().filter(|line| line.contains(" to do ")).collect();
        assert!(to_do.len() == 1 && to_do[0].starts_with(what) && to_do[0].contains(hint), "{hint}: {said}");
    }
}

/// Where Lean is linked into this very command, it is there.
#[cfg(not(lean_linked))]
#[test]
fn works_with_no_lean_at_all() {
    let output = doctor(Path::new("/nowhere")).output().unwrap();
    let said = lines(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no Lean: `lean` can't be run") && said.contains("install elan"), "{said}");
    for what in [
        "sysroot",
        "version",
        "library",
        "cadical",
        "rpath",
        "package",
        "regions",
        "search path",
        "memory",
        "maps",
        "stack",
    ] {
        assert!(said.lines().any(|line| line.starts_with(what)), "{what}: {said}");
    }
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn folder_of_lean_path_that_is_not_there_is_named() {
    let machine = Machine::new("4.27.0");
    let mut command = doctor(&machine.path("package"));
    command.env("LEAN_SYSROOT", machine.path("lean")).env("LEAN_PATH", "/nowhere/at/all");
    let said = lines(&command.output().unwrap());
    assert!(said.contains("/nowhere/at/all (from LEAN_PATH) is no folder"), "{said}");
}

#[test]
fn json_has_every_line() {
    let output = Machine::new("4.27.0").without("lean/bin/lean").doctor(&["--json"]);
    let json: Value = serde_json::from_str(&lines(&output)).unwrap();
    let version = json.as_array().unwrap().iter().find(|finding| finding["what"] == "version").unwrap();
    assert_eq!((&version["state"], output.status.code()), (&Value::from("to_do"), Some(1)));
    assert!(version["to_do"].as_str().unwrap().contains("elan"));
    assert_eq!(json[0]["state"], "ok");
}
