//! Ctrl-C, and a polite kill: the first asks the job to end and print what it has, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (or a polite kill) is noticed.
pub(super) fn watch() -> Result<(), ctrlc::Error> {
    watch_and(|| (), || std::process::exit(i32::from(super::INTERRUPTED)))
}

/// As [`watch`], with what is done the first time and each time after that, on a thread of its own.
pub(super) fn watch_and(
    first: impl Fn() + Send + 'static,
    again: impl Fn() + Send + 'static,
) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            again();
        } else {
            first();
        }
    })
}

/// Whether the job was asked to end.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
