//! The command `leanpool`.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

/// How the process ends where this program is wrong (`EX_SOFTWARE`).
const INNER_FAULT: u8 = 70;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|arg| arg == leanpool::lean_worker::launch::WORD).is_some() {
        // This process is to become another program: see `lean_worker::launch`.
        eprintln!("leanpool: {}", leanpool::lean_worker::launch::run(args));
        return ExitCode::from(127);
    }
    // What has happened is said by the panic itself.
    std::panic::catch_unwind(cli::run).unwrap_or(ExitCode::from(INNER_FAULT))
}
