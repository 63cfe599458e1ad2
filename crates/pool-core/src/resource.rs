//! What a pool must know of the values it keeps.

use crate::contain::{Panics, Payload};
use crate::core::Ending;
use crate::manage::Manage;
use crate::reason::DropReason;

/// A value that is expensive to open, of a type that is yours. (For another's type, see [`Hooks`](crate::Hooks).)
///
/// The pool never opens one itself: what opens a resource is lent to each acquire as a closure. All methods are called outside
/// the pool's borrow or lock, so they may take their time and may use the pool; a panic in any of them is contained, leaves
/// the pool as it was but for that one resource, and then goes on to the caller.
///
/// A resource is exclusive, one lease at a time, unless its pool was built as [`shared`](crate::pool::Builder::shared).
#[diagnostic::on_unimplemented(
    message = "a pool does not know how to manage resources of type `{Self}`",
    note = "if the type is yours, write `impl pool_core::Resource for {Self} {{ type Error = …; }}`",
    note = "if it is another's, name what its open fails with: `Pool<K, {Self}, pool_core::Hooks<{Self}, TheError>>`, made by `Pool::hooks_builder`"
)]
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
    fn health(&mut self) -> Health {
        Health::Reusable
    }

    /// Makes this resource ready for the next one who asks (rolls a transaction back, clears a solver's assertions), and says
    /// whether it is. Called at each release, before [`health`](Resource::health) is asked; not for shared resources, which others may be
    /// using.
    fn reset(&mut self) -> Health {
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
pub(crate) fn ending_of<R>(
    manager: &impl Manage<R>,
    resource: &mut R,
    is_shared: bool,
    panicked: bool,
) -> Ending {
    if panicked && !manager.survives_panic(resource) {
        return Ending::Drop(DropReason::Panicked);
    }
    let reset = if is_shared { Health::Reusable } else { manager.reset(resource) };
    let health = if reset == Health::Reusable { manager.health(resource) } else { reset };
    match health {
        Health::Reusable => Ending::Return { weight: manager.weight(resource) },
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
