use super::{Capacity, Verdict};
use crate::usage::{Opened, Usage};

/// A lifetime budget of [residue](crate::Resource::residue): at most so many bytes left behind by opens, ever. An open
/// is refused if what it is expected to leave would exceed the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxResidue(pub u64);

impl Capacity for MaxResidue {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        let after = usage.residue.saturating_add(usage.opening_residue).saturating_add(expected.residue);
        if after > self.0 { Verdict::Never("MaxResidue") } else { Verdict::Fits }
    }

    fn keep(&self, _: &Usage, _: u64) -> Verdict {
        Verdict::Fits
    }
}
