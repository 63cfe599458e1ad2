//! With which Lean a session works, and what it can import.

use std::path::{Path, PathBuf};

use leanpool::lake::Asking;
use leanpool::lean_worker::{Cache, Surroundings};
use leanpool::site::{Belongs, SiteError, SiteOptions, Sites};

use super::super::worker::{ensure, launcher};
use super::super::wrong_usage;

/// What the arguments say of it.
#[derive(clap::Args)]
#[command(next_help_heading = "Project and Lean")]
pub(super) struct PlaceArgs {
    /// A Lake project whose modules can be imported, and those of all that it depends on, with the options that it sets
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// A further folder of compiled modules (.olean) to search; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    paths: Vec<PathBuf>,

    /// Where workers and Lake's answers are kept [default: leanpool in XDG_CACHE_HOME]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// A worker program that is there, instead of the one that is built for the Lean
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,
}

impl PlaceArgs {
    /// What is imported in: a project only if it was named, as `lake env` has said all that the REPL goes by. The worker is built if it is not there, without a
    /// word: programs that start a REPL take anything on standard error for a failure.
    pub(super) fn surroundings(&self) -> Result<Surroundings, SiteError> {
        if let Some(path) = self.paths.iter().find(|path| !path.is_dir()) {
            wrong_usage(&format_args!(
                "{} is no folder: give --path a folder of compiled modules",
                path.display()
            ));
        }
        if let Some(program) = self.worker.as_ref().filter(|program| !program.is_file()) {
            wrong_usage(&format_args!("{} is no file: give --worker a program", program.display()));
        }
        if let Some(root) = &self.project {
            if let Err(error) = leanpool::lake::LakeProject::open(root) {
                wrong_usage(&error);
            }
        }
        let options = SiteOptions {
            belongs: self.project.clone().map_or(Belongs::ToNone, Belongs::To),
            paths: self.paths.clone(),
            answers: Cache::new(self.cache.clone()).ok().map(|cache| cache.path().join("lake")),
            asking: Asking { launcher: launcher(), ..Asking::default() },
            ..SiteOptions::default()
        };
        let mut sites = Sites::new(options, |toolchain| match &self.worker {
            Some(program) => Ok(std::path::absolute(program).unwrap_or_else(|_| program.clone())),
            None => ensure(&Cache::new(self.cache.clone())?, toolchain, true),
        })?;
        // No file, but in the project.
        let text = self.project.as_deref().unwrap_or(Path::new("")).join("<stdin>");
        Ok(Surroundings::clone(&sites.of(&text, "")?.around))
    }
}
