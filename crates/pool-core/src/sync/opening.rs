//! An open: outside the lock, with its room reserved; what comes of it is for all who wait for it.

use std::sync::Arc;

use super::lock::{ThreadId, current};
use super::patience::{Over, Patience};
use super::taking::Leased;
use super::{Failure, Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, hold_through, in_drop};
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::observer::Event;
use crate::resource::{Resource, measure};
use crate::state::{Reserved, Taken};
use crate::usage::Opened;

/// Room for an open that is running. Dropped, it gives the room to the next who waits: also when the open panics.
pub(super) struct Reservation<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pool: &'p Pool<K, R, C, E>,
    reserved: Option<Reserved>,
    thread: ThreadId,
}

impl<'p, K, R, C, E> Reservation<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pub(super) fn new(pool: &'p Pool<K, R, C, E>, reserved: Reserved) -> Self {
        Self { pool, reserved: Some(reserved), thread: current().id() }
    }

    /// Opens. However that ends, the room is an entry afterwards, or free.
    pub(super) fn open(
        self,
        key: K,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
        patience: &Patience,
        deadline: Option<u64>,
    ) -> Result<Lease<'p, K, R, C, E>, Failure<R>> {
        let pool = self.pool;
        let start = pool.clock.nanos();
        // Contained, so that whoever waits has been told before the thread unwinds.
        let opened = match contain(|| open(&key)) {
            Ok(opened) => opened,
            Err(payload) => {
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.contain(|| drop(key));
                if super::broken::keeps_the_open() {
                    std::mem::forget(self);
                } else {
                    panics.contain(|| drop(self));
                }
                panics.resume();
                unreachable!("the panic that was kept has gone on")
            }
        };
        let resource = match opened {
            Ok(resource) => resource,
            Err(error) => {
                let error = Arc::new(error);
                self.fail(&error);
                pool.observe(Event::OpenFailed { key: &key });
                drop(key);
                return Err(AcquireError::Open { error, usage: pool.snapshot() });
            }
        };
        let end = pool.clock.nanos();
        let measured = contain(|| measure(&key, &resource, end.saturating_sub(start)));
        let (opened, prototype) = match measured {
            Ok(measured) => measured,
            Err(payload) => {
                // One by one: two panics at once would end the process.
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.contain(|| drop(resource));
                panics.contain(|| drop(key));
                panics.contain(|| drop(self));
                panics.resume();
                unreachable!("the panic that was kept has gone on")
            }
        };
        let (lease, closed) = self.commit((key, resource), prototype, opened);
        let over = match deadline {
            Some(deadline) if pool.clock.nanos() >= deadline => Some(Over::TimedOut),
            _ => patience.is_cancelled().then_some(Over::Cancelled),
        };
        if !closed && over.is_none() {
            return Ok(lease);
        }
        // It came too late for its caller, not for others.
        drop(lease);
        let usage = pool.snapshot();
        match over {
            Some(over) if !closed => {
                pool.enter_and_finish(|desk| desk.count_over(over, Step::Open));
                Err(over.error(Step::Open, usage))
            }
            _ => Err(AcquireError::Closed { usage }),
        }
    }

    /// The open has ended with a resource, of which the pool is to keep `prototype` if it is shared. Also returned is
    /// whether the pool was closed meanwhile.
    fn commit(
        mut self,
        value: (K, R),
        prototype: Option<(K, R)>,
        opened: Opened,
    ) -> (Lease<'p, K, R, C, E>, bool) {
        let (pool, thread) = (self.pool, self.thread);
        let reserved = self.reserved.take().expect("a reservation is committed once");
        let (reason, nanos) = (reserved.reason, pool.nanos());
        let ((entry, closed), left_over) = pool.enter(|desk| {
            let entry = desk.commit(reserved, thread, prototype, opened, nanos);
            (entry, desk.is_closed())
        });
        let (key, resource) = value;
        let taken = Taken::new(entry, key, resource);
        let lease = Lease::new(pool, Leased { taken, hit: false, since: nanos });
        let lease = hold_through(lease, |lease| {
            // The open is told before what it evicted, as it happened; a panic of either must not hide the other.
            let mut panics = Panics::default();
            panics.contain(|| pool.observe(Event::Opened { key: lease.key(), reason, opened }));
            panics.contain(|| pool.finish(left_over));
            panics.resume();
        });
        (lease, closed)
    }

    /// The open has failed: all who wait for it get the error.
    fn fail(mut self, error: &Arc<R::Error>) {
        if let Some(reserved) = self.reserved.take() {
            self.give_back(reserved, Some(error));
        }
    }

    fn give_back(&self, reserved: Reserved, error: Option<&Arc<R::Error>>) {
        let (pool, thread) = (self.pool, self.thread);
        let nanos = pool.nanos();
        pool.enter_and_finish(|desk| desk.cancel(reserved, thread, error, nanos));
    }
}

impl<K, R, C, E> Drop for Reservation<'_, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            in_drop(|| self.give_back(reserved, None));
        }
    }
}
