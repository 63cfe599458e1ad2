//! A hit: a warm resource that is fit for use.
//!
//! The usual case is apart from all others, and small, so that it becomes part of its caller and the lease is made where
//! it is kept. The others return what a lease is made of.

use super::lease::Origin;
use super::{Acquired, Effects, ErrorOf, LeaseOf, Pool, Taken, Types};
use crate::contain::{Payload, contain, hold_through};
use crate::core::Who;
use crate::guard::Mode;
use crate::key::Query;
use crate::manage::Manage;
use crate::options::AcquireOptions;
use crate::reason::DropReason;
use crate::resource::Health;
use crate::time::Clock as _;

/// What a look for a warm resource came to, where there is more to do than to lease it.
pub(super) struct Found<T: Types> {
    taken: Option<Taken<T>>,
    effects: Option<Box<Effects<T>>>,
    /// What the resource said, if it was asked.
    health: Option<Result<Health, Payload>>,
    nanos: u64,
}

impl<T: Types> Pool<T> {
    #[inline(always)]
    pub(super) fn acquire_by<Q: Query<T::Key>>(
        &self,
        query: Q,
        options: Option<&AcquireOptions>,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        let hash = query.hash_with(&self.shell.hasher);
        match self.take(&query, hash) {
            Ok(taken) => {
                let lease = LeaseOf::new(self.clone(), taken, Origin::HIT);
                // Here, and not when this returns: were its drop to panic there, the lease would leak.
                drop(open);
                Ok(lease)
            }
            Err(found) => match self.acquire_slowly(query, hash, found, options, open) {
                Ok((taken, origin)) => Ok(LeaseOf::new(self.clone(), taken, origin)),
                Err(error) => Err(error),
            },
        }
    }

    /// Leases a warm resource of a key, if there is one, and opens nothing. `None` is counted neither as an acquire nor as
    /// a miss; what was found and was unfit, or had expired, is dropped.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_warm(&self, query: impl Query<T::Key>) -> Option<LeaseOf<T>> {
        self.find_fit(&query).ok()
    }

    /// A warm resource that is fit for use. `Err` has the query's hash, and why what was found was not fit.
    pub(super) fn find_fit<Q: Query<T::Key>>(
        &self,
        query: &Q,
    ) -> Result<LeaseOf<T>, (u64, Option<DropReason>)> {
        let hash = query.hash_with(&self.shell.hasher);
        match self.take(query, hash) {
            Ok(taken) => Ok(LeaseOf::new(self.clone(), taken, Origin::HIT)),
            Err(found) => self.take_fit(query, hash, found).map_err(|unfit| (hash, unfit)),
        }
    }

    /// Takes a warm resource. `Err` is for [`take_fit`](Pool::take_fit).
    #[inline(always)]
    fn take<Q: Query<T::Key>>(&self, query: &Q, hash: u64) -> Result<Taken<T>, Found<T>> {
        let shell = &*self.shell;
        if shell.needs_clock {
            return Err(self.look_for(query, hash, shell.clock.nanos()));
        }
        let who = Who(T::Mode::me());
        let mut core = shell.entered();
        let taken = core.take(hash, |key| query.is_key(key), who, 0);
        let effects = core.take_effects(who);
        drop(core);
        let Some(mut taken) = taken else {
            return Err(Found { taken: None, effects, health: None, nanos: 0 });
        };
        if !shell.is_finished(effects.as_deref()) {
            return Err(Found { taken: Some(taken), effects, health: None, nanos: 0 });
        }
        match contain(|| shell.manager.health(&mut taken.resource)) {
            Ok(Health::Reusable) => Ok(taken),
            bad => Err(Found { taken: Some(taken), effects: None, health: Some(bad), nanos: 0 }),
        }
    }

    /// Takes a warm resource at a time that matters.
    #[inline(never)]
    fn look_for<Q: Query<T::Key>>(&self, query: &Q, hash: u64, nanos: u64) -> Found<T> {
        let who = Who(T::Mode::me());
        let (taken, effects) = self.shell.enter(|core| core.take(hash, |key| query.is_key(key), who, nanos));
        Found { taken, effects, health: None, nanos }
    }

    /// Takes further warm resources of the key, until one is fit for use. Without one: why the last was not, if there was any.
    #[cold]
    #[inline(never)]
    fn take_fit<Q: Query<T::Key>>(
        &self,
        query: &Q,
        hash: u64,
        found: Found<T>,
    ) -> Result<LeaseOf<T>, Option<DropReason>> {
        let Found { mut taken, mut effects, mut health, nanos } = found;
        let mut unfit = None;
        while let Some(found) = taken {
            let mut lease = hold_through(self.lease(found), |_| self.shell.finish(effects));
            let health = health.take().unwrap_or_else(|| contain(|| lease.health()));
            match lease.if_fit(health, nanos) {
                Ok(lease) => return Ok(lease),
                Err(reason) => unfit = Some(reason),
            }
            Found { taken, effects, .. } = self.look_for(query, hash, nanos);
        }
        self.shell.finish(effects);
        Err(unfit)
    }

    /// The rest of an acquire that is not simply a hit. Without `options` it waits as long as pools do.
    #[cold]
    #[inline(never)]
    fn acquire_slowly<Q: Query<T::Key>>(
        &self,
        query: Q,
        hash: u64,
        found: Found<T>,
        options: Option<&AcquireOptions>,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<(Taken<T>, Origin), T> {
        let lease = match self.take_fit(&query, hash, found) {
            Ok(lease) => hold_through(lease, |_| drop(open)),
            Err(unfit) => self.miss(query, hash, unfit, options.unwrap_or(&AcquireOptions::new()), open)?,
        };
        Ok(lease.into_parts())
    }

    /// A lease on what was warm.
    pub(super) fn lease(&self, taken: Taken<T>) -> LeaseOf<T> {
        LeaseOf::new(self.clone(), taken, Origin::HIT)
    }
}
