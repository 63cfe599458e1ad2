//! Keys: known by hash, kept while anything of them is in use, and for a bounded while after.

use hashbrown::HashTable;
use slab::Slab;

use super::Who;
use super::queue::WaiterId;
use crate::id::{EntryId, Id, KeyId};
use crate::order::{Chain, Order};
use crate::reason::MissReason;
use crate::usage::Opened;

/// What a hit touches comes first, in half a cache line where a key is a pointer: among many keys each line is a wait for memory.
#[repr(C, align(32))]
pub(crate) struct KeyRecord<K> {
    hash: u64,
    pub(super) key: K,
    /// The key's entries that an acquire can have, the most recently released first: all idle ones, and shared ones
    /// that are leased.
    pub(super) warm: Chain,
    pub(super) idle: u32,
    /// Entries, idle or leased: so a hit and a return change only `idle`.
    pub(super) entries: u32,
    pub(super) opening: u32,
    /// Those who wait for it, and events that are at it now. What is pinned is not forgotten: its id stays its own.
    pub(super) pins: u32,
    /// Where a resource is shared: the one of those who wait that is to open it, if no open runs.
    pub(super) leader: Option<WaiterId>,
    /// Where a resource is shared: who opens it, if that is a thread that can't do anything else meanwhile.
    pub(super) opener: Option<Who>,
    /// Why the next miss is one, if nothing is leased.
    pub(super) gone: MissReason,
    /// What its last open took, if it was ever opened.
    pub(super) opened: Option<Opened>,
    /// Leases whose length was measured, and their nanoseconds.
    /// Whether it is among those of which an event has ended or returned something.
    pub(super) is_touched: bool,
    /// How many invalidations there had been when what was opened for it last became no good.
    pub(super) invalidated: u64,
    pub(super) holds: u64,
    pub(super) hold_nanos: u64,
}

impl<K> KeyRecord<K> {
    #[inline]
    pub(super) fn newest(&self) -> Option<EntryId> {
        self.warm.front().map(EntryId::linked)
    }

    pub(super) fn oldest(&self) -> Option<EntryId> {
        self.warm.back().map(EntryId::linked)
    }

    pub(super) fn leased(&self) -> u32 {
        self.entries - self.idle
    }

    /// Resources that are leased or being opened.
    pub(super) fn busy(&self) -> u64 {
        u64::from(self.leased()) + u64::from(self.opening)
    }

    fn is_in_use(&self) -> bool {
        self.entries + self.opening + self.pins > 0
    }
}

pub(crate) struct Keys<K> {
    records: Slab<KeyRecord<K>>,
    by_hash: HashTable<KeyId>,
    /// Keys that are not in use, the latest to become so at the front.
    dormant: Order<KeyId>,
    max_dormant: usize,
}

impl<K> Keys<K> {
    pub(super) fn new(max_dormant: usize) -> Self {
        Self { records: Slab::new(), by_hash: HashTable::new(), dormant: Order::new(), max_dormant }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(&K) -> bool) -> Option<KeyId> {
        // The first of that hash is the key, but for collisions of all 64 bits: user code stays out of the probing.
        let first = *self.by_hash.find(hash, |id| self.records[id.index()].hash == hash)?;
        if is(&self.records[first.index()].key) {
            return Some(first);
        }
        self.find_among_collisions(hash, is)
    }

    /// As [`find`](Keys::find), with its record.
    #[inline]
    pub(super) fn find_mut(
        &mut self,
        hash: u64,
        mut is: impl FnMut(&K) -> bool,
    ) -> Option<(KeyId, &mut KeyRecord<K>)> {
        let first = *self.by_hash.find(hash, |id| self.records[id.index()].hash == hash)?;
        if is(&self.records[first.index()].key) {
            return Some((first, &mut self.records[first.index()]));
        }
        let id = self.find_among_collisions(hash, is)?;
        Some((id, &mut self.records[id.index()]))
    }

    #[cold]
    fn find_among_collisions(&self, hash: u64, mut is: impl FnMut(&K) -> bool) -> Option<KeyId> {
        let same = |id: &KeyId| {
            let record = &self.records[id.index()];
            record.hash == hash && is(&record.key)
        };
        self.by_hash.find(hash, same).copied()
    }

