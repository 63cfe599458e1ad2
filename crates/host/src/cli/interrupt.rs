//! Ctrl-C, and a polite kill: the first asks the job to end and print what it has, the second ends the process.

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

/// The exit code of what was asked to end, 0 if nothing was: 128 and the signal's number, as shells say it.
static ASKED: AtomicU8 = AtomicU8::new(0);

/// By Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

/// From now on Ctrl-C (or a polite kill) is noticed.
pub(super) fn watch() -> io::Result<()> {
    watch_and(|| (), || std::process::exit(i32::from(code())))
}

/// As [`watch`], with what is done the first time and each time after that, on a thread of its own.
pub(super) fn watch_and(
    first: impl Fn() + Send + 'static,
    again: impl Fn() + Send + 'static,
) -> io::Result<()> {
    on_signal(move |code| {
        // The first decides what is said at the end.
        if ASKED.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            first();
        } else {
            again();
        }
    })
}

/// Has `each` called with the exit code of each signal, on a thread of its own.
#[cfg(unix)]
pub(super) fn on_signal(each: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let watch = move || signals.forever().for_each(|signal| each(128 + signal as u8));
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
}

#[cfg(not(unix))]
fn on_signal(each: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || each(INTERRUPTED)).map_err(io::Error::other)
}

/// Whether the job was asked to end.
pub(super) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed) != 0
}

/// The exit code of a job that was broken off.
pub(super) fn code() -> u8 {
    match ASKED.load(Ordering::Relaxed) {
        0 => INTERRUPTED,
        code => code,
    }
}

/// The same, as a process ends with it.
pub(super) fn exit_code() -> ExitCode {
    ExitCode::from(code())
}
