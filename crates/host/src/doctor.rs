//! Is everything there that checks, and sessions inside a program, need? Looks, changes nothing, and works with no Lean on the machine.

mod machine;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lean_worker::{Cache, Places, building};
use serde::Serialize;

use crate::lake::LakeProject;

/// The version of Lean that this was built with; without Lean, the one that the Lake package pins.
pub const SUPPORTED: &str = match option_env!("LEANPOOL_LEAN_VERSION") {
    Some(version) => version,
    None => "4.27.0",
};

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Lean's folder, if it is known; else `lean --print-prefix` is asked.
    pub sysroot: Option<PathBuf>,
    /// Further folders with `.olean` files, as `LEAN_PATH` has them.
    pub lean_path: Option<OsString>,
    /// The Lake package `leanpool` that the backend links.
    pub package: PathBuf,
    /// A Lake project whose files are to be checked.
    pub project: Option<PathBuf>,
}

impl Look {
    /// Looks where `LEAN_SYSROOT` and `LEAN_PATH` say.
    #[must_use]
    pub fn from_env(package: PathBuf, project: Option<PathBuf>) -> Self {
        let sysroot = env::var_os("LEAN_SYSROOT").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { sysroot, lean_path: env::var_os("LEAN_PATH"), package, project }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, in a word or two.
    pub what: &'static str,
    /// Whether it is as it should be.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_do: Option<String>,
}

/// How a thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Something is missing: see [`to_do`](field@Finding::to_do).
    ToDo,
    /// To be known; neither right nor wrong.
    Note,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Ok, found: found.into(), to_do: None }
    }

    fn note(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Note, found: found.into(), to_do: None }
    }

    fn to_do(what: &'static str, found: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { what, state: State::ToDo, found: found.into(), to_do: Some(to_do.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::ToDo => "to do",
            State::Note => "",
        };
        write!(f, "{:<12} {state:<6} {}", self.what, self.found)?;
        match &self.to_do {
            Some(to_do) => write!(f, "; {to_do}"),
            None => Ok(()),
        }
    }
}

/// Looks at everything, in the order in which it is needed. May start `lean`, and with the feature `lean` starts Lean in this process.
#[must_use]
pub fn examine(look: &Look) -> Vec<Finding> {
    let (sysroot, found) = sysroot(look);
    let mut findings = vec![found];
    match &sysroot {
        Some(sysroot) => findings.extend([version(sysroot), library(sysroot), cadical(sysroot)]),
        None => findings.extend(
            ["version", "library", "cadical"]
                .map(|what| Finding::note(what, "not looked at: no Lean was found")),
        ),
    }
    findings.push(rpath());
    findings.push(package(&look.package));
    findings.push(regions());
    findings.extend(workers());
    findings.extend(search_path(look, sysroot.as_deref()));
    findings.extend([machine::memory(), machine::maps(), machine::stack()]);
    findings
}

/// What only sessions inside a program need: a note where this command is built without them, as checks do without it.
fn for_sessions(what: &'static str, found: String, to_do: impl Into<String>) -> Finding {
    if cfg!(feature = "lean") { Finding::to_do(what, found, to_do) } else { Finding::note(what, found) }
}

fn get_lean() -> String {
    format!(
        "install elan (https://github.com/leanprover/elan), then `elan toolchain install leanprover/lean4:v{SUPPORTED}`; or \
         set LEAN_SYSROOT to the folder of a Lean"
    )
}

/// As sessions find it (`Sysroot::find` of lean-backend).
fn sysroot(look: &Look) -> (Option<PathBuf>, Finding) {
    let linked = || Path::new(option_env!("LEANPOOL_RPATH")?).ancestors().nth(2).filter(|path| path.is_dir());
    let (path, from) = match (&look.sysroot, linked()) {
        (Some(path), _) => (path.clone(), "LEAN_SYSROOT"),
        (None, Some(path)) => (path.to_owned(), "the Lean that this command is linked with"),
        (None, None) => match said(Command::new("lean").arg("--print-prefix")) {
            Ok(path) => (PathBuf::from(path), "lean --print-prefix"),
            Err(why) => return (None, Finding::to_do("sysroot", format!("no Lean: {why}"), get_lean())),
        },
    };
    let shown = format!("{} (from {from})", path.display());
    if path.join("lib/lean").is_dir() {
        (Some(path), Finding::ok("sysroot", shown))
    } else {
        (None, Finding::to_do("sysroot", format!("{shown} has no folder lib/lean"), get_lean()))
    }
}

