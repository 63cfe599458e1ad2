//! Into the core and out again, and then what an event left to do.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::lease::Origin;
use super::{Effects, Entered, Inner, Shell, Types};
use crate::contain::{Panics, Payload, contain, in_drop};
use crate::core::{Ending, LeaseId, Victim, Who};
use crate::guard::{Guard as _, Mode};
use crate::observer::Event;
use crate::reason::DropReason;
use crate::resource::ending_of;
use crate::time::Clock as _;

/// The end of a lease that came while this thread was inside.
pub(super) struct Postponed<T: Types> {
    lease: LeaseId,
    value: (T::Key, T::Resource),
    ending: Ending,
    nanos: u64,
}

impl<T: Types> Shell<T> {
    /// Ends a lease that is dropped, as its resource says. Not inlined, so that a lease's `Drop` is.
    #[inline(never)]
    pub(super) fn give_back(&self, lease: LeaseId, mut value: (T::Key, T::Resource), origin: Origin) {
        if self.needs_clock || self.is_timed(origin) || std::thread::panicking() {
            return self.give_back_slowly(lease, value, origin);
        }
        match contain(|| self.ending_of(&mut value.1, false)) {
            Ok(Ending::Return { weight }) => self.put_back(lease, value, weight),
            Ok(ending) => self.end(lease, value, ending, 0),
            Err(payload) => self.end_panicked(lease, value, payload),
        }
    }

    #[inline(never)]
    fn give_back_slowly(&self, lease: LeaseId, mut value: (T::Key, T::Resource), origin: Origin) {
        let panicked = origin.ends_by_panic();
        in_drop(|| match contain(|| (self.ending_of(&mut value.1, panicked), self.nanos_of(origin))) {
            Ok((ending, nanos)) => self.end(lease, value, ending, nanos),
            Err(payload) => self.end_panicked(lease, value, payload),
        });
    }

    #[inline]
    fn ending_of(&self, resource: &mut T::Resource, panicked: bool) -> Ending {
        ending_of(&self.manager, resource, self.share.is_some(), panicked)
    }

    /// Whether it is to be known how long such a lease took: of those whose resource was just opened, so that a hit needs no clock.
    #[inline]
    fn is_timed(&self, origin: Origin) -> bool {
        self.times_holds && origin == Origin::OPENED
    }

    /// When a lease ends, if anybody wants to know.
    fn nanos_of(&self, origin: Origin) -> u64 {
        if self.needs_clock || self.is_timed(origin) { self.clock.nanos() } else { 0 }
    }

    /// Ends a lease on a resource that is good for another one, where no time is wanted.
    #[inline(always)]
    fn put_back(&self, lease: LeaseId, value: (T::Key, T::Resource), weight: u64) {
        let ending = Ending::Return { weight };
        let Some(mut core) = self.core.enter() else {
            return self.postpone(Postponed { lease, value, ending, nanos: 0 });
        };
        if !core.goes_plainly() {
            drop(core);
            return self.end(lease, value, ending, 0);
        }
        core.put_back(lease, value, weight);
        let effects = core.take_effects(Who(T::Mode::me()));
        drop(core);
        self.finish(effects);
    }

    /// Ends a lease whose resource, or the clock, panicked when it was asked how and when.
    #[cold]
    #[inline(never)]
    fn end_panicked(&self, lease: LeaseId, value: (T::Key, T::Resource), payload: Payload) {
        let mut panics = Panics::default();
        panics.keep(payload);
        panics.contain(|| self.end(lease, value, Ending::Drop(DropReason::Panicked), 0));
        panics.resume();
    }

    /// Ends a lease, or puts that off if it happens inside.
    #[inline(never)]
    pub(super) fn end(&self, lease: LeaseId, value: (T::Key, T::Resource), ending: Ending, nanos: u64) {
        if self.core.is_entered() {
            return self.postpone(Postponed { lease, value, ending, nanos });
        }
        let mut panics = Panics::default();
        let value = if self.share.is_some() {
            // Only a handle. The pool has its own, so the resource lives on until the pool lets go of it.
            let (key, handle) = value;
            panics.drop(handle);
            panics.drop(key);
            None
        } else {
            Some(value)
        };
        let ((), effects) = self.enter(|core| core.ended(lease, value, ending, nanos));
        panics.contain(|| self.finish(effects));
        panics.resume();
    }

