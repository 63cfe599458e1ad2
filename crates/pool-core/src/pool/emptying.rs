//! What is idle goes: some of it, all of it, or with it the pool. And how much may be.

use std::sync::atomic::Ordering;

use super::{Pool, Types};
use crate::capacity::MostOpening;
use crate::contain::hold_through;
use crate::core::Core;
use crate::key::Query;

impl<T: Types> Pool<T> {
    /// Drops all idle resources and returns how many they were. Leases go on, and may come back later. Memory that the pool's
    /// own tables no longer need is given back.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn drain(&self) -> usize {
        let nanos = self.shell.nanos();
        self.shell.enter_and_finish(|core| core.drain(nanos))
    }

    /// Drops the idle resources that have expired ([`IdleTimeout`](crate::eviction::IdleTimeout),
    /// [`MaxAge`](crate::eviction::MaxAge)) and returns how many they were. Each acquire and release does so too; call
    /// this where a pool may lie unused for long.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn evict_expired(&self) -> u64 {
        let nanos = self.shell.nanos();
        self.shell.enter_and_finish(|core| core.evict_expired(nanos))
    }

    /// Drops the idle resources that are stale, as `is_stale` says, and returns how many they were: for those who know that
    /// something has just made many of them so. Without it, each is found out when it is asked for.
    ///
    /// `is_stale` is called inside the pool's borrow or lock: it must be quick, and must not use the pool. What is dropped is dropped
    /// outside.
    ///
    /// # Panics
    /// If `is_stale` does, once it has been asked about all others (what it panicked at stays); or if a resource's `Drop` does, after
    /// all others have been dropped.
    pub fn drop_stale(&self, is_stale: impl FnMut(&T::Key, &mut T::Resource) -> bool) -> usize {
        let nanos = self.shell.nanos();
        self.shell.enter_and_finish(|core| core.drop_stale(is_stale, nanos))
    }

    /// What was opened for a key is no good any more (its file was rebuilt, its server was replaced): what is idle of it is dropped now, what
    /// is leased when it comes back, and so is what is being opened. Returned is how many were dropped now.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn invalidate(&self, query: impl Query<T::Key>) -> usize {
        let hash = query.hash_with(&self.shell.hasher);
        let nanos = self.shell.nanos();
        self.shell.enter_and_finish(|core| core.invalidate(hash, |key| query.is_key(key), nanos))
    }

    /// As [`invalidate`](Pool::invalidate), for all keys.
    ///
    /// # Panics
    /// As [`invalidate`](Pool::invalidate).
    pub fn invalidate_all(&self) -> usize {
        let nanos = self.shell.nanos();
        self.shell.enter_and_finish(|core| core.invalidate_all(nanos))
    }

    /// Changes how much the pool may hold. What is idle beyond that is evicted, and those who wait are served as far as there is room now;
    /// leases go on, and what is too much then goes when they end. Returned is what was before.
    ///
    /// # Panics
    /// If a policy, or a resource's `Drop`, does.
    pub fn set_capacity(&self, capacity: T::Capacity) -> T::Capacity {
        let nanos = self.shell.nanos();
        let change =
            |limits: &mut MostOpening<T::Capacity>| std::mem::replace(&mut limits.capacity, capacity);
        let (before, effects) = self.shell.enter(|core| {
            let (before, needs) = core.change_capacity(change, nanos);
            // Inside: whoever asks after that, and has not measured, is told to, and looks again.
            self.shell.needs_process_memory.store(needs, Ordering::Relaxed);
            before
        });
        hold_through(before, |_| self.shell.finish(effects))
    }

    /// Ends the pool: from now on it gives no lease, all who wait get [`Closed`](crate::AcquireError::Closed), and what is idle is
    /// dropped; returned is how much that was. Leases go on, and their resources are dropped when they end; so are those of
    /// opens that run, whose callers get `Closed`. Closing a closed pool does nothing.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn close(&self) -> usize {
        self.shell.enter_and_finish(Core::close)
    }

    /// Whether [`close`](Pool::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shell.look(Core::is_closed)
    }
}
