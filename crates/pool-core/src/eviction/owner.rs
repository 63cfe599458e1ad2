use crate::id::{Id, KeyId};

/// Whose an idle entry is: a key or none, in 32 bits. (An `Option` is written in two pieces and read in one, which has to wait for
/// both.) Kept by policies that count idle entries by key, so that one whose removal was missed does not count for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner(u32);

impl Owner {
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(super) fn of(key: KeyId) -> Self {
        // An id is less than 2^32 - 2.
        Self(key.index() as u32 + 1)
    }

    #[inline]
    pub(super) fn key(self) -> Option<KeyId> {
        Some(KeyId::from_index(self.0.checked_sub(1)? as usize))
    }
}
