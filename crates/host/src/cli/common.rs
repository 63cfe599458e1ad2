//! What several commands have in common.

use std::error::Error;
use std::path::PathBuf;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use leanpool::mock_backend;
use leanpool::policy::DEFAULT;
use leanpool::pool_core::eviction;
use leanpool::synthetic::Synthetic;
use leanpool::trace::{Columns, Format, ReadOptions, Trace};

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

/// The names of all policies, for help.
pub(super) fn policies() -> String {
    format!("{DEFAULT}, {}; --help describes parameters", eviction::NAMES.join(", "))
}

/// Which part of traces is read, and how they are written.
#[derive(clap::Args)]
pub(super) struct Reading {
    /// How traces are written: leanpool, csv, oracle-general or arc. Seen from their beginning if it is not said
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Which column has what, such as time=1,key=2,size=3,cost=4: sizes are weights in bytes, costs the seconds that opening takes
    #[arg(long, value_name = "NAME=N,…")]
    columns: Option<Columns>,

    /// Pass over the first N requests
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    skip: u64,

    /// Read no more than N requests
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Keep only a share of the keys, above 0 up to 1, chosen by hash (SHARDS: spatially hashed sampling). Capacities are those of the whole:
    /// a pool has so many times fewer places
    #[arg(long, value_name = "RATE", value_parser = rate)]
    sample: Option<f64>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| *rate > 0.0 && *rate <= 1.0);
    rate.ok_or_else(|| "expected a share above 0 up to 1, such as 0.1".to_owned())
}

impl Reading {
    /// The workloads asked for: files, then made-up ones.
    pub(super) fn workloads(
        &self,
        files: &[PathBuf],
        synthetic: &[Synthetic],
    ) -> Result<Vec<Trace>, Box<dyn Error>> {
        let options = ReadOptions {
            format: self.format,
            columns: self.columns,
            skip: self.skip,
            limit: self.limit,
            sample: self.sample,
        };
        let mut traces = Vec::new();
        for file in files {
            traces.push(Trace::read_with(file, &options)?);
        }
        for workload in synthetic {
            traces.push(workload.trace().reduced(&options)?);
        }
        Ok(traces)
    }
}

/// A progress bar on standard error if that is a terminal.
pub(super) fn bar(total: u64, template: &str, prefix: String, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the template is sound").progress_chars("=> ");
    ProgressBar::new(total).with_style(style).with_prefix(prefix)
}
