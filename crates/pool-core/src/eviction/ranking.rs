use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::shelves::Shelves;
use crate::id::{EntryId, Id, KeyId};

/// Keys that have idle entries, by the worth of the next entry that would go: for policies that rank.
///
/// A hit costs O(1): what is leased and comes back keeps its old place in the heap, which can only be too low, and is
/// put right when it comes up as a victim. So the heap holds each key at most once for each time its worth *fell*, and
/// it is built anew when half of it is out of date.
#[derive(Clone, Debug)]
pub(super) struct Ranking<W> {
    shelves: Shelves,
    /// By key: what the heap holds for it, if anything. Anything else there is out of date.
    listed: Vec<Option<Place<W>>>,
    heap: BinaryHeap<Reverse<(Place<W>, KeyId)>>,
    /// Counts entries into the heap, so that of equal keys the one that was listed first goes first.
    clock: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<W> {
    worth: W,
    since: u64,
}

impl<W: Copy + Ord> Ranking<W> {
    /// An entry became idle. `worth` is that of its key's next entry to go, with so many idle.
    #[inline]
    pub(super) fn release(&mut self, entry: EntryId, key: KeyId, worth: impl FnOnce(usize) -> W) {
        let idle = self.shelves.put(entry, key);
        let worth = worth(idle);
        let listed = self.listed.get(key.index()).copied().flatten();
        if listed.is_none_or(|listed| worth < listed.worth) {
            self.list(key, worth);
        }
    }

    /// An entry is leased.
    #[inline]
    pub(super) fn take(&mut self, entry: EntryId) {
        self.shelves.take(entry);
    }

    /// An entry is gone.
    pub(super) fn remove(&mut self, entry: EntryId) {
        self.shelves.remove(entry);
    }

    /// A key, idle or not, may be worth less than it was.
    pub(super) fn lower(&mut self, key: KeyId, worth: impl FnOnce(usize) -> W) {
        let worth = worth(self.shelves.idle_of(key));
        if self.listed.get(key.index()).copied().flatten().is_some_and(|listed| worth < listed.worth) {
            self.list(key, worth);
        }
    }

    /// The entry to go, and what it is worth: the longest idle one of the key whose next entry is worth least.
    /// `worth` is that of a key with so many idle entries, and must not have fallen since it was last told.
    pub(super) fn victim(&mut self, worth: impl Fn(KeyId, usize) -> W) -> Option<(EntryId, W)> {
        while let Some(&Reverse((place, key))) = self.heap.peek() {
            if self.listed[key.index()] != Some(place) {
                self.heap.pop();
                continue;
            }
            let Some(entry) = self.shelves.longest_idle(key) else {
                self.heap.pop();
                self.listed[key.index()] = None;
                continue;
            };
            let now = worth(key, self.shelves.idle_of(key));
            if now <= place.worth {
                return Some((entry, place.worth));
            }
            self.heap.pop();
            self.list(key, now);
        }
        None
    }

    /// All worths have changed alike: their order is the same.
    pub(super) fn rescale(&mut self, worth: impl Fn(W) -> W) {
        for place in self.listed.iter_mut().flatten() {
            place.worth = worth(place.worth);
        }
        self.rebuild();
    }

    #[cold]
    fn list(&mut self, key: KeyId, worth: W) {
        if key.index() >= self.listed.len() {
            self.listed.resize(key.index() + 1, None);
        }
        self.clock += 1;
        let place = Place { worth, since: self.clock };
        self.listed[key.index()] = Some(place);
        self.heap.push(Reverse((place, key)));
        if self.heap.len() > 2 * self.listed.len() + 16 {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let listed = self.listed.iter().enumerate();
        let current =
            listed.filter_map(|(index, place)| Some(Reverse(((*place)?, KeyId::from_index(index)))));
        self.heap = current.collect();
    }
}

impl<W> Default for Ranking<W>
where
    W: Copy + Ord,
{
    fn default() -> Self {
        Self { shelves: Shelves::default(), listed: Vec::new(), heap: BinaryHeap::new(), clock: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<I: Id>(index: usize) -> I {
        I::from_index(index)
    }

    #[test]
    fn the_least_worth_goes_and_of_equals_the_one_listed_first() {
        let mut ranking = Ranking::default();
        let worths = [5u32, 2, 2, 9];
        for (index, worth) in worths.into_iter().enumerate() {
            ranking.release(id(index), id(index), |_| worth);
        }
        let mut order = Vec::new();
        while let Some((entry, worth)) = ranking.victim(|key, _| worths[key.index()]) {
            order.push((entry.index(), worth));
            ranking.take(entry);
        }
        assert_eq!(order, [(1, 2), (2, 2), (0, 5), (3, 9)]);
    }

    #[test]
    fn a_worth_that_rose_since_is_put_right_before_it_is_named() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), |_| 1);
        ranking.release(id(1), id(1), |_| 3);
        assert_eq!(ranking.victim(|key, _| [7, 3][key.index()]), Some((id(1), 3)));
    }

    #[test]
    fn a_worth_that_fell_counts_at_once() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), |_| 5);
        ranking.release(id(1), id(1), |_| 3);
        ranking.lower(id(0), |_| 2);
        assert_eq!(ranking.victim(|key, _| [2, 3][key.index()]), Some((id(0), 2)));
        ranking.lower(id(9), |_| 0); // never seen
    }

    #[test]
    fn the_second_of_a_key_goes_before_a_single_one_of_equal_worth() {
        let mut ranking = Ranking::default();
        let worth = |_: KeyId, idle: usize| 12 / idle.max(1);
        ranking.release(id(0), id(0), |idle| worth(id(0), idle));
        ranking.release(id(1), id(1), |idle| worth(id(1), idle));
        ranking.release(id(2), id(1), |idle| worth(id(1), idle));
        assert_eq!(ranking.victim(worth), Some((id(1), 6)), "the longest idle one of the key that has two");
        ranking.take(id(2));
        assert_eq!(ranking.victim(worth), Some((id(0), 12)), "now it is a single one, and was listed later");
    }

    #[test]
    fn falling_worths_leave_no_heap_of_rubbish() {
        let mut ranking = Ranking::default();
        for worth in (0..10_000).rev() {
            ranking.release(id(0), id(0), |_| worth);
        }
        assert!(ranking.heap.len() < 30, "{}", ranking.heap.len());
    }
}
