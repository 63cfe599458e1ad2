//! Why: a resource was dropped, an acquire had to open; and how often each was the reason.

use std::fmt;
use std::marker::PhantomData;

use crate::stats::add;

/// A reason that something is counted by.
pub trait Reason: Copy + Eq + fmt::Debug + 'static {
    /// All reasons, in the order in which they are reported.
    const ALL: &'static [Self];

    /// Its place in [`ALL`](Reason::ALL).
    fn index(self) -> usize;

    /// Its name in reports: `snake_case`.
    fn name(self) -> &'static str;
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Reason for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn index(self) -> usize {
                self as usize
            }

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

reasons! {
    /// Why a resource was dropped.
    DropReason {
        /// It was idle and made room.
        Evicted = "evicted",
        /// It came back and there was no room for it, or it was worth less than what lies idle.
        Rejected = "rejected",
        /// It was idle for too long, or too old.
        Expired = "expired",
        /// [`Health::Stale`](crate::Health::Stale).
        Stale = "stale",
        /// [`Health::Broken`](crate::Health::Broken).
        Broken = "broken",
        /// [`Lease::discard`](crate::pool::LeaseOf::discard).
        Discarded = "discarded",
        /// Its lease was dropped by a panic, or its own code panicked when the pool asked it something.
        Panicked = "panicked",
        /// [`drain`](crate::pool::Pool::drain), or [`close`](crate::pool::Pool::close).
        Drained = "drained",
        /// [`invalidate`](crate::pool::Pool::invalidate).
        Invalidated = "invalidated",
    }
}

reasons! {
    /// Why an acquire could not reuse a resource.
    MissReason {
        /// The key was never opened, or so long ago that it was forgotten.
        Cold = "cold",
        /// All resources of the key are leased or being opened.
        Busy = "busy",
        /// The last one was [`DropReason::Evicted`].
        Evicted = "evicted",
        /// The last one was [`DropReason::Rejected`].
        Rejected = "rejected",
        /// The last one was [`DropReason::Expired`].
        Expired = "expired",
        /// The last one was [`DropReason::Stale`], perhaps found so by this acquire.
        Stale = "stale",
        /// The last one was [`DropReason::Broken`], perhaps found so by this acquire.
        Broken = "broken",
        /// The last one was [`DropReason::Discarded`].
        Discarded = "discarded",
        /// The last one was [`DropReason::Panicked`].
        Panicked = "panicked",
        /// The last one was [`DropReason::Drained`].
        Drained = "drained",
        /// The last one was [`DropReason::Invalidated`].
        Invalidated = "invalidated",
        /// The last one was taken out by [`Lease::into_inner`](crate::pool::LeaseOf::into_inner).
        Detached = "detached",
    }
}

impl From<DropReason> for MissReason {
    fn from(reason: DropReason) -> Self {
        match reason {
            DropReason::Evicted => Self::Evicted,
            DropReason::Rejected => Self::Rejected,
            DropReason::Expired => Self::Expired,
            DropReason::Stale => Self::Stale,
            DropReason::Broken => Self::Broken,
            DropReason::Discarded => Self::Discarded,
            DropReason::Panicked => Self::Panicked,
            DropReason::Drained => Self::Drained,
            DropReason::Invalidated => Self::Invalidated,
        }
    }
}

const SLOTS: usize = 12;

/// A counter for each reason. Their sum is computed, not counted beside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts<T> {
    by_reason: [u64; SLOTS],
    reason: PhantomData<T>,
}

impl<T: Reason> Counts<T> {
    /// How often `reason` was the reason.
    #[must_use]
    pub fn get(&self, reason: T) -> u64 {
        self.by_reason[reason.index()]
    }

    /// All of them together, at most `u64::MAX`.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Every reason with its count, also where it is 0.
    pub fn iter(&self) -> impl Iterator<Item = (T, u64)> + '_ {
        T::ALL.iter().map(|&reason| (reason, self.get(reason)))
    }

    /// Reason by reason, what `self` and `other` counted.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.by_reason.iter_mut().zip(&other.by_reason) {
            add(mine, *theirs);
        }
        self
    }

    pub(crate) fn count(&mut self, reason: T) {
        add(&mut self.by_reason[reason.index()], 1);
    }
}

impl<T: Reason> Default for Counts<T> {
    fn default() -> Self {
        const { assert!(T::ALL.len() <= SLOTS) };
        Self { by_reason: [0; SLOTS], reason: PhantomData }
    }
}

/// A map from the name of each reason to its count, where that is not 0.
#[cfg(feature = "serde")]
impl<T: Reason> serde::Serialize for Counts<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = self.iter().filter(|(_, count)| *count > 0);
        serializer.collect_map(counted.map(|(reason, count)| (reason.name(), count)))
    }
}

impl<T: Reason> fmt::Debug for Counts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().filter(|(_, count)| *count > 0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_saturate() {
        let mut counts = Counts::<MissReason>::default();
        counts.by_reason[MissReason::Cold.index()] = u64::MAX - 1;
        for _ in 0..3 {
            counts.count(MissReason::Cold);
            counts.count(MissReason::Busy);
        }
        assert_eq!(counts.get(MissReason::Cold), u64::MAX);
        assert_eq!(counts.total(), u64::MAX, "the sum saturates too");
    }

    #[test]
    fn every_reason_has_its_own_slot_and_name() {
        fn check<T: Reason>() {
            for (place, reason) in T::ALL.iter().enumerate() {
                assert_eq!(reason.index(), place);
                assert_eq!(T::ALL.iter().filter(|other| other.name() == reason.name()).count(), 1);
            }
        }
        check::<DropReason>();
        check::<MissReason>();
        for &reason in DropReason::ALL {
            assert_eq!(MissReason::from(reason).name(), reason.name());
        }
    }
}
