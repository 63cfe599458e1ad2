//! A hit: a warm resource that is fit for use.
//!
//! The usual case is apart from all others, and small, so that it becomes part of its caller and the lease is made where
//! it is kept. The others return what a lease is made of, not the lease: a lease that might come from elsewhere would be
//! written to memory and copied from there.

use super::{Lease, Pool};
use crate::aftermath::Aftermath;
use crate::capacity::Capacity;
use crate::contain::{Payload, contain, hold_through};
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::key::Query;
use crate::resource::{Health, Resource};
use crate::state::Taken;
use crate::stats::DropReason;

/// What a look for a warm resource came to, where there is more to do than to lease it.
pub(super) struct Found<K, R> {
    taken: Option<Taken<K, R>>,
    aftermath: Option<Box<Aftermath<K, R>>>,
    /// What the resource said, if it was asked.
    health: Option<Result<Health, Payload>>,
    nanos: u64,
}

/// What a lease is made of.
pub(super) struct Leased<K, R> {
    pub(super) taken: Taken<K, R>,
    pub(super) hit: bool,
}

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Takes a warm resource. `Err` is for [`settle`](Pool::settle).
    #[inline]
    pub(super) fn take<Q>(&self, query: &Q, hash: u64) -> Result<Leased<K, R>, Found<K, R>>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let (taken, aftermath) = self.enter(|state| state.take(hash, |key| query.is_key(key), nanos));
        let Some(taken) = taken else { return Err(Found { taken: None, aftermath, health: None, nanos }) };
        if aftermath.is_some() || self.any_postponed.get() {
            return Err(Found { taken: Some(taken), aftermath, health: None, nanos });
        }
        match contain(|| taken.resource.health()) {
            Ok(Health::Reusable) => Ok(Leased { taken, hit: true }),
            bad => Err(Found { taken: Some(taken), aftermath: None, health: Some(bad), nanos }),
        }
    }

    /// Takes further warm resources of the key, until one is fit for use. Without one: why the last was not, if there was any.
    #[cold]
    #[inline(never)]
    pub(super) fn settle<Q>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<K, R>,
    ) -> Result<Leased<K, R>, Option<DropReason>>
    where
        Q: Query<K> + ?Sized,
    {
        let Found { mut taken, mut aftermath, mut health, nanos } = found;
        let mut unfit = None;
        while let Some(found) = taken {
            let lease = hold_through(Lease::new(self, Leased { taken: found, hit: true }), |_| {
                self.finish(aftermath);
            });
            match health.take().unwrap_or_else(|| contain(|| lease.health())) {
                Ok(Health::Reusable) => return Ok(lease.into_leased()),
                bad => unfit = Some(lease.end_unfit(bad, nanos)),
            }
            (taken, aftermath) = self.enter(|state| state.take(hash, |key| query.is_key(key), nanos));
        }
        self.finish(aftermath);
        Err(unfit)
    }

    /// The rest of an [`acquire`](Pool::acquire) that is not simply a hit.
    #[cold]
    #[inline(never)]
    pub(super) fn acquire_slowly<Q>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<K, R>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Leased<K, R>, AcquireError<R::Error>>
    where
        Q: Query<K> + ?Sized,
    {
        let lease = match self.settle(query, hash, found) {
            Ok(leased) => {
                let lease = Lease::new(self, leased);
                drop(open);
                lease
            }
            Err(unfit) => self.open(query, hash, unfit, open)?,
        };
        Ok(lease.into_leased())
    }
}
