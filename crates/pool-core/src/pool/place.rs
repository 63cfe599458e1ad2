//! Room for an open that is running; what comes of it is for all who wait for it.

use std::sync::Arc;

use super::lease::Origin;
use super::{Acquired, Borrowed, LeaseOf, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, hold_through, in_drop};
use crate::core::{Reserved, Taken, Who};
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::observer::Event;
use crate::options::{AcquireOptions, GivesUp};
use crate::resource::{Resource, measure};
use crate::time::Clock as _;
use crate::usage::Opened;

/// Room for an open that is running. Dropped, it gives the room to the next who waits: also when the open panics.
pub(super) struct Place<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    pool: &'p Pool<K, R, C, E, M>,
    reserved: Option<Reserved>,
}

impl<'p, K, R, C, E, M> Place<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    pub(super) fn new(pool: &'p Pool<K, R, C, E, M>, reserved: Reserved) -> Self {
        Self { pool, reserved: Some(reserved) }
    }

    /// Opens. However that ends, the room is an entry afterwards, or free.
    pub(super) fn open(
        self,
        key: K,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
        options: &AcquireOptions,
        deadline: Option<u64>,
    ) -> Acquired<Borrowed<'p, K, R, C, E, M>, R> {
        let pool = self.pool;
        // Contained, so that whoever waits has been told before the thread unwinds.
        let timed = contain(|| {
            let start = pool.clock.nanos();
            let opened = open(&key);
            opened.map(|resource| (resource, start))
        });
        let (resource, start) = match timed {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                let error = Arc::new(error);
                self.fail(&error);
                pool.observe(Event::OpenFailed { key: &key });
                drop(key);
                return Err(AcquireError::Open { error, usage: pool.snapshot() });
            }
            Err(payload) => {
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.drop(key);
                panics.drop(self);
                panics.go_on()
            }
        };
        let measured = contain(|| {
            let cost_nanos = pool.clock.nanos().saturating_sub(start);
            let (opened, prototype) = measure(&key, &resource, cost_nanos, pool.share);
            // The last chance of the clock to panic before the resource is in the books.
            (opened, prototype, pool.nanos())
        });
        let (opened, prototype, nanos) = match measured {
            Ok(measured) => measured,
            Err(payload) => {
                // One by one: two panics at once would end the process.
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.drop(resource);
                panics.drop(key);
                panics.drop(self);
                panics.go_on()
            }
        };
        let (lease, closed) = self.fill((key, resource), prototype, opened, nanos);
        if closed {
            drop(lease);
            return Err(AcquireError::Closed { usage: pool.snapshot() });
        }
        if options.is_cancelled() {
            // Nobody wants it any more here, but others may.
            drop(lease);
            pool.enter_and_finish(|core| core.count_gave_up(GivesUp::Cancelled, Step::Open));
            return Err(GivesUp::Cancelled.error(Step::Open, pool.snapshot()));
        }
        let Some(deadline) = deadline else { return Ok(lease) };
        let mut is_late = false;
        let mut lease = hold_through(lease, |_| {
            is_late = pool.clock.nanos() >= deadline;
            if is_late {
                pool.enter_and_finish(|core| core.count_gave_up(GivesUp::TimedOut, Step::Open));
            }
        });
        lease.set_late(is_late);
        Ok(lease)
    }

    /// The open has ended with a resource, of which the pool is to keep `prototype` if it is shared. Also returned is
    /// whether the pool was closed meanwhile.
    fn fill(
        mut self,
        value: (K, R),
        prototype: Option<(K, R)>,
        opened: Opened,
        nanos: u64,
    ) -> (Borrowed<'p, K, R, C, E, M>, bool) {
        let pool = self.pool;
        let reserved = self.reserved.take().expect("a place is filled once");
        let reason = reserved.reason;
        let ((lease, closed), effects) = pool.enter(|core| {
            let lease = core.opened(reserved, prototype, opened, Who(M::me()), nanos);
            (lease, core.is_closed())
        });
        let (key, resource) = value;
        let taken = Taken { lease, key, resource };
        let lease = LeaseOf::new(pool, taken, Origin::OPENED);
        let lease = hold_through(lease, |lease| {
            // The open is told before what it evicted, as it happened; a panic of either must not hide the other.
            let mut panics = Panics::default();
            panics.contain(|| pool.observe(Event::Opened { key: lease.key(), reason, opened }));
            panics.contain(|| pool.finish(effects));
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
        let pool = self.pool;
        let mut panics = Panics::default();
        let nanos = pool.nanos_or_panic_later(&mut panics);
        panics.contain(|| pool.enter_and_finish(|core| core.open_failed(reserved, error, nanos)));
        panics.resume();
    }
}

impl<K, R, C, E, M> Drop for Place<'_, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            in_drop(|| self.give_back(reserved, None));
        }
    }
}
