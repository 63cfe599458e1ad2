//! A hit: a warm resource that is fit for use.
//!
//! The usual case is apart from all others, and small, so that it becomes part of its caller and the lease is made where
//! it is kept. The others return what a lease is made of.

use super::lease::Origin;
use super::{Acquired, Borrowed, LeaseOf, Pool};
use crate::capacity::Capacity;
use crate::contain::{Payload, contain, hold_through};
use crate::core::{Effects, Taken, Who};
use crate::eviction::Eviction;
use crate::guard::Mode;
use crate::key::Query;
use crate::options::AcquireOptions;
use crate::resource::{Health, Resource};
use crate::stats::DropReason;
use crate::time::Clock as _;

/// What a look for a warm resource came to, where there is more to do than to lease it.
pub(super) struct Found<K, R> {
    taken: Option<Taken<K, R>>,
    effects: Option<Box<Effects<K, R>>>,
    /// What the resource said, if it was asked.
    health: Option<Result<Health, Payload>>,
    nanos: u64,
}

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    #[inline(always)]
    pub(super) fn acquire_by<Q>(
        &self,
        query: &Q,
        options: Option<&AcquireOptions>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Borrowed<'_, K, R, C, E, M>, R>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        match self.take(query, hash) {
            Ok(taken) => {
                let lease = LeaseOf::new(self, taken, Origin::HIT);
                // Here, and not when this returns: were its drop to panic there, the lease would leak.
                drop(open);
                Ok(lease)
            }
            Err(found) => match self.acquire_slowly(query, hash, found, options, open) {
                Ok((taken, origin)) => Ok(LeaseOf::new(self, taken, origin)),
                Err(error) => Err(error),
            },
        }
    }

    /// Leases a warm resource of a key, if there is one, and opens nothing. `None` is counted neither as an acquire nor as
    /// a miss; what was found and was unfit, or had expired, is dropped.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_warm<Q>(&self, query: &Q) -> Option<Borrowed<'_, K, R, C, E, M>>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        match self.take(query, hash) {
            Ok(taken) => Some(LeaseOf::new(self, taken, Origin::HIT)),
            Err(found) => self.settle(query, hash, found).ok(),
        }
    }

    /// Takes a warm resource. `Err` is for [`settle`](Pool::settle).
    #[inline(always)]
    fn take<Q>(&self, query: &Q, hash: u64) -> Result<Taken<K, R>, Found<K, R>>
    where
        Q: Query<K> + ?Sized,
    {
        if self.needs_clock {
            return Err(self.look_for(query, hash, self.clock.nanos()));
        }
        let who = Who(M::me());
        let mut core = self.entered();
        let taken = core.take(hash, |key| query.is_key(key), who, 0);
        let effects = core.take_effects(who);
        drop(core);
        let Some(taken) = taken else { return Err(Found { taken: None, effects, health: None, nanos: 0 }) };
        if !self.is_finished(effects.as_deref()) {
            return Err(Found { taken: Some(taken), effects, health: None, nanos: 0 });
        }
        match contain(|| taken.resource.health()) {
            Ok(Health::Reusable) => Ok(taken),
            bad => Err(Found { taken: Some(taken), effects: None, health: Some(bad), nanos: 0 }),
        }
    }

    /// Takes a warm resource at a time that matters.
    #[inline(never)]
    fn look_for<Q>(&self, query: &Q, hash: u64, nanos: u64) -> Found<K, R>
    where
        Q: Query<K> + ?Sized,
    {
        let who = Who(M::me());
        let (taken, effects) = self.enter(|core| core.take(hash, |key| query.is_key(key), who, nanos));
        Found { taken, effects, health: None, nanos }
    }

    /// Takes further warm resources of the key, until one is fit for use. Without one: why the last was not, if there was any.
    #[cold]
    #[inline(never)]
    fn settle<Q>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<K, R>,
    ) -> Result<Borrowed<'_, K, R, C, E, M>, Option<DropReason>>
    where
        Q: Query<K> + ?Sized,
    {
        let Found { mut taken, mut effects, mut health, nanos } = found;
        let mut unfit = None;
        while let Some(found) = taken {
            let lease = hold_through(self.lease(found), |_| self.finish(effects));
            let health = health.take().unwrap_or_else(|| contain(|| lease.health()));
            match lease.if_fit(health, nanos) {
                Ok(lease) => return Ok(lease),
                Err(reason) => unfit = Some(reason),
            }
            Found { taken, effects, .. } = self.look_for(query, hash, nanos);
        }
        self.finish(effects);
        Err(unfit)
    }

    /// The rest of an acquire that is not simply a hit. Without `options` it waits as long as it takes.
    #[cold]
    #[inline(never)]
    fn acquire_slowly<Q>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<K, R>,
        options: Option<&AcquireOptions>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<(Taken<K, R>, Origin), R>
    where
        Q: Query<K> + ?Sized,
    {
        let lease = match self.settle(query, hash, found) {
            Ok(lease) => hold_through(lease, |_| drop(open)),
            Err(unfit) => self.miss(query, hash, unfit, options.unwrap_or(&AcquireOptions::new()), open)?,
        };
        Ok(lease.into_parts())
    }

    /// A lease on what was warm.
    pub(super) fn lease(&self, taken: Taken<K, R>) -> Borrowed<'_, K, R, C, E, M> {
        LeaseOf::new(self, taken, Origin::HIT)
    }
}