fn version(sysroot: &Path) -> Finding {
    let said = match said(Command::new(sysroot.join("bin/lean")).arg("--version")) {
        Ok(said) => said,
        Err(why) => return Finding::to_do("version", why, get_lean()),
    };
    // "Lean (version 4.27.0, x86_64-unknown-linux-gnu, commit …)"
    let found = said.split_once("version ").and_then(|(_, rest)| rest.split([',', ')']).next());
    match found.map(str::trim) {
        Some(SUPPORTED) => Finding::ok("version", SUPPORTED),
        Some(found) => for_sessions(
            "version",
            format!("{found}; sessions inside a program need {SUPPORTED}"),
            get_lean(),
        ),
        None => Finding::to_do("version", format!("not understood: {said:?}"), get_lean()),
    }
}

fn library(sysroot: &Path) -> Finding {
    let suffix = if cfg!(target_os = "macos") { "dylib" } else { "so" };
    let path = sysroot.join(format!("lib/lean/libleanshared.{suffix}"));
    if path.is_file() {
        Finding::ok("library", path.display().to_string())
    } else {
        Finding::to_do("library", format!("no {}", path.display()), "reinstall that Lean")
    }
}

/// The solver that the tactic `bv_decide` starts.
fn cadical(sysroot: &Path) -> Finding {
    let path = sysroot.join("bin").join(format!("cadical{}", env::consts::EXE_SUFFIX));
    if path.is_file() {
        Finding::ok("cadical", path.display().to_string())
    } else {
        let found = format!("no {}, which `bv_decide` needs", path.display());
        Finding::to_do("cadical", found, "reinstall that Lean")
    }
}

/// Whether imports share regions. Lean itself says so, and is started for that.
fn regions() -> Finding {
    const WHAT: &str = "regions";
    #[cfg(feature = "lean")]
    {
        let shares = lean_backend::LeanRuntime::init().and_then(lean_backend::LeanRuntime::shares_regions);
        judge_regions(WHAT, shares)
    }
    #[cfg(not(feature = "lean"))]
    Finding::note(WHAT, "not looked at: this command was built without the feature `lean`")
}

#[cfg(feature = "lean")]
fn judge_regions(what: &'static str, shares: lean_backend::LeanResult<bool>) -> Finding {
    match shares {
        Ok(true) => Finding::ok(what, "imports share what they read"),
        Ok(false) => Finding::note(
            what,
            format!(
                "imports are plain: the walk that shares regions is not written for Lean {SUPPORTED}; each further import copies them"
            ),
        ),
        Err(error) => {
            Finding::to_do(what, format!("Lean can't be started: {error}"), "build this command again")
        }
    }
}

/// Where this command looks for Lean's library when it starts. It has found it, or it would not run; a copy of it on another
/// machine may not.
fn rpath() -> Finding {
    match option_env!("LEANPOOL_RPATH") {
        None if cfg!(feature = "abi-model") => {
            Finding::note("rpath", "a model stands for Lean in this command")
        }
        None => {
            Finding::note("rpath", "this command was built without the feature `lean`, and does not link it")
        }
        Some(folder) if Path::new(folder).is_dir() => Finding::ok("rpath", folder),
        Some(folder) => {
            let found = format!("{folder}, which is not there");
            Finding::to_do("rpath", found, "build this command again on this machine")
        }
    }
}

/// Each Lean that `leanpool check` can use, and whether its worker is built.
fn workers() -> Vec<Finding> {
    const WHAT: &str = "worker";
    let Ok(cache) = Cache::new(None) else {
        return vec![Finding::to_do(WHAT, "there is no folder for caches", "name one with --cache")];
    };
    let toolchains = Places::from_env().all();
    if toolchains.is_empty() {
        return vec![Finding::note(WHAT, "no Lean was found that files could be checked with")];
    }
    let found = toolchains.iter().map(|toolchain| {
        let shown = format!("Lean {} in {}", toolchain.version, toolchain.sysroot.display());
        if building::place(&cache, toolchain).is_file() {
            Finding::ok(WHAT, format!("{shown} has a worker"))
        } else {
            Finding::note(
                WHAT,
                format!("{shown} has no worker yet: the first `leanpool check` with it builds one"),
            )
        }
    });
    found.collect()
}

