//! `leanpool check`.

mod files;
mod format;
mod policy;
mod report;
mod said;
pub(super) mod source;
mod summary;

use std::error::Error;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum as _;
use leanpool::lean_worker::{Asked, Limits, Record};

use super::site::SiteArgs;
use format::Format;
use policy::Policy;

const EXAMPLES: &str = "\
Examples:
  leanpool check Example.lean
      what `lean Example.lean` prints
  leanpool check --stats Tests/*.lean
      files of a Lake project (built by `lake build`), with its options; files with the same imports share one import
  leanpool check --timeout 10 --json Answers/*.lean | jq 'select(.severity == \"error\")'
      what `lean --json` prints, at most ten seconds a file
  leanpool check --no-sorry --allow-axioms standard Answers/*.lean
      errors for what is left open, and for axioms beyond Lean's own three
  cat Example.lean | leanpool check -
      from standard input

Files are checked by Lean in processes of its own, up to 20 with the same imports one after the other in one (--isolate file: each in its own). A crash
is an error of that file alone. An import that many files ask for is done once. The first
check with a Lean builds a worker for it, which takes some ten seconds: see `leanpool worker`.

That a file is checked means that Lean elaborated it. A file can run programs while it is, and make Lean say what it likes. Against files of those
who want to deceive, check what was compiled: `lake check`, `comparator`, `lean4checker`.";

const CODES: &str = "\
Exit codes: 0 no errors, 1 an error was reported, or a file could not be checked, 2 wrong usage, 3 there is no Lean or no worker for it, 70 a fault of this \
program, 130 broken off with Ctrl-C, 143 with a polite kill (what was found so far is printed).";

/// Check Lean files: print what `lean` prints of each, without an import for each
///
/// Text is that of the command `lean`, and so are objects with `--json`: the same bytes in the same order, streamed. What `lean` can't say of a file is an error at
/// its beginning: that it can't be read, was too late, or that its process died (a crash, a stack overflow, `IO.Process.exit`, too much memory). The other files go on.
///
/// In a Lake project, which is looked for from each file upwards, Lake says where modules are and with which options and plugins the file is compiled, and
/// `lean-toolchain` says which Lean. Otherwise it is the Lean of LEAN_SYSROOT, or `lean` on PATH, and modules are searched in LEAN_PATH.
#[derive(Clone, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{CODES}"))]
pub(super) struct Args {
    /// The files; `-` is standard input
    #[arg(required_unless_present = "stdin", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Check what comes from standard input, under the name `<stdin>`
    #[arg(long)]
    stdin: bool,

    /// How many files to check at the same time [default: as many as processors]
    #[arg(short, long, value_name = "N", value_parser = jobs, allow_negative_numbers = true)]
    jobs: Option<NonZero<usize>>,

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

    /// After how many errors of a file Lean gives it up, 0 for never; Lean's option maxErrors (its own limit is 100)
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,

    /// Report messages of this kind as errors, as `lean -E`; may be given several times
    #[arg(short = 'E', long = "error", value_name = "KIND")]
    error_kinds: Vec<String>,

    #[command(flatten)]
    site: SiteArgs,

    /// How to print
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    format: Format,

    /// Print Lean's objects, one a line, as soon as each is known; with `=leanpool` also one for the end of each file
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "lean", conflicts_with = "format", help_heading = "Output")]
    json: Option<Json>,

    /// Print each `sorry`, with what is left to prove there
    #[arg(long, help_heading = "Output")]
    sorries: bool,

    /// Print the axioms on which each declaration rests
    #[arg(long, help_heading = "Output")]
    axioms: bool,

    /// An error for each `sorry`, and each declaration that rests on one
    #[arg(long, help_heading = "Output")]
    no_sorry: bool,

    /// An error for each declaration that rests on an axiom beyond these; `standard` stands for propext,Classical.choice,Quot.sound
    #[arg(long, value_name = "NAME,…", help_heading = "Output")]
    allow_axioms: Option<String>,

    /// Print what is known of a file as soon as it is known, not in the order given
    #[arg(long, help_heading = "Output")]
    unordered: bool,

    /// Print what was done, at the end, on standard error: imports, processes, deaths, memory. With --json it is a last object `{"summary": …}`
    #[arg(long, help_heading = "Output")]
    stats: bool,

    /// Print no progress bar and no summary on standard error
    #[arg(long, help_heading = "Output")]
    quiet: bool,

    /// What checks: workers, or the command `lean` for each file (slower; where it can, headers that many files have are saved and loaded)
    #[arg(long, value_enum, default_value_t = Engine::default(), help_heading = "Processes")]
    engine: Engine,

    /// How far files are kept apart: some files with the same imports share a process, one after the other, or each has one of its own
    /// [default: some; with --sandbox: file]
    #[arg(long, value_enum, help_heading = "Processes")]
    isolate: Option<Isolate>,

    /// Keep files from writing files and from the network, where the kernel can (--stats says what it could)
    #[arg(long, help_heading = "Processes")]
    sandbox: bool,

    /// Most processes with imports to keep, each with its processes that check
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        allow_negative_numbers = true,
        help_heading = "Processes"
    )]
    capacity: u64,

    /// Most memory for all processes, such as 4G or 800M; each check has its share of it [default: half of what is there]
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Processes")]
    max_memory: Option<u64>,

    /// Most seconds of processor for a process that checks
    #[arg(long, value_name = "SECONDS", help_heading = "Processes")]
    max_processor: Option<u64>,

    /// The largest file that a process that checks may write, such as 10M
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Processes")]
    max_file_size: Option<u64>,

    /// Most disk for headers that `--engine lean` saves, such as 2G; 0 saves none
    #[arg(long, value_name = "SIZE", value_parser = bytes, default_value = "2G", help_heading = "Processes")]
    max_disk: u64,
}

/// Which objects are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Json {
    /// Lean's
    Lean,
    /// Lean's, and one for the end of each file
    Leanpool,
}

/// The axioms that Lean's own library rests on.
const STANDARD: [&str; 3] = ["propext", "Classical.choice", "Quot.sound"];

impl Args {
    fn jobs(&self) -> NonZero<usize> {
        let all = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        self.jobs.unwrap_or_else(all)
    }

    fn format(&self) -> Format {
        match self.json {
            None => self.format,
            Some(Json::Lean) => Format::Json,
            Some(Json::Leanpool) => Format::Leanpool,
        }
    }

    fn policy(&self) -> Policy {
        let names = |list: &String| {
            let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
            names
                .flat_map(|name| if name == "standard" { STANDARD.to_vec() } else { vec![name] })
                .map(str::to_owned)
                .collect()
        };
        Policy { no_sorry: self.no_sorry, allowed: self.allow_axioms.as_ref().map(names) }
    }

    fn asked(&self) -> Asked {
        let policy = self.policy();
        Asked {
            error_kinds: self.error_kinds.clone().into(),
            sorries: self.sorries || policy.no_sorry,
            axioms: self.axioms || policy.needs_axioms(),
            ..Asked::default()
        }
    }

    /// What is asked for the policy alone is not printed.
    fn shows(&self, record: &Record) -> bool {
        match record {
            Record::Sorry { .. } => self.sorries,
            Record::Axioms { .. } => self.axioms,
            _ => true,
        }
    }

    /// Options of Lean that have an argument of their own here.
    fn own_options(&self) -> Vec<String> {
        let heartbeats = (self.max_heartbeats > 0).then(|| format!("maxHeartbeats={}", self.max_heartbeats));
        let errors = self.max_errors.map(|count| format!("maxErrors={count}"));
        heartbeats.into_iter().chain(errors).collect()
    }

    /// Whether `lean` would print where messages end.
    fn prints_ends(&self) -> bool {
        self.site.last_of("printMessageEndPos") == Some("true")
    }
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
pub(super) enum Isolate {
    /// Some files, one after the other, share a process
    Some,
    /// Each file has a process of its own
    File,
}

impl Isolate {
    /// How many files a process checks. Without a word, those that are kept from the rest of the machine are kept from each other.
    pub(super) fn files_a_child(said: Option<Self>, sandbox: bool) -> u32 {
        match said.unwrap_or(if sandbox { Self::File } else { Self::Some }) {
            Self::File => 1,
            Self::Some => Limits::default().files_a_child,
        }
    }
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

pub(super) fn jobs(text: &str) -> Result<NonZero<usize>, String> {
    let number: usize = text.parse().map_err(|_| "expected a number of files".to_owned())?;
    NonZero::new(number)
        .filter(|number| number.get() <= 1024)
        .ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || "expected a positive number of seconds, such as 10 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_from_the_machine_is_kept_from_other_files() {
        let shared = Limits::default().files_a_child;
        assert!(shared > 1);
        for (said, sandbox, files) in [
            (None, false, shared),
            (None, true, 1),
            (Some(Isolate::Some), true, shared),
            (Some(Isolate::File), false, 1),
        ] {
            assert_eq!(Isolate::files_a_child(said, sandbox), files);
        }
    }
}
