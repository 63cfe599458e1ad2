//! The arguments that say where files are checked.

use std::path::PathBuf;
use std::time::Duration;

use leanpool::lake::Asking;
use leanpool::site::{Belongs, SiteError, SiteOptions, Sites};

use super::check::seconds;
use super::folders::Folders;

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

    #[command(flatten)]
    folders: Folders,
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
        self.folders.cache()
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
        let belongs = match &self.project {
            Some(root) => Belongs::To(root.clone()),
            None if self.no_project => Belongs::ToNone,
            None => Belongs::ToNearest,
        };
        let common = self.folders.site_options(belongs);
        let options = SiteOptions {
            options: self.options.iter().cloned().chain(more).collect(),
            setup: self.setup.clone(),
            root: self.root.clone(),
            asking: Asking { limit: self.lake_timeout, ..common.asking },
            ..common
        };
        Sites::new(options, move |toolchain| {
            if needs_worker { self.folders.program(toolchain, quiet) } else { Ok(PathBuf::new()) }
        })
    }
}
