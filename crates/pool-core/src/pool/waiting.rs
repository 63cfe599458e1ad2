//! A place in the queue, and what is given to it.

use std::sync::Arc;

use super::place::Place;
use super::{Borrowed, Failure, Inner, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, in_drop};
use crate::core::{Collected, Core, Denied, Grant, WaiterId};
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::resource::Resource;

/// A grant whose resource or place is given back when it is dropped.
pub(super) enum Granted<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    Lease(Borrowed<'p, K, R, C, E, M>),
    Place(Place<'p, K, R, C, E, M>),
    Failed(Arc<R::Error>),
    Denied(Denied),
    Measure,
    Deadlock,
    Closed,
}

/// One who asks, and its place in the queue once it has one. Dropped, it leaves the queue, and what it was given meanwhile
/// goes to others.
pub(super) struct Waiting<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    pub(super) pool: &'p Pool<K, R, C, E, M>,
    pub(super) waiter: Option<WaiterId>,
    /// When it came, once it has waited.
    pub(super) arrival: Option<u64>,
}

impl<'p, K, R, C, E, M> Waiting<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// What lies there for it, if anything.
    pub(super) fn collect(&mut self) -> Option<Granted<'p, K, R, C, E, M>> {
        self.take(false, |core, waiter, _| core.collect(waiter))
    }

    /// Leaves the queue. What lies there for it is taken all the same.
    pub(super) fn leave(&mut self) -> Option<Granted<'p, K, R, C, E, M>> {
        self.take(true, Core::leave)
    }

    fn take(
        &mut self,
        leaves: bool,
        event: impl FnOnce(&mut Inner<K, R, C, E>, WaiterId, u64) -> Option<Collected<K, R, Failure<R>>>,
    ) -> Option<Granted<'p, K, R, C, E, M>> {
        let (pool, waiter) = (self.pool, self.waiter?);
        let mut panics = Panics::default();
        let nanos = pool.nanos_or_panic_later(&mut panics);
        let (collected, effects) = pool.enter(|core| event(core, waiter, nanos));
        if leaves {
            self.waiter = None;
        }
        // Guarded before anything else may panic.
        let granted = collected.map(|Collected { grant, arrival }| {
            self.arrival = Some(arrival);
            if !matches!(grant, Grant::Measure) {
                self.waiter = None;
            }
            self.guard(grant)
        });
        crate::contain::hold_through(granted, |_| {
            panics.contain(|| pool.finish(effects));
            panics.resume();
        })
    }

    pub(super) fn guard(&self, grant: Grant<K, R, Failure<R>>) -> Granted<'p, K, R, C, E, M> {
        match grant {
            Grant::Warm(taken) => Granted::Lease(self.pool.lease(taken)),
            Grant::Room(reserved) => Granted::Place(Place::new(self.pool, reserved)),
            Grant::Failed(error) => Granted::Failed(error),
            Grant::Denied(denied) => Granted::Denied(denied),
            Grant::Measure => Granted::Measure,
            Grant::Deadlock => Granted::Deadlock,
            Grant::Closed => Granted::Closed,
        }
    }
}

impl<K, R, C, E, M> Drop for Waiting<'_, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn drop(&mut self) {
        if self.waiter.is_some() {
            in_drop(|| drop(self.leave()));
        }
    }
}
