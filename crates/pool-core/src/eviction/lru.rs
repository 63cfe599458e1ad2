use super::{Eviction, Removal, Victim};
use super::by_release::ByRelease;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::Returned;

/// Least recently used: the one idle for longest goes.
///
/// Denning, "The working set model for program behavior" (1968), has the argument. Adapted for a pool: a lease counts
/// as use until it ends, so recency is that of the release.
///
/// A hit costs two stamps, an eviction O(log n) amortised.
#[derive(Clone, Debug, Default)]
pub struct Lru {
    entries: ByRelease,
}

impl Lru {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: ?Sized> Eviction<K> for Lru {
    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.entries.take(entry);
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.entries.release(entry);
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.entries.take(entry);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        self.entries.oldest().map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
    }
}
