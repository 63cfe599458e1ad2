//! `leanpool doctor`.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use leanpool::doctor::{Look, State, examine};

use super::{EXIT_CODES, FAILED};

const EXAMPLES: &str = "\
Examples:
  leanpool doctor
      from the root of a checkout
  leanpool doctor --project ../my-project --json
      whether a Lake project and all it depends on are built, for a machine to read";

/// Say what checks, and sessions inside a program, need and whether it is there: each line ok, or what to do
///
/// Looks for Lean (LEAN_SYSROOT, else `lean --print-prefix`), its version, library and solver, the Lake package of this project, whether imports
/// share what they read, the folders in which modules are searched, memory, and the system's limits on mapped files and stacks. Changes
/// nothing, and works with no Lean on the machine. Ends with 1 if there is something to do.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct Args {
    /// The Lake package that the backend links: the folder `lean` of a checkout
    #[arg(long, value_name = "DIR", default_value = "lean")]
    package: PathBuf,

    /// A Lake project whose modules are to be found, too
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,

    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let findings = examine(&Look::from_env(args.package.clone(), args.project.clone()));
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&findings)?)?;
    } else {
        for finding in &findings {
            writeln!(out, "{finding}")?;
        }
    }
    let to_do = findings.iter().any(|finding| finding.state == State::ToDo);
    Ok(if to_do { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}
