//! A miss: room for an open, the open, and the lease that comes of it.

use super::taking::Leased;
use super::{Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, hold_through, in_drop};
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::key::Query;
use crate::observer::Event;
use crate::resource::{Resource, measure};
use crate::state::{Denied, Reserved, State, Taken};
use crate::stats::DropReason;
use crate::usage::Opened;

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// The rest of [`acquire`](Pool::acquire), after a miss. `unfit` is why a resource that was found was dropped.
    #[cold]
    pub(super) fn open<Q>(
        &self,
        query: &Q,
        hash: u64,
        unfit: Option<DropReason>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, AcquireError<R::Error>>
    where
        Q: Query<K> + ?Sized,
    {
        let key = query.to_key();
        let process_bytes = match self.process_memory.as_ref().map(|read| read()).transpose() {
            Ok(process_bytes) => process_bytes,
            Err(error) => {
                let ((), aftermath) = self.enter(State::count_refused);
                self.finish(aftermath);
                self.observe(Event::Refused { key: &key, by: "ProcessMemory" });
                drop(key);
                return Err(AcquireError::Memory { error, usage: Box::new(self.usage()) });
            }
        };
        let reservation = match self.reserve(query, hash, key.clone(), (unfit, process_bytes)) {
            Ok(reservation) => reservation,
            Err(denied) => {
                self.observe(Event::Refused { key: &key, by: denied.by() });
                drop(key);
                return Err(denied.into_error(0));
            }
        };
        let start = self.clock.nanos();
        let resource = match open(&key) {
            Ok(resource) => resource,
            Err(error) => {
                drop(reservation);
                self.observe(Event::OpenFailed { key: &key });
                drop(key);
                return Err(AcquireError::Open { error, usage: Box::new(self.usage()) });
            }
        };
        let cost_nanos = self.clock.nanos().saturating_sub(start);
        let measured = contain(|| {
            // If the resource is shared, the pool keeps one handle and the lease has the other.
            let (opened, prototype) = measure(&key, &resource, cost_nanos);
            (opened, prototype, self.nanos())
        });
        match measured {
            Ok((opened, prototype, nanos)) => {
                Ok(reservation.commit((key, resource), prototype, opened, nanos))
            }
            Err(payload) => {
                // One by one: two panics at once would end the process.
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.contain(|| drop(resource));
                panics.contain(|| drop(key));
                panics.contain(|| drop(reservation));
                panics.resume();
                unreachable!("the panic that was kept has gone on")
            }
        }
    }

    fn reserve<Q>(
        &self,
        query: &Q,
        hash: u64,
        name: K,
        why_and_memory: (Option<DropReason>, Option<u64>),
    ) -> Result<Reservation<'_, K, R, C, E>, Denied>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let (reserved, aftermath) =
            self.enter(|state| state.reserve(hash, |key| query.is_key(key), name, why_and_memory, nanos));
        let reservation = reserved.map(|done| done.map(|reserved| Reservation::new(self, reserved)));
        self.finish(aftermath);
        reservation.expect("nothing is reserved only if a panic was contained, and that has gone on")
    }
}

/// Room for an open that is running. Dropped, it gives the room back: also when the open panics.
struct Reservation<'p, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pool: &'p Pool<K, R, C, E>,
    reserved: Option<Reserved>,
}

impl<'p, K, R, C, E> Reservation<'p, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn new(pool: &'p Pool<K, R, C, E>, reserved: Reserved) -> Self {
        Self { pool, reserved: Some(reserved) }
    }

    /// The open has ended with a resource, of which the pool is to keep `prototype` if it is shared.
    fn commit(
        mut self,
        (key, resource): (K, R),
        prototype: Option<(K, R)>,
        opened: Opened,
        nanos: u64,
    ) -> Lease<'p, K, R, C, E> {
        let pool = self.pool;
        let reserved = self.reserved.take().expect("a reservation is committed once");
        let reason = reserved.reason;
        let (entry, aftermath) = pool.enter(|state| state.commit(reserved, prototype, opened, nanos));
        let lease = Lease::new(pool, Leased { taken: Taken::new(entry, key, resource), hit: false });
        hold_through(lease, |lease| {
            // The open is told before what it evicted, as it happened; a panic of either must not hide the other.
            let mut panics = Panics::default();
            panics.contain(|| pool.observe(Event::Opened { key: lease.key(), reason, opened }));
            panics.contain(|| pool.finish(aftermath));
            panics.resume();
        })
    }
}

impl<K, R, C, E> Drop for Reservation<'_, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            in_drop(|| {
                let ((), aftermath) = self.pool.enter(|state| state.cancel(reserved));
                self.pool.finish(aftermath);
            });
        }
    }
}
