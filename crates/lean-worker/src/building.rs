//! Building the worker for a toolchain, once, by whoever needs it first.
//!
//! A worker lies in a folder whose name has its toolchain's version, and the hash of the toolchain's identity and place and of the worker's sources. So another
//! Lean, another place of it or another version of this program means another worker. A build is made in a folder beside it, under a lock,
//! and moved to its place when it is whole: whoever sees the folder sees all of it. A build that was killed leaves a folder that the next one removes.

mod sources;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, CacheError};
use crate::launch::{Allowed, Launcher};
use crate::toolchain::Toolchain;
use sources::SOURCES;

/// The name of the program.
const PROGRAM: &str = "leanpool-worker";
/// How many lines of a failed build's words are told.
const LAST_LINES: usize = 40;

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Nothing can be written where it should lie.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The toolchain has no `lake`, or it can't be started.
    #[error(
        "the worker for Lean {version} can't be built: {why}; install that Lean again, or check with `--engine lean`"
    )]
    NoLake {
        /// The version of Lean.
        version: String,
        /// What is wrong.
        why: String,
    },
    /// It does not compile.
    #[error(
        "the worker for Lean {version} does not compile; `--engine lean` does without it. The last that `lake build` said:\n{said}"
    )]
    Failed {
        /// The version of Lean.
        version: String,
        /// The last lines of what was said.
        said: String,
    },
}

/// What a build is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Building<'a> {
    /// Another process builds the same; this one waits for it.
    Waiting,
    /// It begins.
    Begun,
    /// A line that `lake` has said.
    Said(&'a str),
}

/// A worker that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Its folder.
    pub folder: PathBuf,
    /// The version of its Lean.
    pub version: String,
    /// The folder of its Lean.
    pub sysroot: PathBuf,
}

/// Where the worker for `toolchain` is, or would be. It need not be there.
#[must_use]
pub fn place(cache: &Cache, toolchain: &Toolchain) -> PathBuf {
    folder(cache, toolchain).join(PROGRAM)
}

fn folder(cache: &Cache, toolchain: &Toolchain) -> PathBuf {
    let mut hash = Sha256::new();
    let sysroot = toolchain.sysroot.canonicalize().unwrap_or_else(|_| toolchain.sysroot.clone());
    let own = [("identity", toolchain.identity.as_str()), ("sysroot", &sysroot.to_string_lossy())];
    for (name, text) in own.iter().chain(SOURCES) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    cache.workers().join(format!("{}-{hash}", toolchain.version))
}

/// The worker for `toolchain`: the one that is there, or a new one. `told` hears how the build goes on.
///
/// # Errors
/// It can't be built: with the compiler's words, or what to do.
pub fn ensure(
    cache: &Cache,
    toolchain: &Toolchain,
    launcher: Option<&Launcher>,
    told: &mut dyn FnMut(Building<'_>),
) -> Result<PathBuf, BuildError> {
    let folder = folder(cache, toolchain);
    let program = folder.join(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    let workers = cache.workers();
    let unwritable = |error| CacheError::new(&workers, &error);
    fs::create_dir_all(&workers).map_err(unwritable)?;
    let _lock = lock(&beside(&folder, "lock"), &mut || told(Building::Waiting)).map_err(unwritable)?;
    if program.is_file() {
        return Ok(program);
    }
    told(Building::Begun);
    let build = beside(&folder, "building");
    remove(&build).map_err(unwritable)?;
    for (name, text) in SOURCES {
        let path = build.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&build))
            .and_then(|()| fs::write(&path, text))
            .map_err(unwritable)?;
    }
    lake(toolchain, launcher, &build, told)?;
    let finished = beside(&folder, "finished");
    remove(&finished).map_err(unwritable)?;
    install(toolchain, &build, &finished, &folder).map_err(unwritable)?;
    remove(&build).map_err(unwritable)?;
    Ok(program)
}

/// Puts what was built to its place, all at once.
fn install(toolchain: &Toolchain, build: &Path, finished: &Path, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(finished)?;
    fs::rename(build.join(".lake/build/bin").join(PROGRAM), finished.join(PROGRAM))?;
    // `bv_decide` looks for its solver beside the program, as it does in `lean`.
    let solver = toolchain.sysroot.join("bin/cadical");
    #[cfg(unix)]
    if solver.is_file() {
        std::os::unix::fs::symlink(solver, finished.join("cadical"))?;
    }
    #[cfg(not(unix))]
    let _ = solver;
    let about = Built {
        folder: folder.to_owned(),
        version: toolchain.version.clone(),
        sysroot: toolchain.sysroot.clone(),
    };
    fs::write(finished.join("about.json"), serde_json::to_vec(&about)?)?;
    remove(folder)?;
    fs::rename(finished, folder)
}