fn package(package: &Path) -> Finding {
    if cfg!(lean_linked) {
        return Finding::ok("package", "linked into this command");
    }
    let archive = package.join(".lake/build/lib/libleanpool_LeanpoolBackend.a");
    let shown = package.display();
    if archive.is_file() {
        Finding::ok("package", archive.display().to_string())
    } else if package.join("lakefile.toml").is_file() {
        let to_do = format!(
            "run `lake build LeanpoolBackend:static` in {shown}; building with the feature `lean` does so, too"
        );
        for_sessions(
            "package",
            "not built, which matters to sessions inside a program alone".to_owned(),
            to_do,
        )
    } else {
        let found = format!("no Lake package at {shown}, which matters to sessions inside a program alone");
        for_sessions("package", found, "say with --package where the folder `lean` of a checkout is")
    }
}

fn search_path(look: &Look, sysroot: Option<&Path>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if sysroot.is_none() {
        findings.push(Finding::note("search path", "Lean's own folder is not looked at: no Lean was found"));
    }
    if let Some(sysroot) = sysroot {
        let init = sysroot.join("lib/lean/Init.olean");
        findings.push(if init.is_file() {
            Finding::ok("search path", sysroot.join("lib/lean").display().to_string())
        } else {
            Finding::to_do("search path", format!("no {}", init.display()), "reinstall that Lean")
        });
    }
    for folder in look.lean_path.iter().flat_map(env::split_paths).filter(|path| !path.as_os_str().is_empty())
    {
        findings.push(if folder.is_dir() {
            Finding::ok("search path", format!("{} (from LEAN_PATH)", folder.display()))
        } else {
            let found = format!("{} (from LEAN_PATH) is no folder", folder.display());
            Finding::to_do("search path", found, "take it out of LEAN_PATH, or build what should be there")
        });
    }
    if let Some(project) = &look.project {
        findings.extend(project_path(project));
    }
    findings
}

/// A Lake project's own modules, and those of what it depends on.
fn project_path(project: &Path) -> Vec<Finding> {
    let lake = match LakeProject::open(project) {
        Ok(lake) => lake,
        Err(error) => {
            let to_do = "give --project the folder of a Lake project";
            return vec![Finding::to_do("search path", error.to_string(), to_do)];
        }
    };
    let toolchain = lake.toolchain().map(|toolchain| {
        if toolchain.ends_with(&format!(":v{SUPPORTED}")) {
            Finding::ok("toolchain", format!("{toolchain} (of the project)"))
        } else {
            let found = format!(
                "the project is built with {toolchain}, whose modules sessions of Lean {SUPPORTED} can't read"
            );
            let to_do =
                format!("have leanprover/lean4:v{SUPPORTED} in its lean-toolchain, and run `lake build`");
            for_sessions("toolchain", found, to_do)
        }
    });
    let look_at = |folder: PathBuf| {
        if folder.is_dir() {
            Finding::ok("search path", format!("{} (of the project)", folder.display()))
        } else {
            let found = format!("{} is not there", folder.display());
            Finding::to_do("search path", found, format!("run `lake build` in {}", project.display()))
        }
    };
    toolchain.into_iter().chain(lake.search_path().map(look_at)).collect()
}

/// What a program answers, in one line.
fn said(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{program}` can't be run ({error})"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match (output.status.success(), said.is_empty()) {
        (true, false) => Ok(said),
        (true, true) => Err(format!("`{program}` says nothing")),
        (false, _) => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{program}` failed: {}", why.lines().next().unwrap_or("it says nothing")))
        }
    }
}

#[cfg(all(test, feature = "lean"))]
mod tests {
    use super::*;

    #[test]
    fn regions_are_shared_or_not_and_it_says_which() {
        let judge = |shares| judge_regions("regions", shares);
        let (shared, plain) = (judge(Ok(true)), judge(Ok(false)));
        assert_eq!((shared.state, plain.state), (State::Ok, State::Note));
        assert!(shared.found.contains("share what they read"), "{shared}");
        assert!(plain.found.contains("imports are plain") && plain.found.contains(SUPPORTED), "{plain}");
        let failed = judge(Err(lean_backend::LeanError::Cancelled));
        assert!(failed.state == State::ToDo && failed.found.contains("can't be started"), "{failed}");
    }
}
