//! Who waits for itself?
//!
//! A thread that is in the middle of an open, or of dropping a victim, may ask for something else. While it waits, what it
//! is in the middle of does not end. If everything that could end is in the hands of threads that wait, nobody will ever be
//! served, and one of them is told so. Leases are taken to end: which thread holds one is not known for sure.

use std::collections::BTreeMap;

use super::queue::{WaiterId, WaitsFor};
use super::{Core, Who};
use crate::id::KeyId;

/// Threads that open, or drop victims, and which of them wait.
#[derive(Debug, Default)]
pub(super) struct Threads {
    busy: BTreeMap<Who, Busy>,
    /// What is in the hands of threads that wait.
    stuck: InHand,
}

/// What threads are in the middle of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InHand {
    pub(super) opens: u64,
    /// Victims that are not gone, and their bytes.
    pub(super) drops: u64,
    pub(super) weight: u64,
}

impl InHand {
    pub(super) fn count(&self) -> u64 {
        self.opens + self.drops
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            opens: self.opens + other.opens,
            drops: self.drops + other.drops,
            weight: self.weight + other.weight,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            opens: self.opens - other.opens,
            drops: self.drops - other.drops,
            weight: self.weight - other.weight,
        }
    }
}

#[derive(Debug, Default)]
struct Busy {
    work: InHand,
    /// As whom it waits, and what it was in the middle of when it began to. It waits only as the last; the others are what it
    /// does something else for first, such as dropping a victim whose destructor waits.
    waits: Vec<(WaiterId, InHand)>,
}

impl Busy {
    fn stuck(&self) -> InHand {
        self.waits.last().map_or(InHand::default(), |(_, work)| *work)
    }
}

impl Threads {
    /// A thread opens.
    pub(super) fn opens(&mut self, who: Who) {
        self.busy.entry(who).or_default().work.opens += 1;
    }

    /// An open of it has ended.
    pub(super) fn opened(&mut self, who: Who) {
        self.change(who, |busy| busy.work.opens -= 1);
    }

    /// A thread has so many more victims to drop, of so many bytes.
    pub(super) fn drops(&mut self, who: Who, victims: u64, weight: u64) {
        if victims > 0 {
            let work = &mut self.busy.entry(who).or_default().work;
            work.drops += victims;
            work.weight += weight;
        }
    }

    /// A victim that it had to drop is gone.
    pub(super) fn dropped(&mut self, who: Who, weight: u64) {
        self.change(who, |busy| {
            busy.work.drops -= 1;
            busy.work.weight -= weight;
        });
    }

    /// What a thread is in the middle of.
    pub(super) fn work_of(&self, who: Who) -> InHand {
        self.busy.get(&who).map_or(InHand::default(), |busy| busy.work)
    }

    /// A thread waits. That matters only where it is in the middle of something.
    pub(super) fn waits(&mut self, who: Who, waiter: WaiterId) {
        self.change(who, |busy| busy.waits.push((waiter, busy.work)));
    }

    pub(super) fn waits_no_more(&mut self, who: Who, waiter: WaiterId) {
        self.change(who, |busy| busy.waits.retain(|(it, _)| *it != waiter));
    }

    fn change(&mut self, who: Who, change: impl FnOnce(&mut Busy)) {
        let Some(busy) = self.busy.get_mut(&who) else { return };
        let before = busy.stuck();
        change(busy);
        self.stuck = self.stuck.minus(before).plus(busy.stuck());
        if busy.work == InHand::default() && busy.waits.is_empty() {
            self.busy.remove(&who);
        }
    }

    pub(super) fn stuck(&self) -> InHand {
        self.stuck
    }

    /// The same if `who` waited as well, all that it is in the middle of included.
    pub(super) fn stuck_if_waits(&self, who: Who) -> InHand {
        match self.busy.get(&who) {
            Some(busy) => self.stuck.minus(busy.stuck()).plus(busy.work),
            None => self.stuck,
        }
    }

    fn waiters(&self) -> impl Iterator<Item = WaiterId> + '_ {
        self.busy.values().filter_map(|busy| busy.waits.last()).map(|(waiter, _)| *waiter)
    }

    fn waiter_of(&self, who: Who) -> Option<WaiterId> {
        self.busy.get(&who)?.waits.last().map(|(waiter, _)| *waiter)
    }

    /// What all threads are in the middle of, and what of that is stuck, counted again.
    ///
    /// # Panics
    /// If one is known that does nothing.
    pub(super) fn recount(&self) -> (InHand, InHand) {
        let all = self.busy.values();
        all.fold(Default::default(), |(work, stuck): (InHand, InHand), busy| {
            assert!(busy.work != InHand::default() || !busy.waits.is_empty(), "it is forgotten");
            (work.plus(busy.work), stuck.plus(busy.stuck()))
        })
    }
}

impl<K, R, F, C, E> Core<K, R, F, C, E> {
    /// What will end by itself and serve the queue then: all but what is in the hands of threads that wait.
    pub(super) fn outstanding(&self) -> u64 {
        self.outstanding_but(self.threads.stuck())
    }

    /// The same if `who`, a thread, waited as well.
    pub(super) fn outstanding_if_waits(&self, who: Who, blocks: bool) -> u64 {
        if blocks { self.outstanding_but(self.threads.stuck_if_waits(who)) } else { self.outstanding() }
    }

    fn outstanding_but(&self, stuck: InHand) -> u64 {
        let usage = &self.usage;
        let work = (usage.opening + usage.dropping).saturating_sub(stuck.count());
        usage.leased + work + u64::from(self.measuring.is_some())
    }

    /// Whether the open of `key` waits, over any number of others, for an open of `who`.
    pub(super) fn open_waits_for(&self, key: KeyId, who: Who) -> bool {
        let mut key = key;
        // No longer than there are threads.
        for _ in 0..=self.threads.busy.len() {
            let Some(opener) = self.keys[key].opener else { return false };
            if opener == who {
                return true;
            }
            let Some(waiter) = self.threads.waiter_of(opener) else { return false };
            let waiter = &self.queue[waiter];
            if waiter.waits_for != WaitsFor::Open {
                return false;
            }
            key = waiter.key;
        }
        false
    }

    /// The last to come of the threads that wait in the middle of something.
    pub(super) fn last_stuck(&self) -> Option<WaiterId> {
        self.threads.waiters().max_by_key(|&waiter| self.queue[waiter].arrival)
    }
}
