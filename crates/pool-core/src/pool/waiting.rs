//! A place in the queue, and what is given to it.

use std::sync::Arc;
use std::task::Waker;

use super::place::Reservation;
use super::{ErrorOf, Failure, Inner, LeaseOf, Pool, Types};
use crate::contain::{Panics, hold_through, in_drop};
use crate::core::{Collected, Core, Denied, Grant, WaiterId};

/// A grant whose resource or place is given back when it is dropped.
pub(super) enum Granted<T: Types> {
    Lease(LeaseOf<T>),
    Place(Reservation<T>),
    Failed(Arc<ErrorOf<T>>),
    Denied(Denied),
    Measure,
    Deadlock,
    Closed,
}

/// One who asks, and its place in the queue once it has one. Dropped, it leaves the queue, and what it was given meanwhile
/// goes to others.
pub(super) struct Waiting<T: Types> {
    pub(super) pool: Pool<T>,
    pub(super) waiter: Option<WaiterId>,
    /// When it came, once it has waited.
    pub(super) arrival: Option<u64>,
}

impl<T: Types> Waiting<T> {
    /// What lies there for it, if anything.
    pub(super) fn collect(&mut self) -> Option<Granted<T>> {
        self.take(false, |core, waiter, _| core.collect(waiter))
    }

    /// The same; while there is nothing, `waker` is the one that is woken.
    pub(super) fn collect_or_wake(&mut self, waker: &Waker) -> Option<Granted<T>> {
        // Cloned and dropped outside: both are user code.
        let mut waker = waker.clone();
        let granted = self
            .take(false, |core, waiter, _| core.collect(waiter).or_else(|| core.wake_by(waiter, &mut waker)));
        hold_through(granted, |_| drop(waker))
    }

    /// Leaves the queue. What lies there for it is taken all the same.
    pub(super) fn leave(&mut self) -> Option<Granted<T>> {
        self.take(true, Core::leave)
    }

    fn take(
        &mut self,
        leaves: bool,
        event: impl FnOnce(&mut Inner<T>, WaiterId, u64) -> Option<Collected<T::Key, T::Resource, Failure<T>>>,
    ) -> Option<Granted<T>> {
        let (pool, waiter) = (self.pool.clone(), self.waiter?);
        let shell = &*pool.shell;
        let mut panics = Panics::default();
        let nanos = shell.nanos_or_panic_later(&mut panics);
        let (collected, effects) = shell.enter(|core| event(core, waiter, nanos));
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
        hold_through(granted, |_| {
            panics.contain(|| shell.finish(effects));
            panics.resume();
        })
    }

    pub(super) fn guard(&self, grant: Grant<T::Key, T::Resource, Failure<T>>) -> Granted<T> {
        match grant {
            Grant::Warm(taken) => Granted::Lease(self.pool.lease(taken)),
            Grant::Room(reserved) => Granted::Place(Reservation::new(self.pool.clone(), reserved)),
            Grant::Failed(error) => Granted::Failed(error),
            Grant::Denied(denied) => Granted::Denied(denied),
            Grant::Measure => Granted::Measure,
            Grant::Deadlock => Granted::Deadlock,
            Grant::Closed => Granted::Closed,
        }
    }
}

impl<T: Types> Drop for Waiting<T> {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            in_drop(|| drop(self.leave()));
        }
    }
}
