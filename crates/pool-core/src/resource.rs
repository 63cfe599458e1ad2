//! What a pool must know of the values it keeps.

/// A value that is expensive to open.
///
/// The pool never opens one itself: what opens a resource is lent to each acquire as a closure. All methods but
/// [`share`](Resource::share) are called outside the pool's borrow or lock, so they may take their time and may use
/// the pool; a panic in any of them is contained, leaves the pool as it was but for that one resource, and then goes
/// on to the caller.
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

    /// Another handle to the same resource, if it is immutable and a handle is cheap.
    ///
    /// `None` (the default) makes the resource exclusive: one lease at a time. With `Some`, all leases of a key share
    /// one resource, and the pool counts it once. Called after the open, and on each hit **inside** the pool's borrow or
    /// lock: it must be O(1) (a reference count) and must not call the pool.
    fn share(&self) -> Option<Self> {
        None
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
