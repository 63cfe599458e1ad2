//! Breaking off checks, from any thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ends the checks that it was given to. Clones are the same token; it can't be taken back.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_cancelled: bool,
    next: u64,
    /// What is to be done when it is cancelled.
    running: BTreeMap<u64, Box<dyn Fn() + Send>>,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all checks that have this token, and those that are begun later. Returns at once.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.is_cancelled = true;
        state.running.values().for_each(|end| end());
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    /// Has `end` called when the token is cancelled, at once if it was; not any more once what is returned is dropped. It is called under
    /// the token's lock: it must neither wait nor use the token.
    pub(crate) fn call(&self, end: impl Fn() + Send + 'static) -> Call {
        let mut state = self.lock();
        if state.is_cancelled {
            end();
        }
        let number = state.next;
        state.next += 1;
        state.running.insert(number, Box::new(end));
        Call { token: self.clone(), number }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

pub(crate) struct Call {
    token: CancelToken,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        let ended = self.token.lock().running.remove(&self.number);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_runs_is_ended_once_and_what_has_ended_is_not() {
        let (token, count) = (CancelToken::new(), Arc::new(AtomicU32::new(0)));
        let call = || {
            let count = count.clone();
            token.call(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (ended, _runs) = (call(), call());
        drop(ended);
        token.clone().cancel();
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let _late = call();
        assert_eq!((count.load(Ordering::Relaxed), token.is_cancelled()), (2, true));
    }
}
