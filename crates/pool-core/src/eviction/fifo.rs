use super::{Eviction, Removal, Victim};
use super::by_age::ByAge;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// First in, first out: the idle resource that was opened first goes.
///
/// Belady, "A study of replacement algorithms for a virtual-storage computer" (1966), compares it. Adapted for a pool:
/// a lease and a release don't change an entry's place, and a leased entry is stepped over.
#[derive(Clone, Debug, Default)]
pub struct Fifo {
    entries: ByAge,
}

impl Fifo {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: ?Sized> Eviction<K> for Fifo {
    fn on_open(&mut self, entry: EntryId, _: KeyId, _: &Opened, _: Now) {
        self.entries.open(entry);
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.entries.set_idle(entry, false);
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.entries.set_idle(entry, true);
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.entries.remove(entry);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        self.entries.oldest_idle().map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
    }
}
