use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Pool;
use super::taking::Leased;
use crate::capacity::Capacity;
use crate::contain::{Panics, Payload};
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::resource::{Health, Resource, unfit};
use crate::state::{Ending, Taken};
use crate::stats::DropReason;

/// A resource on loan from a [`Pool`], which it can't outlive. Dropping it gives the resource back.
///
/// Dropped by a panic, it discards the resource instead, unless [`Resource::survives_panic`] says otherwise. (A lease
/// made while the thread was panicking already is not dropped *by* that panic, nor, as far as can be told, by one that
/// came later and was caught.) Leaked with `mem::forget`, it counts
/// as leased for ever; nothing else is harmed.
///
/// ```compile_fail,E0597
/// # use pool_core::local::Pool;
/// # struct Solver;
/// # impl pool_core::Resource for Solver { type Error = (); }
/// let lease = {
///     let pool: Pool<u32, Solver> = Pool::with_max_idle(1);
///     pool.acquire(&1, |_| Ok(Solver)).unwrap()
/// };
/// drop(lease);
/// ```
#[must_use = "a lease that is dropped at once gives the resource back at once"]
pub struct Lease<'p, K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pool: &'p Pool<K, R, C, E>,
    entry: EntryId,
    /// `None` once the lease has ended.
    value: Option<(K, R)>,
    hit: bool,
    made_while_panicking: bool,
}

impl<'p, K, R, C, E> Lease<'p, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    #[inline]
    pub(super) fn new(pool: &'p Pool<K, R, C, E>, leased: Leased<K, R>) -> Self {
        let Leased { taken, hit } = leased;
        let entry = taken.entry();
        let Taken { key, resource, .. } = taken;
        let made_while_panicking = std::thread::panicking();
        Self { pool, entry, value: Some((key, resource)), hit, made_while_panicking }
    }

    /// What it was made of, to make it elsewhere.
    pub(super) fn into_leased(mut self) -> Leased<K, R> {
        let (key, resource) = self.value.take().expect(HOLDS);
        Leased { taken: Taken::new(self.entry, key, resource), hit: self.hit }
    }

    /// The key that the resource was opened for.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.value().0
    }

    /// Whether the resource came from the pool, not from an open.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        self.hit
    }

    /// Ends the lease and drops the resource, because its user knows that it is no good. Of a shared resource this
    /// drops one handle: other leases go on, but the pool gives out no further one.
    ///
    /// # Panics
    /// If the resource's `Drop` or an observer does.
    pub fn discard(mut self) {
        self.end(Ending::Drop(DropReason::Discarded), self.pool.nanos());
    }

    /// Ends the lease and takes the resource out of the pool for good. Of a shared resource this is one handle; the
    /// pool and other leases keep theirs.
    ///
    /// # Panics
    /// If a policy or an observer does; the resource is dropped then.
    #[must_use]
    pub fn into_inner(mut self) -> R {
        let (pool, entry, nanos) = (self.pool, self.entry, self.pool.nanos());
        let ((), aftermath) = pool.enter(|state| state.detach(entry, nanos));
        // Only now: had that panicked, the lease would have had to end in order.
        let (key, resource) = self.value.take().expect(HOLDS);
        // Before the resource is on its way to the caller, where a panic would leak it.
        let mut panics = Panics::default();
        panics.contain(|| drop(key));
        panics.contain(|| pool.finish(aftermath));
        panics.resume();
        resource
    }

    #[inline]
    pub(super) fn health(&self) -> Health {
        self.value().1.health()
    }

    /// Ends a lease on a resource that was taken from the pool and then was not fit for use; returns why.
    #[cold]
    pub(super) fn end_unfit(mut self, health: Result<Health, Payload>, nanos: u64) -> DropReason {
        let mut panics = Panics::default();
        let reason = unfit(health, &mut panics);
        self.end(Ending::Unfit(reason), nanos);
        panics.resume();
        reason
    }

    #[inline]
    fn end(&mut self, ending: Ending, nanos: u64) {
        if let Some(value) = self.value.take() {
            self.pool.end(self.entry, value, ending, nanos);
        }
    }

    fn value(&self) -> &(K, R) {
        self.value.as_ref().expect(HOLDS)
    }
}

const HOLDS: &str = "a lease holds its resource until it ends";

impl<K, R, C, E> Deref for Lease<'_, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    type Target = R;

    fn deref(&self) -> &R {
        &self.value().1
    }
}

impl<K, R, C, E> DerefMut for Lease<'_, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value.as_mut().expect(HOLDS).1
    }
}

impl<K, R, C, E> Drop for Lease<'_, K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.pool.give_back(self.entry, value, self.made_while_panicking);
        }
    }
}

impl<K, R, C, E> fmt::Debug for Lease<'_, K, R, C, E>
where
    K: Clone + fmt::Debug,
    R: Resource + fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lease = f.debug_struct("Lease");
        if let Some((key, resource)) = &self.value {
            lease.field("key", key).field("resource", resource);
        }
        lease.field("was_hit", &self.hit).finish()
    }
}
