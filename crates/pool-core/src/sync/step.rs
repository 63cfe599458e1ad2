//! Into the lock and out again, and then what a step left to do.

use std::sync::atomic::Ordering;

use super::desk::Desk;
use super::lock::Held;
use super::queue::LeftOver;
use super::{Lease, Pool};
use crate::aftermath::Aftermath;
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, hold_through};
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::key::Query;
use crate::local::reentered;
use crate::resource::{Health, Resource};
use crate::state::{Ending, Taken};
use crate::stats::DropReason;

/// The end of a lease that has yet to be taken in: whose, with what, how and when.
pub(super) type Postponed<K, R> = (EntryId, (K, R), Ending, u64);

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Takes warm resources of a key until one is fit for use. Without one: why the last was not, if there was any.
    #[inline]
    pub(super) fn take_fit<Q>(
        &self,
        query: &Q,
        hash: u64,
    ) -> Result<Lease<'_, K, R, C, E>, Option<DropReason>>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let mut unfit = None;
        loop {
            let (taken, left_over) = self.enter(|desk| desk.take(hash, |key| query.is_key(key), nanos));
            let Some(taken) = taken else {
                self.finish(left_over);
                return Err(unfit);
            };
            let lease = self.lease(taken, nanos);
            let lease = if self.is_finished(left_over.as_deref()) {
                lease
            } else {
                hold_through(lease, |_| self.finish(left_over))
            };
            match self.fit(lease, nanos) {
                Ok(lease) => return Ok(lease),
                Err(reason) => unfit = Some(reason),
            }
        }
    }

    pub(super) fn lease(&self, taken: Taken<K, R>, nanos: u64) -> Lease<'_, K, R, C, E> {
        Lease::new(self, taken.entry, (taken.key, taken.resource), true, nanos)
    }

    /// The lease, if its resource is fit for use; else why it was dropped.
    #[inline]
    pub(super) fn fit<'p>(
        &'p self,
        lease: Lease<'p, K, R, C, E>,
        nanos: u64,
    ) -> Result<Lease<'p, K, R, C, E>, DropReason> {
        match contain(|| lease.health()) {
            Ok(Health::Reusable) => Ok(lease),
            bad => Err(lease.end_unfit(bad, nanos)),
        }
    }

    /// Ends a lease, or puts that off if it happens inside the pool's own lock.
    #[inline]
    pub(super) fn end(&self, entry: EntryId, value: (K, R), ending: Ending, since: u64, nanos: u64) {
        let Some(mut desk) = self.desk.lock() else {
            return self.postpone((entry, value, ending, nanos));
        };
        if self.needs_hold_times {
            desk.state.note_hold(entry, nanos.saturating_sub(since));
        }
        let handle = desk.end(entry, value, ending, nanos);
        let left_over = desk.take_left_over();
        drop(desk);
        let Some((key, resource)) = handle else { return self.finish(left_over) };
        let mut panics = Panics::default();
        panics.contain(|| drop(resource));
        panics.contain(|| drop(key));
        panics.contain(|| self.finish(left_over));
        panics.resume();
    }

    #[cold]
    fn postpone(&self, end: Postponed<K, R>) {
        // Held only to push or to take all: nothing of the user's runs then.
        if let Some(mut postponed) = self.postponed.lock() {
            postponed.push(end);
            self.any_postponed.store(true, Ordering::Relaxed);
        }
    }

    /// Nanoseconds for policies: read before the lock, and only if they want them.
    #[inline]
    pub(super) fn nanos(&self) -> u64 {
        if self.needs_clock { self.clock.nanos() } else { 0 }
    }

    /// One step. What comes back is consistent, but has to be [finished](Pool::finish).
    #[inline]
    pub(super) fn enter<T>(
        &self,
        step: impl FnOnce(&mut Desk<K, R, C, E>) -> T,
    ) -> (T, Option<Box<LeftOver<K, R>>>) {
        let mut desk = self.locked();
        let result = step(&mut desk);
        let left_over = desk.take_left_over();
        (result, left_over)
    }

    /// A look that changes nothing.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Desk<K, R, C, E>) -> T) -> T {
        look(&self.locked())
    }

    #[inline]
    fn locked(&self) -> Held<'_, Desk<K, R, C, E>> {
        self.desk.lock().unwrap_or_else(|| reentered())
    }

    /// Does, with the lock released, what a step left to do: wakes first, for that can't fail.
    #[inline]
    pub(super) fn finish(&self, left_over: Option<Box<LeftOver<K, R>>>) {
        if !self.is_finished(left_over.as_deref()) {
            self.finish_slowly(left_over);
        }
    }

    #[inline]
    fn is_finished(&self, left_over: Option<&LeftOver<K, R>>) -> bool {
        left_over.is_none() && !self.any_postponed.load(Ordering::Relaxed)
    }

    #[cold]
    fn finish_slowly(&self, left_over: Option<Box<LeftOver<K, R>>>) {
        let (wakes, aftermath) = match left_over {
            Some(left_over) => (left_over.wakes, left_over.aftermath),
            None => (Vec::new(), None),
        };
        wakes.iter().for_each(|parking| parking.unpark());
        let aftermath = aftermath.map_or_else(Aftermath::none, |aftermath| *aftermath);
        let mut panics = aftermath.settle(|event| self.observe(event));
        self.any_postponed.store(false, Ordering::Relaxed);
        let postponed = self.postponed.lock().map(|mut postponed| std::mem::take(&mut *postponed));
        for (entry, value, ending, nanos) in postponed.unwrap_or_default() {
            panics.contain(|| self.end(entry, value, ending, nanos, nanos));
        }
        panics.resume();
    }
}
