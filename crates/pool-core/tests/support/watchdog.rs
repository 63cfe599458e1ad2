//! A test that hangs fails.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::sync::mpsc;
use std::time::Duration;

/// Ends the process if it is not dropped within half a minute, or the seconds that `WATCHDOG_SECONDS` says: a test that hangs
/// fails.
#[must_use]
pub(crate) struct Watchdog(mpsc::Sender<()>);

#[track_caller]
pub(crate) fn watchdog() -> Watchdog {
    watchdog_of(30, String::new)
}

/// The same, and prints what `says` says then.
#[track_caller]
pub(crate) fn watchdog_that_says(says: impl FnOnce() -> String + Send + 'static) -> Watchdog {
    watchdog_of(30, says)
}

/// The same for what takes longer, as where processes are started.
#[track_caller]
pub(crate) fn watchdog_of(seconds: u64, says: impl FnOnce() -> String + Send + 'static) -> Watchdog {
    let (alive, gone) = mpsc::channel();
    let test = std::panic::Location::caller();
    let seconds = std::env::var("WATCHDOG_SECONDS").map_or(seconds, |seconds| seconds.parse().unwrap());
    std::thread::spawn(move || {
        if gone.recv_timeout(Duration::from_secs(seconds)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test}: nothing has moved for {seconds} s. {}", says());
            std::process::exit(101);
        }
    });
    Watchdog(alive)
}
