//! Breaking off: a token of Rust's, and what it interrupts.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::LeanError;
use crate::ffi;
use crate::object::{Owned, SharedObject};
use crate::thread::{LeanThread, Started};

/// Tells imports and checks that nobody wants them any more. Clones are the same token; a cancelled one stays so.
///
/// May be cancelled on any thread. It is looked at before Lean is called and between steps, and it interrupts a check that is
/// running: Lean looks at a token of its own in its main loops, and a check that was 100 ms under way has come back 10 ms
/// after it was cancelled. What can't be interrupted: an import, and a compiled program that an `#eval` runs.
///
/// ```no_run
/// # use lean_backend::LeanCancellationToken;
/// let token = LeanCancellationToken::new();
/// token.clone().cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct LeanCancellationToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set under the lock, so that no check begins to listen after the last that listened was told.
    cancelled: AtomicBool,
    checks: Mutex<Vec<Arc<Interruption>>>,
}

impl LeanCancellationToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels it, and interrupts every check that runs with it. Attaches this thread for that, if it is not.
    pub fn cancel(&self) {
        let checks = {
            let mut checks = self.checks();
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut *checks)
        };
        checks.iter().for_each(|check| check.interrupt(Ended::Cancelled));
    }

    /// Whether it was cancelled. Reads one atomic.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Has `check` interrupted when this is cancelled, until what is returned is dropped; at once, if it is already.
    pub(crate) fn interrupts(&self, check: &Arc<Interruption>) -> Listening<'_> {
        let mut checks = self.checks();
        if self.is_cancelled() {
            drop(checks);
            check.interrupt(Ended::Cancelled);
        } else {
            checks.push(Arc::clone(check));
        }
        Listening { token: self, check: Arc::clone(check) }
    }

    fn checks(&self) -> MutexGuard<'_, Vec<Arc<Interruption>>> {
        // Nothing under this lock panics.
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LeanCancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanCancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

pub(crate) struct Listening<'t> {
    token: &'t LeanCancellationToken,
    check: Arc<Interruption>,
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.token.checks().retain(|check| !Arc::ptr_eq(check, &self.check));
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// All of the source was looked at.
    Complete,
    /// Its [`LeanCancellationToken`] was cancelled; what was found before is reported.
    Cancelled,
    /// Its deadline passed; what was found before is reported.
    TimedOut,
}

/// What interrupts one check, whether it has begun or not.
#[derive(Default)]
pub(crate) struct Interruption(Mutex<State>);

#[derive(Default)]
struct State {
    /// Lean's own token, once the check is about to begin.
    token: Option<Arc<SharedObject>>,
    /// The first reason to interrupt it.
    why: Option<Ended>,
}

impl Interruption {
    /// Interrupts the check, now or when it begins. Only the first reason counts.
    pub(crate) fn interrupt(&self, why: Ended) {
        let token = {
            let mut state = self.state();
            state.why.get_or_insert(why);
            state.token.clone()
        };
        // Not under the lock: this calls Lean.
        if let Some(token) = token {
            set(&token);
        }
    }

    /// Makes Lean's token for the check that is about to begin on this thread.
    pub(crate) fn arm<'lean>(&self, thread: &'lean LeanThread) -> Result<Owned<'lean>, LeanError> {
        // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
        let token = unsafe { Owned::from_io_result(thread, ffi::leanpool_cancel_token_new(ffi::world())) }?;
        // Marked, because whoever interrupts does so from another thread.
        let token = Arc::new(SharedObject::new(token));
        let interrupted = {
            let mut state = self.state();
            state.token = Some(Arc::clone(&token));
            state.why.is_some()
        };
        if interrupted {
            set(&token);
        }
        Ok(token.on(thread))
    }

    /// Why it was interrupted, if it was.
    pub(crate) fn why(&self) -> Option<Ended> {
        self.state().why
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets a token of Lean's. That does not fail: were Lean to throw, the check would run to its end.
fn set(token: &SharedObject) {
    let Some(started) = Started::get() else { return };
    let thread = started.attach();
    // SAFETY: attached, as the token proves. The object is a marked `CancelToken`, and the reference is given away, as an
    // export takes it owned; the function is in `IO`.
    let result = unsafe {
        let result = ffi::leanpool_cancel_token_set(token.on(&thread).into_raw(), ffi::world());
        Owned::from_io_result(&thread, result)
    };
    drop(result);
}
