use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::dense::Dense;
use super::{Eviction, Removal, Victim, nanos_of};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// A filter: what was opened `limit` ago or earlier is dropped once it is idle, at its release or at the pool's next
/// acquire, release or [`evict_expired`](crate::pool::Pool::evict_expired). Everything else is the inner policy's.
///
/// Each entry's own limit is shorter by up to 2.5 %, at random, so that what was opened together is not opened anew together. See
/// [`spread`](MaxAge::spread).
#[derive(Clone, Debug)]
pub struct MaxAge<E> {
    inner: E,
    limit: u64,
    /// By how many nanoseconds at most an entry's own limit is shorter.
    spread: u64,
    random: u64,
    /// When entries expire, the first first. What is out of date in it differs from `ages`.
    queue: BinaryHeap<Reverse<(u64, EntryId)>>,
    ages: Dense<EntryId, Age>,
    live: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Age {
    /// When it expires; `None` if there is no such entry.
    expires: Option<u64>,
    idle: bool,
    /// It was found expired while it was leased, and is in the queue no more.
    is_overdue: bool,
}

impl<E> MaxAge<E> {
    /// `inner`, with a limit on the time since an entry was opened. A limit of 0 keeps nothing.
    pub fn new(limit: Duration, inner: E) -> Self {
        let new = Self {
            inner,
            limit: nanos_of(limit),
            spread: 0,
            random: 0,
            queue: BinaryHeap::new(),
            ages: Dense::default(),
            live: 0,
        };
        new.spread(0.025)
    }

    /// An entry's own limit is shorter than the limit by a share that is drawn for it, from 0 to `share`.
    ///
    /// # Panics
    /// If `share` is not from 0 to 1.
    #[must_use]
    pub fn spread(self, share: f64) -> Self {
        assert!((0.0..=1.0).contains(&share), "`share` must be from 0 to 1");
        Self { spread: (self.limit as f64 * share) as u64, ..self }
    }

    /// What the random shares are drawn from; 0 without this. With the same seed they are the same.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { random: seed, ..self }
    }

