//! `leanpool repl`.

mod place;
mod serving;

use std::error::Error;
use std::io::{self, BufRead, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use leanpool::lean_worker::lending::{Lender, well_known_path};
use leanpool::lean_worker::{Kept, Limits, Requests, Workers, repl_message};

use super::check::{bytes, seconds};
use super::interrupt;
use super::worker::launcher;
use serving::Serving;

const EXAMPLES: &str = "\
Examples:
  echo '{\"cmd\": \"#eval 2 + 2\"}' | leanpool repl
      a request, and its answer
  lake env leanpool repl --timeout 60 < requests
      with the modules of the project in this folder, at most a minute for each request
  leanpool repl --listen &
      lends sessions to all later `leanpool repl`s of this user: a hundred of them import once
  ln -s \"$(command -v leanpool)\" repl
      for programs that look for a file called `repl`: under that name it is `leanpool repl`

Requests are JSON, each ended by a blank line; so are answers. What can be asked is what the community's REPL (leanprover-community/repl) can be asked. \
docs/repl.md says what differs.";

const CODES: &str = "\
Exit codes: 0 the input has ended, 1 no session is lent, or nobody reads the answers, 2 wrong usage, 3 there is no Lean, or no worker for it, 130 broken off with Ctrl-C, 143 with a \
polite kill. The first Ctrl-C while a request runs ends only the request.";

/// Answer the requests of the Lean REPL, from standard input to standard output
///
/// Each import header that comes up in a session has a process of its own, forked from one that has done that import. A request that is not done in time is
/// cancelled, or its process is killed: the states that this one held are gone, and nothing else.
///
/// The Lean is the one that the project's `lean-toolchain` names, found in elan's folder, else that of LEAN_SYSROOT (which comes first if it is set) or `lean` on
/// PATH. Folders in LEAN_PATH are searched, as `lake env` sets it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{CODES}"))]
pub(super) struct Args {
    /// Most seconds for a request, without an import that it needs
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,

    /// Most seconds that a request may take to come back once its time is over. Then its process is killed
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, allow_negative_numbers = true)]
    grace: Duration,

    /// Have the session lent by the process that listens there, and by no other [default: leanpool/repl.sock in XDG_RUNTIME_DIR if somebody listens,
    /// else a session of its own]
    #[arg(long, value_name = "SOCKET", conflicts_with_all = ["alone", "listen"])]
    connect: Option<PathBuf>,

    /// Have no session lent
    #[arg(long)]
    alone: bool,

    /// Answer no requests, but lend sessions there to other `leanpool repl`s, until it is ended [default: leanpool/repl.sock in XDG_RUNTIME_DIR]
    #[arg(long, value_name = "SOCKET", num_args = 0..=1, conflicts_with = "alone")]
    #[expect(clippy::option_option, reason = "not at all, somewhere, there")]
    listen: Option<Option<PathBuf>>,

    /// Most imports that are kept. A session that needs a further one, while all are in use, is refused
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    capacity: u64,

    /// Most memory for all processes, such as 4G or 800M; no request can have more [default: half of what is there for imports, no limit for a request]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_memory: Option<u64>,

    /// Keep requests from writing files and from the network, where the kernel can. Nothing can be pickled then
    #[arg(long)]
    sandbox: bool,

    #[command(flatten)]
    place: place::PlaceArgs,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = &args.listen {
        return lend(args, path.clone());
    }
    let serving = Serving::new(args, args.place.surroundings()?)?;
    serving::obey_signals(serving.asks())?;
    serving::end_when_nobody_reads()?;
    answer_all(serving)
}

fn answer_all(mut serving: Serving) -> Result<ExitCode, Box<dyn Error>> {
    let mut input = io::stdin().lock();
    let mut requests = Requests::new();
    loop {
        let line = next_line(&mut input, LONGEST_LINE)?;
        let is_end = line.is_empty();
        let request = if is_end { requests.end() } else { requests.line(&line) };
        if let Some(request) = request {
            let answer = match std::str::from_utf8(&request) {
                Ok(request) => serving.answer(request),
                Err(error) => Ok(repl_message(&format!("Could not parse the request: {error}"))),
            };
            let has_ended = answer.as_ref().err().map(ToString::to_string);
            let mut out = io::stdout().lock();
            let answer = answer.unwrap_or_else(|error| repl_message(&error.to_string()));
            if write!(out, "{answer}\n\n").and_then(|()| out.flush()).is_err() {
                // Whoever was reading has gone.
                return Ok(ExitCode::FAILURE);
            }
            if let Some(error) = has_ended {
                return Err(error.into());
            }
        }
        if is_end {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Bytes of a line that are kept: more than a request may have, so that the session knows it.
const LONGEST_LINE: u64 = 65 << 20;

/// A line with its end, which the last may lack; nothing at the end of all. What is behind `most` bytes of it is passed over.
fn next_line(input: &mut impl BufRead, most: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.len() as u64 == most && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(line)
}

fn workers(args: &Args) -> Workers {
    let most = Kept::default();
    let kept = Kept { zygotes: args.capacity, memory: args.max_memory.unwrap_or(most.memory) };
    let limits = Limits { memory: args.max_memory, sandbox: args.sandbox, ..Limits::default() };
    Workers::new(kept, limits, launcher())
}

/// Lends sessions until it is asked to end.
fn lend(args: &Args, path: Option<PathBuf>) -> Result<ExitCode, Box<dyn Error>> {
    let Some(path) = path.or_else(well_known_path) else {
        return Err("XDG_RUNTIME_DIR is not set: name a place to listen at".into());
    };
    let (tell, asked) = channel();
    interrupt::watch_and(
        move || {
            let _ = tell.send(());
        },
        || std::process::exit(interrupt::code().into()),
    )?;
    let lender = Lender::new(&path, Arc::new(workers(args)))?;
    // Whoever starts it may wait for this line.
    writeln!(io::stdout(), "lending sessions at {}", lender.path().display())?;
    let _ = asked.recv();
    drop(lender);
    Ok(interrupt::exit_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_line_without_an_end_no_more_is_kept_than_tells_that_it_is_too_long() {
        let mut input = io::Cursor::new("abcdefg\nabcd\nabc\n\nx");
        let lines: Vec<String> =
            (0..6).map(|_| String::from_utf8(next_line(&mut input, 4).unwrap()).unwrap()).collect();
        assert_eq!(lines, ["abcd", "abcd", "abc\n", "\n", "x", ""]);
    }
}
