//! What an import depends on besides its list of modules.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::error::LeanError;

/// Where the toolchain's own `.olean` files are found: the folder that `lean --print-prefix` names.
///
/// It must be the toolchain whose runtime is linked; Lean refuses `.olean` files of another version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sysroot(String);

impl Sysroot {
    /// The environment variable `LEAN_SYSROOT`, else the Lean that was linked when this was built, if it is still there, else
    /// what `lean --print-prefix` answers. The last starts a process: ask once and keep the answer. May be called on any thread.
    ///
    /// # Errors
    ///
    /// [`LeanError::Toolchain`] if there is no `lean` on `PATH`, it fails, or the path is not UTF-8.
    pub fn find() -> Result<Self, LeanError> {
        match std::env::var_os("LEAN_SYSROOT") {
            Some(path) if !path.is_empty() => from_environment(path),
            _ => Sysroot::linked().map_or_else(from_lean, Ok),
        }
    }

    /// The Lean that was linked when this was built, if it is still there. `None` where nothing was linked.
    #[must_use]
    pub fn linked() -> Option<Self> {
        let path = option_env!("LEANPOOL_SYSROOT").filter(|path| Path::new(path).join("lib/lean").is_dir());
        path.map(Sysroot::at)
    }

    /// The toolchain in the folder `path`, which is not looked at before an import needs it.
    pub fn at(path: impl Into<String>) -> Self {
        Sysroot(path.into())
    }

    /// The folder.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn from_environment(path: OsString) -> Result<Sysroot, LeanError> {
    path.into_string().map(Sysroot).map_err(|_| LeanError::toolchain("LEAN_SYSROOT is not UTF-8"))
}

fn from_lean() -> Result<Sysroot, LeanError> {
    let output = Command::new("lean").arg("--print-prefix").output().map_err(|error| {
        LeanError::toolchain(&format!(
            "cannot run `lean --print-prefix` ({error}); install elan and Lean, or set LEAN_SYSROOT"
        ))
    })?;
    if !output.status.success() {
        return Err(LeanError::toolchain(&format!("`lean --print-prefix` failed ({})", output.status)));
    }
    match String::from_utf8(output.stdout).as_deref().map(str::trim) {
        Ok(path) if !path.is_empty() => Ok(Sysroot::at(path)),
        _ => Err(LeanError::toolchain("`lean --print-prefix` did not answer with a path in UTF-8")),
    }
}

/// How an import is done. Equal options and an equal list of imports give equal environments, so both together are a
/// key for a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImportOptions {
    /// The toolchain.
    pub sysroot: Sysroot,
    /// Folders with further `.olean` files, in the order in which they are searched: before those of the environment
    /// variable `LEAN_PATH`, which Lean reads at each import, and before the toolchain's own.
    pub search_path: Vec<String>,
    /// Whether environment extensions are loaded, which also runs the initialisers of the imported modules. Needed to
    /// check and to print types; without it an import takes about half the time.
    pub extensions: bool,
    /// What becomes of the files that are read.
    pub regions: Regions,
    /// Whether the environment is there for good: Lean marks all of it as never to be freed. Then no references to it are counted any
    /// more, which would be done atomically once threads share it, and dropping it gives nothing back. For the few environments that
    /// a process uses as long as it runs.
    pub pinned: bool,
}

impl ImportOptions {
    /// Extensions loaded, regions shared, not pinned, no search path.
    #[must_use]
    pub fn new(sysroot: Sysroot) -> Self {
        let (extensions, regions, pinned) = (true, Regions::Shared, false);
        ImportOptions { sysroot, search_path: Vec::new(), extensions, regions, pinned }
    }
}

/// Options that are many keys' part: a clone counts a reference, the hash is computed once, and two clones are found equal by
/// their address.
#[derive(Clone, Debug)]
pub struct InternedOptions(Arc<(u64, ImportOptions)>);

impl InternedOptions {
    /// The hash that it carries.
    pub(crate) fn carried_hash(&self) -> u64 {
        self.0.0
    }
}

impl From<ImportOptions> for InternedOptions {
    fn from(options: ImportOptions) -> Self {
        let mut hasher = DefaultHasher::new();
        options.hash(&mut hasher);
        Self(Arc::new((hasher.finish(), options)))
    }
}

impl Deref for InternedOptions {
    type Target = ImportOptions;

    fn deref(&self) -> &ImportOptions {
        &self.0.1
    }
}

impl PartialEq for InternedOptions {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for InternedOptions {}

/// What becomes of the compacted regions (the contents of `.olean` files) that an import reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Regions {
    /// Each is read once a process and serves every later import. They stay mapped until the process ends, so memory
    /// is bounded by the union of the modules ever imported. A file that changed since is refused with an error.
    #[default]
    Shared,
    /// Plain `Lean.importModules`: each import reads its own. From the second import on they do not get the address
    /// they ask for and are copied into private memory, which is never given back: 1.46 GB for `Lean`.
    Isolated,
}

/// An import list as `leanpool_header` gives it, as (begins with `module`, the imports).
pub(crate) fn split_header<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words.split_first() {
        Some((&"module", imports)) => (true, imports),
        _ => (false, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_leading_module_is_a_flag() {
        assert_eq!(split_header(&["module", "public Init"]), (true, &["public Init"][..]));
        assert_eq!(split_header(&["public Init", "module"]), (false, &["public Init", "module"][..]));
        assert_eq!(split_header(&["module"]), (true, &[][..]));
        assert_eq!(split_header(&[]), (false, &[][..]));
        assert_eq!(split_header(&["moduleX"]), (false, &["moduleX"][..]));
    }

    #[test]
    fn every_option_is_part_of_the_key() {
        let plain = ImportOptions::new(Sysroot::at("/lean"));
        let mut keys = HashSet::from([plain.clone()]);
        assert!(!keys.insert(plain.clone()));
        assert!(keys.insert(ImportOptions { sysroot: Sysroot::at("/other"), ..plain.clone() }));
        assert!(keys.insert(ImportOptions { extensions: false, ..plain.clone() }));
        assert!(keys.insert(ImportOptions { regions: Regions::Isolated, ..plain.clone() }));
        assert!(keys.insert(ImportOptions { pinned: true, ..plain.clone() }));
        assert!(keys.insert(ImportOptions { search_path: vec!["a".into(), "b".into()], ..plain.clone() }));
        assert!(keys.insert(ImportOptions { search_path: vec!["b".into(), "a".into()], ..plain }));
    }

    #[test]
    fn regions_are_shared_unless_asked_otherwise() {
        let plain = ImportOptions::new(Sysroot::at("/lean"));
        assert_eq!((plain.regions, plain.pinned), (Regions::Shared, false));
        assert_eq!(Regions::default(), Regions::Shared);
    }
}
