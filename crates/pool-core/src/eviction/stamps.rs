use crate::id::{EntryId, Id};

/// A time for each entry, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps(Vec<u64>);

impl Stamps {
    pub(super) fn set(&mut self, entry: EntryId, nanos: u64) {
        if entry.index() >= self.0.len() {
            self.0.resize(entry.index() + 1, 0);
        }
        self.0[entry.index()] = nanos;
    }

    /// Whether `limit` nanoseconds or more have passed since.
    pub(super) fn is_over(&self, entry: EntryId, limit: u64, now: u64) -> bool {
        now.saturating_sub(self.0.get(entry.index()).copied().unwrap_or(0)) >= limit
    }

    /// Gives back memory of the ids from `bound` on.
    pub(super) fn truncate(&mut self, bound: usize) {
        self.0.truncate(bound);
        self.0.shrink_to_fit();
    }
}
