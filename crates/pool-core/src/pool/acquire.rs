//! The ways to ask for a lease.

use super::{Acquired, ErrorOf, LeaseOf, Pool, Types};
#[cfg(doc)]
use crate::error::AcquireError;
use crate::key::Query;
use crate::options::AcquireOptions;

impl<T: Types> Pool<T> {
    /// Leases the resource of a key: the one that was released last, if one is warm, else what `open` returns.
    ///
    /// `query` is a key or a borrowed form of it (see [`Query`]). On a hit nothing is opened, allocated or cloned, but that
    /// a lease on a *shared* resource needs a key of its own: give that a cheap `Clone`, as [`Names`](crate::Names)
    /// has. On a miss, room is made first (victims are dropped before `open` runs), then `open` is called, at most once, outside
    /// the pool's borrow or lock: it may use the pool.
    ///
    /// In a pool for many threads it waits, as long as [`max_wait`](crate::pool::Builder::max_wait) says, if nothing is warm and no more
    /// may be opened now; and `open` is not called where another's open of the key is shared. A pool for one thread never waits. From a
    /// task use [`acquire_async`](Pool::acquire_async).
    ///
    /// # Errors
    /// [`Open`](AcquireError::Open) with what an open returned, its own or the one that it waited for;
    /// [`Refused`](AcquireError::Refused) where no waiting helps; [`Exhausted`](AcquireError::Exhausted) where it may not wait, or
    /// nothing that it could wait for will end; [`Memory`](AcquireError::Memory) if the capacity policy could not be told what it
    /// wants to know; [`Closed`](AcquireError::Closed); [`Deadlock`](AcquireError::Deadlock) if this thread would wait for
    /// itself; [`TimedOut`](AcquireError::TimedOut). None of them is counted as an acquire.
    ///
    /// # Panics
    /// If user code does (see [`Pool`]), or when called from inside a policy.
    #[inline]
    pub fn acquire(
        &self,
        query: impl Query<T::Key>,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        self.acquire_by(query, None, open)
    }

    /// As [`acquire`](Pool::acquire), with options.
    ///
    /// # Errors
    /// [`Cancelled`](AcquireError::Cancelled), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    #[inline]
    pub fn acquire_with(
        &self,
        query: impl Query<T::Key>,
        options: &AcquireOptions,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        self.acquire_by(query, Some(options), open)
    }
}
