//! Which Lean is used: a project names one, and it lies where elan has put it, where `LEAN_SYSROOT` says, or where `lean` is.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Lean on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Its folder.
    pub sysroot: PathBuf,
    /// Its version: `4.27.0`, `4.32.0-rc1`.
    pub version: String,
    /// All that `lean --version` says: version, platform, commit.
    pub identity: String,
}

/// Where toolchains are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The folder of one toolchain, which is taken whatever a project says.
    pub lean_sysroot: Option<PathBuf>,
    /// elan's folder, with one `toolchains` in it.
    pub elan_home: Option<PathBuf>,
    /// What is tried last.
    pub lean: OsString,
}

/// Why there is no toolchain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// There is none at all.
    #[error(
        "no Lean was found ({why}): install elan (https://github.com/leanprover/elan), or set LEAN_SYSROOT to the folder of a Lean"
    )]
    None {
        /// What was tried last, and what came of it.
        why: String,
    },
    /// A project names one that is not there.
    #[error(
        "the project's lean-toolchain names {name}, which is not installed ({why}): run `elan toolchain install {name}`, or set \
         LEAN_SYSROOT to the folder of a Lean"
    )]
    NotInstalled {
        /// What the project names.
        name: String,
        /// What was tried last, and what came of it.
        why: String,
    },
    /// What a project says can't be used.
    #[error(
        "{}: {why}: write the name of a Lean into it, such as leanprover/lean4:v4.27.0, or set LEAN_SYSROOT to the folder of one",
        path.display()
    )]
    NoName {
        /// The project's `lean-toolchain`.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What is there does not work.
    #[error("{} is no folder of a Lean: {why}; name another in LEAN_SYSROOT, or install it again", sysroot.display())]
    Broken {
        /// The folder.
        sysroot: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Places {
    /// As the environment says: `LEAN_SYSROOT`, `ELAN_HOME` (else `.elan` in the home folder), `PATH`.
    #[must_use]
    pub fn from_env() -> Self {
        let folder = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let home = || etcetera::home_dir().ok().map(|home| home.join(".elan"));
        Self {
            lean_sysroot: folder("LEAN_SYSROOT"),
            elan_home: folder("ELAN_HOME").or_else(home),
            lean: OsString::from("lean"),
        }
    }

    /// The toolchain for files of `project`, or for files of none.
    ///
    /// # Errors
    /// There is none, or it does not work: with what to do.
    pub fn toolchain(&self, project: Option<&Path>) -> Result<Toolchain, ToolchainError> {
        if let Some(sysroot) = &self.lean_sysroot {
            return Toolchain::at(sysroot);
        }
        let name = project.map_or(Ok(None), named_by)?;
        if let (Some(name), Some(home)) = (&name, &self.elan_home) {
            let folders = folder_names(name);
            if let Some(sysroot) =
                folders.iter().map(|folder| home.join("toolchains").join(folder)).find(|path| path.is_dir())
            {
                return Toolchain::at(&sysroot);
            }
        }
        // elan's own `lean` looks at the folder it is started in, and may fetch what is missing.
        let mut lean = Command::new(&self.lean);
        lean.arg("--print-prefix").current_dir(project.unwrap_or(Path::new(".")));
        match said(&mut lean) {
            Ok(sysroot) => Toolchain::at(Path::new(&sysroot)),
            Err(why) => Err(match name {
                Some(name) => ToolchainError::NotInstalled { name, why },
                None => ToolchainError::None { why },
            }),
        }
    }

    /// All that are found, each once: what does not work is left out.
    #[must_use]
    pub fn all(&self) -> Vec<Toolchain> {
        let installed = self.elan_home.iter().flat_map(|home| std::fs::read_dir(home.join("toolchains")));
        let mut folders: Vec<PathBuf> = installed.flatten().flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let mut found: Vec<Toolchain> = Vec::new();
        let first = self.toolchain(None).into_iter();
        for toolchain in first.chain(folders.iter().filter_map(|folder| Toolchain::at(folder).ok())) {
            let real = |path: &Path| path.canonicalize().ok();
            if !found.iter().any(|known| real(&known.sysroot) == real(&toolchain.sysroot)) {
                found.push(toolchain);
            }
        }
        found
    }
}

/// What the `lean-toolchain` of a project says; `None` if it has none.
fn named_by(project: &Path) -> Result<Option<String>, ToolchainError> {
    let path = project.join("lean-toolchain");
    let read = || {
        // What is no plain file may never end.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        let mut text = String::new();
        std::fs::File::open(&path)?.take(LONGEST_NAME + 1).read_to_string(&mut text)?;
        let name = text.trim();
        if text.len() as u64 > LONGEST_NAME {
            Err(io::Error::other(format!("it has more than {LONGEST_NAME} bytes")))
        } else if name.is_empty() {
            Err(io::Error::other("it is empty"))
        } else if name.contains(char::is_control) {
            Err(io::Error::other("a control character or a second line is in it"))
        } else {
            Ok(name.to_owned())
        }
    };
    match read() {
        Ok(name) => Ok(Some(name)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(ToolchainError::NoName { why: error.to_string(), path }),
    }
}

/// Bytes of a `lean-toolchain` that are read.
const LONGEST_NAME: u64 = 4096;

/// The names of the folders in which elan may have what a `lean-toolchain` names; none that leads out of where they are.
fn folder_names(name: &str) -> Vec<String> {
    let folder = |name: &str| name.replace('/', "--").replace(':', "---");
    let mut names = vec![folder(name)];
    if !name.contains(':') {
        let version =
            if name.starts_with(|c: char| c.is_ascii_digit()) { format!("v{name}") } else { name.to_owned() };
        names.push(folder(&format!("leanprover/lean4:{version}")));
    }
    names.retain(|name| !matches!(name.as_str(), "." | ".."));
    names
}

impl Toolchain {
    /// The one in the folder `sysroot`.
    ///
    /// # Errors
    /// It is none.
    pub fn at(sysroot: &Path) -> Result<Self, ToolchainError> {
        let broken = |why| ToolchainError::Broken { sysroot: sysroot.to_owned(), why };
        let lean = sysroot.join("bin").join(format!("lean{}", std::env::consts::EXE_SUFFIX));
        let identity = said(Command::new(lean).arg("--version")).map_err(broken)?;
        // "Lean (version 4.27.0, x86_64-unknown-linux-gnu, commit …, Release)"
        let version =
            identity.split_once("version ").and_then(|(_, rest)| rest.split([',', ')', ' ']).next());
        let Some(version) = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        else {
            return Err(broken(format!("`lean --version` says {identity:?}")));
        };
        Ok(Self { sysroot: sysroot.to_owned(), version: version.to_owned(), identity: identity.clone() })
    }

    /// Major and minor number of the version.
    fn numbers(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map_while(|number| number.parse().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Bytes of stack for each of its threads: from 4.30 on its own are 1 GiB, which no limit on memory leaves room for.
    #[must_use]
    pub fn stack_size(&self) -> Option<u64> {
        (self.numbers() >= (4, 30)).then_some(64 << 20)
    }

    /// Whether its `lean` can save what a header imports (`--incr-header-save`).
    #[must_use]
    pub fn saves_headers(&self) -> bool {
        self.numbers() >= (4, 32)
    }
}

/// What a program answers.
fn said(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .env_remove("LEAN_PATH")
        .output()
        .map_err(|error| format!("`{program}` can't be run ({error})"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && !said.is_empty() {
        return Ok(said);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` failed: {}", why.lines().next().unwrap_or("it says nothing")))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(toolchains: &[(&str, &str)]) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for (folder, version) in toolchains {
                let bin = machine.0.path().join(folder).join("bin");
                std::fs::create_dir_all(&bin).unwrap();
                let prefix = bin.parent().unwrap().display().to_string();
                machine.program(
                    &bin.join("lean"),
                    &format!(
                        "case $1 in --version) echo 'Lean (version {version}, x86_64, commit 1, Release)';; *) echo '{prefix}';; esac"
                    ),
                );
            }
            machine
        }

        fn program(&self, path: &Path, script: &str) {
            std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn places(&self) -> Places {
            let elan = Some(self.0.path().join("elan"));
            Places { lean_sysroot: None, elan_home: elan, lean: "/nowhere/lean".into() }
        }

        fn project(&self, toolchain: &str) -> PathBuf {
            let project = self.0.path().join("project");
            std::fs::create_dir_all(&project).unwrap();
            std::fs::write(project.join("lean-toolchain"), toolchain).unwrap();
            project
        }
    }

    const ELAN: [(&str, &str); 2] = [
        ("elan/toolchains/leanprover--lean4---v4.27.0", "4.27.0"),
        ("elan/toolchains/leanprover--lean4---v4.36.0-rc1", "4.36.0-rc1"),
    ];

    #[test]
    fn project_s_toolchain_is_found_in_elan_s_folder_however_it_is_written() {
        let machine = Machine::new(&ELAN);
        let written = ["leanprover/lean4:v4.36.0-rc1\n", "v4.36.0-rc1", "4.36.0-rc1"];
        for name in written {
            let found = machine.places().toolchain(Some(&machine.project(name))).unwrap();
            assert_eq!(found.version, "4.36.0-rc1", "{name}");
            assert!(found.identity.contains("commit 1"));
        }
    }

    #[test]
    fn sysroot_of_the_environment_comes_first_and_lean_on_the_path_last() {
        let machine = Machine::new(&[ELAN[0], ("own", "4.30.0"), ("path", "4.31.0")]);
        let project = machine.project("leanprover/lean4:v4.27.0");
        let own = Places { lean_sysroot: Some(machine.0.path().join("own")), ..machine.places() };
        assert_eq!(own.toolchain(Some(&project)).unwrap().version, "4.30.0");
        let path = Places { lean: machine.0.path().join("path/bin/lean").into(), ..machine.places() };
        assert_eq!(path.toolchain(Some(&project)).unwrap().version, "4.27.0");
        assert_eq!(path.toolchain(None).unwrap().version, "4.31.0");
        assert_eq!(path.toolchain(Some(&machine.project("v4.1.0"))).unwrap().version, "4.31.0");
        let all: Vec<String> = path.all().into_iter().map(|toolchain| toolchain.version).collect();
        assert_eq!(all, ["4.31.0", "4.27.0"]);
    }

    #[test]
    fn name_that_leads_out_of_elan_s_folder_or_does_not_end_is_none() {
        let machine = Machine::new(&[ELAN[0], ("elan", "4.1.0"), ("outside", "4.2.0")]);
        let path = Places { lean: "/nowhere/lean".into(), ..machine.places() };
        for name in ["..", ".", "../../outside", "/outside", "a\0b", "a\u{1b}[31m", &"x".repeat(10_000)] {
            assert!(path.toolchain(Some(&machine.project(name))).is_err(), "{name:?}");
        }
    }

    #[test]
    fn file_that_names_no_lean_is_an_error_and_another_lean_is_not_taken_for_it() {
        let machine = Machine::new(&[ELAN[0], ("path", "4.31.0")]);
        let places = Places { lean: machine.0.path().join("path/bin/lean").into(), ..machine.places() };
        let refused = |project: &Path| places.toolchain(Some(project)).unwrap_err().to_string();
        let long = "x".repeat(10_000);
        for (text, why) in [
            ("", "empty"),
            (" \n", "empty"),
            ("a\0b", "control"),
            ("v4.27.0\nmore", "second line"),
            (&long, "4096 bytes"),
        ] {
            let error = refused(&machine.project(text));
            assert!(
                error.contains(why) && error.contains("lean-toolchain") && error.contains("v4.27.0"),
                "{error}"
            );
        }
        std::fs::write(machine.project("x").join("lean-toolchain"), [0xff, 0xfe]).unwrap();
        assert!(refused(&machine.0.path().join("project")).contains("UTF-8"));
        std::fs::remove_file(machine.project("x").join("lean-toolchain")).unwrap();
        assert_eq!(places.toolchain(Some(&machine.0.path().join("project"))).unwrap().version, "4.31.0");
        std::os::unix::fs::symlink("/dev/zero", machine.0.path().join("project/lean-toolchain")).unwrap();
        assert!(refused(&machine.0.path().join("project")).contains("no plain file"));
        let own = Places { lean_sysroot: Some(machine.0.path().join("path")), ..places };
        assert!(
            own.toolchain(Some(&machine.0.path().join("project"))).is_ok(),
            "the environment comes first"
        );
    }

    #[test]
    fn what_is_not_there_is_named_with_what_to_do() {
        let machine = Machine::new(&ELAN);
        let words = |error: ToolchainError| error.to_string();
        let none = words(machine.places().toolchain(None).unwrap_err());
        assert!(none.contains("install elan") && none.contains("/nowhere/lean"), "{none}");
        let missing =
            words(machine.places().toolchain(Some(&machine.project("leanprover/lean4:v4.1.0"))).unwrap_err());
        assert!(missing.contains("elan toolchain install leanprover/lean4:v4.1.0"), "{missing}");
        let places = Places { lean_sysroot: Some("/nowhere".into()), ..machine.places() };
        let broken = words(places.toolchain(None).unwrap_err());
        assert!(broken.contains("/nowhere is no folder of a Lean"), "{broken}");
        let odd = Machine::new(&[]);
        std::fs::create_dir_all(odd.0.path().join("bin")).unwrap();
        odd.program(&odd.0.path().join("bin/lean"), "echo hello");
        assert!(words(Toolchain::at(odd.0.path()).unwrap_err()).contains("hello"));
    }

    #[test]
    fn what_a_version_can_is_read_from_its_number() {
        let version = |version: &str| Toolchain {
            sysroot: "/".into(),
            version: version.into(),
            identity: String::new(),
        };
        assert_eq!(
            ["4.27.0", "4.29.1", "4.30.0-rc1", "4.36.0"].map(|v| version(v).stack_size().is_some()),
            [false, false, true, true]
        );
        assert_eq!(
            ["4.31.0", "4.32.0", "4.100.0", "5.0.0"].map(|v| version(v).saves_headers()),
            [false, true, true, true]
        );
    }
}
