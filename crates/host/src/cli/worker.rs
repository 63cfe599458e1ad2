//! `leanpool worker`: the programs with Lean in them, which checks run in.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use leanpool::lean_worker::building::{self, BuildError, Building};
use leanpool::lean_worker::launch::Launcher;
use leanpool::lean_worker::{Cache, Places, Toolchain};

use super::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  leanpool worker build --project .
      the worker for a project's Lean, so that the first check need not wait for it
  leanpool worker list
      those that were built, and where they are
  leanpool worker clean
      removes them: the next check builds what it needs";

/// Build, list and remove workers: the programs in which files are checked, one for each Lean
///
/// `leanpool check` builds what it needs by itself, with the `lake` of that Lean, from sources that are in this program. That takes some ten seconds, once.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Build the worker for a Lean, if it is not there; print where it is
    Build {
        /// The Lake project whose Lean it is for
        #[arg(long, value_name = "DIR")]
        project: Option<PathBuf>,
        /// Where workers are kept
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
        /// Print no progress
        #[arg(long)]
        quiet: bool,
    },
    /// Print each worker that was built: the version of its Lean, its folder, its Lean's folder
    List {
        /// Where workers are kept
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
    },
    /// Remove all workers, and all headers that were saved
    Clean {
        /// Where workers are kept
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match &args.what {
        What::Build { project, cache, quiet } => {
            let toolchain = Places::from_env().toolchain(project.as_deref())?;
            let program = ensure(&Cache::new(cache.clone())?, &toolchain, *quiet)?;
            writeln!(out, "{}", program.display())?;
        }
        What::List { cache } => {
            for built in building::built(&Cache::new(cache.clone())?) {
                let is_there = if built.sysroot.is_dir() { "" } else { " (which is gone)" };
                writeln!(
                    out,
                    "{:<12} {}  for {}{is_there}",
                    built.version,
                    built.folder.display(),
                    built.sysroot.display()
                )?;
            }
        }
        What::Clean { cache } => {
            let cache = Cache::new(cache.clone())?;
            let count = building::clean(&cache)?;
            writeln!(out, "{count} removed from {}", cache.path().display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes what is started, so that it ends with this process.
pub(super) fn launcher() -> Option<Launcher> {
    // The name may be another program's by now; this is the file that runs.
    let own = Path::new("/proc/self/exe");
    if own.exists() { Some(Launcher::new(own)) } else { std::env::current_exe().ok().map(Launcher::new) }
}

/// The worker for a toolchain, built if it is not there: with the compiler's progress on a terminal.
pub(super) fn ensure(cache: &Cache, toolchain: &Toolchain, quiet: bool) -> Result<PathBuf, BuildError> {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    let style = ProgressStyle::with_template(
        "{spinner} building the worker for Lean {prefix} ({elapsed}): {wide_msg}",
    );
    bar.set_style(style.expect("the template is sound"));
    bar.set_prefix(toolchain.version.clone());
    let mut is_new = false;
    let result = building::ensure(cache, toolchain, launcher().as_ref(), &mut |what| {
        match what {
            Building::Waiting => bar.set_message("another process is at it"),
            Building::Begun => {
                is_new = true;
                bar.set_message("lake build");
            }
            Building::Said(line) => bar.set_message(line.trim().to_owned()),
        }
        bar.enable_steady_tick(Duration::from_millis(120));
    });
    bar.finish_and_clear();
    if is_new && !quiet && result.is_ok() {
        // A note that nobody reads is no failure.
        let _ = writeln!(
            io::stderr(),
            "leanpool: built the worker for Lean {} in {}",
            toolchain.version,
            cache.path().display()
        );
    }
    result
}