    #[cold]
    fn postpone(&self, end: Postponed<T>) {
        // Held only to push or to take all: nothing of the user's runs then.
        if let Some(mut postponed) = self.postponed.enter() {
            postponed.push(end);
            self.any_postponed.store(true, Ordering::Relaxed);
        }
    }

    /// Nanoseconds for policies: read outside, and only if they want them.
    #[inline]
    pub(super) fn nanos(&self) -> u64 {
        if self.needs_clock { self.clock.nanos() } else { 0 }
    }

    /// The same where something has to be finished whatever the clock does: it is 0 then.
    pub(super) fn nanos_or_panic_later(&self, panics: &mut Panics) -> u64 {
        panics.contain(|| self.nanos()).unwrap_or(0)
    }

    /// One event. What comes back is sound, but has to be [finished](Pool::finish).
    #[inline]
    pub(super) fn enter<A>(&self, event: impl FnOnce(&mut Inner<T>) -> A) -> (A, Option<Box<Effects<T>>>) {
        let mut core = self.entered();
        let result = event(&mut core);
        let effects = core.take_effects(Who(T::Mode::me()));
        (result, effects)
    }

    /// One event that leaves nothing behind which has to be guarded.
    pub(super) fn enter_and_finish<A>(&self, event: impl FnOnce(&mut Inner<T>) -> A) -> A {
        let (result, effects) = self.enter(event);
        self.finish(effects);
        result
    }

    /// A look that changes nothing.
    pub(super) fn look<A>(&self, look: impl FnOnce(&Inner<T>) -> A) -> A {
        look(&self.entered())
    }

    #[inline]
    pub(super) fn entered(&self) -> Entered<'_, T> {
        self.core.enter().unwrap_or_else(|| reentered())
    }

    /// Carries out, outside, what an event left to do.
    #[inline]
    pub(super) fn finish(&self, effects: Option<Box<Effects<T>>>) {
        if !self.is_finished(effects.as_deref()) {
            self.carry_out(effects).resume();
        }
    }

    #[inline]
    pub(super) fn is_finished(&self, effects: Option<&Effects<T>>) -> bool {
        effects.is_none() && !self.any_postponed.load(Ordering::Relaxed)
    }

    /// Each thing by itself: a panic of one does not keep the others, and goes on after all of them. The end of each victim is an
    /// event, which may leave more to do.
    #[cold]
    pub(super) fn carry_out(&self, effects: Option<Box<Effects<T>>>) -> Panics {
        let mut panics = Panics::default();
        let mut todo = VecDeque::from_iter(effects);
        loop {
            while let Some(effects) = todo.pop_front() {
                let Effects::<T> { wakes, stale_wakers, victims, keys, panics: theirs } = *effects;
                theirs.into_iter().for_each(|payload| panics.keep(payload));
                // Others go on at once.
                for waker in wakes {
                    panics.contain(|| waker.wake());
                }
                panics.drop_each(stale_wakers);
                for victim in victims {
                    todo.extend(self.drop_victim(victim, &mut panics));
                }
                panics.drop_each(keys);
            }
            self.any_postponed.store(false, Ordering::Relaxed);
            let postponed = self.postponed.enter().map(|mut postponed| std::mem::take(&mut *postponed));
            let postponed = postponed.unwrap_or_default();
            if postponed.is_empty() {
                return panics;
            }
            for Postponed { lease, value, ending, nanos } in postponed {
                panics.contain(|| self.end(lease, value, ending, nanos));
            }
        }
    }

    fn drop_victim(
        &self,
        victim: Victim<T::Key, T::Resource>,
        panics: &mut Panics,
    ) -> Option<Box<Effects<T>>> {
        let Victim { key, resource, reason, weight } = victim;
        panics.contain(|| self.observe(Event::Dropped { key: &key, reason }));
        panics.drop(resource);
        panics.drop(key);
        let nanos = self.nanos_or_panic_later(panics);
        self.enter(|core| core.dropped(weight, Who(T::Mode::me()), nanos)).1
    }
}

#[cold]
fn reentered() -> ! {
    panic!(
        "the pool was used from inside itself: from a policy, a key's `Eq`, or the `Clone` of a shared resource or its key; \
         those must not call the pool"
    )
}
