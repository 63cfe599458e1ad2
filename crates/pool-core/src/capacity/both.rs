use super::{Bounds, Capacity, Verdict};
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

    fn bounds(&self) -> Bounds {
        self.0.bounds().and(self.1.bounds())
    }

    fn needs_process_memory(&self) -> bool {
        self.0.needs_process_memory() || self.1.needs_process_memory()
    }
}

fn stricter(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (Verdict::Never(_), _) | (_, Verdict::Fits) => a,
        (Verdict::Fits, _) | (_, Verdict::Never(_)) => b,
        _ => a,
    }
}
