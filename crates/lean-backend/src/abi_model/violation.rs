//! How the model says that something is wrong.

use std::io::Write;

/// Says what is wrong and ends the process. No panic: the callers are called from foreign code.
pub(super) fn violation(message: &str) -> ! {
    // Not `eprintln!`, whose output a test harness keeps for itself. If it cannot be written, ending is all that is left.
    let _ = std::io::stderr().write_all(format!("ABI model: {message}\n").as_bytes());
    std::process::abort();
}
