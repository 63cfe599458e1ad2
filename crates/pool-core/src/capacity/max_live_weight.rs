use super::{Bounds, Capacity, Verdict, evict_any_if};
use crate::usage::{Opened, Usage};

/// At most so many bytes of live resources: idle, leased and opening together.
///
/// An open is admitted on its expected weight. Where it turns out heavier, idle resources are dropped at once; what is
/// leased may exceed the limit by the difference, until it comes back. A key whose resource alone is heavier than the
/// limit is refused from its second open on, unless the caller says that it expects less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLiveWeight(pub u64);

impl Capacity for MaxLiveWeight {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        if expected.weight > self.0 {
            return Verdict::Never("MaxLiveWeight");
        }
        evict_any_if(usage.live_weight().saturating_add(expected.weight) > self.0, "MaxLiveWeight")
    }

    fn keep(&self, usage: &Usage, _: u64) -> Verdict {
        evict_any_if(usage.live_weight() > self.0, "MaxLiveWeight")
    }

    fn bounds(&self) -> Bounds {
        Bounds::of_bytes(self.0)
    }
}
