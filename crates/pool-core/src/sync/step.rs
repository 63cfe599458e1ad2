//! Into the lock and out again, and then what a step left to do.

use std::sync::atomic::Ordering;

use super::Pool;
use super::desk::Desk;
use super::lock::Held;
use super::queue::LeftOver;
use crate::aftermath::Aftermath;
use crate::capacity::Capacity;
use crate::contain::{Panics, Payload, contain, in_drop};
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::local::reentered;
use crate::resource::Resource;
use crate::state::{Ending, judge};
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
    /// Ends a lease that is dropped, as its resource says. Not inlined, so that a lease's `Drop` is.
    #[inline(never)]
    pub(super) fn give_back(&self, entry: EntryId, value: (K, R), since: u64, made_while_panicking: bool) {
        if self.needs_clock || std::thread::panicking() {
            return self.give_back_slowly(entry, value, since, made_while_panicking);
        }
        match contain(|| judge(&value.1, false)) {
            Ok(Ending::Return { weight }) => self.put_back(entry, value, weight),
            Ok(ending) => self.end(entry, value, ending, 0, 0),
            Err(payload) => self.end_panicked(entry, value, 0, payload),
        }
    }

    #[inline(never)]
    fn give_back_slowly(&self, entry: EntryId, value: (K, R), since: u64, made_while_panicking: bool) {
        let panicked = !made_while_panicking && std::thread::panicking();
        in_drop(|| match contain(|| (judge(&value.1, panicked), self.nanos())) {
            Ok((ending, nanos)) => self.end(entry, value, ending, since, nanos),
            Err(payload) => self.end_panicked(entry, value, since, payload),
        });
    }

    /// Ends a lease on a resource that is good for another one, where no time is wanted.
    #[inline(always)]
    fn put_back(&self, entry: EntryId, value: (K, R), weight: u64) {
        let (ending, since, nanos) = (Ending::Return { weight }, 0, 0);
        let Some(mut desk) = self.desk.lock() else {
            return self.postpone((entry, value, ending, nanos));
        };
        let done = desk.put_back(entry, value, weight);
        let left_over = desk.take_left_over();
        drop(desk);
        match done {
            Ok(()) => self.finish(left_over),
            Err(value) => {
                debug_assert!(left_over.is_none(), "nothing was done yet");
                self.end(entry, value, ending, since, nanos);
            }
        }
    }

    /// Ends a lease whose resource panicked when it was asked how.
    #[cold]
    #[inline(never)]
    fn end_panicked(&self, entry: EntryId, value: (K, R), since: u64, payload: Payload) {
        let mut panics = Panics::default();
        panics.keep(payload);
        panics.contain(|| self.end(entry, value, Ending::Drop(DropReason::Panicked), since, since));
        panics.resume();
    }

    /// Ends a lease, or puts that off if it happens inside the pool's own lock.
    #[inline(never)]
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
        match handle {
            None => self.finish(left_over),
            Some(handle) => self.finish_with_handle(handle, left_over),
        }
    }

    /// As [`finish`](Pool::finish), and drops what the lease of a shared resource had.
    fn finish_with_handle(&self, (key, resource): (K, R), left_over: Option<Box<LeftOver<K, R>>>) {
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
    pub(super) fn locked(&self) -> Held<'_, Desk<K, R, C, E>> {
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
    pub(super) fn is_finished(&self, left_over: Option<&LeftOver<K, R>>) -> bool {
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
