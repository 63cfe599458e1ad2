use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// A limit on the whole process's memory: its private dirty bytes, which is what the system can't take back. (The
/// builder is given what measures them: `process_memory`.) Resident size would not do: files mapped by many environments
/// are in it, and give nothing back when one is dropped.
///
/// The pool measures once on each miss, before it opens, outside its borrow or lock, and never on a hit. An open is let
/// through if what was measured, with the expected weight and residue of this open and of those that run already,
/// stays within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    limit: u64,
    evicts: bool,
}

impl ProcessMemory {
    /// Above `limit` bytes idle resources are evicted first, counted with their weights; if all of them together would
    /// not help, none is. The acquire is then [`Exhausted`](crate::AcquireError::Exhausted) where the end of leases and opens
    /// would help, else [`Refused`](crate::AcquireError::Refused).
    #[must_use]
    pub fn evict_above(limit: u64) -> Self {
        Self { limit, evicts: true }
    }

    /// Above `limit` bytes an acquire is [`Refused`](crate::AcquireError::Refused), and nothing is evicted: for programs
    /// that would rather turn away work for a new key than lose a warm one.
    #[must_use]
    pub fn refuse_above(limit: u64) -> Self {
        Self { limit, evicts: false }
    }
}

impl Capacity for ProcessMemory {
    fn needs_process_memory(&self) -> bool {
        true
    }

    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        let Some(measured) = usage.process_bytes else {
            return Verdict::Never(
                "ProcessMemory, which was not measured: see Capacity::needs_process_memory",
            );
        };
        let after = [usage.opening_weight, usage.opening_residue, expected.weight, expected.residue]
            .into_iter()
            .fold(measured, u64::saturating_add);
        // What opens that run will take may be in what was measured, or not yet. In the end it goes as well.
        let ours = [usage.leased_weight, usage.opening_weight, usage.opening_weight]
            .into_iter()
            .fold(usage.idle_weight, u64::saturating_add);
        match after {
            after if after <= self.limit => Verdict::Fits,
            after if self.evicts && after.saturating_sub(ours) <= self.limit => {
                Verdict::EvictAny("ProcessMemory")
            }
            _ => Verdict::Never("ProcessMemory"),
        }
    }

    fn keep(&self, _: &Usage, _: u64) -> Verdict {
        Verdict::Fits
    }
}
