use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// A lifetime budget: at most so many opens, ever (those that failed don't count). When it is spent, hits go on and
/// misses are refused. For resources that leave something behind in the process each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxOpens(pub u64);

impl Capacity for MaxOpens {
    fn admit(&self, usage: &Usage, _: &Opened) -> Verdict {
        let spent = usage.opens.saturating_add(usage.opening);
        if spent >= self.0 { Verdict::Never("MaxOpens") } else { Verdict::Fits }
    }

    fn keep(&self, _: &Usage, _: u64) -> Verdict {
        Verdict::Fits
    }
}