    /// A number from 0 to `most` (SplitMix64; Steele et al., OOPSLA 2014).
    fn draw(&mut self, most: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * (u128::from(most) + 1)) >> 64) as u64
    }

    fn enqueue(&mut self, expires: u64, entry: EntryId) {
        // What is out of date is never more than what is not, and a few.
        if self.queue.len() > 2 * self.live + 64 {
            let ages = &self.ages;
            self.queue.retain(|Reverse((expires, entry))| ages.get(*entry).expires == Some(*expires));
        }
        self.queue.push(Reverse((expires, entry)));
    }
}

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for MaxAge<E> {
    fn needs_clock(&self) -> bool {
        true
    }

    fn on_capacity(&mut self, capacity: &Bounds) {
        self.inner.on_capacity(capacity);
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        self.inner.on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.inner.on_forget(key);
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        self.inner.on_reopen(key, name);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        let limit = self.limit - self.draw(self.spread);
        let expires = now.nanos.saturating_add(limit);
        let before = std::mem::replace(
            self.ages.at(entry),
            Age { expires: Some(expires), idle: false, is_overdue: false },
        );
        self.live += usize::from(before.expires.is_none());
        self.enqueue(expires, entry);
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.ages.at(entry).idle = false;
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        let age = self.ages.at(entry);
        age.idle = true;
        if let (true, Some(expires)) = (std::mem::take(&mut age.is_overdue), age.expires) {
            self.enqueue(expires, entry);
        }
        self.inner.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        let before = std::mem::take(self.ages.at(entry));
        self.live -= usize::from(before.expires.is_some());
        self.inner.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.inner.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        while let Some(&Reverse((expires, entry))) = self.queue.peek() {
            if expires > now.nanos {
                break;
            }
            let age = self.ages.at(entry);
            if age.expires == Some(expires) && age.idle {
                return Some(entry);
            }
            // Looked at once and not at every hit: it goes as soon as its lease ends.
            age.is_overdue |= age.expires == Some(expires);
            self.queue.pop();
        }
        self.inner.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        let ages = &self.ages;
        self.queue.retain(|Reverse((expires, entry))| ages.get(*entry).expires == Some(*expires));
        self.queue.shrink_to_fit();
        self.ages.shrink_to_fit();
        self.inner.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::Lru;
    use crate::id::Id as _;

    #[test]
    fn leased_entries_that_have_expired_are_looked_at_once_and_go_when_their_lease_ends() {
        let mut policy = MaxAge::new(Duration::from_nanos(10), Lru::new());
        let policy: &mut dyn Eviction<()> = &mut policy;
        let (entry, key) = (EntryId::from_index, KeyId::from_index(0));
        let now = |nanos| Now { tick: 0, nanos };
        (0..3).for_each(|index| policy.on_open(entry(index), key, &Opened::default(), now(index as u64)));
        policy.on_release(entry(1), key, &Returned::default(), now(3));
        assert_eq!(policy.expired(now(10)), None, "only the first has expired, and it is leased");
        assert_eq!(policy.expired(now(11)), Some(entry(1)));
        policy.on_remove(entry(1), key, Removal::Expired);
        assert_eq!(policy.expired(now(20)), None);
        policy.on_release(entry(2), key, &Returned::default(), now(20));
        policy.on_release(entry(0), key, &Returned::default(), now(20));
        assert_eq!(policy.expired(now(20)), Some(entry(0)));
        policy.on_remove(entry(0), key, Removal::Expired);
        assert_eq!(policy.expired(now(20)), Some(entry(2)));
    }

    #[test]
    fn a_hit_does_not_look_at_every_expired_lease() {
        let mut policy = MaxAge::new(Duration::from_nanos(1), Lru::new());
        let opened = Opened::default();
        for index in 0..1000 {
            let policy: &mut dyn Eviction<()> = &mut policy;
            policy.on_open(EntryId::from_index(index), KeyId::from_index(0), &opened, Now::default());
        }
        let expired = Eviction::<()>::expired(&mut policy, Now { tick: 0, nanos: 9 });
        assert_eq!((expired, policy.queue.len()), (None, 0), "all are set aside");
    }

    #[test]
    fn what_was_opened_together_does_not_expire_together() {
        let limit = Duration::from_secs(1000);
        let expiries = |policy: MaxAge<Lru>| -> Vec<u64> {
            let mut policy = policy;
            let opened = Opened::default();
            for index in 0..1000 {
                let policy: &mut dyn Eviction<()> = &mut policy;
                policy.on_open(EntryId::from_index(index), KeyId::from_index(0), &opened, Now::default());
            }
            (0..1000).map(|index| policy.ages.get(EntryId::from_index(index)).expires.unwrap()).collect()
        };
        let spread = expiries(MaxAge::new(limit, Lru::new()));
        let seconds = |nanos: &u64| *nanos as f64 / 1e9;
        assert!(spread.iter().all(|expires| (975.0..=1000.0).contains(&seconds(expires))));
        let (early, late) =
            (spread.iter().map(seconds).fold(1e9, f64::min), spread.iter().map(seconds).fold(0.0, f64::max));
        assert!(early < 976.0 && late > 999.0, "{early} to {late}");
        assert_eq!(spread, expiries(MaxAge::new(limit, Lru::new()).seed(0)), "by seed");
        assert_ne!(spread, expiries(MaxAge::new(limit, Lru::new()).seed(1)));
        assert!(
            expiries(MaxAge::new(limit, Lru::new()).spread(0.0))
                .iter()
                .all(|expires| *expires == nanos_of(limit))
        );
    }

    #[test]
    fn what_is_gone_does_not_pile_up_until_it_would_have_expired() {
        let mut policy = MaxAge::new(Duration::from_secs(1000), Lru::new());
        for round in 0..100_000_u64 {
            let policy: &mut dyn Eviction<()> = &mut policy;
            let (entry, key) = (EntryId::from_index(0), KeyId::from_index(0));
            policy.on_open(entry, key, &Opened::default(), Now { tick: 0, nanos: round });
            policy.on_remove(entry, key, Removal::Evicted);
        }
        assert!(policy.queue.len() < 100);
    }
}
