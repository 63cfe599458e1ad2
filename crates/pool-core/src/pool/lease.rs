use std::fmt;
use std::ops::{Deref, DerefMut};

use super::Pool;
use crate::capacity::Capacity;
use crate::contain::{Panics, Payload, hold_through};
use crate::core::{Ending, LeaseId, Taken};
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::resource::{Health, Resource, unfit};
use crate::stats::DropReason;

/// A resource on loan from the pool that `P` refers to. Dropping it gives the resource back: to one who waits for it, or to
/// the pool.
///
/// Dropped by a panic, it discards the resource instead, unless [`Resource::survives_panic`] says otherwise. (A lease
/// made while the thread was panicking already is not dropped *by* that panic, nor, as far as can be told, by one that
/// came later and was caught.) Leaked with `mem::forget`, it counts as leased for ever; nothing else is harmed.
#[must_use = "a lease that is dropped at once gives the resource back at once"]
pub struct LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    pool: P,
    id: LeaseId,
    /// `None` once the lease has ended.
    value: Option<(K, R)>,
    origin: Origin,
}

/// How a lease began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin(usize);

impl Origin {
    /// The resource came from the pool, or from another's open.
    pub(super) const HIT: Self = Self(1);
    /// It came from an open of its own.
    pub(super) const OPENED: Self = Self(0);
    const LATE: Self = Self(2);
    const WHILE_PANICKING: Self = Self(4);

    /// Whether a lease that ends now does so by a panic.
    pub(super) fn ends_by_panic(self) -> bool {
        !self.has(Self::WHILE_PANICKING) && std::thread::panicking()
    }

    #[inline]
    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    fn and(self, other: Self, is_so: bool) -> Self {
        if is_so { Self(self.0 | other.0) } else { self }
    }
}

impl<P, K, R, C, E, M> LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    #[inline]
    pub(super) fn new(pool: P, taken: Taken<K, R>, origin: Origin) -> Self {
        let Taken { lease, key, resource } = taken;
        let origin = origin.and(Origin::WHILE_PANICKING, std::thread::panicking());
        Self { pool, id: lease, value: Some((key, resource)), origin }
    }

    /// What it is made of, to be made where its user keeps it.
    pub(super) fn into_parts(mut self) -> (Taken<K, R>, Origin) {
        let (key, resource) = self.value.take().expect(HOLDS);
        (Taken { lease: self.id, key, resource }, self.origin)
    }

    /// The same lease, of a pool that is referred to in another way.
    pub(crate) fn refer_by<O>(mut self, refer: impl FnOnce(&P) -> O) -> LeaseOf<O, K, R, C, E, M>
    where
        O: Deref<Target = Pool<K, R, C, E, M>>,
    {
        let pool = refer(&self.pool);
        LeaseOf { pool, id: self.id, value: self.value.take(), origin: self.origin }
    }

    pub(super) fn set_late(&mut self, late: bool) {
        self.origin = self.origin.and(Origin::LATE, late);
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

    /// The key that the resource was opened for.
    #[must_use]
    pub fn key(&self) -> &K {
        &self.value().0
    }

    /// Whether the resource came from the pool, or from another's open, not from an open of its own.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        self.origin.has(Origin::HIT)
    }

    /// Whether the acquire's time was over when its own open ended: it got the resource all the same, for there it was.
    #[must_use]
    pub fn was_late(&self) -> bool {
        self.origin.has(Origin::LATE)
    }

    /// Ends the lease and drops the resource, because its user knows that it is no good. Of a shared resource this
    /// drops one handle: other leases go on, but the pool gives out no further one.
    ///
    /// # Panics
    /// If the resource's `Drop` or an observer does.
    pub fn discard(mut self) {
        let mut panics = Panics::default();
        let nanos = self.pool().nanos_or_panic_later(&mut panics);
        panics.contain(|| self.end(Ending::Drop(DropReason::Discarded), nanos));
        panics.resume();
    }

    /// Ends the lease and takes the resource out of the pool for good. Of a shared resource this is one handle; the
    /// pool and other leases keep theirs.
    ///
    /// # Panics
    /// If a policy or an observer does; the resource is dropped then.
    #[must_use]
    pub fn into_inner(mut self) -> R {
        let nanos = self.pool().nanos();
        let id = self.id;
        let (_, effects) = self.pool().enter(|core| core.ended(id, None, Ending::Detach, nanos));
        // Only now: had that panicked, the lease would have had to end in order.
        let (key, resource) = self.value.take().expect(HOLDS);
        // Before the resource is on its way to the caller, where a panic would leak it.
        hold_through(resource, |_| {
            let mut panics = Panics::default();
            panics.drop(key);
            panics.contain(|| self.pool().finish(effects));
            panics.resume();
        })
    }

    pub(crate) fn pool(&self) -> &Pool<K, R, C, E, M> {
        &self.pool
    }

    #[inline]
    fn end(&mut self, ending: Ending, nanos: u64) {
        if let Some(value) = self.value.take() {
            self.pool().end(self.id, value, ending, nanos);
        }
    }

    fn value(&self) -> &(K, R) {
        self.value.as_ref().expect(HOLDS)
    }
}

const HOLDS: &str = "a lease holds its resource until it ends";

impl<P, K, R, C, E, M> Deref for LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    type Target = R;

    fn deref(&self) -> &R {
        &self.value().1
    }
}

impl<P, K, R, C, E, M> DerefMut for LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn deref_mut(&mut self) -> &mut R {
        &mut self.value.as_mut().expect(HOLDS).1
    }
}

impl<P, K, R, C, E, M> Drop for LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.pool.give_back(self.id, value, self.origin);
        }
    }
}

impl<P, K, R, C, E, M> fmt::Debug for LeaseOf<P, K, R, C, E, M>
where
    P: Deref<Target = Pool<K, R, C, E, M>>,
    K: Clone + fmt::Debug,
    R: Resource + fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lease = f.debug_struct("Lease");
        if let Some((key, resource)) = &self.value {
            lease.field("key", key).field("resource", resource);
        }
        lease.field("was_hit", &self.was_hit()).finish()
    }
}
