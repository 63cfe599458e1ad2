//! The arguments that say where files are checked.

use std::path::PathBuf;
use std::time::Duration;

use leanpool::lake::Asking;
use leanpool::lean_worker::Cache;
use leanpool::site::{Belongs, SiteError, SiteOptions, Sites};

use super::check::seconds;
use super::worker::{ensure, launcher};
use super::wrong_usage;

/// Where files are checked.
#[derive(Clone, clap::Args)]
#[command(next_help_heading = "Project and Lean")]
pub(super) struct SiteArgs {
    /// The Lake project that all files belong to. Otherwise each belongs to the nearest folder upwards with a lakefile, if there is one. Lake says where its
    /// modules are and with which options and plugins it is compiled; its `lean-toolchain` says which Lean
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// No file belongs to a Lake project
    #[arg(long, conflicts_with = "project")]
    no_project: bool,

    /// A further folder of compiled modules (.olean) to search; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    paths: Vec<PathBuf>,

    /// An option of Lean, as for `lean -D`; may be given several times
    #[arg(short = 'D', value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<String>,

    /// A set-up as `lean --setup` takes it, instead of what Lake says
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,

    /// The folder below which a file's path is the name of its module [default: as Lake says, else the working folder]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Most seconds that Lake may take for an answer
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds, allow_negative_numbers = true)]
    lake_timeout: Duration,

    /// Where workers, saved headers and Lake's answers are kept [default: leanpool in XDG_CACHE_HOME]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// A worker program that is there, instead of the one that is built for the Lean
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,
}

/// In `lean`'s words.
fn option(text: &str) -> Result<String, String> {
    if text.contains('=') {
        Ok(text.to_owned())
    } else {
        Err("invalid -D parameter, argument must contain '='".to_owned())
    }
}

impl SiteArgs {
    /// The cache folder that was named.
    pub(super) fn cache(&self) -> Option<PathBuf> {
        self.cache.clone()
    }

    /// The folder that was named, below which paths are names of modules.
    pub(super) fn root(&self) -> Option<PathBuf> {
        self.root.clone()
    }

    /// What an option of Lean was last set to.
    pub(super) fn last_of(&self, name: &str) -> Option<&str> {
        let values = self.options.iter().filter_map(|option| option.split_once('='));
        values.filter(|(option, _)| *option == name).map(|(_, value)| value).next_back()
    }

    /// Sites by what was said, with `more` options of Lean. `needs_worker`: whether a worker is built where there is none.
    pub(super) fn sites(
        &self,
        more: Vec<String>,
        needs_worker: bool,
        quiet: bool,
    ) -> Result<Sites<'_>, SiteError> {
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
        let belongs = match &self.project {
            Some(root) => Belongs::To(root.clone()),
            None if self.no_project => Belongs::ToNone,
            None => Belongs::ToNearest,
        };
        let options = SiteOptions {
            belongs,
            paths: self.paths.clone(),
            options: self.options.iter().cloned().chain(more).collect(),
            setup: self.setup.clone(),
            root: self.root.clone(),
            asking: Asking { launcher: launcher(), limit: self.lake_timeout },
            answers: Cache::new(self.cache.clone()).ok().map(|cache| cache.path().join("lake")),
        };
        Sites::new(options, move |toolchain| {
            if !needs_worker {
                return Ok(PathBuf::new());
            }
            match &self.worker {
                Some(program) => Ok(std::path::absolute(program).unwrap_or_else(|_| program.clone())),
                None => ensure(&Cache::new(self.cache.clone())?, toolchain, quiet),
            }
        })
    }
}
