//! What was opened for a key, or for all, is no good any more: the world has changed.

use super::{Core, LeaseId};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, KeyId};
use crate::reason::DropReason;

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// What is idle of a key goes now, what is leased of it with its last lease, and so does what is being opened. Returned is how
    /// many went now.
    pub(crate) fn invalidate(&mut self, hash: u64, is: impl FnMut(&K) -> bool, nanos: u64) -> usize {
        let Some(key) = self.find(hash, is) else { return 0 };
        self.invalidate_key(key, nanos)
    }

    /// The same for the key of a lease.
    pub(crate) fn invalidate_leased(&mut self, lease: LeaseId, nanos: u64) -> usize {
        self.invalidate_key(self.entries[lease.entry()].key, nanos)
    }

    fn invalidate_key(&mut self, key: KeyId, nanos: u64) -> usize {
        self.invalidations += 1;
        self.keys[key].invalidated = self.invalidations;
        let of_key = self.entries.iter().filter(|(_, entry)| entry.key == key).map(|(id, _)| id).collect();
        self.invalidate_each(of_key, nanos)
    }

    /// The same for all keys.
    pub(crate) fn invalidate_all(&mut self, nanos: u64) -> usize {
        self.invalidations += 1;
        self.all_invalidated = self.invalidations;
        let all = self.entries.iter().map(|(id, _)| id).collect();
        self.invalidate_each(all, nanos)
    }

    fn invalidate_each(&mut self, entries: Vec<EntryId>, nanos: u64) -> usize {
        let before = self.usage.idle;
        for id in entries {
            self.withdraw(id, DropReason::Invalidated);
        }
        let gone = before - self.usage.idle;
        self.freed = true;
        self.settle(self.now(nanos));
        usize::try_from(gone).unwrap_or(usize::MAX)
    }

    /// Whether what began to be opened when there had been so many invalidations is no good any more.
    pub(super) fn is_outdated(&self, key: KeyId, since: u64) -> bool {
        since < self.all_invalidated.max(self.keys[key].invalidated)
    }
}
