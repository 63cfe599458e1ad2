//! Into the core and out again: one borrow, and then what a step left to do.

use super::Pool;
use crate::aftermath::Aftermath;
use crate::capacity::Capacity;
use crate::contain::{Panics, Payload, contain, in_drop};
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::resource::Resource;
use crate::state::{Ending, State, judge};
use crate::stats::DropReason;

/// The end of a lease that has yet to be taken in: whose, with what, how and when.
pub(super) type Postponed<K, R> = (EntryId, (K, R), Ending, u64);

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Ends a lease that is dropped, as its resource says. Not inlined, so that a lease's `Drop` is.
    #[inline(never)]
    pub(super) fn give_back(&self, entry: EntryId, value: (K, R), made_while_panicking: bool) {
        if self.needs_clock || std::thread::panicking() {
            return self.give_back_slowly(entry, value, made_while_panicking);
        }
        match contain(|| judge(&value.1, false)) {
            Ok(Ending::Return { weight }) => self.put_back(entry, value, weight),
            Ok(ending) => self.end(entry, value, ending, 0),
            Err(payload) => self.end_panicked(entry, value, payload),
        }
    }

    #[inline(never)]
    fn give_back_slowly(&self, entry: EntryId, value: (K, R), made_while_panicking: bool) {
        let panicked = !made_while_panicking && std::thread::panicking();
        in_drop(|| match contain(|| (self.nanos(), judge(&value.1, panicked))) {
            Ok((nanos, ending)) => self.end(entry, value, ending, nanos),
            Err(payload) => self.end_panicked(entry, value, payload),
        });
    }

    /// Ends a lease on a resource that is good for another one, where no time is wanted.
    #[inline(always)]
    fn put_back(&self, entry: EntryId, value: (K, R), weight: u64) {
        let (ending, nanos) = (Ending::Return { weight }, 0);
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return self.postpone((entry, value, ending, nanos));
        };
        let done = state.put_back(entry, value, weight);
        let aftermath = state.take_aftermath();
        drop(state);
        match done {
            Ok(()) => self.finish(aftermath),
            Err(value) => {
                debug_assert!(aftermath.is_none(), "nothing was done yet");
                self.end(entry, value, ending, nanos);
            }
        }
    }

    /// Ends a lease whose resource panicked when it was asked how.
    #[cold]
    #[inline(never)]
    fn end_panicked(&self, entry: EntryId, value: (K, R), payload: Payload) {
        let mut panics = Panics::default();
        panics.keep(payload);
        panics.contain(|| self.end(entry, value, Ending::Drop(DropReason::Panicked), 0));
        panics.resume();
    }

    /// Ends a lease, or puts that off if it happens inside the pool's own borrow.
    #[inline(never)]
    pub(super) fn end(&self, entry: EntryId, value: (K, R), ending: Ending, nanos: u64) {
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return self.postpone((entry, value, ending, nanos));
        };
        let handle = state.end(entry, value, ending, false, nanos);
        let aftermath = state.take_aftermath();
        drop(state);
        match handle {
            None => self.finish(aftermath),
            Some(handle) => self.finish_with_handle(handle, aftermath),
        }
    }

    /// As [`finish`](Pool::finish), and drops what the lease of a shared resource had.
    fn finish_with_handle(&self, (key, resource): (K, R), aftermath: Option<Box<Aftermath<K, R>>>) {
        if let Some(mut aftermath) = aftermath {
            aftermath.push_handle(Some(key), resource);
            return self.finish(Some(aftermath));
        }
        let mut panics = Panics::default();
        panics.contain(|| drop(resource));
        panics.contain(|| drop(key));
        panics.contain(|| self.finish(None));
        panics.resume();
    }

    #[cold]
    pub(super) fn postpone(&self, end: Postponed<K, R>) {
        self.postponed.borrow_mut().push(end);
        self.any_postponed.set(true);
    }

    /// Nanoseconds for policies: read before the borrow, and only if they want them.
    pub(super) fn nanos(&self) -> u64 {
        if self.needs_clock { self.clock.nanos() } else { 0 }
    }

    /// One step of the core. What comes back is consistent, but has to be [finished](Pool::finish).
    #[inline]
    pub(super) fn enter<T>(
        &self,
        step: impl FnOnce(&mut State<K, R, C, E>) -> T,
    ) -> (T, Option<Box<Aftermath<K, R>>>) {
        let mut state = self.state.try_borrow_mut().unwrap_or_else(|_| reentered());
        let result = step(&mut state);
        (result, state.take_aftermath())
    }

    /// Does, with the borrow over, what a step left to do.
    #[inline]
    pub(super) fn finish(&self, aftermath: Option<Box<Aftermath<K, R>>>) {
        match aftermath {
            Some(aftermath) => self.finish_slowly(*aftermath),
            None if self.any_postponed.get() => self.finish_slowly(Aftermath::none()),
            None => {}
        }
    }

    #[cold]
    pub(super) fn finish_slowly(&self, aftermath: Aftermath<K, R>) {
        let mut panics = aftermath.settle(|event| self.observe(event));
        self.any_postponed.set(false);
        for (entry, value, ending, nanos) in self.postponed.take() {
            panics.contain(|| self.end(entry, value, ending, nanos));
        }
        panics.resume();
    }
}

#[cold]
pub(crate) fn reentered() -> ! {
    panic!(
        "the pool was used from inside itself: from a policy, `share`, or a key's `Eq` or `Clone`; \
         those must not call the pool"
    )
}
