//! Which files are being checked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files that are being checked at this moment, by their places. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<Mutex<BTreeSet<usize>>>);

impl InHand {
    /// Their places, in order.
    #[must_use]
    pub fn places(&self) -> Vec<usize> {
        self.lock().iter().copied().collect()
    }

    /// From now on, until what is returned is dropped, the file at `place` is being checked.
    pub(super) fn take(&self, place: usize) -> Taken {
        self.lock().insert(place);
        Taken { in_hand: self.clone(), place }
    }

    /// Nothing under this lock panics.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Taken {
    in_hand: InHand,
    place: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.in_hand.lock().remove(&self.place);
    }
}
