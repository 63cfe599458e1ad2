use std::time::Duration;

use super::by_release::ByRelease;
use super::stamps::Stamps;
use super::{Eviction, Removal, Victim, nanos_of};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// A filter: what has been idle for `limit` is dropped, at the pool's next acquire, release or
/// [`evict_expired`](crate::pool::Pool::evict_expired). Everything else is the inner policy's.
///
/// It adds O(log n) amortised to a hit: whether the one that is idle for longest has expired is asked each time.
#[derive(Clone, Debug)]
pub struct IdleTimeout<E> {
    inner: E,
    limit: u64,
    entries: ByRelease,
    released: Stamps,
}

impl<E> IdleTimeout<E> {
    /// `inner`, with a limit on the time an entry may lie idle. A limit of 0 keeps nothing.
    pub fn new(limit: Duration, inner: E) -> Self {
        Self { inner, limit: nanos_of(limit), entries: ByRelease::default(), released: Stamps::default() }
    }
}

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for IdleTimeout<E> {
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
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.entries.take(entry);
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.released.set(entry, now.nanos);
        self.entries.release(entry);
        self.inner.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.entries.take(entry);
        self.inner.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.inner.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        let oldest =
            self.entries.oldest().filter(|&entry| self.released.is_over(entry, self.limit, now.nanos));
        oldest.or_else(|| self.inner.expired(now))
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
        self.released.truncate(self.entries.bound());
        self.inner.shrink_to_fit();
    }
}
