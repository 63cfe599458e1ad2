//! Whether what a zygote has imported is still what lies on the disk.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use crate::header::{self, Header};

/// Files are looked at no more often than this: a stale zygote may serve for so long.
const EVERY: Duration = Duration::from_millis(100);

/// The files on which something rests, as they were.
#[derive(Debug)]
pub(crate) struct RestsOn {
    files: Vec<(PathBuf, Stamp)>,
    looked: Mutex<(Instant, bool)>,
}

/// What tells one file from another of the same name; `None` if there is none.
pub(crate) type Stamp = Option<(u64, Option<SystemTime>, u64)>;

pub(crate) fn stamp(path: &Path) -> Stamp {
    let data = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&data);
    #[cfg(not(unix))]
    let inode = 0;
    Some((data.len(), data.modified().ok(), inode))
}

impl RestsOn {
    /// As they are now.
    pub(crate) fn files(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = files.into_iter().map(|path| (path.clone(), stamp(&path))).collect();
        Self { files, looked: Mutex::new((Instant::now(), false)) }
    }

    /// As they were once.
    pub(crate) fn stamped(files: Vec<(PathBuf, Stamp)>) -> Self {
        Self { files, looked: Mutex::new((Instant::now(), false)) }
    }

    pub(crate) fn into_stamps(self) -> Vec<(PathBuf, Stamp)> {
        self.files
    }

    /// Whether one of them has changed, come or gone. Once it is so, it stays so.
    pub(crate) fn is_stale(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, is_stale) = *looked;
        if !is_stale && last.elapsed() >= EVERY {
            *looked = (Instant::now(), self.has_changed());
        }
        looked.1
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.files.iter().any(|(path, was)| stamp(path) != *was)
    }
}

/// The files on which an import of `header` rests: the project's own, and the compiled module of each direct import, with the places
/// before it in the search path where another could appear. A build rewrites those of the modules in between as well: Lake rebuilds
/// what imports a changed module.
pub(crate) fn of_import(header: &Header, search_path: &[String], project: Option<&Path>) -> Vec<PathBuf> {
    let names = ["lakefile.lean", "lakefile.toml", "lake-manifest.json", "lean-toolchain"];
    let mut files: Vec<PathBuf> = project.iter().flat_map(|root| names.map(|name| root.join(name))).collect();
    for below in header.modules().filter_map(header::path_of) {
        for folder in search_path {
            let mut file = Path::new(folder).join(&below).into_os_string();
            file.push(".olean");
            let file = PathBuf::from(file);
            let is_there = file.is_file();
            files.push(file);
            if is_there {
                break;
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_a_module_of_the_project_or_one_that_comes_before_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for dir in ["one/A", "two/A", "project"] {
            std::fs::create_dir_all(path(dir)).unwrap();
        }
        std::fs::write(path("two/A/B.olean"), "1").unwrap();
        std::fs::write(path("two/C.olean"), "1").unwrap();
        let header = crate::header::read("x", "import A.B import C import «D.e f»").header;
        let search = ["one", "two"].map(|name| path(name).to_str().unwrap().to_owned());
        let look = || RestsOn::files(of_import(&header, &search, Some(&path("project"))));
        let changes: [(&str, &str); 6] = [
            ("two/D.e f.olean", "new"),
            ("two/A/B.olean", "22"),
            ("two/C.olean", "22"),
            ("one/A/B.olean", "new"),
            ("project/lakefile.toml", "new"),
            ("project/lean-toolchain", "new"),
        ];
        for (name, text) in changes {
            let before = look();
            assert!(!before.has_changed());
            std::fs::write(path(name), text).unwrap();
            assert!(before.has_changed(), "{name}");
        }
        let before = look();
        std::fs::write(path("two/D.olean"), "of nobody").unwrap();
        assert!(!before.has_changed() && !before.is_stale());
        // Another file of the same length, put in its place, as a build does.
        std::fs::write(path("fresh"), "new").unwrap();
        std::fs::rename(path("fresh"), path("one/A/B.olean")).unwrap();
        assert!(before.has_changed());
    }
}