fn lake(
    toolchain: &Toolchain,
    launcher: Option<&Launcher>,
    build: &Path,
    told: &mut dyn FnMut(Building<'_>),
) -> Result<(), BuildError> {
    let version = &toolchain.version;
    let no_lake = |why: String| BuildError::NoLake { version: version.clone(), why };
    let lake = toolchain.sysroot.join("bin").join(format!("lake{}", std::env::consts::EXE_SUFFIX));
    if !lake.is_file() {
        return Err(no_lake(format!("there is no {}", lake.display())));
    }
    let mut command = match launcher {
        Some(launcher) => launcher.command(&lake, Allowed::default()),
        None => Command::new(&lake),
    };
    // One pipe for all that it says, in its order.
    let (said, theirs) = pipe().map_err(|error| no_lake(error.to_string()))?;
    let errors = theirs.try_clone().map_err(|error| no_lake(error.to_string()))?;
    command.arg("build").current_dir(build).stdin(Stdio::null()).stdout(theirs).stderr(errors);
    for name in ["LEAN_PATH", "LEAN_SYSROOT", "LEAN", "LAKE", "LAKE_HOME", "ELAN_TOOLCHAIN", "LEAN_CC"] {
        command.env_remove(name);
    }
    let mut process =
        command.spawn().map_err(|error| no_lake(format!("{} can't be started: {error}", lake.display())))?;
    // It has ends of the pipe, which else would never be closed.
    drop(command);
    let mut last = Vec::new();
    for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        told(Building::Said(&line));
        last.push(line);
        if last.len() > LAST_LINES {
            last.remove(0);
        }
    }
    let status = process.wait().map_err(|error| no_lake(error.to_string()))?;
    if status.success() && build.join(".lake/build/bin").join(PROGRAM).is_file() {
        return Ok(());
    }
    last.push(format!("(`lake build` ended with {status})"));
    Err(BuildError::Failed { version: version.clone(), said: last.join("\n") })
}

#[cfg(unix)]
fn pipe() -> std::io::Result<(File, File)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((read.into(), write.into()))
}

#[cfg(not(unix))]
fn pipe() -> std::io::Result<(File, File)> {
    Err(ErrorKind::Unsupported.into())
}

/// A name beside a folder, of something that belongs to it.
fn beside(folder: &Path, what: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Holds a lock until it is dropped. The kernel takes it back from whoever ends.
#[cfg(unix)]
pub(crate) fn lock(path: &Path, waits: &mut dyn FnMut()) -> std::io::Result<File> {
    use rustix::fs::{FlockOperation, flock};

    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => return Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => waits(),
        Err(error) => return Err(error.into()),
    }
    while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    Ok(file)
}

#[cfg(not(unix))]
pub(crate) fn lock(path: &Path, _: &mut dyn FnMut()) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// The workers that were built, by version.
#[must_use]
pub fn built(cache: &Cache) -> Vec<Built> {
    let entries = fs::read_dir(cache.workers()).into_iter().flatten().flatten();
    let mut found: Vec<Built> = entries
        .filter_map(|entry| {
            let about = serde_json::from_slice(&fs::read(entry.path().join("about.json")).ok()?).ok()?;
            // A cache that was moved still has what it has.
            Some(Built { folder: entry.path(), ..about })
        })
        .filter(|built| !built.folder.extension().is_some_and(|end| end == "building" || end == "finished"))
        .collect();
    found.sort_by(|a, b| (&a.version, &a.folder).cmp(&(&b.version, &b.folder)));
    found
}

/// Removes all workers, what killed builds have left, and all saved headers. Returns how many workers there were. What runs is not disturbed.
///
/// # Errors
/// Something can't be removed.
pub fn clean(cache: &Cache) -> Result<usize, CacheError> {
    let count = built(cache).len();
    let entries = fs::read_dir(cache.workers()).into_iter().flatten().flatten();
    let failed = |path: &Path, error: std::io::Error| CacheError::new(path, &error);
    for path in entries.map(|entry| entry.path()) {
        let is_folder = path.is_dir();
        // A build that runs holds its lock: it is waited for.
        let folder =
            if path.extension().is_some_and(|end| end == "building" || end == "finished" || end == "lock") {
                path.with_extension("")
            } else {
                path.clone()
            };
        let _lock = match lock(&beside(&folder, "lock"), &mut || ()) {
            Ok(lock) => lock,
            Err(error) => return Err(failed(&path, error)),
        };
        if is_folder {
            remove(&path).map_err(|error| failed(&path, error))?;
        }
    }
    // Locks stay: whoever waits for one that is removed would hold another than who comes later.
    remove(&cache.snapshots()).map_err(|error| failed(&cache.snapshots(), error))?;
    Ok(count)
}

#[cfg(all(test, unix))]
mod tests;
