//! `leanpool compare`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use leanpool::compare::{Comparison, Options, all_policies, compare_until};
use leanpool::replay::DEFAULT_POLICY;
use leanpool::synthetic::{self, Synthetic};

use super::common::{Regions, bar, policies, policy, workloads};
use super::{EXIT_CODES, INTERRUPTED, interrupt};

const EXAMPLES: &str = "\
Examples:
  leanpool compare benches/traces/*.tsv
      every policy on four histories of real work, beside the offline optimum
  leanpool compare benches/traces/*.tsv --csv grid.csv --plot charts
      the same, as CSV, and as a chart for each trace
  leanpool compare benches/traces/pfr.tsv --by-weight --policy default --policy gdsf
      pools that are bounded in bytes
  leanpool compare --synthetic scan:100:every=400 --synthetic zipf:0.9:keys=500:n=20000
      workloads that are made up

The policy called default is what a pool uses that is told no other. The optimum knows the future:
no policy can do with fewer misses, or with fewer seconds. For idle environments it is exact; for
bytes it is a lower bound, and best-offline the best that was found which a pool can really do that
knows the future.";

/// Run traces through every policy at every capacity, beside the best that could be done
///
/// For each trace, capacity and policy: how many requests opened, how many seconds that took, and how that compares
/// to Lru and to the offline optimum. The policies run in the real pool, on virtual time and measured costs.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{EXIT_CODES}", synthetic::HELP))]
pub(super) struct Args {
    /// Traces, or - for standard input
    #[arg(required_unless_present = "synthetic")]
    traces: Vec<PathBuf>,

    /// A workload that is made up, such as zipf:0.9:keys=500:n=20000; --help describes them
    #[arg(long, value_name = "SPEC")]
    synthetic: Vec<Synthetic>,

    /// Capacities: idle environments at most
    #[arg(long, value_name = "N,…", value_delimiter = ',', allow_negative_numbers = true,
        value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "by_weight")]
    capacity: Option<Vec<u64>>,

    /// Bound pools in bytes instead: 2, 4, 8 and 16 times the trace's median weight, or as given
    #[arg(long, value_name = "TIMES,…", value_delimiter = ',', num_args = 0..=1, require_equals = true,
        default_missing_value = "2,4,8,16", value_parser = clap::value_parser!(u64).range(1..))]
    by_weight: Option<Vec<u64>>,

    #[arg(long, value_name = "POLICY", value_parser = policy, help = format!(
        "Compare this policy, and others so named, to Lru, instead of all: {}", policies()))]
    policy: Vec<&'static str>,

    /// Hold each lease while N further requests are served, so that leases overlap
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    hold: usize,

    /// Whether imports share loaded regions, or each copies them as plain importModules does
    #[arg(long, value_enum, default_value_t = Regions::Shared)]
    regions: Regions,

    /// Also write all rows to this file, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Also draw a chart for each trace into this directory, as SVG
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,

    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,

    /// Print no progress bar
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let traces = workloads(&args.traces, &args.synthetic)?;
    let mut options = Options { hold: args.hold, regions: args.regions.into(), ..Options::default() };
    if let Some(capacities) = &args.capacity {
        options.capacities.clone_from(capacities);
    }
    if let Some(times) = &args.by_weight {
        (options.by_weight, options.capacities) = (true, times.clone());
    }
    if !args.policy.is_empty() {
        // In the order of all, each once; Lru in any case, which the others are compared to.
        let chosen = |name: &&str| {
            *name == "Lru"
                || args.policy.contains(name)
                || (*name == "default" && args.policy.contains(&DEFAULT_POLICY))
        };
        options.policies = all_policies().into_iter().filter(chosen).collect();
    }
    options.capacities.sort_unstable();
    options.capacities.dedup();
    // What can't be written is better known before than after.
    let csv = args.csv.as_deref().map(|path| create(path).map(|file| (path, file))).transpose()?;
    if let Some(directory) = &args.plot {
        fs::create_dir_all(directory).map_err(|error| cant_write(directory, &error))?;
    }
    interrupt::watch()?;
    let bar = bar(
        0,
        "{prefix} [{bar:30}] {human_pos}/{human_len} cells ({eta} left)",
        "comparing".to_owned(),
        args.quiet,
    );
    let comparison = compare_until(&traces, &options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    if let Some((path, file)) = csv {
        comparison.write_csv(file).map_err(|error| cant_write(path, &error))?;
    }
    if let Some(directory) = &args.plot {
        plot(&comparison, directory)?;
    }
    match print(&comparison, args.json) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.map_err(|error| format!("the table can't be written: {error}"))?,
    }
    Ok(if comparison.interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

fn print(comparison: &Comparison, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, comparison)?;
        writeln!(out)?;
    } else {
        write!(out, "{comparison}")?;
    }
    out.flush()
}

fn plot(comparison: &Comparison, directory: &Path) -> Result<(), Box<dyn Error>> {
    for (trace, svg) in comparison.charts()? {
        let plain = |char: char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '-' };
        let path = directory.join(trace.chars().map(plain).collect::<String>() + ".svg");
        fs::write(&path, svg).map_err(|error| cant_write(&path, &error))?;
    }
    Ok(())
}

fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| cant_write(path, &error))
}

fn cant_write(path: &Path, error: &io::Error) -> String {
    format!("{}: can't be written: {error}; name another place, or make this one writable", path.display())
}
