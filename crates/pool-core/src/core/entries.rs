//! Entries: one for each resource that is idle or leased, in a slab, linked by key.

use std::num::NonZeroU64;

use slab::Slab;

use super::Who;
use crate::id::{EntryId, Id, KeyId};
use crate::order::{Link, Links, after, before};
use crate::reason::DropReason;

/// In one cache line where key and resource are a pointer each: among many entries, each line is a wait for memory.
#[repr(align(64))]
pub(crate) struct Entry<K, R> {
    pub(super) key: KeyId,
    /// Neighbours among the key's warm entries.
    pub(super) link: Link,
    /// How many leases are out.
    pub(super) leases: u32,
    /// Whose the exclusive lease is that is out.
    pub(super) holder: Holder,
    /// Set for a leased entry that goes with its last lease and serves no further acquire.
    pub(super) leaving: Option<DropReason>,
    /// The resource, with a key of its own. An exclusive lease carries both; a lease on a shared one a handle.
    pub(super) resource: Option<(K, R)>,
    /// Bytes, as last measured.
    pub(super) weight: u64,
    /// Nanoseconds that its open took.
    pub(super) cost_nanos: u64,
    /// When its open ended, in nanoseconds of the pool's clock, if that is wanted and the lease is out with which it began.
    pub(super) opened_at: Option<NonZeroU64>,
}

/// Who holds a lease, in less room: two may look like one, which then is taken to hold what either holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder(u32);

impl From<Who> for Holder {
    #[inline]
    fn from(who: Who) -> Self {
        Self(who.0 as u32)
    }
}

impl<K, R> Entry<K, R> {
    /// An entry with one lease, not linked.
    pub(super) fn leased(
        key: KeyId,
        resource: Option<(K, R)>,
        weight: u64,
        cost_nanos: u64,
        holder: Holder,
        opened_at: Option<NonZeroU64>,
    ) -> Self {
        let (link, leases, leaving) = (Link::unlinked(), 1, None);
        Self { key, link, leases, holder, leaving, resource, weight, cost_nanos, opened_at }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.leases == 0
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

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (EntryId, &Entry<K, R>)> {
        self.0.iter().map(|(index, entry)| (EntryId::from_index(index), entry))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (EntryId, &mut Entry<K, R>)> {
        self.0.iter_mut().map(|(index, entry)| (EntryId::from_index(index), entry))
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

    /// Gives back the memory of entries that are gone, as far as their ids are the highest.
    pub(super) fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }
}

impl<K, R> std::ops::Index<EntryId> for Entries<K, R> {
    type Output = Entry<K, R>;

    #[inline]
    fn index(&self, id: EntryId) -> &Entry<K, R> {
        &self.0[id.index()]
    }
}

impl<K, R> std::ops::IndexMut<EntryId> for Entries<K, R> {
    #[inline]
    fn index_mut(&mut self, id: EntryId) -> &mut Entry<K, R> {
        &mut self.0[id.index()]
    }
}

impl<K, R> Links for Entries<K, R> {
    #[inline]
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self.0[index as usize].link
    }
}
