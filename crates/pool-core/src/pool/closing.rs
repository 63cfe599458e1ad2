//! The pool is closed, and somebody waits for that.

use std::time::Duration;

use super::Pool;
use crate::capacity::Capacity;
use crate::contain::in_drop;
use crate::core::CloserId;
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::guard::{Mode, Sleep};
use crate::options::nanos_of;
use crate::resource::Resource;
use crate::time::Clock as _;

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// [Closes](Pool::close) the pool, and waits until nothing is leased, opened or dropped any more; at most for `timeout`, by the
    /// pool's clock. A pool for one thread doesn't wait: nothing would end meanwhile.
    ///
    /// # Errors
    /// What is still out when the time is over. The pool stays closed; this may be called again.
    ///
    /// # Panics
    /// As [`close`](Pool::close).
    pub fn close_and_wait(&self, timeout: Duration) -> Result<(), AcquireError<R::Error>> {
        self.close();
        let deadline = self.clock.nanos().saturating_add(nanos_of(timeout));
        let sleep = M::Sleep::new();
        let waker = sleep.waker();
        let _closer = Closer { pool: self, id: self.enter_and_finish(|core| core.wake_when_empty(waker)) };
        loop {
            let now = self.clock.nanos();
            if self.enter_and_finish(|core| core.is_empty()) {
                return Ok(());
            }
            if now >= deadline || !M::Sleep::SLEEPS {
                return Err(AcquireError::TimedOut { step: Step::Wait, usage: self.snapshot() });
            }
            sleep.sleep(Some(Duration::from_nanos(deadline - now)));
        }
    }
}

/// One who waits for the pool to be empty. Dropped, it does so no more.
struct Closer<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    pool: &'p Pool<K, R, C, E, M>,
    id: CloserId,
}

impl<K, R, C, E, M> Drop for Closer<'_, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn drop(&mut self) {
        in_drop(|| drop(self.pool.enter_and_finish(|core| core.forget_closer(self.id))));
    }
}
