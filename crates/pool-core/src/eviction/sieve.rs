use super::{Eviction, Removal, Victim};
use super::dense::Dense;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Sieve: a hand goes over the entries from the oldest to the newest, spares once each that was hit since it last came
/// by, and takes the first that was not.
///
/// Zhang, Yang, Yue, Vigfusson and Rashmi, "SIEVE is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web
/// Caches" (NSDI 2024). Adapted for a pool: an entry keeps its place in the queue while it is leased, and the mark of a
/// hit is the entry's, so the entry of a key that is only needed when another is out goes like any that was not
/// hit. A leased entry that the hand meets is spared as one that was hit is, but leaves the queue and joins it again as
/// the newest when its lease ends: so the hand meets it once a lease, not once an eviction. The paper makes room before
/// the new object joins the queue, and so it is here: what was just opened goes only if nothing else is idle.
///
/// A hit and its return cost O(1), an eviction O(1) amortised: each step of the hand undoes a hit, a lease or a round.
#[derive(Clone, Debug, Default)]
pub struct Sieve {
    /// What the hand has before it in this round, the newest at the front; the hand is at the back.
    ahead: Order<EntryId>,
    /// What it has passed in this round, all older than those ahead.
    passed: Order<EntryId>,
    /// The latest to come back without a place in the queue. It joins when the next one comes, or the next eviction.
    newcomer: Option<EntryId>,
    marks: Dense<EntryId, Marks>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Marks {
    idle: bool,
    hit: bool,
}

impl Sieve {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn admit_newcomer(&mut self) {
        if let Some(entry) = self.newcomer.take() {
            self.end_round();
            self.ahead.push_front(entry);
        }
    }

    /// If the hand has reached the newest, it starts again at the oldest.
    fn end_round(&mut self) {
        if self.ahead.is_empty() {
            std::mem::swap(&mut self.ahead, &mut self.passed);
        }
    }

    fn forget(&mut self, entry: EntryId) {
        self.ahead.remove(entry);
        self.passed.remove(entry);
        self.newcomer = self.newcomer.filter(|&newcomer| newcomer != entry);
        *self.marks.at(entry) = Marks::default();
    }
}

impl<K: ?Sized> Eviction<K> for Sieve {
    fn on_open(&mut self, entry: EntryId, _: KeyId, _: &Opened, _: Now) {
        self.forget(entry);
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        if self.newcomer == Some(entry) {
            self.admit_newcomer();
        }
        *self.marks.at(entry) = Marks { idle: false, hit: true };
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.marks.at(entry).idle = true;
        if !self.ahead.contains(entry) && !self.passed.contains(entry) && self.newcomer != Some(entry) {
            self.admit_newcomer();
            self.newcomer = Some(entry);
        }
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.forget(entry);
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        if self.newcomer != incoming {
            self.admit_newcomer();
        }
        loop {
            self.end_round();
            let Some(entry) = self.ahead.back() else {
                return self.newcomer.map(Victim::Entry);
            };
            let marks = self.marks.at(entry);
            if marks.idle && !marks.hit {
                return Some(Victim::Entry(entry));
            }
            marks.hit = false;
            let idle = marks.idle;
            self.ahead.remove(entry);
            if idle {
                self.passed.push_front(entry);
            }
        }
    }

    fn shrink_to_fit(&mut self) {
        self.ahead.shrink_to_fit();
        self.passed.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    #[test]
    fn the_hand_spares_what_was_hit_and_goes_on_from_where_it_stopped() {
        let mut pool = Drive::new(Sieve::new());
        [1, 2, 3, 1].into_iter().for_each(|key| pool.ask(key));
        let victims = [4, 5, 6, 7].map(|key| {
            pool.ask(key);
            pool.evict_for(key)
        });
        // 1 is spared for its hit. The hand does not come back to it before it has met 5, the newest of its round.
        assert_eq!(victims, [Some(2), Some(3), Some(4), Some(5)]);
    }

    #[test]
    fn a_hit_spares_once() {
        let mut pool = Drive::new(Sieve::new());
        [1, 1, 1, 2, 2].into_iter().for_each(|key| pool.ask(key));
        assert_eq!([pool.evict(), pool.evict(), pool.evict()], [Some(1), Some(2), None]);
    }

    #[test]
    fn what_is_leased_when_the_hand_meets_it_comes_back_as_the_newest() {
        let mut pool = Drive::new(Sieve::new());
        [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
        let leased = pool.lease(1);
        assert_eq!(pool.evict(), Some(2));
        pool.release(leased, 1);
        assert_eq!([pool.evict(), pool.evict()], [Some(3), Some(1)]);
    }
}
