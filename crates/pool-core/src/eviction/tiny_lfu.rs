use super::dense::Dense;
use super::{Eviction, Lru, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Admission over any other policy: what comes back to a full pool stays only if its key was asked for at least as often
/// of late as that of the one which would have to go.
///
/// Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy" (ACM Transactions on Storage, 2017).
/// Adapted for a pool: it names keys densely and remembers a bounded number of them, so a small counter for each, exact,
/// does what the paper's count-min sketch and doorkeeper do. As there, all counters are halved after so many requests,
/// here 16 for each live entry, and at least 256.
///
/// What it adds to the inner policy is O(1) amortised; the halving goes over the remembered keys.
#[derive(Clone, Debug, Default)]
pub struct TinyLfu<E = Lru> {
    inner: E,
    requests: Dense<KeyId, u32>,
    /// Whose each live entry is, for the one that the inner policy names.
    owners: Dense<EntryId, Option<KeyId>>,
    live: usize,
    since_halved: usize,
}

impl<E> TinyLfu<E> {
    /// `inner`, with admission.
    pub fn new(inner: E) -> Self {
        Self { inner, requests: Dense::default(), owners: Dense::default(), live: 0, since_halved: 0 }
    }

    fn request(&mut self, entry: EntryId, key: KeyId) {
        let requests = self.requests.at(key);
        *requests = requests.saturating_add(1);
        self.live += usize::from(self.owners.at(entry).replace(key).is_none());
        self.since_halved += 1;
        if self.since_halved >= (16 * self.live).max(256) {
            self.since_halved = 0;
            self.requests.iter_mut().for_each(|requests| *requests /= 2);
        }
    }

    fn requests_of(&self, victim: Victim) -> u32 {
        let key = match victim {
            Victim::Entry(entry) => self.owners.get(entry),
            Victim::OldestOf(key) => Some(key),
        };
        key.map_or(0, |key| self.requests.get(key))
    }
}

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for TinyLfu<E> {
    fn needs_clock(&self) -> bool {
        self.inner.needs_clock()
    }

    fn on_capacity(&mut self, capacity: &Bounds) {
        self.inner.on_capacity(capacity);
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        self.inner.on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        *self.requests.at(key) = 0;
        self.inner.on_forget(key);
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        self.inner.on_reopen(key, name);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.request(entry, key);
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.request(entry, key);
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.inner.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.live -= usize::from(self.owners.at(entry).take().is_some());
        self.inner.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        let victim = self.inner.victim(incoming, now);
        match (victim, incoming) {
            (Some(victim), Some(incoming))
                if self.requests_of(victim) > self.requests_of(Victim::Entry(incoming)) =>
            {
                Some(Victim::Entry(incoming))
            }
            _ => victim,
        }
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        self.inner.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        self.requests.shrink_to_fit();
        self.owners.shrink_to_fit();
        self.inner.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eviction::drive::Drive;

    #[test]
    fn a_newcomer_goes_rather_than_a_favourite_and_stays_once_it_is_asked_for_as_often() {
        let mut drive = Drive::new(TinyLfu::new(Lru::new()));
        for key in [1, 1, 1, 2, 2, 2, 3] {
            drive.ask(key);
        }
        assert_eq!(drive.evict_for(3), Some(3), "Lru alone would name 1");
        drive.ask(3);
        drive.ask(3);
        assert_eq!(drive.evict_for(3), Some(1));
    }

    #[test]
    fn counts_are_halved_so_that_old_favourites_fall() {
        let mut drive = Drive::new(TinyLfu::new(Lru::new()));
        (0..200).for_each(|_| drive.ask(1));
        (0..2000).for_each(|_| drive.ask(2));
        drive.ask(3);
        (0..60).for_each(|_| drive.ask(3));
        assert_eq!(drive.evict_for(3), Some(1));
    }
}
