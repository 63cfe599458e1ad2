use super::{Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::Panics;
use crate::eviction::Eviction;
use crate::observer::Event;
use crate::resource::Resource;
use crate::state::Reserved;
use crate::usage::Opened;

/// Room for an open that is running. Dropped, it gives the room back: also when the open panics.
pub(super) struct Reservation<'p, K, R, C, E>
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
    pub(super) fn new(pool: &'p Pool<K, R, C, E>, reserved: Reserved) -> Self {
        Self { pool, reserved: Some(reserved) }
    }

    /// The open has ended with `resource`.
    pub(super) fn commit(mut self, key: K, resource: R, opened: Opened) -> Lease<'p, K, R, C, E> {
        let pool = self.pool;
        // If the resource is shared, the pool keeps one handle and the lease has the other.
        let prototype = resource.share().map(|handle| (key.clone(), handle));
        let nanos = pool.nanos();
        let reserved = self.reserved.take().expect("a reservation is committed once");
        let reason = reserved.reason;
        let (entry, aftermath) =
            pool.enter(|state, victims| state.commit(reserved, prototype, opened, nanos, victims));
        let lease = Lease::new(pool, entry, key, resource, false);
        // The open is told before what it evicted, as it happened; a panic of either must not hide the other.
        let mut panics = Panics::default();
        panics.contain(|| pool.observe(Event::Opened { key: lease.key(), reason, opened }));
        panics.contain(|| pool.finish(aftermath));
        panics.resume();
        lease
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
            let ((), aftermath) = self.pool.enter(|state, victims| state.cancel(reserved, victims));
            self.pool.finish(aftermath);
        }
    }
}
