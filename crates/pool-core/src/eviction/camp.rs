use std::collections::BTreeMap;

use super::{Eviction, Removal, Victim};
use super::dense::Dense;
use super::gdsf::Prices;
use crate::id::{EntryId, Id, KeyId};
use crate::order::{Chain, Link, shrink_links};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// CAMP: [`Gdsf`](super::Gdsf) with the worth rounded to a few significant bits, so that keys of equal worth queue up by
/// recency and only the heads of few queues have to be compared.
///
/// Ghandeharizadeh, Irani, Lam, Yap, "CAMP: a cost adaptive multi-queue eviction policy for key-value stores" (Middleware
/// 2014). Adapted for a pool: keys queue, not entries, by requests × cost ÷ weight (the paper has no requests) ÷ how many
/// of the key are idle; requests outlive the entries as long as the pool remembers the key. The paper keeps a heap of the heads;
/// with rounding there are so few queues that they are looked through.
///
/// A hit and its return cost O(log q) with `q` queues, an eviction O(q); `q` is at most 2^precision for each power of two
/// between the least and the most worth.
#[derive(Clone, Debug)]
pub struct Camp {
    precision: u32,
    prices: Prices,
    keys: Dense<KeyId, Place>,
    /// Whose each idle entry is.
    idle: Dense<EntryId, Option<KeyId>>,
    /// By rounded worth; the key that was released first at the back.
    queues: BTreeMap<u64, Chain>,
    links: Vec<Link>,
    level: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    requests: u64,
    /// How many of its entries are idle.
    idle: u64,
    /// The level at the last request.
    level: u64,
    /// The queue it is in, if any; and what it is worth there.
    queue: Option<u64>,
    worth: u64,
}

/// A key that is worth a nanosecond for each byte is worth so much, so that cheap ones still differ.
const UNIT: f64 = (1_u64 << 20) as f64;

impl Camp {
    /// With a precision of 5 significant bits: a worth is off by 3 % at most.
    #[must_use]
    pub fn new() -> Self {
        Self::with_precision(5)
    }

    /// With so many significant bits, at least 1.
    #[must_use]
    pub fn with_precision(bits: u32) -> Self {
        Self {
            precision: bits.clamp(1, 52),
            prices: Prices::default(),
            keys: Dense::default(),
            idle: Dense::default(),
            queues: BTreeMap::new(),
            links: Vec::new(),
            level: 0,
        }
    }

    fn rounded(&self, worth: f64) -> u64 {
        // What doesn't fit is cut off: it is worth more than anything.
        let worth = (worth * UNIT) as u64;
        let drop = (u64::BITS - worth.leading_zeros()).saturating_sub(self.precision);
        ((worth >> drop) << drop).clamp(1, u64::MAX >> 1)
    }

    fn leave(&mut self, key: KeyId) {
        if let Some(queue) = self.keys.at(key).queue.take() {
            if let Some(chain) = self.queues.get_mut(&queue) {
                chain.remove(&mut self.links, key.index() as u32);
                if chain.is_empty() {
                    self.queues.remove(&queue);
                }
            }
        }
    }

    fn join(&mut self, key: KeyId, queue: u64) {
        self.leave(key);
        if key.index() >= self.links.len() {
            self.links.resize(key.index() + 1, Link::unlinked());
        }
        let place = self.keys.at(key);
        (place.queue, place.worth) = (Some(queue), place.level.saturating_add(queue));
        let chain = self.queues.entry(queue).or_insert_with(Chain::new);
        chain.push_front(&mut self.links, key.index() as u32);
    }

    fn request(&mut self, key: KeyId) {
        let level = self.level;
        let place = self.keys.at(key);
        (place.requests, place.level) = (place.requests.saturating_add(1), level);
    }

    /// A key with nothing idle is in no queue.
    fn take(&mut self, entry: EntryId) {
        if let Some(key) = self.idle.at(entry).take() {
            let idle = &mut self.keys.at(key).idle;
            *idle = idle.saturating_sub(1);
            if *idle == 0 {
                self.leave(key);
            }
        }
    }
}

impl Default for Camp {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized> Eviction<K> for Camp {
    fn on_forget(&mut self, key: KeyId) {
        self.leave(key);
        self.prices.forget(key);
        *self.keys.at(key) = Place::default();
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, opened: &Opened, _: Now) {
        self.prices.open(key, opened);
        self.request(key);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.take(entry);
        self.request(key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        if self.idle.get(entry).is_some_and(|of| of != key) {
            // Its removal was missed, and its id is used again.
            self.take(entry);
        }
        *self.idle.at(entry) = Some(key);
        let place = self.keys.at(key);
        place.idle = returned.idle_of_key;
        let (idle, requests) = (place.idle.max(1) as f64, place.requests.max(1) as f64);
        let queue = self.rounded(self.prices.of_byte(key, returned.weight) * requests / idle);
        self.join(key, queue);
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.take(entry);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        let head = |chain: &Chain| {
            let key = KeyId::from_index(chain.back()? as usize);
            Some((self.keys.get(key).worth, key))
        };
        let (worth, key) = self.queues.values().filter_map(head).min_by_key(|(worth, _)| *worth)?;
        self.level = self.level.max(worth);
        Some(Victim::OldestOf(key))
    }

    fn shrink_to_fit(&mut self) {
        self.prices.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.idle.shrink_to_fit();
        shrink_links(&mut self.links);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::drive::Drive;

    #[test]
    fn keys_of_about_the_same_worth_go_by_recency_and_others_by_worth() {
        let mut drive = Drive::new(Camp::with_precision(2));
        drive.price(1, 1005, 10).price(2, 1000, 10).price(3, 9000, 10).price(4, 10, 10);
        for key in [2, 1, 3, 4] {
            drive.ask(key);
        }
        let order: Vec<_> = (0..4).map(|_| drive.evict()).collect();
        assert_eq!(order, [Some(4), Some(2), Some(1), Some(3)]);
    }

    #[test]
    fn rounding_keeps_the_first_bits_and_never_gives_nothing() {
        let camp = Camp::with_precision(3);
        assert_eq!(camp.rounded(0.0), 1);
        assert_eq!(camp.rounded(f64::MAX), u64::MAX >> 1);
        assert_eq!(camp.rounded(15.0) >> 20, 14);
    }
}
