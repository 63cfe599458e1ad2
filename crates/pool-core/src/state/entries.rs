//! Entries: one for each live resource, in a slab, linked by key.

use slab::Slab;

use crate::id::{EntryId, Id, KeyId};
use crate::order::{Link, Links, after, before};
use crate::stats::DropReason;

/// In one cache line, where key and resource are a pointer each.
#[repr(align(64))]
pub(crate) struct Entry<K, R> {
    pub(super) key: KeyId,
    /// Neighbours among the key's warm entries.
    pub(super) link: Link,
    /// How many leases are out.
    pub(super) leases: u64,
    /// Whether the lease (or leases) have handles, while the resource itself stays here.
    pub(super) shared: bool,
    /// The resource, with a key of its own, while it is idle or shared. An exclusive lease carries both.
    pub(super) resource: Option<(K, R)>,
    /// Bytes, as last measured.
    pub(super) weight: u64,
    /// Nanoseconds that its open took.
    pub(super) cost_nanos: u64,
    /// Set for a leased entry that goes as soon as its last lease ends: it serves no further acquire.
    pub(super) doomed: Option<DropReason>,
}

impl<K, R> Entry<K, R> {
    /// An entry with one lease, not linked.
    pub(super) fn leased(key: KeyId, prototype: Option<(K, R)>, weight: u64, cost_nanos: u64) -> Self {
        let (shared, resource) = (prototype.is_some(), prototype);
        Self { key, link: Link::unlinked(), leases: 1, shared, resource, weight, cost_nanos, doomed: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.leases == 0 && self.resource.is_some()
    }
}

pub(crate) struct Entries<K, R>(Slab<Entry<K, R>>);

impl<K, R> Entries<K, R> {
    pub(super) fn new() -> Self {
        Self(Slab::new())
    }

    pub(super) fn insert(&mut self, entry: Entry<K, R>) -> EntryId {
        EntryId::from_index(self.0.insert(entry))
    }

    pub(super) fn remove(&mut self, id: EntryId) -> Entry<K, R> {
        self.0.remove(id.index())
    }

    pub(super) fn get(&self, id: EntryId) -> Option<&Entry<K, R>> {
        self.0.get(id.index())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry<K, R>)> {
        self.0.iter().map(|(index, entry)| (EntryId::from_index(index), entry))
    }

    /// The entry of the same key that was released next after this one, if both are warm.
    pub(super) fn newer(&self, id: EntryId) -> Option<EntryId> {
        before(self[id].link).map(EntryId::linked)
    }

    /// The entry of the same key that was released last before this one, if both are warm.
    pub(super) fn older(&self, id: EntryId) -> Option<EntryId> {
        after(self[id].link).map(EntryId::linked)
    }

    /// The first idle entry, found by looking at all: for emergencies.
    pub(super) fn first_idle(&self) -> Option<EntryId> {
        self.iter().find(|(_, entry)| entry.is_idle()).map(|(id, _)| id)
    }
}

impl<K, R> std::ops::Index<EntryId> for Entries<K, R> {
    type Output = Entry<K, R>;

    fn index(&self, id: EntryId) -> &Entry<K, R> {
        &self.0[id.index()]
    }
}

impl<K, R> std::ops::IndexMut<EntryId> for Entries<K, R> {
    fn index_mut(&mut self, id: EntryId) -> &mut Entry<K, R> {
        &mut self.0[id.index()]
    }
}

impl<K, R> Links for Entries<K, R> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self.0[index as usize].link
    }
}
