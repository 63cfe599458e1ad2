//! Keeping panics of user code from unwinding through half-done bookkeeping.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs user code and returns its panic. Everything the closures touch is either the user's own or looked at again
/// after a panic, hence the asserted unwind safety.
#[inline]
pub(crate) fn contain<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// The first panic of user code, kept so that what is under way can be finished before it goes on.
#[derive(Default)]
#[must_use = "a panic that was contained has to go on"]
pub(crate) struct Panics {
    first: Option<Payload>,
}

impl Panics {
    pub(crate) fn of(payload: Payload) -> Self {
        let mut panics = Self::default();
        panics.keep(payload);
        panics
    }

    /// What `f` returns, or `None` if it panicked.
    #[inline]
    pub(crate) fn contain<T>(&mut self, f: impl FnOnce() -> T) -> Option<T> {
        contain(f).map_err(|payload| self.keep(payload)).ok()
    }

    /// Drops a value of the user's.
    pub(crate) fn drop<T>(&mut self, value: T) {
        self.contain(|| drop(value));
    }

    /// Drops values of the user's, each by itself.
    pub(crate) fn drop_each<T>(&mut self, values: impl IntoIterator<Item = T>) {
        values.into_iter().for_each(|value| self.drop(value));
    }

    /// Lets the panic that was kept go on.
    pub(crate) fn go_on(self) -> ! {
        self.resume();
        unreachable!("there was one")
    }

    /// Lets the first panic go on.
    pub(crate) fn resume(mut self) {
        if let Some(payload) = self.first.take() {
            resume_unwind(payload);
        }
    }

    #[cold]
    pub(crate) fn keep(&mut self, payload: Payload) {
        if self.first.is_none() {
            self.first = Some(payload);
        } else {
            dispose(payload);
        }
    }
}

/// Runs `rest` while `held` waits to be handed out. If that panics, it is not the fault of what is held: that is dropped in order,
/// outside of any unwinding, and then the panic goes on.
#[inline]
pub(crate) fn hold_through<T>(held: T, rest: impl FnOnce(&T)) -> T {
    match contain(|| rest(&held)) {
        Ok(()) => held,
        Err(payload) => {
            let mut panics = Panics::default();
            panics.keep(payload);
            panics.drop(held);
            panics.go_on()
        }
    }
}

/// Runs what a destructor does. A panic goes on, unless the thread is unwinding already: that would end the process.
#[inline]
pub(crate) fn in_drop(f: impl FnOnce()) {
    if !std::thread::panicking() {
        f();
    } else if let Err(payload) = contain(f) {
        dispose(payload);
    }
}

/// Drops a panic's payload, whose own `Drop` may panic; what that one panics with is leaked.
pub(crate) fn dispose(payload: Payload) {
    if let Err(nested) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(nested);
    }
}
