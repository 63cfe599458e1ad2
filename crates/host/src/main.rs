//! The command `leanpool`.
#![forbid(unsafe_code)]

mod cli;

use std::panic::UnwindSafe;
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
    ended(cli::run)
}

/// How `work` ended. What has happened where it panicked is said by the panic itself.
fn ended(work: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    std::panic::catch_unwind(work).unwrap_or(ExitCode::from(INNER_FAULT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_of_this_program_is_no_error_of_a_file() {
        let shown = |code: ExitCode| format!("{code:?}");
        assert_eq!(shown(ended(|| panic!("a fault"))), shown(ExitCode::from(70)));
        assert_eq!(shown(ended(|| ExitCode::from(1))), shown(ExitCode::from(1)));
    }
}
