use super::dense::Dense;
use super::room::Room;
use super::{Eviction, Lru, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Admission over any other policy: what comes back to a full pool stays only if its key was asked for at least as often
/// of late as that of the one which would have to go.
///
/// Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy" (ACM Transactions on Storage, 2017).
/// Adapted for a pool: it names keys densely and remembers a bounded number of them, so a small counter for each, exact,
/// does what the paper's count-min sketch and doorkeeper do. As there, all counters are halved after so many requests,
/// here 16 for each live entry, and at least 256. [`with_window`](TinyLfu::with_window) makes it the paper's W-TinyLFU.
///
/// What it adds to the inner policy is O(1): a counter is halved when it is next looked at.
#[derive(Clone, Debug, Default)]
pub struct TinyLfu<E = Lru> {
    inner: E,
    requests: Dense<KeyId, Count>,
    /// How often counters were halved.
    halvings: u32,
    since_halved: usize,
    entries: Dense<EntryId, Owner>,
    live: usize,
    /// Idle entries that are not up for admission yet, the latest to come back at the front.
    window: Order<EntryId>,
    /// The latest to leave it.
    candidate: Option<EntryId>,
    window_share: f64,
    room: Room,
    idle: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    requests: u32,
    /// As of so many halvings.
    halvings: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Owner {
    /// Whose a live entry is, for the one that the inner policy names.
    key: Option<KeyId>,
    idle: bool,
    /// It has been up for admission.
    admitted: bool,
}

impl<E> TinyLfu<E> {
    /// `inner`, with admission.
    pub fn new(inner: E) -> Self {
        Self::with_window(0.0, inner)
    }

    /// `inner`, with admission from a window: the latest of what was opened, a share of the pool, stays without having to be asked for
    /// more often than others; the oldest of them is up for admission when there are more. The paper has a hundredth.
    ///
    /// # Panics
    /// Unless `share` is from 0 (no window) to 1.
    pub fn with_window(share: f64, inner: E) -> Self {
        assert!((0.0..=1.0).contains(&share), "the window must be a share, from 0 to 1");
        Self {
            inner,
            requests: Dense::default(),
            halvings: 0,
            since_halved: 0,
            entries: Dense::default(),
            live: 0,
            window: Order::new(),
            candidate: None,
            window_share: share,
            room: Room::default(),
            idle: 0,
        }
    }

    fn request(&mut self, entry: EntryId, key: KeyId) {
        let requests = self.requests_for(key).saturating_add(1);
        *self.requests.at(key) = Count { requests, halvings: self.halvings };
        self.live += usize::from(self.entries.at(entry).key.replace(key).is_none());
        self.since_halved += 1;
        if self.since_halved >= (16 * self.live).max(256) {
            self.since_halved = 0;
            self.halvings += 1;
        }
    }

    fn requests_for(&self, key: KeyId) -> u32 {
        let Count { requests, halvings } = self.requests.get(key);
        requests.checked_shr(self.halvings - halvings).unwrap_or(0)
    }

    fn requests_of(&self, victim: Victim) -> u32 {
        let key = match victim {
            Victim::Entry(entry) => self.entries.get(entry).key,
            Victim::OldestOf(key) => Some(key),
        };
        key.map_or(0, |key| self.requests_for(key))
    }

    /// An entry came back that was not admitted yet: the oldest leave the window for it.
    fn enter_window(&mut self, entry: EntryId) {
        self.window.push_front(entry);
        let most = (self.window_share * self.room.entries() as f64).max(1.0);
        while let Some(oldest) = self.window.back().filter(|_| self.window.len() as f64 > most) {
            self.window.remove(oldest);
            self.entries.at(oldest).admitted = true;
            self.candidate = Some(oldest);
        }
    }

    /// Who has to be asked for as often as the one that would go.
    fn candidate(&mut self, incoming: Option<EntryId>) -> Option<EntryId> {
        if self.window_share == 0.0 {
            return incoming;
        }
        self.candidate.take().filter(|&candidate| self.entries.get(candidate).idle)
    }

    fn take(&mut self, entry: EntryId) {
        self.window.remove(entry);
        self.idle -= usize::from(std::mem::take(&mut self.entries.at(entry).idle));
    }
}

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for TinyLfu<E> {
    fn needs_clock(&self) -> bool {
        self.inner.needs_clock()
    }

    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
        self.inner.on_capacity(capacity);
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        self.inner.on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        *self.requests.at(key) = Count::default();
        self.inner.on_forget(key);
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        self.inner.on_reopen(key, name);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.take(entry);
        self.entries.at(entry).admitted = false;
        self.request(entry, key);
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.take(entry);
        self.request(entry, key);
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.take(entry);
        self.entries.at(entry).idle = true;
        self.idle += 1;
        self.room.holds(self.idle);
        if self.window_share > 0.0 && !self.entries.get(entry).admitted {
            self.enter_window(entry);
        }
        self.inner.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.take(entry);
        self.live -= usize::from(std::mem::take(self.entries.at(entry)).key.is_some());
        self.inner.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.room.is_exceeded_by(self.idle);
        let victim = self.inner.victim(incoming, now)?;
        match self.candidate(incoming).map(Victim::Entry) {
            Some(candidate) if self.requests_of(victim) > self.requests_of(candidate) => Some(candidate),
            _ => Some(victim),
        }
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        self.inner.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        self.requests.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.window.shrink_to_fit();
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

    #[test]
    fn in_a_window_what_is_new_has_time_to_be_asked_for_again() {
        let mut drive = Drive::new(TinyLfu::with_window(0.5, Lru::new()));
        drive.bounds(4);
        for key in [1, 1, 1, 2, 3, 4] {
            drive.ask(key);
        }
        // 5 and 4 are in the window, 3 has just left it: it is up against 1, which Lru would name, and was asked for less.
        drive.ask(5);
        assert_eq!(drive.evict_for(5), Some(3));
        drive.ask(6);
        assert_eq!(drive.evict_for(6), Some(4));
        // 5 was asked for again as often as 1.
        [5, 5].into_iter().for_each(|key| drive.ask(key));
        [7, 8].into_iter().for_each(|key| drive.ask(key));
        assert_eq!(drive.evict_for(8), Some(1));
    }

    #[test]
    #[should_panic = "the window must be a share, from 0 to 1"]
    fn a_window_larger_than_the_pool_is_refused() {
        let _ = TinyLfu::with_window(1.5, Lru::new());
    }
}
