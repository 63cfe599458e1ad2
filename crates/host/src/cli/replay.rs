//! `leanpool replay`.

use std::error::Error;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use leanpool::compare::Capacity;
use leanpool::policy::{self, DEFAULT, Policy};
use leanpool::replay::{Options, Progress, Report, replay_until};
use leanpool::synthetic::{self, Synthetic};

use super::common::{Reading, Regions, bar, policies};
use super::{EXIT_CODES, interrupt};

const EXAMPLES: &str = "\
Examples:
  leanpool replay benches/traces/batteries.tsv
      a checker of every pushed change to Batteries, with 8 idle environments
  leanpool replay benches/traces/pfr.tsv --capacity 32 --eviction reject-incoming --json
      what the rule of lean-rs-host would do, for a machine to read
  leanpool replay benches/traces/flt.tsv --regions isolated --hold 4
      plain importModules, with leases that overlap

A trace has a line for each request: seconds since the first, a tab, the names of an import list separated by one space.
Other formats are seen from their beginning (CSV, libCacheSim's oracleGeneral, ARC's), also in .gz and .zst.
No Lean is needed: an import costs what was measured on Lean 4.27.0 where that was measured, and what is assumed else, which
is counted; a cost that the trace gives is that. Time is virtual.";

/// Run a trace of import lists through one pool and say what it saved
///
/// Each line of the trace acquires an environment from the pool and gives it back. Opening costs what importing that list
/// was measured to cost; the report says how many opens the pool avoided, why it could not avoid the others, and what
/// it dropped.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}\n\n{EXIT_CODES}", policy::HELP, synthetic::HELP))]
pub(super) struct Args {
    /// The trace, or - for standard input
    #[arg(required_unless_present = "synthetic")]
    trace: Option<PathBuf>,

    /// A workload that is made up instead, such as zipf:0.9:keys=500:n=20000; --help describes them
    #[arg(long, value_name = "SPEC", conflicts_with = "trace")]
    synthetic: Option<Synthetic>,

    #[command(flatten)]
    reading: Reading,

    /// Most idle environments to keep, or a share of the distinct keys, such as 10%; 0 disables reuse
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "8")]
    capacity: Capacity,

    /// Most bytes of idle environments to keep, if they are to be bounded too
    #[arg(long, value_name = "BYTES", allow_negative_numbers = true)]
    max_idle_weight: Option<u64>,

    #[arg(long, value_name = "POLICY", default_value = DEFAULT, help = format!(
        "Which idle environment goes first when there is no room: {}", policies()))]
    eviction: Policy,

    /// Whether imports share loaded regions, or each copies them as plain importModules does
    #[arg(long, value_enum, default_value_t = Regions::Shared)]
    regions: Regions,

    /// Let leases of the same list share one environment
    #[arg(long)]
    share: bool,

    /// Hold each lease while N further requests are served, so that leases overlap
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    hold: usize,

    /// Run the trace N times through the same pool
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// Count the first N requests apart
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    warm_up: u64,

    /// How many keys without environments the pool remembers, if not 4096
    #[arg(long, value_name = "N")]
    remembered_keys: Option<usize>,

    /// Drop environments that were idle for so long, in the trace's time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    idle_timeout: Option<u64>,

    /// Drop environments that were opened so long ago, in the trace's time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    max_age: Option<u64>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Print no progress bar and no notes
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let files: Vec<PathBuf> = args.trace.iter().cloned().collect();
    let synthetic: Vec<Synthetic> = args.synthetic.iter().cloned().collect();
    let trace = args.reading.workloads(&files, &synthetic)?.remove(0);
    let capacity = args.capacity.of(&trace);
    let options = Options {
        capacity: trace.sample().map_or(capacity, |rate| (capacity as f64 * rate).round() as u64),
        max_idle_weight: args.max_idle_weight,
        eviction: args.eviction.clone(),
        regions: args.regions.into(),
        share: args.share,
        hold: args.hold,
        repeat: args.repeat,
        warm_up: args.warm_up,
        remembered_keys: args.remembered_keys,
        idle_timeout: args.idle_timeout.map(Duration::from_secs),
        max_age: args.max_age.map(Duration::from_secs),
    };
    if capacity > 0 && options.capacity == 0 {
        super::wrong_usage(&format!(
            "{capacity} places are less than one of such a sample: sample more, or replay a larger pool"
        ));
    }
    if let Err(error) = options.check(&trace) {
        super::wrong_usage(&error);
    }
    // Only now is there something to lose; before, Ctrl-C simply ends the process.
    interrupt::watch()?;
    let total = trace.len() as u64 * u64::from(options.repeat);
    let bar = bar(
        total,
        "{prefix} [{bar:30}] {human_pos}/{human_len} requests, {msg} ({eta} left)",
        trace.name.clone(),
        args.quiet,
    );
    let report = replay_until(&trace, &options, |progress| {
        // Often enough for the eye, and no cost to the replay.
        if progress.done % 64 == 0 || progress.done == progress.total {
            show(&bar, progress);
        }
        if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    match print(&report, args) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        result => result.map_err(|error| format!("the report can't be written: {error}"))?,
    }
    Ok(if report.interrupted { interrupt::exit_code() } else { ExitCode::SUCCESS })
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_position(progress.done);
    bar.set_message(format!("{:.1} % hits", 100.0 * progress.hits as f64 / progress.done as f64));
}

fn print(report: &Report, args: &Args) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    out.flush()?;
    if let Some(note) = report.note().filter(|_| !args.quiet && !args.json) {
        // A note that nobody reads is no failure.
        let _ = writeln!(io::stderr(), "{note}");
    }
    Ok(())
}
