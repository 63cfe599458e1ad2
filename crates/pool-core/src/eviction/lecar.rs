use super::dense::Dense;
use super::random::Random;
use super::ranking::Ranking;
use super::room::Room;
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// LeCaR: a weighted coin decides at each eviction whether the least recently or the least frequently used entry goes. When a key is
/// opened again soon after it went, the one of the two that let it go has its weight lowered, the more the sooner.
///
/// Vietri et al., "Driving cache replacement with ML-based LeCaR" (HotStorage 2018), with its learning rate of 0.45, its discount of
/// 0.005^(1/n) for n entries, and histories of as many keys as the pool has room for. Adapted for a pool: recency is the entry's, from
/// its release on; frequency is the key's, and of equally frequent keys the one goes that was asked for first. As in the paper,
/// room is made before the new one joins. The coin is drawn from a seed.
///
/// A hit is O(1), an eviction O(log n) amortised.
#[derive(Clone, Debug)]
pub struct LeCaR {
    recent: Order<EntryId>,
    frequent: Ranking<(u64, u64)>,
    /// By key: its requests while it has entries, or is in a history.
    keys: Dense<KeyId, Asked>,
    /// By expert, [`LRU`] and [`LFU`]: keys that it let go, the latest at the front.
    histories: [Order<KeyId>; 2],
    /// Of the first expert; the second has the rest.
    weight: f64,
    /// Who decided on the victim that was named last.
    decided: Option<usize>,
    coin: Random,
    /// Requests so far.
    now: u64,
    idle: usize,
    room: Room,
}

const LRU: usize = 0;
const LFU: usize = 1;
const LEARNING_RATE: f64 = 0.45;
/// The logarithm of the discount over as many requests as the pool has room for entries.
const LN_DISCOUNT: f64 = -5.298_317_366_548_036;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Asked {
    times: u64,
    /// The number of the last request.
    last: u64,
    /// The number of the request at which the last entry went.
    gone: u64,
    live: u32,
}

impl Asked {
    fn worth(&self) -> (u64, u64) {
        (self.times, self.last)
    }
}

impl LeCaR {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(1)
    }

    /// With another sequence of coins.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            recent: Order::new(),
            frequent: Ranking::default(),
            keys: Dense::default(),
            histories: [Order::new(), Order::new()],
            weight: 0.5,
            decided: None,
            coin: Random(seed),
            now: 0,
            idle: 0,
            room: Room::default(),
        }
    }

    fn take(&mut self, entry: EntryId, key: KeyId) {
        self.idle -= usize::from(self.recent.remove(entry));
        self.frequent.take(entry, key);
    }

    fn request(&mut self, key: KeyId) {
        self.now += 1;
        let asked = self.keys.at(key);
        asked.times += 1;
        asked.last = self.now;
    }

    /// A key was let go and is opened again: what is regretted speaks for the other.
    fn regret(&mut self, expert: usize, gone_at: u64) {
        let ago = (self.now + 1 - gone_at) as f64 / self.room.entries() as f64;
        let factor = exp(LEARNING_RATE * exp(LN_DISCOUNT * ago));
        let (lru, lfu) = (self.weight, 1.0 - self.weight);
        let (lru, lfu) = if expert == LFU { (lru * factor, lfu) } else { (lru, lfu * factor) };
        self.weight = lru / (lru + lfu);
    }

    fn forget(&mut self, key: KeyId) {
        self.histories.iter_mut().for_each(|history| _ = history.remove(key));
        let asked = self.keys.at(key);
        *asked = Asked { live: asked.live, ..Asked::default() };
        self.frequent.reprice(key);
    }
}

/// e^x, from operations that have one right result: a trace replays to the same victims on every machine.
fn exp(x: f64) -> f64 {
    // Halved until the series is exact, then squared as often.
    let halvings = 10;
    let small = x.max(-700.0) / f64::from(1 << halvings);
    let sum = (1..=6).rev().fold(1.0, |sum, n| 1.0 + sum * small / f64::from(n));
    (0..halvings).fold(sum, |power, _| power * power)
}

impl Default for LeCaR {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized> Eviction<K> for LeCaR {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
    }

