//! `leanpool check`.

mod files;
mod report;
mod source;
mod summary;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum as _;

use super::common::Regions;

const EXAMPLES: &str = "\
Examples:
  leanpool check Example.lean
      what Lean says of it
  leanpool check --project . -j 2 --stats Tests/*.lean
      files of a Lake project (built by `lake build`), two at a time; files with the same imports share one import
  leanpool check --timeout 10 --json Answers/*.lean | jq 'select(.severity == \"error\")'
      for a machine to read, at most ten seconds a file

Files are checked by Lean in processes of its own: what a file runs can hurt no other. An import that many files ask for is done once. The first
check with a Lean builds a worker for it, which takes some ten seconds: see `leanpool worker`.";

const CODES: &str = "\
Exit codes: 0 no errors, 1 an error was reported, or a file could not be checked, 2 wrong usage, 130 broken off with \
Ctrl-C, 143 with a polite kill (what was found so far is printed).";

/// Check Lean files, each in the environment that its header asks for, from a pool
///
/// Prints `file:line:column: severity: message` for each thing that Lean says: lines count from 1, columns from 0 and in characters,
/// as the command `lean` counts them. A file that can't be checked (it can't be read, is not UTF-8, or imports what is missing) is reported, and the
/// others go on; so is one whose check is ended by what it runs: a crash, a stack overflow, `IO.Process.exit`, too much memory.
///
/// The Lean is the one that the project's `lean-toolchain` names, found in elan's folder, else that of LEAN_SYSROOT (which comes first if it is set) or `lean` on
/// PATH. Folders in LEAN_PATH are searched, too.
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

    /// How many files to check at the same time, each in a process of its own
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = jobs, allow_negative_numbers = true)]
    jobs: usize,

    /// Most seconds for the check of a file, without its import; what was found before is printed. Lean stops at its next look, which
    /// it does not take inside a program that an `#eval` runs: see --grace
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,

    /// Most seconds that a check may take to come back once its time is over. Then its process is killed: nothing else stops a loop in
    /// compiled code
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

    /// Most processes with imports to keep, each with its processes that check
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true)]
    capacity: u64,

    /// Without effect: each import has a process of its own, which takes nothing from the others
    #[arg(long, value_enum, default_value_t = Regions::Shared, hide = true)]
    regions: Regions,

    /// What checks: workers, or the command `lean` for each file (slower; where it can, headers that many files have are saved and loaded)
    #[arg(long, value_enum, default_value_t = Engine::default())]
    engine: Engine,

    /// How far files are kept apart: some files with the same imports share a process, one after the other, or each has one of its own
    #[arg(long, value_enum, default_value_t = Isolate::Some)]
    isolate: Isolate,

    /// Keep files from writing files and from the network, where the kernel can (--stats says what it could)
    #[arg(long)]
    sandbox: bool,

    /// Most memory for all processes, such as 4G or 800M; each check has its share of it [default: half of what is there]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<u64>,

    /// Most disk for headers that `--engine lean` saves, such as 2G; 0 saves none
    #[arg(long, value_name = "SIZE", value_parser = bytes, default_value = "2G")]
    max_disk: u64,

    /// Where workers and saved headers are kept [default: leanpool in XDG_CACHE_HOME]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// A worker program that is there, instead of the one that is built for the Lean
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,

    /// Print what is known of a file as soon as it is known, not in the order given
    #[arg(long)]
    unordered: bool,

    /// Print what was done, at the end: imports, processes, deaths, memory
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

/// What checks.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// Lean in processes that import once and check many files
    #[cfg(target_os = "linux")]
    Worker,
    /// The command `lean` for each file
    Lean,
}

impl Default for Engine {
    fn default() -> Self {
        Self::value_variants()[0]
    }
}

/// How far files are kept apart.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Isolate {
    /// Some files, one after the other, share a process
    Some,
    /// Each file has a process of its own
    File,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    files::run(args)
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let shift = match unit.to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("expected a number of bytes, such as 800M or 4G".to_owned()),
    };
    let number: f64 =
        digits.parse().map_err(|_| "expected a number of bytes, such as 800M or 4G".to_owned())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is no negative number, and a large one is cut"
    )]
    Ok((number * (1_u64 << shift) as f64) as u64)
}

pub(super) fn jobs(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "expected a number of files".to_owned())?;
    if (1..=1024).contains(&number) { Ok(number) } else { Err("expected a number from 1 to 1024".to_owned()) }
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a positive number of seconds, such as 10 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(expected)
}
