//! The command line: what can be said, and what happens then.

#[cfg(all(target_os = "linux", feature = "serve"))]
mod bench_serve;
mod check;
mod common;
mod compare;
#[cfg(target_os = "linux")]
mod conformance;
mod doctor;
mod folders;
mod help_files;
mod interrupt;
#[cfg(all(target_os = "linux", feature = "serve"))]
mod key;
#[cfg(all(target_os = "linux", feature = "serve"))]
mod mcp;
#[cfg(target_os = "linux")]
mod repl;
mod replay;
#[cfg(all(target_os = "linux", feature = "serve"))]
mod serve;
#[cfg(all(target_os = "linux", feature = "serve"))]
mod service_site;
mod site;
mod trace;
mod worker;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use leanpool::lean_worker::ToolchainError;
use leanpool::lean_worker::building::BuildError;
use leanpool::site::SiteError;

/// Pools Lean 4 environments, which take seconds and gigabytes to open.
#[derive(Parser)]
#[command(name = "leanpool", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    #[cfg(all(target_os = "linux", feature = "serve"))]
    Serve(serve::Args),
    #[cfg(all(target_os = "linux", feature = "serve"))]
    Mcp(mcp::Args),
    #[cfg(all(target_os = "linux", feature = "serve"))]
    Key(key::Args),
    #[cfg(all(target_os = "linux", feature = "serve"))]
    BenchServe(bench_serve::Args),
    #[cfg(target_os = "linux")]
    Conformance(conformance::Args),
    #[cfg(target_os = "linux")]
    Repl(repl::Args),
    Worker(worker::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Trace(trace::Args),
    Doctor(doctor::Args),
    Completions(help_files::Completions),
    Man(help_files::Man),
}

pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 there is no Lean or no worker for it, 70 a fault of this program, 130 broken off with Ctrl-C, 143 with a polite kill (what was done so far is \
printed; a second signal ends the process at once).";

/// Ends of the process other than success. Wrong usage (2) is clap's.
const FAILED: u8 = 1;
/// There is no Lean, or no worker for it.
const NO_LEAN: u8 = 3;

pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse_from(arguments(std::env::args_os())).command {
        Command::Check(args) => check::run(&args),
        #[cfg(all(target_os = "linux", feature = "serve"))]
        Command::Serve(args) => serve::run(&args),
        #[cfg(all(target_os = "linux", feature = "serve"))]
        Command::Mcp(args) => mcp::run(&args),
        #[cfg(all(target_os = "linux", feature = "serve"))]
        Command::Key(args) => key::run(&args),
        #[cfg(all(target_os = "linux", feature = "serve"))]
        Command::BenchServe(args) => bench_serve::run(&args),
        #[cfg(target_os = "linux")]
        Command::Conformance(args) => conformance::run(&args),
        #[cfg(target_os = "linux")]
        Command::Repl(args) => repl::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Trace(args) => trace::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => help_files::completions(&args),
        Command::Man(args) => help_files::man(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // If even that can't be said, the exit code still does.
            let _ = writeln!(io::stderr(), "leanpool: {error}");
            let is_no_lean = error.downcast_ref::<SiteError>().is_some_and(SiteError::is_no_lean)
                || error.is::<BuildError>()
                || error.is::<ToolchainError>();
            ExitCode::from(if is_no_lean { NO_LEAN } else { FAILED })
        }
    }
}

/// A program called `repl` is `leanpool repl`: clients look for a file of that name, and give it no arguments.
fn arguments(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(|name| Path::new(name).file_name() == Some("repl".as_ref())) {
        args.insert(1, "repl".into());
    }
    args
}

/// Ends the process as clap does when arguments that are right by themselves don't fit together.
fn wrong_usage(error: &dyn Display) -> ! {
    Cli::command().error(ErrorKind::ValueValidation, error).exit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each command with each of its arguments, and some values: an argument of the command line to a NUL, which none can have.
    #[cfg(unix)]
    fn command_lines() -> Vec<Vec<u8>> {
        let command = Cli::command();
        let mut all = vec![b"--version".to_vec(), b"--help".to_vec()];
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            all.push(format!("{name}\0a.lean\0b.tsv").into_bytes());
            for long in sub.get_arguments().filter_map(clap::Arg::get_long) {
                all.extend(
                    ["1", "1G", "key=2"].map(|value| format!("{name}\0x\0--{long}\0{value}").into_bytes()),
                );
            }
        }
        all
    }

    // Risk: arguments end the command in another way than with an error in words, or with one that goes on for ever.
    #[cfg(unix)]
    fuzz::target!(
        command_lines_of_any_bytes,
        command_lines,
        &[
            "\0",
            "\0--",
            "=",
            "--timeout=",
            "1e400",
            "NaN",
            "-1",
            "18446744073709551616G",
            "\0--policy\0tiny-lfu:over=tiny-lfu:over=lru",
            "\0--synthetic\0zipf:0.9:n=100",
            "%",
            "..",
            "1%..50%",
            ",",
            "\0-j\0",
            "time=1,key=2",
            "\0--capacity\0"
        ],
        600,
        |bytes: &[u8]| {
            use std::os::unix::ffi::OsStringExt as _;
            let args = bytes.split(|&byte| byte == 0).map(|arg| OsString::from_vec(arg.to_vec()));
            let args = arguments([OsString::from("leanpool")].into_iter().chain(args));
            match Cli::try_parse_from(args) {
                Ok(_) => "right".to_owned(),
                Err(error) => {
                    let words = error.to_string();
                    assert!(!words.is_empty() && (error.exit_code() == 2 || error.exit_code() == 0));
                    assert!(words.len() < 20_000 + 8 * bytes.len(), "an error of {} bytes", words.len());
                    format!("{:?}", error.kind())
                }
            }
        }
    );

    #[test]
    fn program_s_name_says_what_it_is() {
        let of = |args: &[&str]| arguments(args.iter().map(OsString::from));
        assert_eq!(of(&["/x/.lake/build/bin/repl", "--timeout", "5"])[1..], ["repl", "--timeout", "5"]);
        assert_eq!(of(&["repl"])[1..], ["repl"]);
        assert_eq!(of(&["/repl/leanpool", "check"])[1..], ["check"]);
        assert_eq!(of(&["repl.exe", "check"])[1..], ["check"]);
    }
}
