//! A hit: a warm resource that is fit for use. As in [`local`](crate::local), the usual case is apart from all others.

use super::patience::Patience;
use super::queue::LeftOver;
use super::{Failure, Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::{Payload, contain, hold_through};
use crate::eviction::Eviction;
use crate::key::Query;
use crate::resource::{Health, Resource};
use crate::state::Taken;
use crate::stats::DropReason;

/// What a look for a warm resource came to, where there is more to do than to lease it.
pub(super) struct Found<K, R> {
    taken: Option<Taken<K, R>>,
    left_over: Option<Box<LeftOver<K, R>>>,
    /// What the resource said, if it was asked.
    health: Option<Result<Health, Payload>>,
    nanos: u64,
}

/// What a lease is made of.
pub(super) struct Leased<K, R> {
    pub(super) taken: Taken<K, R>,
    pub(super) hit: bool,
    pub(super) since: u64,
}

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Takes a warm resource. `Err` is for [`settle`](Pool::settle).
    #[inline(always)]
    pub(super) fn take<Q>(&self, query: &Q, hash: u64) -> Result<Leased<K, R>, Found<K, R>>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let mut desk = self.locked();
        let taken = desk.take(hash, |key| query.is_key(key), nanos);
        let left_over = desk.take_left_over();
        drop(desk);
        let Some(taken) = taken else { return Err(Found { taken: None, left_over, health: None, nanos }) };
        if !self.is_finished(left_over.as_deref()) {
            return Err(Found { taken: Some(taken), left_over, health: None, nanos });
        }
        match contain(|| taken.resource.health()) {
            Ok(Health::Reusable) => Ok(Leased { taken, hit: true, since: nanos }),
            bad => Err(Found { taken: Some(taken), left_over: None, health: Some(bad), nanos }),
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
        let Found { mut taken, mut left_over, mut health, nanos } = found;
        let mut unfit = None;
        while let Some(found) = taken {
            let lease = hold_through(self.lease(found, nanos), |_| self.finish(left_over));
            let health = health.take().unwrap_or_else(|| contain(|| lease.health()));
            match lease.if_fit(health, nanos) {
                Ok(lease) => return Ok(lease.into_leased()),
                Err(reason) => unfit = Some(reason),
            }
            (taken, left_over) = self.enter(|desk| desk.take(hash, |key| query.is_key(key), nanos));
        }
        self.finish(left_over);
        Err(unfit)
    }

    /// The rest of an acquire that is not simply a hit. Without `patience` it waits for ever.
    #[cold]
    #[inline(never)]
    pub(super) fn acquire_slowly<Q>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<K, R>,
        patience: Option<&Patience>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Leased<K, R>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        let lease = match self.settle(query, hash, found) {
            Ok(leased) => {
                let lease = Lease::new(self, leased);
                drop(open);
                lease
            }
            Err(unfit) => {
                let forever = Patience::forever();
                self.miss(query, hash, unfit, patience.unwrap_or(&forever), open)?
            }
        };
        Ok(lease.into_leased())
    }

    pub(super) fn lease(&self, taken: Taken<K, R>, nanos: u64) -> Lease<'_, K, R, C, E> {
        Lease::new(self, Leased { taken, hit: true, since: nanos })
    }
}
