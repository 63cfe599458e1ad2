//! The arguments that say where things lie that checks need, and what they must be.

use std::path::{Path, PathBuf};

use leanpool::lake::{Asking, LakeProject};
use leanpool::lean_worker::building::BuildError;
use leanpool::lean_worker::{Cache, Toolchain};
use leanpool::site::{Belongs, SiteOptions};

use super::worker::{ensure, launcher};
use super::wrong_usage;

/// Where things lie that checks need.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Project and Lean")]
pub(super) struct Folders {
    /// A further folder of compiled modules (.olean) to search; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    paths: Vec<PathBuf>,

    /// Where workers, saved headers and Lake's answers are kept [default: leanpool in XDG_CACHE_HOME]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// A worker program that is there, instead of the one that is built for the Lean
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,
}

impl Folders {
    /// The cache folder that was named.
    pub(super) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone()
    }

    /// For sites in a project or in none. What can't be right is wrong usage, and ends the process.
    pub(super) fn site_options(&self, belongs: Belongs) -> SiteOptions {
        if let Some(path) = self.paths.iter().find(|path| !path.is_dir()) {
            wrong_usage(&format_args!(
                "{} is no folder: give --path a folder of compiled modules",
                path.display()
            ));
        }
        if let Some(program) = self.worker.as_ref().filter(|program| !program.is_file()) {
            wrong_usage(&format_args!("{} is no file: give --worker a program", program.display()));
        }
        if let Belongs::To(root) = &belongs {
            if let Err(error) = LakeProject::open(root) {
                wrong_usage(&error);
            }
        }
        SiteOptions {
            belongs,
            paths: self.paths.clone(),
            answers: Cache::new(self.cache.clone()).ok().map(|cache| cache.path().join("lake")),
            asking: Asking { launcher: launcher(), ..Asking::default() },
            ..SiteOptions::default()
        }
    }

    /// The worker program for a Lean, built if it is not there.
    pub(super) fn program(&self, toolchain: &Toolchain, quiet: bool) -> Result<PathBuf, BuildError> {
        match &self.worker {
            Some(program) => Ok(absolute(program)),
            None => ensure(&Cache::new(self.cache.clone())?, toolchain, quiet),
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
