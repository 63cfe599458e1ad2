use super::{Eviction, Removal, Victim};
use super::greedy_dual::GreedyDual;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Least frequently used, with dynamic ageing (LFU-DA): the key with the fewest requests goes, each key's counted on top
/// of what the last victim had when it was last asked for, so that old favourites go in the end.
///
/// Arlitt, Cherkasova, Dilley, Friedrich, Jin, "Evaluating content management techniques for web proxy caches"
/// (Performance Evaluation Review, 2000). Adapted for a pool: requests belong to the key and outlive its entries, as
/// long as the pool remembers it; of several idle entries of a key the last counts a share of them. Of equals, the one
/// that was ranked first goes.
///
/// A hit costs O(1), an eviction O(log n) amortised.
#[derive(Clone, Debug, Default)]
pub struct Lfu {
    ranks: GreedyDual,
}

impl Lfu {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: ?Sized> Eviction<K> for Lfu {
    fn on_forget(&mut self, key: KeyId) {
        self.ranks.forget(key);
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, _: &Opened, _: Now) {
        self.ranks.value(key, 1.0);
        self.ranks.request(key);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.ranks.take(entry, key);
        self.ranks.request(key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        self.ranks.release(entry, key, returned.idle_of_key);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, _: Removal) {
        self.ranks.take(entry, key);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        self.ranks.victim()
    }

    fn shrink_to_fit(&mut self) {
        self.ranks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::drive::Drive;

    #[test]
    fn the_least_frequent_goes_and_an_old_favourite_ages() {
        let mut drive = Drive::new(Lfu::new());
        for key in [1, 1, 1, 1, 2, 2, 3] {
            drive.ask(key);
        }
        assert_eq!(drive.evict(), Some(3));
        assert_eq!(drive.evict(), Some(2));
        // Each newcomer begins where the last victim was, and overtakes key 1, which had four requests.
        let victims: Vec<_> = (10..16).map(|key| { drive.ask(key); drive.ask(key); drive.ask(9); drive.evict() }).collect();
        assert!(victims.contains(&Some(1)), "{victims:?}");
    }

    #[test]
    fn the_second_of_a_key_goes_before_a_single_one_asked_for_as_often() {
        let mut drive = Drive::new(Lfu::new());
        drive.ask_twice_at_once(1);
        drive.ask(2);
        drive.ask(2);
        assert_eq!(drive.evict(), Some(1));
    }
}
