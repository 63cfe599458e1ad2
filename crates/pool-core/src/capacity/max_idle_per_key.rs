use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// At most so many idle resources of one key: when one more comes back, that key's longest idle one goes.
///
/// Alone it doesn't bound the pool; put it beside another limit with [`Both`](super::Both).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxIdlePerKey(pub u64);

impl Capacity for MaxIdlePerKey {
    fn admit(&self, _: &Usage, _: &Opened) -> Verdict {
        Verdict::Fits
    }

    fn keep(&self, usage: &Usage, _: u64) -> Verdict {
        if usage.idle_of_key > self.0 { Verdict::EvictOfKey("MaxIdlePerKey") } else { Verdict::Fits }
    }
}
