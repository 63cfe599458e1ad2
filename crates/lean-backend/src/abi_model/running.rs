//! Which imports and checks run: an import excludes every other one, and every check.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::violation::violation;

#[derive(Clone, Copy)]
pub(super) struct Counts {
    /// Begun so far.
    pub(super) imports: u64,
    pub(super) checks: u64,
    /// Running now.
    pub(super) importing: u64,
    pub(super) checking: u64,
    /// Of these, those that have come to where they wait to be cancelled.
    pub(super) waiting: u64,
}

static COUNTS: Mutex<Counts> =
    Mutex::new(Counts { imports: 0, checks: 0, importing: 0, checking: 0, waiting: 0 });

fn lock() -> MutexGuard<'static, Counts> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn counts() -> Counts {
    *lock()
}

/// Lets other threads run, so that what may not run at the same time has a chance to be caught at it.
pub(super) fn linger() {
    (0..4).for_each(|_| thread::yield_now());
}

/// An import that runs, until this is dropped.
pub(super) struct Import(());

impl Import {
    pub(super) fn begin() -> Self {
        let mut counts = lock();
        counts.imports += 1;
        if counts.importing > 0 {
            violation("leanpool_import: two imports at once");
        }
        if counts.checking > 0 {
            violation("leanpool_import: an import runs beside a check");
        }
        counts.importing += 1;
        Self(())
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        lock().importing -= 1;
    }
}

/// A check that runs, until this is dropped.
pub(super) struct Check(());

impl Check {
    pub(super) fn begin() -> Self {
        let mut counts = lock();
        counts.checks += 1;
        if counts.importing > 0 {
            violation("leanpool_check: a check runs beside an import");
        }
        counts.checking += 1;
        Self(())
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        lock().checking -= 1;
    }
}

/// Waits until `is_cancelled` says so; how many do is counted.
pub(super) fn wait_until(is_cancelled: impl Fn() -> bool) {
    lock().waiting += 1;
    while !is_cancelled() {
        // Not only yielding: whoever is to cancel may need the processor.
        thread::sleep(Duration::from_millis(1));
    }
    lock().waiting -= 1;
}
