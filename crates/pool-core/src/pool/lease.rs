use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{Pool, Taken, Types};
use crate::contain::{Panics, Payload, hold_through};
use crate::core::{Ending, LeaseId};
use crate::manage::Manage;
use crate::reason::DropReason;
use crate::resource::{Health, unfit};

/// A resource on loan from a [`Pool`], which it keeps alive. Dropping it gives the resource back: to one who waits for it, or to
/// the pool. It may be dropped on another thread or task than the one that acquired it.
///
/// It is used as the resource itself, so what else it can do are associated functions: `Lease::key(&lease)`.
///
/// Dropped by a panic, it discards the resource instead, unless [`Resource::survives_panic`](crate::Resource::survives_panic) says
/// otherwise. (A lease made while the thread was panicking already is not dropped *by* that panic, nor, as far as can be told, by one
/// that came later and was caught.) Leaked with `mem::forget`, it counts as leased for ever and keeps its pool; nothing else is
/// harmed.
#[must_use = "a lease that is dropped at once gives the resource back at once"]
pub struct LeaseOf<T: Types> {
    pool: Pool<T>,
    id: LeaseId,
    /// `None` once the lease has ended.
    value: Option<(T::Key, T::Resource)>,
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

impl<T: Types> LeaseOf<T> {
    #[inline]
    pub(super) fn new(pool: Pool<T>, taken: Taken<T>, origin: Origin) -> Self {
        let Taken::<T> { lease, key, resource } = taken;
        let origin = origin.and(Origin::WHILE_PANICKING, std::thread::panicking());
        Self { pool, id: lease, value: Some((key, resource)), origin }
    }

    /// What it is made of, to be made where its user keeps it.
    pub(super) fn into_parts(mut self) -> (Taken<T>, Origin) {
        let (key, resource) = self.value.take().expect(HOLDS);
        (Taken::<T> { lease: self.id, key, resource }, self.origin)
    }

    pub(super) fn set_late(&mut self, late: bool) {
        self.origin = self.origin.and(Origin::LATE, late);
    }

    #[inline]
    pub(super) fn health(&mut self) -> Health {
        let (_, resource) = self.value.as_mut().expect(HOLDS);
        self.pool.shell.manager.health(resource)
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
    pub fn key(this: &Self) -> &T::Key {
        &this.value().0
    }

    /// The pool that it is of.
    #[must_use]
    pub fn pool(this: &Self) -> &Pool<T> {
        &this.pool
    }

    /// Whether the resource came from the pool, or from another's open, not from an open of its own.
    #[must_use]
    pub fn was_hit(this: &Self) -> bool {
        this.origin.has(Origin::HIT)
    }

    /// Whether the acquire's time was over when its own open ended: it got the resource all the same, for there it was.
    #[must_use]
    pub fn was_late(this: &Self) -> bool {
        this.origin.has(Origin::LATE)
    }

    /// Ends the lease and drops the resource, because its user knows that it is no good. Of a shared resource this
    /// drops one handle: other leases go on, but the pool gives out no further one.
    ///
    /// # Panics
    /// If the resource's `Drop` or an observer does.
    pub fn discard(mut this: Self) {
        let mut panics = Panics::default();
        let nanos = this.pool.shell.nanos_or_panic_later(&mut panics);
        panics.contain(|| this.end(Ending::Drop(DropReason::Discarded), nanos));
        panics.resume();
    }

    /// What was opened for this lease's key is no good any more: as [`Pool::invalidate`], this lease's resource included. The lease
    /// goes on.
    ///
    /// # Panics
    /// As [`Pool::invalidate`].
    pub fn invalidate(this: &Self) -> usize {
        let shell = &*this.pool.shell;
        let nanos = shell.nanos();
        shell.enter_and_finish(|core| core.invalidate_leased(this.id, nanos))
    }

    /// Ends the lease and takes the resource out of the pool for good. Of a shared resource this is one handle; the
    /// pool and other leases keep theirs.
    ///
    /// # Panics
    /// If a policy or an observer does; the resource is dropped then.
    #[must_use]
    pub fn into_inner(mut this: Self) -> T::Resource {
        let nanos = this.pool.shell.nanos();
        let id = this.id;
        let (_, effects) = this.pool.shell.enter(|core| core.ended(id, None, Ending::Detach, nanos));
        // Only now: had that panicked, the lease would have had to end in order.
        let (key, resource) = this.value.take().expect(HOLDS);
        // Before the resource is on its way to the caller, where a panic would leak it.
        hold_through(resource, |_| {
            let mut panics = Panics::default();
            panics.drop(key);
            panics.contain(|| this.pool.shell.finish(effects));
            panics.resume();
        })
    }

    #[inline]
    fn end(&mut self, ending: Ending, nanos: u64) {
        if let Some(value) = self.value.take() {
            self.pool.shell.end(self.id, value, ending, nanos);
        }
    }

    fn value(&self) -> &(T::Key, T::Resource) {
        self.value.as_ref().expect(HOLDS)
    }
}

const HOLDS: &str = "a lease holds its resource until it ends";

impl<T: Types> Deref for LeaseOf<T> {
    type Target = T::Resource;

    fn deref(&self) -> &T::Resource {
        &self.value().1
    }
}

impl<T: Types> DerefMut for LeaseOf<T> {
    fn deref_mut(&mut self) -> &mut T::Resource {
        &mut self.value.as_mut().expect(HOLDS).1
    }
}

impl<T: Types> Drop for LeaseOf<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.pool.shell.give_back(self.id, value, self.origin);
        }
    }
}

impl<T: Types> fmt::Debug for LeaseOf<T>
where
    T::Resource: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lease = f.debug_struct("Lease");
        if let Some((key, resource)) = &self.value {
            lease.field("key", key).field("resource", resource);
        }
        lease.field("was_hit", &Self::was_hit(self)).finish()
    }
}
