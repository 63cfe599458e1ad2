//! The ways to ask for a lease: how long to wait, and what for.

use std::sync::Arc;
use std::time::Duration;

use super::{CancellationToken, Failure, Lease, OwnedLease, Patience, Pool};
use crate::capacity::Capacity;
#[cfg(doc)]
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::key::Query;
use crate::resource::Resource;

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Leases the resource of a key: the one that was released last, if one is warm, else what `open` returns. Waits, as long
    /// as it takes, if nothing is warm and no more may be opened now.
    ///
    /// `open` runs outside the lock, at most once, and may use the pool. It is not called where another's open of the key is
    /// shared.
    ///
    /// # Errors
    /// [`Open`](AcquireError::Open) with what an open returned, its own or the one that it waited for;
    /// [`Refused`](AcquireError::Refused) where no waiting helps; [`Exhausted`](AcquireError::Exhausted) only from
    /// [`try_acquire`](Pool::try_acquire); [`Closed`](AcquireError::Closed); [`OwnOpen`](AcquireError::OwnOpen) if this thread is
    /// opening that key already and would have to wait for it.
    ///
    /// # Panics
    /// If user code does (see [`Pool`]), or when called from inside a policy.
    #[inline]
    pub fn acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_for(query, None, open)
    }

    /// As [`acquire`](Pool::acquire), but never waits.
    ///
    /// # Errors
    /// [`Exhausted`](AcquireError::Exhausted) where that would wait, and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn try_acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_with(query, &Patience::never(), open)
    }

    /// As [`acquire`](Pool::acquire), but waits for `timeout` at most. An open of its own that runs is never broken off: if it ends
    /// late, what came of it goes to those who wait, and to the pool.
    ///
    /// # Errors
    /// [`TimedOut`](AcquireError::TimedOut), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_timeout<Q>(
        &self,
        query: &Q,
        timeout: Duration,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_with(query, &Patience::forever().timeout(timeout), open)
    }

    /// As [`acquire`](Pool::acquire), but gives up when `token` is cancelled. As with a timeout, an open is not broken off.
    ///
    /// # Errors
    /// [`Cancelled`](AcquireError::Cancelled), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_cancellable<Q>(
        &self,
        query: &Q,
        token: &CancellationToken,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_with(query, &Patience::forever().until_cancelled(token), open)
    }

    /// As [`acquire`](Pool::acquire), with any patience.
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
        patience: &Patience,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_for(query, Some(patience), open)
    }

    #[inline(always)]
    fn acquire_for<Q>(
        &self,
        query: &Q,
        patience: Option<&Patience>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        match self.take(query, hash) {
            Ok(leased) => {
                let lease = Lease::new(self, leased);
                // Here, and not when this returns: were its drop to panic there, the lease would leak.
                drop(open);
                Ok(lease)
            }
            Err(found) => match self.acquire_slowly(query, hash, found, patience, open) {
                Ok(leased) => Ok(Lease::new(self, leased)),
                Err(error) => Err(error),
            },
        }
    }

    /// Leases a warm resource of a key, if there is one, and opens nothing. `None` is counted neither as an acquire nor as
    /// a miss; what was found and was unfit, or had expired, is dropped.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_warm<Q>(&self, query: &Q) -> Option<Lease<'_, K, R, C, E>>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        let leased = match self.take(query, hash) {
            Ok(leased) => leased,
            Err(found) => self.settle(query, hash, found).ok()?,
        };
        Some(Lease::new(self, leased))
    }

    /// Makes a lease independent of the borrow of the pool, for `'static` uses.
    ///
    /// # Panics
    /// If it is a lease of another pool.
    pub fn own(self: &Arc<Self>, lease: Lease<'_, K, R, C, E>) -> OwnedLease<K, R, C, E> {
        lease.into_owned(self)
    }
}