    fn on_key(&mut self, key: KeyId, _: &K) {
        self.forget(key);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.forget(key);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, _: &Opened, _: Now) {
        self.take(entry, key);
        let Asked { gone, live, .. } = self.keys.get(key);
        if live == 0 {
            match (0..2).find(|&expert| self.histories[expert].remove(key)) {
                Some(expert) => self.regret(expert, gone),
                None => self.forget(key),
            }
        }
        self.keys.at(key).live += 1;
        self.request(key);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.take(entry, key);
        self.request(key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        self.take(entry, key);
        self.recent.push_front(entry);
        self.idle += 1;
        self.room.holds(self.idle);
        self.frequent.release(entry, key, returned.idle_of_key, |_| self.keys.get(key).worth());
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.take(entry, key);
        let decided = self.decided.take();
        let now = self.now;
        let asked = self.keys.at(key);
        asked.live = asked.live.saturating_sub(1);
        if asked.live > 0 {
            return;
        }
        asked.gone = now;
        let (Removal::Evicted | Removal::Rejected, Some(expert)) = (why, decided) else { return };
        self.histories.iter_mut().for_each(|history| _ = history.remove(key));
        let history = &mut self.histories[expert];
        history.push_front(key);
        let over = (history.len() > self.room.entries()).then(|| history.back()).flatten();
        over.into_iter().for_each(|oldest| self.forget(oldest));
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        self.room.is_exceeded_by(self.idle);
        let expert = if self.coin.unit() < self.weight { LRU } else { LFU };
        self.decided = Some(expert);
        // The incoming one only if there is no other.
        let other = |entry: &EntryId| Some(*entry) != incoming;
        let by_recency = self.recent.iter_from_back().find(other).or(self.recent.back()).map(Victim::Entry);
        if expert == LRU {
            return by_recency;
        }
        let keys = &self.keys;
        let by_frequency = self.frequent.victim_but(incoming, |key, _| keys.get(key).worth());
        by_frequency.map(|(key, _)| Victim::OldestOf(key)).or(by_recency)
    }

    fn shrink_to_fit(&mut self) {
        self.recent.shrink_to_fit();
        self.frequent.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.histories.iter_mut().for_each(Order::shrink_to_fit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    #[test]
    fn what_is_regretted_speaks_for_the_other() {
        let mut policy = LeCaR::new();
        Eviction::<()>::on_capacity(&mut policy, &Bounds::of_entries(4));
        let before = policy.weight;
        policy.now = 10;
        policy.regret(LRU, 10);
        let soon = before - policy.weight;
        policy.weight = before;
        policy.regret(LRU, 5);
        let late = before - policy.weight;
        assert!(soon > late && late > 0.0, "{soon} {late}");
        policy.weight = before;
        policy.regret(LFU, 10);
        assert!(policy.weight > before);
    }

    #[test]
    fn with_all_weight_on_one_it_is_that_one() {
        let victims = |weight: f64| {
            let mut policy = LeCaR::new();
            policy.weight = weight;
            let mut pool = Drive::new(policy);
            pool.bounds(3);
            [1, 1, 1, 2, 2, 3].into_iter().for_each(|key| pool.ask(key));
            [pool.evict(), pool.evict(), pool.evict(), pool.evict()]
        };
        assert_eq!(victims(1.0), [Some(1), Some(2), Some(3), None], "least recently used");
        assert_eq!(victims(0.0), [Some(3), Some(2), Some(1), None], "least frequently used");
    }

    #[test]
    fn frequency_outlives_the_entry_while_its_key_is_in_a_history() {
        let mut policy = LeCaR::new();
        policy.weight = 0.0;
        let mut pool = Drive::new(policy);
        pool.bounds(2);
        [1, 1, 1, 2, 2, 2, 2].into_iter().for_each(|key| pool.ask(key));
        assert_eq!(pool.evict(), Some(1));
        [1, 3, 3].into_iter().for_each(|key| pool.ask(key));
        // Four requests for 1, four for 2, two for 3.
        assert!([Some(3), Some(2)].contains(&pool.evict()));
        assert!((exp(1.0) - std::f64::consts::E).abs() < 1e-9 && exp(-1e9) < 1e-300);
    }
}
