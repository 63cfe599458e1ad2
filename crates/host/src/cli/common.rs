//! What several commands have in common.

use std::error::Error;
use std::path::PathBuf;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use leanpool::compare::DEFAULT;
use leanpool::mock_backend;
use leanpool::pool_core::eviction;
use leanpool::synthetic::Synthetic;
use leanpool::trace::Trace;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Regions {
    /// Region sharing: an import of loaded modules adds no new regions
    Shared,
    /// Plain importModules: every import copies all regions for good
    Isolated,
}

impl From<Regions> for mock_backend::Regions {
    fn from(regions: Regions) -> Self {
        match regions {
            Regions::Shared => Self::Shared,
            Regions::Isolated => Self::Isolated,
        }
    }
}

/// Accepts the published names in any case, with or without dashes, and `default`.
pub(super) fn policy(name: &str) -> Result<&'static str, String> {
    if name.eq_ignore_ascii_case(DEFAULT) {
        return Ok(DEFAULT);
    }
    eviction::published_name(name)
        .ok_or_else(|| format!("no policy has that name; choose one of {}", policies()))
}

/// The names of all policies, for help.
pub(super) fn policies() -> String {
    format!("{DEFAULT}, {}", eviction::NAMES.join(", "))
}

/// The workloads asked for: files, then made-up ones.
pub(super) fn workloads(files: &[PathBuf], synthetic: &[Synthetic]) -> Result<Vec<Trace>, Box<dyn Error>> {
    let mut traces = Vec::new();
    for file in files {
        traces.push(Trace::read(file)?);
    }
    traces.extend(synthetic.iter().map(Synthetic::trace));
    Ok(traces)
}

/// A progress bar on standard error if that is a terminal.
pub(super) fn bar(total: u64, template: &str, prefix: String, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is sound").progress_chars("=> ");
    ProgressBar::new(total).with_style(style).with_prefix(prefix)
}
