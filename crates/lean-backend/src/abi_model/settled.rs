//! What a test holds while it runs, to see at its end that nothing is left.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::ledger;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// See [`settled`].
#[derive(Debug)]
#[must_use = "what is alive is looked at when this is dropped"]
pub struct Settled {
    /// The first serial number that was not given when this was made.
    since: u64,
    _others_wait: MutexGuard<'static, ()>,
}

/// Holds other tests back that call this, until what it returns is dropped. Then every object that was made since must
/// have been released, and no released one may have been touched; else the process ends.
///
/// To be the first thing in a test, so that it is dropped last. While its thread panics it looks at nothing: what a test
/// leaves behind that has failed already is no news.
pub fn settled() -> Settled {
    // A test that failed under the lock has said so itself.
    let others_wait = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Settled { since: ledger::next_serial(), _others_wait: others_wait }
}

impl Drop for Settled {
    fn drop(&mut self) {
        if !thread::panicking() {
            ledger::require_settled(self.since);
        }
    }
}
