use super::{Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, in_drop};
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

    /// The open has ended with a resource, of which the pool is to keep `prototype` if it is shared.
    pub(super) fn commit(
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
        let lease = Lease::new(pool, entry, key, resource, false);
        pool.finish_before(lease, |lease| {
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
