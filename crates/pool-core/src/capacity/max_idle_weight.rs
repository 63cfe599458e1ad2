use super::{Bounds, Capacity, Verdict, evict_any_if};
use crate::usage::{Opened, Usage};

/// At most so many bytes of idle resources. A resource heavier than that is dropped when it comes back, and evicts
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxIdleWeight(pub u64);

impl Capacity for MaxIdleWeight {
    fn admit(&self, _: &Usage, _: &Opened) -> Verdict {
        Verdict::Fits
    }

    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        if weight > self.0 {
            return Verdict::Never("MaxIdleWeight");
        }
        evict_any_if(usage.idle_weight > self.0, "MaxIdleWeight")
    }

    fn bounds(&self) -> Bounds {
        Bounds::of_bytes(self.0)
    }
}
