//! `leanpool compare`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use leanpool::compare::{self, Capacities, Capacity, Comparison, Options, Row, compare_until};
use leanpool::policy::{self, DEFAULT, Policy};
use leanpool::replay::DEFAULT_POLICY;
use leanpool::synthetic::{self, Synthetic};

use super::common::{Reading, Regions, bar, policies};
use super::{EXIT_CODES, interrupt};

const EXAMPLES: &str = "\
Examples:
  leanpool compare benches/traces/*.tsv
      every policy on nine histories of real work, beside the offline optimum
  leanpool compare benches/traces/*.tsv --csv grid.csv --plot charts
      the same, as CSV, and as a chart for each trace
  leanpool compare benches/traces/pfr.tsv --by-weight --policy default --policy gdsf
      pools that are bounded in bytes
  leanpool compare --synthetic scan:100:every=400 --synthetic zipf:0.9:keys=500:n=20000
      workloads that are made up

  leanpool compare requests.csv.zst --columns time=1,key=4,size=5 --capacity 1%..50% --sample 0.1
      any trace: other formats are seen from their beginning; costs and sizes can be columns
  leanpool compare benches/traces/*.tsv --policy tiny-lfu:window=0.01:over=arc --policy worth:half-life=0.3
      policies with parameters

What opening takes is measured where it was measured, and assumed else; or it is a column of the trace. Each row says how
many of its opens have an assumed cost, and each trace which share of its requests.

The policy called default is what a pool uses that is told no other. The optimum knows the future:
no policy can do with fewer misses, or with fewer open seconds. For bytes, and for work that is too
large to be computed exactly, there is a lower bound instead, which is called that; and for bytes
best-offline, the best that was found which a pool can really do that knows the future.";

/// Run traces through every policy at every capacity, beside the best that could be done
///
/// For each trace, capacity and policy: how many requests opened, how many seconds that took, and how that compares
/// to Lru and to the offline optimum. Each is told what a pool would tell it, on virtual time; costs are measured where measured, assumed else.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}\n\n{EXIT_CODES}", policy::HELP, synthetic::HELP))]
pub(super) struct Args {
    /// Traces, or - for standard input
    #[arg(required_unless_present = "synthetic")]
    traces: Vec<PathBuf>,

    /// A workload that is made up, such as zipf:0.9:keys=500:n=20000; --help describes them
    #[arg(long, value_name = "SPEC")]
    synthetic: Vec<Synthetic>,

    #[command(flatten)]
    reading: Reading,

    /// Capacities, idle environments at most: numbers (8), shares of the distinct keys (10%), and ranges of either, doubled (2..64,
    /// 1%..50%)
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        allow_negative_numbers = true,
        conflicts_with = "by_weight"
    )]
    capacity: Option<Vec<Capacities>>,

    /// Bound pools in bytes instead: 2, 4, 8 and 16 times the trace's median weight, or as given
    #[arg(long, value_name = "TIMES,…", value_delimiter = ',', num_args = 0..=1, require_equals = true,
        default_missing_value = "2,4,8,16", value_parser = clap::value_parser!(u64).range(1..))]
    by_weight: Option<Vec<u64>>,

    #[arg(long, value_name = "POLICY", help = format!(
        "Compare this policy, and others so named, to Lru, instead of all: {}", policies()))]
    policy: Vec<Policy>,

    /// What is computed of the best that could be done
    #[arg(long, value_enum, default_value_t = Optimum::Auto)]
    optimum: Optimum,

    /// Don't count the first N requests of each trace
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    warm_up: u64,

    /// How many keys without environments a pool remembers, if not 4096
    #[arg(long, value_name = "N")]
    remembered_keys: Option<usize>,

    /// Hold each lease while N further requests are served, so that leases overlap
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    hold: usize,

    /// Whether imports share loaded regions, or each copies them as plain importModules does
    #[arg(long, value_enum, default_value_t = Regions::Shared)]
    regions: Regions,

    /// Also write all rows to this file, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Also draw two charts for each trace into this directory, as SVG: of open seconds and of misses
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,

    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,

    /// Print no progress bar
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Optimum {
    /// Exactly where that takes about a second, else as fast
    Auto,
    /// The least misses and open seconds, exactly; for bytes the sharpest lower bound
    Exact,
    /// The least misses exactly, and a lower bound of open seconds; for bytes a lower bound of both
    Fast,
    /// Nothing
    None,
}

impl From<Optimum> for compare::Optimum {
    fn from(optimum: Optimum) -> Self {
        match optimum {
            Optimum::Auto => Self::Auto,
            Optimum::Exact => Self::Exact,
            Optimum::Fast => Self::Fast,
            Optimum::None => Self::None,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let options = options(args);
    let traces = args.reading.workloads(&args.traces, &args.synthetic)?;
    if let Err(error) = options.check(&traces) {
        super::wrong_usage(&error);
    }
    // What can't be written is better known before than after.
    let mut csv = args.csv.as_deref().map(Csv::create).transpose()?;
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
    let mut lost = None;
    let comparison = compare_until(&traces, &options, |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        if let Some(csv) = csv.as_mut().filter(|_| !progress.rows.is_empty()) {
            lost = csv.add(progress.rows).err();
        }
        if interrupt::asked() || lost.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    if let Some(error) = lost {
        return Err(error.into());
    }
    if let Some(csv) = csv {
        csv.finish(&comparison)?;
    }
    if let Some(directory) = &args.plot {
        plot(&comparison, directory)?;
    }
    match print(&comparison, args.json) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.map_err(|error| format!("the table can't be written: {error}"))?,
    }
    Ok(if comparison.interrupted { interrupt::exit_code() } else { ExitCode::SUCCESS })
}

fn options(args: &Args) -> Options {
    let mut options = Options {
        hold: args.hold,
        regions: args.regions.into(),
        warm_up: args.warm_up,
        remembered_keys: args.remembered_keys,
        optimum: args.optimum.into(),
        ..Options::default()
    };
    if let Some(capacities) = &args.capacity {
        options.capacities = capacities.iter().flat_map(|some| some.0.clone()).collect();
    }
    if let Some(times) = &args.by_weight {
        (options.by_weight, options.capacities) = (true, times.iter().copied().map(Capacity::from).collect());
    }
    if !args.policy.is_empty() {
        // In the order of all, each once; Lru in any case, which the others are compared to. Then those with parameters.
        let is_named = |name: &str| args.policy.iter().any(|policy| policy.name() == name);
        let is_chosen = |policy: &Policy| {
            let name = policy.name();
            name == "Lru" || is_named(name) || (name == DEFAULT && is_named(DEFAULT_POLICY))
        };
        options.policies.retain(is_chosen);
        for policy in args.policy.iter().filter(|policy| policy.name() != DEFAULT_POLICY) {
            if !options.policies.iter().any(|other| other.name() == policy.name()) {
                options.policies.push(policy.clone());
            }
        }
    }
    options
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
    for drawing in comparison.charts()? {
        let path = directory.join(drawing.file_stem + ".svg");
        fs::write(&path, drawing.svg).map_err(|error| cant_write(&path, &error))?;
    }
    Ok(())
}

/// A CSV file that has, at any time, the rows that are known by then.
struct Csv<'a> {
    path: &'a Path,
    writer: csv::Writer<File>,
    /// Whether it can be replaced: a pipe can't, and a link is not.
    is_file: bool,
}

impl<'a> Csv<'a> {
    fn create(path: &'a Path) -> Result<Self, String> {
        let wrong = |error| cant_write(path, &error);
        let file = File::create(path).map_err(wrong)?;
        let is_file = fs::symlink_metadata(path).map_err(wrong)?.is_file();
        Ok(Self { path, writer: csv::Writer::from_writer(file), is_file })
    }

    /// Adds rows, in the order in which they become known.
    fn add(&mut self, rows: &[Row]) -> Result<(), String> {
        if !self.is_file {
            return Ok(());
        }
        let written = rows.iter().try_for_each(|row| self.writer.serialize(row)).map_err(io::Error::from);
        written.and_then(|()| self.writer.flush()).map_err(|error| cant_write(self.path, &error))
    }

    /// Puts all rows in their order, those of unfinished cells as well. At no time is the file without what it had.
    fn finish(self, comparison: &Comparison) -> Result<(), String> {
        let Self { path, writer, is_file } = self;
        let wrong = |error: io::Error| cant_write(path, &error);
        if !is_file {
            let file = writer.into_inner().map_err(|error| wrong(error.into_error()))?;
            return comparison.write_csv(file).map_err(wrong);
        }
        drop(writer);
        let mut beside = path.as_os_str().to_owned();
        beside.push(".partial");
        let sorted = File::create(&beside).and_then(|file| comparison.write_csv(file));
        sorted.and_then(|()| fs::rename(&beside, path)).map_err(wrong)
    }
}

fn cant_write(path: &Path, error: &io::Error) -> String {
    format!("{}: can't be written: {error}; name another place, or make this one writable", path.display())
}
