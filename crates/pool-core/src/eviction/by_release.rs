use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::dense::Dense;
use crate::id::EntryId;

/// Idle entries by their last release.
///
/// A lease and a release are a stamp each, and touch nothing of other entries. The order is kept in a heap, in which each
/// entry stands once, where it was when it was last looked at: that can only be too early, and is put right when it comes up
/// as the oldest. So [`oldest`](ByRelease::oldest) is O(log n) amortised: each step of it undoes a release or a removal.
#[derive(Clone, Debug, Default)]
pub(super) struct ByRelease {
    stamps: Dense<EntryId, Stamp>,
    heap: BinaryHeap<Reverse<(u64, EntryId)>>,
    clock: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Stamp {
    /// When it was released, by this order's own clock; 0 if it is not idle.
    released: u64,
    /// Whether it stands in the heap.
    listed: bool,
}

impl ByRelease {
    /// An entry is leased, or gone.
    #[inline]
    pub(super) fn take(&mut self, entry: EntryId) {
        self.stamps.at(entry).released = 0;
    }

    #[inline]
    pub(super) fn release(&mut self, entry: EntryId) {
        self.clock += 1;
        let stamp = self.stamps.at(entry);
        stamp.released = self.clock;
        if !stamp.listed {
            self.list(entry);
        }
    }

    #[cold]
    fn list(&mut self, entry: EntryId) {
        self.stamps.at(entry).listed = true;
        self.heap.push(Reverse((self.clock, entry)));
    }

    /// Gives back memory of ids that are not idle.
    pub(super) fn shrink_to_fit(&mut self) {
        let Self { stamps, heap, .. } = self;
        heap.retain(|&Reverse((_, entry))| {
            let stamp = stamps.at(entry);
            stamp.listed = stamp.released > 0;
            stamp.listed
        });
        heap.shrink_to_fit();
        stamps.shrink_to_fit();
    }

    /// Every idle entry has a smaller index.
    pub(super) fn bound(&self) -> usize {
        self.stamps.len()
    }

    /// The entry that has been idle for longest.
    pub(super) fn oldest(&mut self) -> Option<EntryId> {
        while let Some(mut first) = self.heap.peek_mut() {
            let Reverse((listed_as, entry)) = *first;
            let stamp = self.stamps.at(entry);
            match stamp.released {
                0 => {
                    stamp.listed = false;
                    PeekMut::pop(first);
                }
                released if released == listed_as => return Some(entry),
                released => *first = Reverse((released, entry)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id as _;

    #[test]
    fn the_order_is_that_of_the_releases_whatever_came_between() {
        let id = EntryId::from_index;
        let mut order = ByRelease::default();
        [0, 1, 2, 3].into_iter().for_each(|index| order.release(id(index)));
        // 1 and 0 come back in that order, 2 is out, 3 is gone.
        [1, 0, 2, 3].into_iter().for_each(|index| order.take(id(index)));
        [1, 0].into_iter().for_each(|index| order.release(id(index)));
        let mut oldest = || {
            let entry = order.oldest()?;
            order.take(entry);
            Some(entry.index())
        };
        assert_eq!([oldest(), oldest(), oldest()], [Some(1), Some(0), None]);
        // The id of what is gone is used again, and that of what was out comes back.
        [3, 2].into_iter().for_each(|index| order.release(id(index)));
        assert_eq!(order.oldest(), Some(id(3)));
        assert!(order.heap.len() <= 4, "each stands there once");
    }
}
