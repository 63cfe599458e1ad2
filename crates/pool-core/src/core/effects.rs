//! What an event leaves to do once the borrow or lock is over.

use std::task::Waker;

use crate::contain::{Payload, contain};
use crate::reason::DropReason;

/// Who is to be woken, what is to be dropped, and what user code panicked with. Doing any of it may run user code, so it is
/// done outside the borrow or lock.
#[must_use = "waiters are woken, victims dropped and panics resumed outside the borrow or lock"]
pub(crate) struct Effects<K, R> {
    pub(crate) wakes: Vec<Waker>,
    /// Wakers that are not needed any more: dropping one is user code.
    pub(crate) stale_wakers: Vec<Waker>,
    pub(crate) victims: Vec<Victim<K, R>>,
    pub(crate) keys: Vec<K>,
    /// In order: all but the first are dropped, which is user code, too.
    pub(crate) panics: Vec<Payload>,
}

/// A resource that has left the pool. Its place is taken until [`dropped`](super::Core::dropped) says that it is gone.
pub(crate) struct Victim<K, R> {
    pub(crate) key: K,
    pub(crate) resource: R,
    pub(crate) reason: DropReason,
    /// Bytes, as it was counted.
    pub(crate) weight: u64,
}

impl<K, R> Effects<K, R> {
    fn none() -> Self {
        Self {
            wakes: Vec::new(),
            stale_wakers: Vec::new(),
            victims: Vec::new(),
            keys: Vec::new(),
            panics: Vec::new(),
        }
    }
}

/// The effects of the events since they were last taken: most hits and returns have none.
pub(super) struct Pending<K, R>(Option<Box<Effects<K, R>>>);

impl<K, R> Pending<K, R> {
    pub(super) const fn none() -> Self {
        Self(None)
    }

    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(super) fn take(&mut self) -> Option<Box<Effects<K, R>>> {
        self.0.take()
    }

    /// What `f` returns, or `None` if it panicked: the panic is kept.
    #[inline(always)]
    pub(super) fn contain<T>(&mut self, f: impl FnOnce() -> T) -> Option<T> {
        contain(f).map_err(|payload| self.keep(payload)).ok()
    }

    #[cold]
    fn keep(&mut self, payload: Payload) {
        self.get().panics.push(payload);
    }

    #[cold]
    pub(super) fn get(&mut self) -> &mut Effects<K, R> {
        self.0.get_or_insert_with(|| Box::new(Effects::none()))
    }
}
