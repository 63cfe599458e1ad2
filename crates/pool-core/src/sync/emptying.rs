//! What is idle goes: some of it, all of it, or with it the pool.

use std::sync::Arc;
use std::time::Duration;

use super::desk::Desk;
use super::lock::Parking;
use super::{Pool, patience};
use crate::capacity::Capacity;
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::resource::Resource;
use crate::state::State;

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Drops all idle resources and returns how many they were. Leases go on, and may come back later.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn drain(&self) -> usize {
        self.with_room(State::drain)
    }

    /// Drops the idle resources that have expired ([`IdleTimeout`](crate::eviction::IdleTimeout),
    /// [`MaxAge`](crate::eviction::MaxAge)) and returns how many they were. Each acquire and release does so too; call
    /// this where a pool may lie unused for long.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn evict_expired(&self) -> u64 {
        let nanos = self.nanos();
        self.with_room(|state| state.evict_expired(nanos))
    }

    /// Drops the idle resources that are stale, as `is_stale` says, and returns how many they were: for those who know that
    /// something has just made many of them so. Without it, each is found out when it is asked for.
    ///
    /// `is_stale` is called inside the pool's lock: it must be quick, and must not use the pool. What is dropped is dropped
    /// outside.
    ///
    /// # Panics
    /// If `is_stale` does, once it has been asked about all others (what it panicked at stays); or if a resource's `Drop` does, after
    /// all others have been dropped.
    pub fn drop_stale(&self, is_stale: impl FnMut(&K, &R) -> bool) -> usize {
        self.with_room(|state| state.drop_stale(is_stale))
    }

    fn with_room<T>(&self, step: impl FnOnce(&mut State<K, R, C, E>) -> T) -> T {
        let nanos = self.nanos();
        let (result, left_over) = self.enter(|desk| desk.make_room(nanos, step));
        self.finish(left_over);
        result
    }

    /// Ends the pool: from now on it gives no lease, all who wait get [`Closed`](AcquireError::Closed), and what is idle is
    /// dropped; returned is how many that were. Leases go on, and their resources are dropped when they end; so are those of
    /// opens that run, whose callers get `Closed`. Closing a closed pool does nothing.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn close(&self) -> usize {
        let (dropped, left_over) = self.enter(Desk::close);
        self.finish(left_over);
        dropped
    }

    /// [Closes](Pool::close) the pool, and waits until nothing is leased or being opened; at most for `timeout`, by the
    /// pool's clock.
    ///
    /// # Errors
    /// What is still out when the time is over. The pool stays closed; this may be called again.
    ///
    /// # Panics
    /// As [`close`](Pool::close).
    pub fn close_and_wait(&self, timeout: Duration) -> Result<(), AcquireError<R::Error>> {
        self.close();
        let deadline = self.clock.nanos().saturating_add(patience::nanos(timeout));
        let parking = Arc::new(Parking::new());
        loop {
            let now = self.clock.nanos();
            let (over, left_over) = self.enter(|desk| {
                let over = desk.is_over(&parking);
                if !over && now >= deadline {
                    desk.forget_closer(&parking);
                    return Err(Box::new(desk.usage()));
                }
                Ok(over)
            });
            self.finish(left_over);
            match over {
                Ok(true) => return Ok(()),
                Ok(false) => parking.park(Some(Duration::from_nanos(deadline - now))),
                Err(usage) => return Err(AcquireError::TimedOut { step: Step::Wait, usage }),
            }
        }
    }
}
