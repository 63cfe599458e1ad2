use crate::id::{EntryId, Id};
use crate::order::Order;

/// Entries by their last release, with a mark on those that are idle.
///
/// A lease moves nothing, and a release nothing if it is of the entry that was released last: what is asked for again and
/// again costs two marks. A leased entry is taken out when it has become the oldest, so [`oldest`](ByRelease::oldest) is O(1)
/// amortised: each step of it undoes a lease.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRelease {
    /// The most recently released at the front.
    order: Order<EntryId>,
    idle: Vec<bool>,
}

impl ByRelease {
    #[inline]
    pub(super) fn acquire(&mut self, entry: EntryId) {
        if let Some(idle) = self.idle.get_mut(entry.index()) {
            *idle = false;
        }
    }

    #[inline]
    pub(super) fn release(&mut self, entry: EntryId) {
        match self.idle.get_mut(entry.index()) {
            Some(idle) => *idle = true,
            None => self.grow(entry),
        }
        if self.order.front() != Some(entry) {
            self.order.push_front(entry);
        }
    }

    #[cold]
    fn grow(&mut self, entry: EntryId) {
        self.idle.resize(entry.index() + 1, false);
        self.idle[entry.index()] = true;
    }

    pub(super) fn remove(&mut self, entry: EntryId) {
        self.acquire(entry);
        self.order.remove(entry);
    }

    /// The entry that has been idle for longest.
    pub(super) fn oldest(&mut self) -> Option<EntryId> {
        while let Some(entry) = self.order.back() {
            if self.idle[entry.index()] {
                return Some(entry);
            }
            self.order.remove(entry);
        }
        None
    }
}
