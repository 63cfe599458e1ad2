//! What must be known of a key to decide who is served next: for the thread-safe pool.

use super::State;
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, KeyId};
use crate::resource::Resource;
use crate::stats::add;

/// A key, as one who has to wait for it sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyFacts {
    pub(crate) leased: u64,
    pub(crate) opening: u64,
    /// Whether its last open gave a resource that is not shared.
    pub(crate) exclusive: bool,
    /// What its last open cost; for a key not opened yet, the mean of all.
    pub(crate) cost_nanos: u64,
    /// How long its leases take, where that was measured.
    pub(crate) mean_hold_nanos: Option<u64>,
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pub(crate) fn facts(&self, key: Option<KeyId>) -> KeyFacts {
        let Some(key) = key else {
            return KeyFacts { cost_nanos: self.mean_opened().cost_nanos, ..KeyFacts::default() };
        };
        let record = &self.keys[key];
        KeyFacts {
            leased: record.leased().into(),
            opening: record.opening.into(),
            exclusive: record.exclusive,
            cost_nanos: record.opened.unwrap_or_else(|| self.mean_opened()).cost_nanos,
            mean_hold_nanos: record.hold_nanos.checked_div(record.holds),
        }
    }

    /// Whether something of a known key is warm.
    pub(crate) fn has_warm(&self, key: KeyId) -> bool {
        self.keys[key].newest().is_some()
    }

    pub(crate) fn key_of(&self, entry: EntryId) -> KeyId {
        self.entries[entry].key
    }

    /// Runs user code that has to run inside, and keeps its panic for later.
    pub(crate) fn contain<T>(&mut self, f: impl FnOnce(&K) -> T, key: KeyId) -> Option<T> {
        let Self { keys, aftermath, .. } = self;
        aftermath.contain(|| f(&keys[key].key))
    }

    /// The same, of what is not the key's.
    pub(crate) fn contain_any<T>(&mut self, f: impl FnOnce() -> T) -> Option<T> {
        self.aftermath.contain(f)
    }

    /// A key to drop once the borrow or lock is over.
    pub(crate) fn give_away(&mut self, key: Option<K>) {
        self.aftermath.push_keys(key);
    }

    /// A lease on `entry` took that long.
    pub(crate) fn note_hold(&mut self, entry: EntryId, nanos: u64) {
        let key = self.entries[entry].key;
        let record = &mut self.keys[key];
        add(&mut record.holds, 1);
        add(&mut record.hold_nanos, nanos);
    }

    /// Evicts until what is idle may stay.
    pub(crate) fn settle(&mut self, nanos: u64) {
        self.make_room(None, None, self.now(nanos));
    }
}
