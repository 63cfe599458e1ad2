//! What is idle goes: some of it, all of it, or with it the pool.

use super::Pool;
use crate::capacity::Capacity;
use crate::core::Core;
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::resource::Resource;

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// Drops all idle resources and returns how many they were. Leases go on, and may come back later. Memory that the pool's
    /// own tables no longer need is given back.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn drain(&self) -> usize {
        let nanos = self.nanos();
        self.enter_and_finish(|core| core.drain(nanos))
    }

    /// Drops the idle resources that have expired ([`IdleTimeout`](crate::eviction::IdleTimeout),
    /// [`MaxAge`](crate::eviction::MaxAge)) and returns how many they were. Each acquire and release does so too; call
    /// this where a pool may lie unused for long.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn evict_expired(&self) -> u64 {
        let nanos = self.nanos();
        self.enter_and_finish(|core| core.evict_expired(nanos))
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
    pub fn drop_stale(&self, is_stale: impl FnMut(&K, &R) -> bool) -> usize {
        let nanos = self.nanos();
        self.enter_and_finish(|core| core.drop_stale(is_stale, nanos))
    }

    /// Ends the pool: from now on it gives no lease, all who wait get [`Closed`](crate::AcquireError::Closed), and what is idle is
    /// dropped; returned is how much that was. Leases go on, and their resources are dropped when they end; so are those of
    /// opens that run, whose callers get `Closed`. Closing a closed pool does nothing.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn close(&self) -> usize {
        self.enter_and_finish(Core::close)
    }

    /// Whether [`close`](Pool::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.look(Core::is_closed)
    }
}
