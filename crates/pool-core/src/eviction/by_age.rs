use crate::id::{EntryId, Id};
use crate::order::Order;

/// All entries in the order in which they were opened, with a mark on those that are idle.
///
/// A lease moves nothing, so it costs O(1) and keeps an entry's age. Finding the oldest idle entry steps over the leased
/// ones that are older: O(leases), for an eviction.
#[derive(Clone, Debug, Default)]
pub(super) struct ByAge {
    opened: Order<EntryId>,
    idle: Vec<bool>,
}

impl ByAge {
    pub(super) fn open(&mut self, entry: EntryId) {
        self.opened.push_front(entry);
        self.set_idle(entry, false);
    }

    pub(super) fn set_idle(&mut self, entry: EntryId, idle: bool) {
        if entry.index() >= self.idle.len() {
            self.idle.resize(entry.index() + 1, false);
        }
        self.idle[entry.index()] = idle;
    }

    pub(super) fn remove(&mut self, entry: EntryId) {
        self.opened.remove(entry);
    }

    /// Gives back memory of ids that are not in use.
    pub(super) fn shrink_to_fit(&mut self) {
        self.opened.shrink_to_fit();
        self.idle.truncate(self.bound());
        self.idle.shrink_to_fit();
    }

    /// Every entry that is in the order has a smaller index.
    pub(super) fn bound(&self) -> usize {
        self.opened.bound()
    }

    pub(super) fn oldest_idle(&self) -> Option<EntryId> {
        self.opened.iter_from_back().find(|entry| self.idle[entry.index()])
    }
}
