use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// Two limits at once. `Never` of either wins; then the first that asks for an eviction: put the narrower limit first,
/// or the wider one may evict what the narrower would have made room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Capacity, B: Capacity> Capacity for Both<A, B> {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        stricter(self.0.admit(usage, expected), self.1.admit(usage, expected))
    }

    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        stricter(self.0.keep(usage, weight), self.1.keep(usage, weight))
    }

    fn max_idle(&self) -> Option<u64> {
        least(self.0.max_idle(), self.1.max_idle())
    }

    fn max_weight(&self) -> Option<u64> {
        least(self.0.max_weight(), self.1.max_weight())
    }

    fn needs_process_memory(&self) -> bool {
        self.0.needs_process_memory() || self.1.needs_process_memory()
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn stricter(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::Never(_), _) | (_, Verdict::Fits) => a,
        (Verdict::Fits, _) | (_, Verdict::Never(_)) => b,
        _ => a,
    }
}
