//! With which Lean a session works, and what it can import.

use std::path::{Path, PathBuf};

use leanpool::lean_worker::Surroundings;
use leanpool::site::{Belongs, SiteError, Sites};

use super::super::folders::Folders;

/// What the arguments say of it.
#[derive(clap::Args)]
#[command(next_help_heading = "Project and Lean")]
pub(super) struct PlaceArgs {
    /// A Lake project whose modules can be imported, and those of all that it depends on, with the options that it sets
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    #[command(flatten)]
    folders: Folders,
}

impl PlaceArgs {
    /// What is imported in: a project only if it was named, as `lake env` has said all that the REPL goes by. The worker is built if it is not there, without a
    /// word: programs that start a REPL take anything on standard error for a failure.
    pub(super) fn surroundings(&self) -> Result<Surroundings, SiteError> {
        let belongs = self.project.clone().map_or(Belongs::ToNone, Belongs::To);
        let options = self.folders.site_options(belongs);
        let mut sites = Sites::new(options, |toolchain| self.folders.program(toolchain, true))?;
        // No file, but in the project.
        let text = self.project.as_deref().unwrap_or(Path::new("")).join("<stdin>");
        Ok(Surroundings::clone(&sites.of(&text, "")?.around))
    }
}
