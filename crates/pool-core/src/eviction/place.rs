use std::num::NonZeroU32;

/// A place in a list, in four bytes even if there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

impl Place {
    #[inline]
    pub(super) fn of(index: usize) -> Self {
        // As many as there are keys, which have 32 bits.
        Self(NonZeroU32::MIN.saturating_add(index as u32))
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}
