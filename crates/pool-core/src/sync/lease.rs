use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Pool;
use super::taking::Leased;
use crate::capacity::Capacity;
use crate::contain::{Panics, Payload};
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::resource::{Health, Resource, unfit};
use crate::state::{Ending, Taken};
use crate::stats::DropReason;

/// A resource on loan from a [`Pool`], which it can't outlive. See [`LeaseOf`].
pub type Lease<'p, K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    LeaseOf<&'p Pool<K, R, C, E>, K, R, C, E>;

/// A resource on loan from a [`Pool`], which it keeps alive. See [`LeaseOf`] and [`Pool::own`].
pub type OwnedLease<K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    LeaseOf<Arc<Pool<K, R, C, E>>, K, R, C, E>;

/// A resource on loan from the pool that `P` refers to. Dropping it gives the resource back: to one who waits for it, or to
/// the pool.
///
/// Dropped by a panic, it discards the resource instead, unless [`Resource::survives_panic`] says otherwise. (A lease
/// made while the thread was panicking already is not dropped *by* that panic, nor, as far as can be told, by one that
/// came later and was caught.) Leaked with `mem::forget`, it counts as leased for ever; nothing else is harmed.
#[must_use = "a lease that is dropped at once gives the resource back at once"]
pub struct LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// `None` once it went on to an owned lease.
    pool: Option<P>,
    entry: EntryId,
    /// `None` once the lease has ended.
    value: Option<(K, R)>,
    hit: bool,
    made_while_panicking: bool,
    /// When it began, in nanoseconds of the pool's clock, if that is wanted.
    since: u64,
}

impl<'p, K, R, C, E> Lease<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    #[inline]
    pub(super) fn new(pool: &'p Pool<K, R, C, E>, leased: Leased<K, R>) -> Self {
        let Leased { taken, hit, since } = leased;
        let entry = taken.entry();
        let Taken { key, resource, .. } = taken;
        let made_while_panicking = std::thread::panicking();
        Self { pool: Some(pool), entry, value: Some((key, resource)), hit, made_while_panicking, since }
    }

    /// What it was made of, to make it elsewhere.
    pub(super) fn into_leased(mut self) -> Leased<K, R> {
        let (key, resource) = self.value.take().expect(HOLDS);
        let Self { entry, hit, since, .. } = self;
        Leased { taken: Taken::new(entry, key, resource), hit, since }
    }

    pub(super) fn into_owned(mut self, pool: &Arc<Pool<K, R, C, E>>) -> OwnedLease<K, R, C, E> {
        assert!(std::ptr::eq(self.pool(), &raw const **pool), "this lease is of another pool than this one");
        let Self { entry, hit, made_while_panicking, since, .. } = self;
        let (value, pool) = (self.value.take(), Some(Arc::clone(pool)));
        LeaseOf { pool, entry, value, hit, made_while_panicking, since }
    }

    #[inline]
    pub(super) fn health(&self) -> Health {
        self.value().1.health()
    }

    /// The lease, if its resource is fit for use; else why it was dropped.
    pub(super) fn if_fit(self, health: Result<Health, Payload>, nanos: u64) -> Result<Self, DropReason> {
        match health {
            Ok(Health::Reusable) => Ok(self),
            bad => Err(self.end_unfit(bad, nanos)),
        }
    }

    /// Ends a lease on a resource that was taken from the pool and then was not fit for use; returns why.
    #[cold]
    fn end_unfit(mut self, health: Result<Health, Payload>, nanos: u64) -> DropReason {
        let mut panics = Panics::default();
        let reason = unfit(health, &mut panics);
        panics.contain(|| self.end(Ending::Unfit(reason), nanos));
        panics.resume();
        reason
    }
}

impl<P, K, R, C, E> LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// The key that the resource was opened for.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.value().0
    }

    /// Whether the resource came from the pool, or from another's open, not from an open of its own.
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
        let nanos = self.pool().nanos();
        self.end(Ending::Drop(DropReason::Discarded), nanos);
    }

    /// Ends the lease and takes the resource out of the pool for good. Of a shared resource this is one handle; the
    /// pool and other leases keep theirs.
    ///
    /// # Panics
    /// If a policy or an observer does; the resource is dropped then.
    #[must_use]
    pub fn into_inner(mut self) -> R {
        let nanos = self.pool().nanos();
        let entry = self.entry;
        let ((), left_over) = self.pool().enter(|desk| desk.detach(entry, nanos));
        // Only now: had that panicked, the lease would have had to end in order.
        let (key, resource) = self.value.take().expect(HOLDS);
        // Before the resource is on its way to the caller, where a panic would leak it.
        let mut panics = Panics::default();
        panics.contain(|| drop(key));
        panics.contain(|| self.pool().finish(left_over));
        panics.resume();
        resource
    }

    fn pool(&self) -> &Pool<K, R, C, E> {
        self.pool.as_ref().expect(HOLDS)
    }

    #[inline]
    fn end(&mut self, ending: Ending, nanos: u64) {
        if let Some(value) = self.value.take() {
            self.pool().end(self.entry, value, ending, self.since, nanos);
        }
    }

    fn value(&self) -> &(K, R) {
        self.value.as_ref().expect(HOLDS)
    }
}

const HOLDS: &str = "a lease holds its resource, and its pool, until it ends";

impl<P, K, R, C, E> Deref for LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    type Target = R;

    fn deref(&self) -> &R {
        &self.value().1
    }
}

impl<P, K, R, C, E> DerefMut for LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value.as_mut().expect(HOLDS).1
    }
}

impl<P, K, R, C, E> Drop for LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    #[inline]
    fn drop(&mut self) {
        if let (Some(value), Some(pool)) = (self.value.take(), &self.pool) {
            pool.give_back(self.entry, value, self.since, self.made_while_panicking);
        }
    }
}

impl<P, K, R, C, E> fmt::Debug for LeaseOf<P, K, R, C, E>
where
    P: Deref<Target = Pool<K, R, C, E>>,
    K: Clone + Eq + fmt::Debug,
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
