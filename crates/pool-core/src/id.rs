//! Small dense names for keys and entries, so that policies can keep their state in `Vec`s.

/// Names a key that the pool knows, as long as it knows it. Dense; used again after the key was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(u32);

/// Names an entry: one live resource. Dense; used again after the entry was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(u32);

/// What [`KeyId`] and [`EntryId`] have in common.
pub trait Id: Copy + Eq {
    /// Its place in a `Vec`.
    fn index(self) -> usize;

    /// The id with that place.
    ///
    /// # Panics
    /// At 2³² − 2 and above; a pool never has as many.
    fn from_index(index: usize) -> Self;
}

macro_rules! id {
    ($name:ident) => {
        impl Id for $name {
            #[inline]
            fn index(self) -> usize {
                self.0 as usize
            }

            #[inline]
            fn from_index(index: usize) -> Self {
                match u32::try_from(index) {
                    Ok(small) if small < u32::MAX - 1 => Self(small),
                    _ => panic!("a pool has fewer than 2^32 - 2 keys and entries"),
                }
            }
        }
    };
}
impl EntryId {
    /// The one whose place in a chain is known.
    #[inline]
    pub(crate) fn linked(index: u32) -> Self {
        Self(index)
    }
}
id!(KeyId);
id!(EntryId);
