//! Capacity policies: may it exist, may it stay?
//!
//! One policy a child file. [`Unbounded`] is the do-nothing baseline; [`Both`] composes two.

mod both;
mod max_idle;
mod max_idle_per_key;
mod max_idle_weight;
mod max_live;
mod max_live_weight;
mod max_opens;
mod max_residue;
mod most_opening;
mod process_memory;
mod unbounded;

pub use both::Both;
pub use max_idle::MaxIdle;
pub use max_idle_per_key::MaxIdlePerKey;
pub use max_idle_weight::MaxIdleWeight;
pub use max_live::MaxLive;
pub use max_live_weight::MaxLiveWeight;
pub use max_opens::MaxOpens;
pub use max_residue::MaxResidue;
pub(crate) use most_opening::MostOpening;
pub use process_memory::ProcessMemory;
pub use unbounded::Unbounded;

use crate::usage::{Opened, Usage};

/// Says how much a pool may hold. It sees sums, never entries, and keeps no state: which entry goes is for
/// [`Eviction`](crate::Eviction) to say.
///
/// # For implementors
/// Both questions are asked inside the pool's borrow or lock: answer in O(1) and call nothing of the pool's. The same
/// question is asked again after each eviction, until the answer is [`Verdict::Fits`]. Before it evicts anything the
/// pool asks once as if nothing else were idle: where that doesn't fit either, nothing is evicted. So an answer must
/// not turn from `Fits` to something else when *less* is idle. To find the first of many who wait that can be served, the pool
/// asks about the least that any of them needs: so nor when less is *expected*. A panic counts as [`Verdict::Never`] and
/// goes on to the caller once the pool is consistent.
///
/// A victim holds its place until its destructor has ended. Whether one more may be opened is therefore asked twice where
/// something must go first: before evictions, of what there will be once all victims are gone
/// ([`Usage::dropping`] is 0 then, and [`Usage::opening`] has those who were promised room); and before the open begins, of what there is.
pub trait Capacity {
    /// Whether one more may be opened. Asked on each miss, before the open; `usage` does not count it yet.
    ///
    /// `expected` is what the last open of this key took, and its weight what the caller says if it does; for a key not
    /// opened yet it is the upper quartile of the last 64 opens.
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict;

    /// Whether what is idle may stay. Asked at each release, when `usage` already counts the incoming resource as
    /// idle and `weight` is its weight, and once after each open (with weight 0), when live resources may have turned
    /// out heavier than expected.
    fn keep(&self, usage: &Usage, weight: u64) -> Verdict;

    /// The most that can be idle, where this policy bounds it. Asked when the pool is built, and after
    /// [`set_capacity`](crate::pool::Pool::set_capacity); the eviction policy is
    /// [told](crate::Eviction::on_capacity).
    fn bounds(&self) -> Bounds {
        Bounds::default()
    }

    /// Whether [`Usage::process_bytes`] is wanted in [`admit`](Capacity::admit). Asked when the pool is built, and after `set_capacity`; if
    /// so, the pool measures on each miss, never on a hit. Pass it on in a policy around another.
    fn needs_process_memory(&self) -> bool {
        false
    }
}

/// How much can be idle at most. `None` where that is not known, or not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Resources.
    pub entries: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

impl Bounds {
    /// So many resources, of any weight.
    #[must_use]
    pub const fn of_entries(entries: u64) -> Self {
        Self { entries: Some(entries), bytes: None }
    }

    /// So many bytes, in any number of resources.
    #[must_use]
    pub const fn of_bytes(bytes: u64) -> Self {
        Self { entries: None, bytes: Some(bytes) }
    }

    /// What keeps within both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { entries: least(self.entries, other.entries), bytes: least(self.bytes, other.bytes) }
    }
}

/// Answer of a [`Capacity`]. All but `Fits` name the limit that was met, for errors and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limits.
    Fits,
    /// Would fit if some idle resource went; the eviction policy says which. If none can go, an acquire is
    /// [`Exhausted`](crate::AcquireError::Exhausted) and a returned resource is dropped.
    EvictAny(&'static str),
    /// Would fit if an idle resource of the same key went; the one idle for longest does.
    EvictOfKey(&'static str),
    /// No eviction and no end of a lease helps: an acquire is [`Refused`](crate::AcquireError::Refused), a returned resource
    /// is dropped.
    Never(&'static str),
}

impl<T: Capacity + ?Sized> Capacity for Box<T> {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        (**self).admit(usage, expected)
    }

    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        (**self).keep(usage, weight)
    }

    fn bounds(&self) -> Bounds {
        (**self).bounds()
    }

    fn needs_process_memory(&self) -> bool {
        (**self).needs_process_memory()
    }
}

/// `EvictAny(limit)` if `over`, else `Fits`.
fn evict_any_if(over: bool, limit: &'static str) -> Verdict {
    if over { Verdict::EvictAny(limit) } else { Verdict::Fits }
}
