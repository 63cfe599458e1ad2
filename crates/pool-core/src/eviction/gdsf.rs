use super::{Eviction, Removal, Victim};
use super::greedy_dual::GreedyDual;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// GreedyDual-Size-Frequency: the key with the least requests times cost for each byte goes, counted on top of what the
/// last victim was worth when it was last asked for.
///
/// Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy" (HP Laboratories
/// HPL-98-69, 1998), after Young's GreedyDual and Cao and Irani's GreedyDual-Size. Adapted for a pool: requests, cost
/// and weight belong to the key, as measured at its last open and release, and outlive its entries as long as the
/// pool remembers it; of several idle entries of a key the last is worth a share.
///
/// A hit costs O(1), an eviction O(log n) amortised.
#[derive(Clone, Debug, Default)]
pub struct Gdsf {
    ranks: GreedyDual,
    prices: Prices,
}

/// What each key costs: nanoseconds, and bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    costs: super::dense::Dense<KeyId, u64>,
    all: u64,
    opens: u64,
}

impl Prices {
    pub(super) fn open(&mut self, key: KeyId, opened: &Opened) {
        *self.costs.at(key) = opened.cost_nanos.max(1);
        self.all = self.all.saturating_add(opened.cost_nanos);
        self.opens += 1;
    }

    pub(super) fn forget(&mut self, key: KeyId) {
        *self.costs.at(key) = 0;
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.costs.shrink_to_fit();
    }

    /// Nanoseconds that opening a key takes for each of its bytes. For a key whose open was not heard of (another
    /// policy may have panicked): the mean of all.
    pub(super) fn of_byte(&self, key: KeyId, weight: u64) -> f64 {
        let cost = match self.costs.get(key) {
            0 => (self.all / self.opens.max(1)).max(1),
            cost => cost,
        };
        cost as f64 / weight.max(1) as f64
    }
}

impl Gdsf {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: ?Sized> Eviction<K> for Gdsf {
    fn on_forget(&mut self, key: KeyId) {
        self.ranks.forget(key);
        self.prices.forget(key);
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, opened: &Opened, _: Now) {
        self.prices.open(key, opened);
        self.ranks.value(key, self.prices.of_byte(key, opened.weight));
        self.ranks.request(key);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.ranks.take(entry, key);
        self.ranks.request(key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        self.ranks.value(key, self.prices.of_byte(key, returned.weight));
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
        self.prices.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::drive::Drive;

    #[test]
    fn what_is_cheap_for_its_bytes_goes_first_unless_it_is_asked_for_more() {
        let mut drive = Drive::new(Gdsf::new());
        drive.price(1, 100, 10).price(2, 100, 100).price(3, 900, 100);
        for key in [1, 2, 3] {
            drive.ask(key);
        }
        assert_eq!((drive.evict(), drive.evict(), drive.evict()), (Some(2), Some(3), Some(1)));
        let mut drive = Drive::new(Gdsf::new());
        drive.price(1, 100, 10).price(2, 100, 100);
        drive.ask(1);
        (0..11).for_each(|_| drive.ask(2));
        assert_eq!(drive.evict(), Some(1));
    }

    #[test]
    fn what_is_not_asked_for_any_more_is_overtaken() {
        let mut drive = Drive::new(Gdsf::new());
        drive.price(1, 5, 1);
        drive.ask(1);
        let gone = (10..30).position(|key| {
            drive.ask(key);
            drive.evict() == Some(1)
        });
        assert!(gone.is_some_and(|rounds| rounds > 2), "{gone:?}");
    }
}
