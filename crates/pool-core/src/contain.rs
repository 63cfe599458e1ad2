//! Keeping panics of user code from unwinding through half-done bookkeeping.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs user code and keeps the first panic, so that what is under way can be finished first and the panic goes on
/// afterwards. Everything the closures touch is either the user's own or looked at again after a panic, hence the
/// asserted unwind safety.
#[derive(Default)]
#[must_use = "a panic that was contained has to go on"]
pub(crate) struct Panics {
    first: Option<Box<dyn Any + Send>>,
}

impl Panics {
    /// What `f` returns, or `None` if it panicked.
    pub(crate) fn contain<T>(&mut self, f: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.keep(payload);
                None
            }
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.first.is_some()
    }

    pub(crate) fn take(&mut self) -> Panics {
        Panics { first: self.first.take() }
    }

    /// Lets the first panic go on, unless the thread is unwinding already: a second one would end the process.
    pub(crate) fn resume(mut self) {
        if let Some(payload) = self.first.take() {
            if !std::thread::panicking() {
                resume_unwind(payload);
            }
            dispose(payload);
        }
    }

    #[cold]
    fn keep(&mut self, payload: Box<dyn Any + Send>) {
        if self.first.is_none() {
            self.first = Some(payload);
        } else {
            dispose(payload);
        }
    }
}

/// Drops a panic's payload, whose own `Drop` may panic; what that one panics with is leaked.
fn dispose(payload: Box<dyn Any + Send>) {
    if let Err(nested) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(nested);
    }
}
