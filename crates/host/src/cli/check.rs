//! `leanpool check`.

#[cfg(feature = "lean")]
mod files;
#[cfg(feature = "lean")]
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::common::Regions;

const EXAMPLES: &str = "\
Examples:
  leanpool check Example.lean
      what Lean says of it
  leanpool check --project . --jobs 2 --stats Tests/*.lean
      files of a Lake project (built by `lake build`), two at a time; files with the same imports share one import
  leanpool check --timeout 10 --json Answers/*.lean | jq 'select(.severity == \"error\")'
      for a machine to read, at most ten seconds a file

Each file's header is read by Lean's own parser; an import that many files ask for is done once.";

const CODES: &str = "\
Exit codes: 0 no errors, 1 an error was reported, or a file could not be checked, 2 wrong usage, 70 something in a file ended the \
process (`IO.Process.exit`), 130 broken off with Ctrl-C or a polite kill (what was found so far is printed in each case).";

/// Check Lean files, each in the environment that its header asks for, from a pool
///
/// Prints `file:line:column: severity: message` for each thing that Lean says: lines count from 1, columns from 0 and in characters,
/// as the command `lean` counts them. A file that can't be checked (it can't be read, is not UTF-8, or imports what is missing) is reported, and the
/// others go on.
#[derive(Clone, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{CODES}"))]
pub(super) struct Args {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A Lake project whose modules can be imported, and those of all that it depends on
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// A further folder of compiled modules (.olean) to search; may be given several times
    #[arg(long = "path", value_name = "DIR")]
    paths: Vec<PathBuf>,

    /// How many files to check at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = jobs, allow_negative_numbers = true)]
    jobs: usize,

    /// Most seconds for the check of a file, without its import; what was found before is printed. (Lean stops at its next look, which
    /// it does not take inside a compiled program that an `#eval` runs: see --grace)
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,

    /// Most seconds that a check may take to come back once its time is over, or once it is to be broken off. Then the process ends, with
    /// what was found: nothing else stops a loop in compiled code
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, allow_negative_numbers = true)]
    grace: Duration,

    /// How long one declaration may take, in the unit of Lean's option maxHeartbeats (its own limit is 200000)
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    max_heartbeats: u64,

    /// Most idle environments to keep
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true)]
    capacity: u64,

    /// Whether imports share loaded regions, or each copies them as plain importModules does
    #[arg(long, value_enum, default_value_t = Regions::Shared)]
    regions: Regions,

    /// Print what the pool did, at the end
    #[arg(long)]
    stats: bool,

    /// Print one JSON object a line for each thing that Lean says, as soon as it is known; with --stats a last one with a key `summary`.
    /// (Without, files are printed in the order given)
    #[arg(long)]
    json: bool,

    /// Print no progress bar and no summary on standard error
    #[arg(long)]
    quiet: bool,
}

#[cfg(feature = "lean")]
pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    files::run(args)
}

#[cfg(not(feature = "lean"))]
pub(super) fn run(_: &Args) -> Result<ExitCode, Box<dyn Error>> {
    Err("this leanpool was built without Lean: `cargo run --release -p leanpool --features lean -- check …` on a machine with \
         Lean 4.27.0 (`leanpool doctor` says what is missing)"
        .into())
}

fn jobs(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "expected a number of files".to_owned())?;
    if (1..=1024).contains(&number) { Ok(number) } else { Err("expected a number from 1 to 1024".to_owned()) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a positive number of seconds, such as 10 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(expected)
}
