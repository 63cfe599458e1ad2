use super::{Bounds, Capacity, Verdict, evict_any_if};
use crate::usage::{Opened, Usage};

/// At most so many opens at once, besides what `capacity` says: see [`Builder::max_opening`](crate::pool::Builder::max_opening).
pub(crate) struct MostOpening<C> {
    pub(crate) most: u64,
    pub(crate) capacity: C,
}

impl<C: Capacity> Capacity for MostOpening<C> {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        // Asked again with nothing idle it says the same, so nothing is evicted, and who asks waits.
        match evict_any_if(usage.opening >= self.most, "max_opening") {
            Verdict::Fits => self.capacity.admit(usage, expected),
            too_many => match self.capacity.admit(usage, expected) {
                never @ Verdict::Never(_) => never,
                _ => too_many,
            },
        }
    }

    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        self.capacity.keep(usage, weight)
    }

    fn bounds(&self) -> Bounds {
        self.capacity.bounds()
    }

    fn needs_process_memory(&self) -> bool {
        self.capacity.needs_process_memory()
    }
}
