//! What a pool must know of the values it keeps.

use crate::contain::{Panics, Payload};
use crate::core::Ending;
use crate::stats::DropReason;
use crate::usage::Opened;

/// A value that is expensive to open.
///
/// The pool never opens one itself: what opens a resource is lent to each acquire as a closure. All methods are called outside
/// the pool's borrow or lock, so they may take their time and may use the pool; a panic in any of them is contained, leaves
/// the pool as it was but for that one resource, and then goes on to the caller.
///
/// A resource is exclusive, one lease at a time, unless its pool was built as [`shared`](crate::pool::Builder::shared).
pub trait Resource: Sized {
    /// Why an open failed. One fixed type, so that a failure can be handed to all who waited for that open. With an
    /// [`std::error::Error`], [`AcquireError`](crate::AcquireError) is one too.
    type Error;

    /// Bytes that dropping this resource gives back, now.
    ///
    /// Asked once after the open and again at each release, because a resource may grow while it is leased.
    /// 0 (the default) suits a pool that only counts.
    fn weight(&self) -> u64 {
        0
    }

    /// Bytes that opening this resource took for good: they stay when it is dropped. Asked once, after the open.
    fn residue(&self) -> u64 {
        0
    }

    /// Whether this resource may be used again. Asked on each hit and at each release: keep it cheap.
    fn health(&self) -> Health {
        Health::Reusable
    }

    /// Whether a lease that is dropped by a panic may give this resource back all the same. `false` unless nothing
    /// that a lease does can leave the resource half-changed.
    fn survives_panic(&self) -> bool {
        false
    }
}

/// What [`Resource::health`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Good for another lease.
    Reusable,
    /// The world has moved on since it was opened (a Lean import registered an extension, a server restarted): drop
    /// it and open a fresh one.
    Stale,
    /// It is damaged: drop it.
    Broken,
}

/// How a lease on `resource` ends: asked outside the borrow or lock.
#[inline]
pub(crate) fn ending_of<R: Resource>(resource: &R, panicked: bool) -> Ending {
    if panicked && !resource.survives_panic() {
        return Ending::Drop(DropReason::Panicked);
    }
    match resource.health() {
        Health::Reusable => Ending::Return { weight: resource.weight() },
        Health::Stale => Ending::Drop(DropReason::Stale),
        Health::Broken => Ending::Drop(DropReason::Broken),
    }
}

/// Why a resource whose health was asked is unfit for use; a panic is kept.
pub(crate) fn unfit(health: Result<Health, Payload>, panics: &mut Panics) -> DropReason {
    match health {
        Ok(Health::Broken) => DropReason::Broken,
        Ok(_) => DropReason::Stale,
        Err(payload) => {
            panics.keep(payload);
            DropReason::Panicked
        }
    }
}

/// What has just been opened, asked outside the borrow or lock: the figures, and what the pool is to keep if it is shared.
pub(crate) fn measure<K: Clone, R: Resource>(
    key: &K,
    resource: &R,
    cost_nanos: u64,
    share: Option<fn(&R) -> R>,
) -> (Opened, Option<(K, R)>) {
    let opened = Opened { cost_nanos, weight: resource.weight(), residue: resource.residue() };
    (opened, share.map(|share| (key.clone(), share(resource))))
}
