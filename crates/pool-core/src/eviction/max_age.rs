use std::time::Duration;

use super::by_age::ByAge;
use super::stamps::Stamps;
use super::{Eviction, Removal, Victim, nanos_of};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// A filter: what was opened `limit` ago or earlier is dropped once it is idle, at its release or at the pool's next
/// acquire, release or [`evict_expired`](crate::pool::Pool::evict_expired). Everything else is the inner policy's.
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
        self.opened.set(entry, now.nanos);
        self.entries.open(entry);
        self.inner.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.entries.set_idle(entry, false);
        self.inner.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.entries.set_idle(entry, true);
        self.inner.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.entries.remove(entry);
        self.inner.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.inner.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        while let Some(oldest) = self.entries.oldest() {
            if !self.opened.is_over(oldest, self.limit, now.nanos) {
                break;
            }
            if self.entries.is_idle(oldest) {
                return Some(oldest);
            }
            // Looked at once and not at every hit: it has expired, and goes as soon as its lease ends.
            self.entries.set_aside(oldest);
        }
        self.inner.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
        self.opened.truncate(self.entries.bound());
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
        assert_eq!((expired, policy.entries.oldest()), (None, None), "all are set aside");
    }
}
