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
    /// Opens and drops in the hands of threads that wait.
    stuck: u64,
}

#[derive(Debug, Default)]
struct Busy {
    /// Opens that run and victims that are not gone.
    work: u64,
    /// As whom it waits, and what it was in the middle of when it began to. It waits only as the last; the others are what it
    /// does something else for first, such as dropping a victim whose destructor waits.
    waits: Vec<(WaiterId, u64)>,
}

impl Busy {
    fn stuck(&self) -> u64 {
        self.waits.last().map_or(0, |(_, work)| *work)
    }
}

impl Threads {
    /// A thread opens.
    pub(super) fn opens(&mut self, who: Who) {
        self.busy.entry(who).or_default().work += 1;
    }

    /// A thread has so many more victims to drop.
    pub(super) fn drops(&mut self, who: Who, victims: usize) {
        if victims > 0 {
            self.busy.entry(who).or_default().work += victims as u64;
        }
    }

    /// An open has ended, or a victim is gone.
    pub(super) fn done(&mut self, who: Who) {
        self.change(who, |busy| busy.work -= 1);
    }

    /// What a thread is in the middle of.
    pub(super) fn work_of(&self, who: Who) -> u64 {
        self.busy.get(&who).map_or(0, |busy| busy.work)
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
        self.stuck = self.stuck - before + busy.stuck();
        if busy.work == 0 && busy.waits.is_empty() {
            self.busy.remove(&who);
        }
    }

    pub(super) fn stuck(&self) -> u64 {
        self.stuck
    }

    fn waiters(&self) -> impl Iterator<Item = WaiterId> + '_ {
        self.busy.values().filter_map(|busy| busy.waits.last()).map(|(waiter, _)| *waiter)
    }

    fn waiter_of(&self, who: Who) -> Option<WaiterId> {
        self.busy.get(&who)?.waits.last().map(|(waiter, _)| *waiter)
    }

    /// What all threads are in the middle of, and how much of that is stuck, counted again.
    pub(super) fn recount(&self) -> (u64, u64) {
        let all = self.busy.values();
        all.fold((0, 0), |(work, stuck), busy| (work + busy.work, stuck + busy.stuck()))
    }
}

impl<K, R, F, C, E> Core<K, R, F, C, E> {
    /// What will end by itself and serve the queue then: all but what is in the hands of threads that wait.
    pub(super) fn outstanding(&self) -> u64 {
        let usage = &self.usage;
        let work = (usage.opening + usage.dropping).saturating_sub(self.threads.stuck());
        usage.leased + work + u64::from(self.measuring.is_some())
    }

    /// The same if `who`, a thread, waited as well.
    pub(super) fn outstanding_if_waits(&self, who: Who, blocks: bool) -> u64 {
        self.outstanding().saturating_sub(if blocks { self.threads.work_of(who) } else { 0 })
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
