//! The ways to ask for a lease.

use super::{Acquired, Borrowed, Pool};
use crate::capacity::Capacity;
#[cfg(doc)]
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::key::Query;
use crate::options::AcquireOptions;
use crate::resource::Resource;

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// Leases the resource of a key: the one that was released last, if one is warm, else what `open` returns.
    ///
    /// `query` is a key or a borrowed form of it (see [`Query`]). On a hit nothing is opened, allocated or cloned, but that
    /// a lease on a *shared* resource needs a key of its own: give that a cheap `Clone`, as [`Imports`](crate::Imports)
    /// has. On a miss, room is made first (victims are dropped before `open` runs), then `open` is called, at most once, outside
    /// the pool's borrow or lock: it may use the pool.
    ///
    /// In a pool for many threads it waits, as long as it takes, if nothing is warm and no more may be opened now; and `open` is not
    /// called where another's open of the key is shared. A pool for one thread never waits.
    ///
    /// # Errors
    /// [`Open`](AcquireError::Open) with what an open returned, its own or the one that it waited for;
    /// [`Refused`](AcquireError::Refused) where no waiting helps; [`Exhausted`](AcquireError::Exhausted) where it may not wait, or
    /// nothing that it could wait for will end; [`Memory`](AcquireError::Memory) if the capacity policy could not be told what it
    /// wants to know; [`Closed`](AcquireError::Closed); [`Deadlock`](AcquireError::Deadlock) if this thread would wait for
    /// itself. None of them is counted as an acquire.
    ///
    /// # Panics
    /// If user code does (see [`Pool`]), or when called from inside a policy.
    #[inline]
    pub fn acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Borrowed<'_, K, R, C, E, M>, R>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_by(query, None, open)
    }

    /// As [`acquire`](Pool::acquire), with options.
    ///
    /// # Errors
    /// [`TimedOut`](AcquireError::TimedOut) and [`Cancelled`](AcquireError::Cancelled), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    #[inline]
    pub fn acquire_with<Q>(
        &self,
        query: &Q,
        options: &AcquireOptions,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Borrowed<'_, K, R, C, E, M>, R>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_by(query, Some(options), open)
    }
}
