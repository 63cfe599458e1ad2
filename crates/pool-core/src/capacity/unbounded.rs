use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// Keeps everything and refuses nothing: the baseline. Memory is then bounded by the number of distinct keys only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unbounded;

impl Capacity for Unbounded {
    fn admit(&self, _: &Usage, _: &Opened) -> Verdict {
        Verdict::Fits
    }

    fn keep(&self, _: &Usage, _: u64) -> Verdict {
        Verdict::Fits
    }
}
