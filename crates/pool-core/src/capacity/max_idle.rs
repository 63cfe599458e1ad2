use super::{Bounds, Capacity, Verdict, evict_any_if};
use crate::usage::{Opened, Usage};

/// At most so many idle resources in all. 0 disables reuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxIdle(pub u64);

impl Capacity for MaxIdle {
    fn admit(&self, _: &Usage, _: &Opened) -> Verdict {
        Verdict::Fits
    }

    fn keep(&self, usage: &Usage, _: u64) -> Verdict {
        evict_any_if(usage.idle > self.0, "MaxIdle")
    }

    fn bounds(&self) -> Bounds {
        Bounds::of_entries(self.0)
    }
}
