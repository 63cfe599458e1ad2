use super::dense::Dense;
use super::random::Random;
use super::{Eviction, Removal, Victim};
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Hyperbolic caching: of 64 entries drawn at random, the one goes that had the fewest requests for each request that came since it
/// was opened, times what its open cost, for each byte.
///
/// Blankstein, Sen and Freedman, "Hyperbolic caching: flexible caching for web applications" (USENIX ATC 2017), with its sample of 64
/// and its cost-aware priority. Adapted for a pool: requests, cost and age are the entry's, time is counted in requests, and entries are
/// drawn from a seed.
///
/// A hit is O(1), an eviction looks at 64 entries.
#[derive(Clone, Debug)]
pub struct Hyperbolic {
    entries: Dense<EntryId, Record>,
    /// Idle entries, in no order.
    idle: Vec<EntryId>,
    random: Random,
    /// Requests so far.
    now: u64,
}

const SAMPLE: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Record {
    requests: u64,
    /// The request that opened it.
    since: u64,
    cost: u64,
    weight: u64,
    /// Its place among the idle ones, from 1; 0 if it is not idle.
    place: usize,
}

impl Hyperbolic {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(1)
    }

    /// With another sequence of samples.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self { entries: Dense::default(), idle: Vec::new(), random: Random(seed), now: 0 }
    }

    fn take(&mut self, entry: EntryId) {
        let place = std::mem::take(&mut self.entries.at(entry).place);
        if place > 0 {
            self.idle.swap_remove(place - 1);
            if let Some(&moved) = self.idle.get(place - 1) {
                self.entries.at(moved).place = place;
            }
        }
    }

    fn priority(&self, entry: EntryId) -> f64 {
        let Record { requests, since, cost, weight, .. } = self.entries.get(entry);
        let age = (self.now - since + 1) as f64;
        requests as f64 * cost.max(1) as f64 / (age * weight.max(1) as f64)
    }
}

impl Default for Hyperbolic {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized> Eviction<K> for Hyperbolic {
    fn on_open(&mut self, entry: EntryId, _: KeyId, opened: &Opened, _: Now) {
        self.take(entry);
        self.now += 1;
        let Opened { cost_nanos: cost, weight, .. } = *opened;
        *self.entries.at(entry) = Record { requests: 1, since: self.now, cost, weight, place: 0 };
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.take(entry);
        self.now += 1;
        self.entries.at(entry).requests += 1;
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, returned: &Returned, _: Now) {
        self.take(entry);
        self.idle.push(entry);
        let place = self.idle.len();
        let record = self.entries.at(entry);
        (record.place, record.weight) = (place, returned.weight);
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.take(entry);
        *self.entries.at(entry) = Record::default();
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        let all = self.idle.len();
        let least = |a: Option<EntryId>, b: EntryId| match a {
            // In the paper room is made before the new one joins.
            Some(a) if Some(a) != incoming && (Some(b) == incoming || self.priority(a) <= self.priority(b)) => Some(a),
            _ => Some(b),
        };
        let named = if all <= SAMPLE {
            self.idle.iter().copied().fold(None, least)
        } else {
            let mut random = self.random.clone();
            let named = (0..SAMPLE).map(|_| self.idle[random.below(all)]).fold(None, least);
            self.random = random;
            named
        };
        named.map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
        self.idle.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    #[test]
    fn requests_for_each_of_its_age_and_cost_for_each_byte_decide() {
        let mut pool = Drive::new(Hyperbolic::new());
        // Old with three requests in seven: 0.43. Young with one in four: 0.25.
        [1, 1, 1, 2, 3, 3, 3].into_iter().for_each(|key| pool.ask(key));
        assert_eq!([pool.evict(), pool.evict()], [Some(2), Some(1)]);
        let mut pool = Drive::new(Hyperbolic::new());
        pool.price(1, 100, 50).price(2, 100, 10).price(3, 60, 10);
        [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
        // 2 / 3, 10 / 2 and 6 / 1.
        assert_eq!([pool.evict(), pool.evict(), pool.evict(), pool.evict()], [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn of_many_only_a_sample_is_looked_at_and_what_is_worth_most_is_hardly_ever_in_danger() {
        let mut pool = Drive::new(Hyperbolic::new());
        (0..300).for_each(|key| pool.ask(key));
        (0..50).for_each(|_| pool.ask(7));
        let gone: Vec<_> = (0..250).filter_map(|_| pool.evict()).collect();
        assert!(gone.len() == 250 && !gone.contains(&7));
    }
}
