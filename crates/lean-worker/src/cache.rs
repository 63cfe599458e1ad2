//! The folder in which things lie that can be made again: workers that were built, headers that were saved.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

/// A cache folder. It is made when something is put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache(PathBuf);

/// There is no folder for it, or nothing can be written there.
#[derive(Debug, thiserror::Error)]
#[error("{what}: name a folder with --cache that can be written to")]
pub struct CacheError {
    what: String,
}

impl CacheError {
    pub(crate) fn new(path: &Path, error: &std::io::Error) -> Self {
        Self { what: format!("{} can't be written ({error})", path.display()) }
    }
}

impl Cache {
    /// `folder`, or `leanpool` in the user's folder for caches (`XDG_CACHE_HOME`, else `.cache` in the home folder).
    ///
    /// # Errors
    /// There is no home folder.
    pub fn new(folder: Option<PathBuf>) -> Result<Self, CacheError> {
        if let Some(folder) = folder {
            // Programs are started from there, in whatever folder.
            return Ok(Self(std::path::absolute(&folder).unwrap_or(folder)));
        }
        let strategy = etcetera::choose_base_strategy()
            .map_err(|error| CacheError { what: format!("there is no folder for caches ({error})") })?;
        Ok(Self(strategy.cache_dir().join("leanpool")))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn workers(&self) -> PathBuf {
        self.0.join("workers")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.0.join("headers")
    }
}
