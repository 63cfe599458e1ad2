use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::dense::Dense;
use super::owner::Owner;
use crate::id::{EntryId, Id, KeyId};

/// Keys that have idle entries, by the worth of the next entry that would go: for policies that rank.
///
/// A hit costs O(1): what is leased and comes back keeps its old place in the heap, which can only be too low, and is
/// put right when it comes up as a victim. So the heap holds each key at most once for each time its worth *fell*, and
/// it is built anew when half of it is out of date.
#[derive(Clone, Debug)]
pub(super) struct Ranking<W> {
    keys: Dense<KeyId, Rank<W>>,
    /// Whose each idle entry is: so that one whose removal was missed does not count for ever.
    idle: Dense<EntryId, Owner>,
    heap: BinaryHeap<Reverse<(Place<W>, KeyId)>>,
    /// Counts entries into the heap, so that of equal keys the one that was listed first goes first.
    clock: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Rank<W> {
    /// How many of its entries are idle.
    idle: u32,
    /// With how many idle its worth is known to be no less than its place says.
    covered: u32,
    /// What the heap holds for it, if anything. Anything else there is out of date.
    place: Option<Place<W>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<W> {
    worth: W,
    since: u64,
}

impl<W: Copy + Ord> Ranking<W> {
    /// An entry became idle, with which `idle` of its key are. `worth` is that of its key's next entry to go, with so many idle.
    #[inline]
    pub(super) fn release(&mut self, entry: EntryId, key: KeyId, idle: u64, worth: impl FnOnce(usize) -> W) {
        let before = std::mem::replace(self.idle.at(entry), Owner::of(key));
        if before != Owner::of(key) {
            self.leave(before);
        }
        let rank = self.keys.at(key);
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        rank.idle = idle;
        if idle > rank.covered {
            self.list_if_lower(key, worth);
        }
    }

    /// An entry of `key` is leased, or gone.
    #[inline]
    pub(super) fn take(&mut self, entry: EntryId, key: KeyId) {
        let owner = std::mem::take(self.idle.at(entry));
        if owner == Owner::of(key) {
            // What the processor need not wait for.
            self.leave(Owner::of(key));
        } else {
            self.leave(owner);
        }
    }

    /// One entry less of its key is idle.
    #[inline]
    fn leave(&mut self, owner: Owner) {
        if let Some(key) = owner.key() {
            let idle = &mut self.keys.at(key).idle;
            *idle = idle.saturating_sub(1);
        }
    }

    /// A key may be worth less from its next release on.
    pub(super) fn reprice(&mut self, key: KeyId) {
        self.keys.at(key).covered = 0;
    }

    /// A key, idle or not, may be worth less than it was.
    pub(super) fn lower(&mut self, key: KeyId, worth: impl FnOnce(usize) -> W) {
        if self.keys.get(key).place.is_some() {
            self.list_if_lower(key, worth);
        }
        self.reprice(key);
    }

    /// The key of which an entry is to go, and what that is worth: the one whose next entry is worth least.
    /// `worth` is that of a key with so many idle entries, and must not have fallen since it was last told.
    pub(super) fn victim(&mut self, worth: impl Fn(KeyId, usize) -> W) -> Option<(KeyId, W)> {
        while let Some(&Reverse((place, key))) = self.heap.peek() {
            let rank = self.keys.at(key);
            if rank.place != Some(place) {
                self.heap.pop();
                continue;
            }
            if rank.idle == 0 {
                (rank.place, rank.covered) = (None, 0);
                self.heap.pop();
                continue;
            }
            let now = worth(key, rank.idle as usize);
            if now <= place.worth {
                return Some((key, place.worth));
            }
            self.heap.pop();
            self.list(key, now);
        }
        None
    }

    /// As [`victim`](Ranking::victim), as if one idle entry were not there.
    pub(super) fn victim_but(
        &mut self,
        entry: Option<EntryId>,
        worth: impl Fn(KeyId, usize) -> W,
    ) -> Option<(KeyId, W)> {
        let owner = entry.and_then(|entry| Some((entry, self.idle.get(entry).key()?)));
        let Some((entry, key)) = owner else { return self.victim(worth) };
        let idle = u64::from(self.keys.get(key).idle);
        self.take(entry, key);
        let named = self.victim(&worth);
        self.release(entry, key, idle, |idle| worth(key, idle));
        named
    }

    /// All worths have changed alike: their order is the same.
    pub(super) fn rescale(&mut self, worth: impl Fn(W) -> W) {
        for place in self.keys.iter_mut().filter_map(|rank| rank.place.as_mut()) {
            place.worth = worth(place.worth);
        }
        self.rebuild();
    }

    /// Gives back memory of keys and entries that are not idle.
    pub(super) fn shrink_to_fit(&mut self) {
        let idle_no_more = self.keys.iter_mut().filter(|rank| rank.idle == 0);
        idle_no_more.for_each(|rank| *rank = Rank::default());
        self.keys.shrink_to_fit();
        self.idle.shrink_to_fit();
        self.rebuild();
        self.heap.shrink_to_fit();
    }

    #[cold]
    #[inline(never)]
    fn list_if_lower(&mut self, key: KeyId, worth: impl FnOnce(usize) -> W) {
        let rank = self.keys.at(key);
        rank.covered = rank.idle;
        let worth = worth(rank.idle as usize);
        if rank.place.is_none_or(|place| worth < place.worth) {
            self.list(key, worth);
        }
    }

    fn list(&mut self, key: KeyId, worth: W) {
        self.clock += 1;
        let place = Place { worth, since: self.clock };
        let rank = self.keys.at(key);
        (rank.place, rank.covered) = (Some(place), rank.idle);
        self.heap.push(Reverse((place, key)));
        if self.heap.len() > 2 * self.keys.len() + 16 {
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let listed = self.keys.iter().enumerate();
        let current =
            listed.filter_map(|(index, rank)| Some(Reverse((rank.place?, KeyId::from_index(index)))));
        self.heap = current.collect();
    }
}

impl<W> Default for Rank<W> {
    fn default() -> Self {
        Self { idle: 0, covered: 0, place: None }
    }
}

impl<W: Ord> Default for Ranking<W> {
    fn default() -> Self {
        Self { keys: Dense::default(), idle: Dense::default(), heap: BinaryHeap::new(), clock: 0 }
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
            ranking.release(id(index), id(index), 1, |_| worth);
        }
        let mut order = Vec::new();
        while let Some((key, worth)) = ranking.victim(|key, _| worths[key.index()]) {
            order.push((key.index(), worth));
            ranking.take(id(key.index()), key);
        }
        assert_eq!(order, [(1, 2), (2, 2), (0, 5), (3, 9)]);
    }

    #[test]
    fn a_worth_that_rose_since_is_put_right_before_it_is_named() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), 1, |_| 1);
        ranking.release(id(1), id(1), 1, |_| 3);
        assert_eq!(ranking.victim(|key, _| [7, 3][key.index()]), Some((id(1), 3)));
    }

    #[test]
    fn a_worth_that_fell_counts_at_once() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), 1, |_| 5);
        ranking.release(id(1), id(1), 1, |_| 3);
        ranking.lower(id(0), |_| 2);
        assert_eq!(ranking.victim(|key, _| [2, 3][key.index()]), Some((id(0), 2)));
        ranking.lower(id(9), |_| 0); // never seen
    }

    #[test]
    fn a_worth_that_falls_while_leased_counts_from_the_release_on() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), 1, |_| 5);
        ranking.release(id(1), id(1), 1, |_| 3);
        ranking.take(id(0), id(0));
        ranking.reprice(id(0));
        ranking.release(id(0), id(0), 1, |_| 2);
        assert_eq!(ranking.victim(|key, _| [2, 3][key.index()]), Some((id(0), 2)));
    }

    #[test]
    fn what_was_lowered_with_one_idle_is_looked_at_again_with_two() {
        let mut ranking = Ranking::default();
        let full = |idle: usize| 12 / idle.max(1);
        ranking.release(id(0), id(0), 1, full);
        ranking.release(id(1), id(0), 2, full);
        ranking.release(id(2), id(1), 1, |_| 4);
        ranking.take(id(1), id(0));
        // 8 with one idle, which is more than its place says; 4, then 3 with two and three.
        let lowered = |idle: usize| 8 / idle.max(1);
        ranking.lower(id(0), lowered);
        ranking.release(id(1), id(0), 2, lowered);
        ranking.release(id(3), id(0), 3, lowered);
        let worth = |key: KeyId, idle| if key.index() == 0 { lowered(idle) } else { 4 };
        assert_eq!(ranking.victim(worth), Some((id(0), 2)));
    }

    #[test]
    fn the_second_of_a_key_goes_before_a_single_one_of_equal_worth() {
        let mut ranking = Ranking::default();
        let worth = |_: KeyId, idle: usize| 12 / idle.max(1);
        ranking.release(id(0), id(0), 1, |idle| worth(id(0), idle));
        ranking.release(id(1), id(1), 1, |idle| worth(id(1), idle));
        ranking.release(id(2), id(1), 2, |idle| worth(id(1), idle));
        assert_eq!(ranking.victim(worth), Some((id(1), 6)), "the key that has two");
        ranking.take(id(1), id(1));
        assert_eq!(ranking.victim(worth), Some((id(0), 12)), "now it is a single one, and was listed later");
    }

    #[test]
    fn what_was_put_right_with_one_idle_is_looked_at_again_with_two() {
        let mut ranking = Ranking::default();
        let worth = |key: KeyId, idle: usize| if key.index() == 0 { 12 / idle.max(1) } else { 8 };
        ranking.release(id(0), id(0), 1, |idle| worth(id(0), idle));
        ranking.release(id(1), id(0), 2, |idle| worth(id(0), idle));
        ranking.release(id(2), id(1), 1, |idle| worth(id(1), idle));
        ranking.take(id(1), id(0));
        assert_eq!(ranking.victim(worth), Some((id(1), 8)), "the other is worth 12 with one idle");
        ranking.release(id(1), id(0), 2, |idle| worth(id(0), idle));
        assert_eq!(ranking.victim(worth), Some((id(0), 6)));
    }

    #[test]
    fn the_heap_is_built_anew_when_half_of_it_is_out_of_date() {
        let mut ranking = Ranking::default();
        for worth in (0..1000_u32).rev() {
            ranking.release(id(0), id(0), 1, |_| worth);
            ranking.lower(id(0), |_| worth);
        }
        assert!(ranking.heap.len() <= 18, "{}", ranking.heap.len());
        assert_eq!(ranking.victim(|_, _| 0), Some((id(0), 0)));
    }

    #[test]
    fn an_entry_whose_removal_was_missed_counts_no_longer_once_its_id_is_used_again() {
        let mut ranking = Ranking::default();
        ranking.release(id(0), id(0), 1, |_| 1);
        // Entry 0 goes, unheard of, and is another key's now.
        ranking.release(id(0), id(1), 1, |_| 5);
        assert_eq!(ranking.victim(|key, _| [1, 5][key.index()]), Some((id(1), 5)));
    }

    #[test]
    fn it_names_what_is_worth_as_little_as_a_naive_search_finds() {
        const KEYS: usize = 6;
        let mut seed = 88_172_645_463_325_252_u64;
        let mut below = |n: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % n as u64) as usize
        };
        let worth = |values: &[usize; KEYS], key: usize, idle: usize| values[key] * 60 / idle.max(1);
        for _ in 0..500 {
            let mut ranking = Ranking::default();
            let mut values = [0; KEYS];
            let mut idle: Vec<Vec<usize>> = vec![Vec::new(); KEYS];
            let mut out: Vec<(usize, usize)> = Vec::new();
            let mut entries = 0;
            for _ in 0..200 {
                let key = below(KEYS);
                match below(12) {
                    0..=3 => match idle[key].pop() {
                        Some(entry) => {
                            values[key] += below(20);
                            ranking.take(id(entry), id(key));
                            out.push((entry, key));
                        }
                        None => {
                            values[key] = 1 + below(60);
                            ranking.lower(id(key), |idle| worth(&values, key, idle));
                            out.push((entries, key));
                            entries += 1;
                        }
                    },
                    4..=7 if !out.is_empty() => {
                        let (entry, key) = out.swap_remove(below(out.len()));
                        idle[key].push(entry);
                        let count = idle[key].len() as u64;
                        ranking.release(id(entry), id(key), count, |idle| worth(&values, key, idle));
                    }
                    8 => {
                        values[key] -= below(values[key] + 1);
                        ranking.lower(id(key), |idle| worth(&values, key, idle));
                    }
                    _ => {
                        let now = |key: usize| worth(&values, key, idle[key].len());
                        let least = (0..KEYS).filter(|&key| !idle[key].is_empty()).map(now).min();
                        let named = ranking.victim(|key: KeyId, idle| worth(&values, key.index(), idle));
                        assert_eq!(named.map(|(key, _)| now(key.index())), least);
                        if let Some((key, _)) = named {
                            ranking.take(id(idle[key.index()].remove(0)), key);
                        }
                    }
                }
            }
        }
    }
}
