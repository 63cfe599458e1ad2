use super::{Bounds, Capacity, Verdict, evict_any_if};
use crate::usage::{Opened, Usage};

/// At most so many live resources: idle, leased and opening together. Before an open that would be one too many an
/// idle resource is dropped; with none idle the acquire is exhausted.
///
/// A lease that is leaked (`mem::forget`) holds its place for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxLive(pub u64);

impl Capacity for MaxLive {
    fn admit(&self, usage: &Usage, _: &Opened) -> Verdict {
        if self.0 == 0 {
            return Verdict::Never("MaxLive");
        }
        evict_any_if(usage.live() >= self.0, "MaxLive")
    }

    fn keep(&self, usage: &Usage, _: u64) -> Verdict {
        evict_any_if(usage.live() > self.0, "MaxLive")
    }

    fn bounds(&self) -> Bounds {
        Bounds::of_entries(self.0)
    }
}