    /// A new key, which is [pinned](Keys::pin).
    pub(super) fn insert(&mut self, hash: u64, key: K) -> KeyId {
        let id = KeyId::from_index(self.records.insert(KeyRecord {
            hash,
            key,
            warm: Chain::new(),
            idle: 0,
            entries: 0,
            opening: 0,
            pins: 1,
            leader: None,
            opener: None,
            gone: MissReason::Cold,
            opened: None,
            is_touched: false,
            invalidated: 0,
            holds: 0,
            hold_nanos: 0,
        }));
        self.by_hash.insert_unique(hash, id, |id| self.records[id.index()].hash);
        id
    }

    /// The key must not be forgotten before it is unpinned and then [retired](Keys::retire).
    pub(super) fn pin(&mut self, id: KeyId) {
        self.dormant.remove(id);
        self.records[id.index()].pins += 1;
    }

    /// Something of the key ended. If that was the last, it lies dormant from now on; what is forgotten for that, if
    /// anything, is returned. A key that was never opened is forgotten at once: it has no history.
    pub(super) fn retire(&mut self, id: KeyId) -> Option<(KeyId, K)> {
        let record = &self.records[id.index()];
        if record.is_in_use() {
            return None;
        }
        let mut forget = id;
        if record.opened.is_some() {
            self.dormant.push_front(id);
            if self.dormant.len() <= self.max_dormant {
                return None;
            }
            forget = self.dormant.back()?;
        }
        self.dormant.remove(forget);
        let record = self.records.remove(forget.index());
        let slot = self.by_hash.find_entry(record.hash, |known| *known == forget);
        if let Ok(slot) = slot {
            slot.remove();
        }
        Some((forget, record.key))
    }

    /// All keys, forgotten: nothing may refer to them any more.
    pub(super) fn take(&mut self) -> impl Iterator<Item = K> {
        self.by_hash.clear();
        std::mem::take(&mut self.records).into_iter().map(|(_, record)| record.key)
    }

    /// Gives back the memory of keys that were forgotten, as far as their ids are the highest.
    pub(super) fn shrink_to_fit(&mut self) {
        self.records.shrink_to_fit();
        self.dormant.shrink_to_fit();
        let records = &self.records;
        self.by_hash.shrink_to_fit(|id| records[id.index()].hash);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &KeyRecord<K>)> {
        self.records.iter().map(|(index, record)| (KeyId::from_index(index), record))
    }

    pub(super) fn knows(&self, id: KeyId) -> bool {
        self.records.contains(id.index())
    }

    /// Whether the key lies dormant.
    pub(super) fn is_dormant(&self, id: KeyId) -> bool {
        self.dormant.contains(id)
    }

    pub(super) fn max_dormant(&self) -> usize {
        self.max_dormant
    }

    pub(super) fn dormant(&self) -> usize {
        self.dormant.len()
    }
}

impl<K> std::ops::Index<KeyId> for Keys<K> {
    type Output = KeyRecord<K>;

    #[inline]
    fn index(&self, id: KeyId) -> &KeyRecord<K> {
        &self.records[id.index()]
    }
}

impl<K> std::ops::IndexMut<KeyId> for Keys<K> {
    #[inline]
    fn index_mut(&mut self, id: KeyId) -> &mut KeyRecord<K> {
        &mut self.records[id.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_dormant_keys_are_remembered_and_the_longest_dormant_one_is_forgotten_first() {
        let mut keys = Keys::new(2);
        let ids: Vec<KeyId> = (0..3).map(|name| keys.insert(name, name)).collect();
        let mut forgotten = Vec::new();
        for &id in &ids {
            assert!(keys.retire(id).is_none() && !keys.is_dormant(id), "it is pinned");
            keys[id].pins = 0;
            keys[id].opened = Some(Opened::default());
            forgotten.extend(keys.retire(id));
        }
        assert_eq!(forgotten, [(ids[0], 0)]);
        assert_eq!((keys.dormant(), keys.max_dormant(), keys.len()), (2, 2, 2));
        assert!(!keys.knows(ids[0]) && keys.is_dormant(ids[1]) && keys.is_dormant(ids[2]));
    }
}
