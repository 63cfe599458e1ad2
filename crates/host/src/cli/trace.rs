//! `leanpool trace`.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use indicatif::HumanCount;
use leanpool::trace::from_git;

use super::{EXIT_CODES, interrupt};

const EXAMPLES: &str = "\
Examples:
  leanpool trace ../mathlib4 --output mathlib4.tsv
      a line for each .lean file that a commit added or changed: seconds since the first, and its import list
  leanpool compare mathlib4.tsv --capacity 1%..50% --plot charts
      how many environments to keep for this project: where the curve of the default policy becomes flat";

/// Make a trace of a Lean project's own history, to measure on your own work
///
/// For each commit, oldest first, each .lean file that it added or changed, with the import list that its header has in that commit: what
/// a checker of every pushed change would have opened. Nothing else of the project is in it. Merges add nothing, and need git.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(super) struct Args {
    /// A git repository of a Lean project, with its history
    #[arg(value_name = "FROM_GIT_DIR")]
    repository: PathBuf,

    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Print no summary on standard error
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let place =
        args.output.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
    let cant_write = |error: io::Error| format!("{place}: can't be written: {error}");
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(cant_write)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    interrupt::watch()?;
    // On a thread of its own, for git may keep it waiting longer than whoever breaks it off.
    let (send, requests) = mpsc::sync_channel(1024);
    let repository = args.repository.clone();
    let reader = std::thread::spawn(move || {
        from_git(&repository, |seconds, imports| match send.send((seconds, imports.to_owned())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    });
    let mut count = 0_u64;
    let written = loop {
        if interrupt::asked() {
            break Ok(());
        }
        match requests.recv_timeout(Duration::from_millis(20)) {
            Ok((seconds, imports)) => {
                count += 1;
                if let Err(error) = writeln!(out, "{seconds}\t{imports}") {
                    break Err(error);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        }
    };
    match written.and_then(|()| out.flush()) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        result => result.map_err(cant_write)?,
    }
    if interrupt::asked() {
        return Ok(interrupt::exit_code());
    }
    reader.join().map_err(|_| "reading the history panicked")??;
    if count == 0 {
        return Err(
            format!("{}: no commit of its history has a .lean file", args.repository.display()).into()
        );
    }
    if !args.quiet {
        // A summary that nobody reads is no failure.
        let _ = writeln!(io::stderr(), "{} requests", HumanCount(count));
    }
    Ok(ExitCode::SUCCESS)
}
