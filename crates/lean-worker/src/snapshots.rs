//! Headers that were saved by `lean`, so that the next file with that header need not import.
//!
//! They lie in the cache folder and outlive this process. Each is a file, a list of what it rests on, and how those files were: one that has changed since makes it
//! stale, and Lean would crash on it. Lean ignores options when it loads one, so options are part of the key.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cache::Cache;
use crate::cancel::CancelToken;
use crate::header::Header;
use crate::pool::{SavedHeaders, SnapshotLoan};
use crate::stale::{RestsOn, Stamp, stamp};
use crate::surroundings::Surroundings;

/// Headers that were saved.
pub struct Snapshots {
    pool: SavedHeaders,
    folder: PathBuf,
    max_bytes: u64,
    /// Those that somebody uses or keeps.
    live: Arc<Mutex<HashSet<PathBuf>>>,
    is_ending: Arc<AtomicBool>,
}

/// One that lies on the disk. Clones are the same; its files are removed when the last is dropped before the process ends.
#[derive(Clone)]
pub(crate) struct Snapshot(Arc<Inner>);

struct Inner {
    path: PathBuf,
    bytes: u64,
    /// The file itself: when it goes, another may have its name.
    own: Stamp,
    rests_on: RestsOn,
    live: Arc<Mutex<HashSet<PathBuf>>>,
    is_ending: Arc<AtomicBool>,
}

/// `lean` could not save it, or it changed meanwhile.
#[derive(Debug)]
pub(crate) struct NotSaved;

/// An entry of the list that `lean` writes.
#[derive(Deserialize)]
struct Dependency {
    olean: PathBuf,
}

/// How the files were on which one rests.
#[derive(Serialize, Deserialize)]
struct Stamps(Vec<(PathBuf, Stamp)>);

impl Snapshots {
    /// In a cache folder, at most so many bytes in all.
    #[must_use]
    pub fn new(cache: &Cache, max_bytes: u64) -> Self {
        let snapshots = Self {
            pool: SavedHeaders::new(max_bytes),
            folder: cache.snapshots(),
            max_bytes,
            live: Arc::default(),
            is_ending: Arc::default(),
        };
        snapshots.remove_parts();
        snapshots.trim();
        snapshots
    }

    /// Times that a saved header was used, and those that were saved or taken over from another run.
    #[must_use]
    pub fn used_and_opened(&self) -> (u64, u64) {
        let stats = self.pool.stats();
        (stats.acquired(), stats.opened())
    }

    /// The saved header, or what `save` makes in the file that it is given; `None` if there is none, and it is not worth saving or can't be.
    pub(crate) fn lend(
        &self,
        around: &Surroundings,
        header: &Header,
        is_worth_it: bool,
        cancel: &CancelToken,
        save: impl FnOnce(&Path) -> bool,
    ) -> Option<SnapshotLoan> {
        if header.words().is_empty() || self.max_bytes == 0 {
            return None;
        }
        let path = self.folder.join(name(around, header));
        self.pool.lend(&path, cancel, |path| match self.take_over(path) {
            Some(snapshot) => Ok(snapshot),
            None if is_worth_it => self.save(path, save).ok_or(NotSaved),
            None => Err(NotSaved),
        })
    }

    /// One that another run has saved, if nothing has changed since.
    fn take_over(&self, path: &Path) -> Option<Snapshot> {
        let Stamps(files) = serde_json::from_slice(&fs::read(beside(path, "stamps")).ok()?).ok()?;
        let rests_on = RestsOn::stamped(files);
        let bytes = fs::metadata(path).ok()?.len();
        if rests_on.has_changed() {
            return None;
        }
        // The longest ago used goes first where room is needed.
        let _ =
            fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(self.snapshot(path, bytes, rests_on))
    }

    fn save(&self, path: &Path, save: impl FnOnce(&Path) -> bool) -> Option<Snapshot> {
        fs::create_dir_all(&self.folder).ok()?;
        let part = beside(path, &format!("{}.part", std::process::id()));
        let began = SystemTime::now();
        let saved = save(&part).then(|| self.finish(&part, path, began)).flatten();
        remove(&part);
        self.trim();
        saved
    }

    fn finish(&self, part: &Path, path: &Path, began: SystemTime) -> Option<Snapshot> {
        let list: Vec<Dependency> = serde_json::from_slice(&fs::read(beside(part, "deps")).ok()?).ok()?;
        let stamps = Stamps(RestsOn::files(list.into_iter().map(|file| file.olean)).into_stamps());
        // What changed while it was read may have been read before that.
        let is_old = |stamp: &Stamp| {
            stamp.is_some_and(|(_, changed, _)| changed.is_some_and(|changed| changed < began))
        };
        if !stamps.0.iter().all(|(_, stamp)| is_old(stamp)) {
            return None;
        }
        fs::write(beside(part, "stamps"), serde_json::to_vec(&stamps).ok()?).ok()?;
        // The file itself last: without it the rest counts for nothing.
        remove(path);
        fs::rename(beside(part, "stamps"), beside(path, "stamps")).ok()?;
        fs::rename(beside(part, "deps"), beside(path, "deps")).ok()?;
        fs::rename(part, path).ok()?;
        let bytes = fs::metadata(path).ok()?.len();
        Some(self.snapshot(path, bytes, RestsOn::stamped(stamps.0)))
    }

    fn snapshot(&self, path: &Path, bytes: u64, rests_on: RestsOn) -> Snapshot {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Snapshot(Arc::new(Inner {
            path: path.to_owned(),
            bytes,
            own: identity(path),
            rests_on,
            live: self.live.clone(),
            is_ending: self.is_ending.clone(),
        }))
    }

    /// Removes what was left by processes that were killed while they saved.
    fn remove_parts(&self) {
        for path in files(&self.folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let pid = name.split('.').nth(1).and_then(|pid| pid.parse::<u32>().ok());
            if name.contains(".part") && !pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes those that nobody uses, the longest ago used first, until all fit.
    fn trim(&self) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<(SystemTime, u64, PathBuf)> = files(&self.folder)
            .filter(|path| path.extension().is_none())
            .filter_map(|path| {
                let data = fs::metadata(&path).ok()?;
                Some((data.modified().ok()?, data.len(), path))
            })
            .collect();
        all.sort();
        let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, its_bytes, path) in all {
            if bytes > self.max_bytes && !live.contains(&path) {
                remove(&path);
                bytes -= its_bytes;
            }
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        // What is dropped from now on is for the next run.
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

impl Snapshot {
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.0.rests_on.is_stale() || !self.0.path.is_file()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if identity(&self.path) != self.own {
            return;
        }
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
        if !self.is_ending.load(Ordering::Relaxed) {
            remove(&self.path);
        }
    }
}

/// Which file has the name now.
fn identity(path: &Path) -> Stamp {
    // Its time changes when another run takes it over; its length and its number don't.
    stamp(path).map(|(bytes, _, inode)| (bytes, None, inode))
}

/// The name of the file: everything on which it depends, hashed.
fn name(around: &Surroundings, header: &Header) -> String {
    let mut hash = Sha256::new();
    // The worker is not part of it.
    let lean = std::fs::metadata(around.sysroot.join("bin/lean")).and_then(|data| data.modified()).ok();
    let all = (&around.sysroot, lean, &around.search_path, &around.setup, &around.options, header);
    hash.update(format!("{all:?}"));
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn remove(path: &Path) {
    for path in [path.to_owned(), beside(path, "deps"), beside(path, "stamps")] {
        let _ = fs::remove_file(path);
    }
}
