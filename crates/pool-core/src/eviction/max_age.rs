use std::time::Duration;

use super::by_age::ByAge;
use super::stamps::Stamps;
use super::{Eviction, nanos_of};
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::Opened;

/// A filter: what was opened `limit` ago or earlier is dropped once it is idle, at its release or at the pool's next
/// acquire, release or [`evict_expired`](crate::local::Pool::evict_expired). Everything else is the inner policy's.
#[derive(Clone, Debug)]
pub struct MaxAge<E> {
    inner: E,
    limit: u64,
    entries: ByAge,
    opened: Stamps,
}

impl<E> MaxAge<E> {
    /// `inner`, with a limit on the time since an entry was opened. A limit of 0 keeps nothing.
    pub fn new(limit: Duration, inner: E) -> Self {
        Self { inner, limit: nanos_of(limit), entries: ByAge::default(), opened: Stamps::default() }
    }
}

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for MaxAge<E> {
    fn needs_clock(&self) -> bool {
        true
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        self.inner.on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.inner.on_forget(key);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.opened.set(entry, now.nanos);
        self.entries.open(entry);
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.entries.set_idle(entry, false);
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, weight: u64, now: Now) {
        self.entries.set_idle(entry, true);
        self.inner.on_release(entry, key, weight, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId) {
        self.entries.remove(entry);
        self.inner.on_remove(entry, key);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<EntryId> {
        self.inner.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        let oldest =
            self.entries.oldest_idle().filter(|&entry| self.opened.is_over(entry, self.limit, now.nanos));
        oldest.or_else(|| self.inner.expired(now))
    }
}
