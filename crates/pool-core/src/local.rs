//! The pool for one thread: the sequential core in a `RefCell`. Resources need not be `Send`.

mod builder;
mod lease;
mod opening;
mod step;
mod taking;

pub use builder::Builder;
pub use lease::Lease;

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use step::Postponed;
pub(crate) use step::reentered;

use crate::capacity::Capacity;
use crate::contain::in_drop;
use crate::error::AcquireError;
use crate::eviction::{Eviction, Recall};
use crate::imports::Imports;
use crate::key::{KeyHasher, Query};
use crate::observer::{Event, Observer};
use crate::process_memory::ProcessMemoryError;
use crate::resource::Resource;
use crate::state::State;
use crate::stats::Stats;
use crate::time::Clock;
use crate::usage::Usage;

type ProcessMemoryReader = Box<dyn Fn() -> Result<u64, ProcessMemoryError>>;

/// A keyed pool for one thread.
///
/// `K` names resources, `R` is what is pooled, `C` says how much may be held and `E` what goes first. The policies are
/// boxed unless [`Builder::static_policies`] is used.
///
/// Neither `Send` nor `Sync`, whatever it holds: see `tests/compile_fail`.
///
/// # Panics and re-entrance
/// The pool may be used from `open`, `health`, `weight`, observers and the `Drop` of resources and keys. It may not be
/// used from a policy, `share`, key equality or a key's `Clone`, which run inside its borrow: there every method
/// panics with a message that says so, and a lease that is dropped there is taken in as soon as the borrow ends.
///
/// When user code panics, the pool first finishes what it was doing, and then lets the panic go on. It is then as if
/// the resource concerned had been discarded; nothing else is lost. That holds also for an acquire in a destructor
/// while the thread unwinds: catch the panic there, or it ends the process. Only the destructors of leases and pools
/// hold a panic back while the thread unwinds.
pub struct Pool<K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    state: RefCell<State<K, R, C, E>>,
    /// Ends of leases that came while the state was borrowed.
    postponed: RefCell<Vec<Postponed<K, R>>>,
    any_postponed: Cell<bool>,
    hasher: KeyHasher,
    clock: Box<dyn Clock>,
    needs_clock: bool,
    max_idle: Option<u64>,
    observer: Option<Box<dyn Observer<K>>>,
    /// Only if the capacity policy wants it.
    process_memory: Option<ProcessMemoryReader>,
    local: PhantomData<Rc<()>>,
}

impl<K: Clone, R: Resource> Pool<K, R> {
    /// A pool that keeps at most `max_idle` idle resources and evicts what is worth least
    /// ([`Recall`]). 0 disables reuse.
    /// Nothing is allocated up front.
    #[must_use]
    pub fn with_max_idle(max_idle: u64) -> Self {
        Self::builder().capacity(crate::capacity::MaxIdle(max_idle)).build()
    }

    /// A pool with other policies, clock or observer.
    pub fn builder() -> Builder<K, R> {
        Builder::new(Recall::new())
    }
}

impl<R: Resource> Pool<Imports, R> {
    /// A [`builder`](Pool::builder) for import lists: its eviction policy sees which lists are alike
    /// ([`Recall::of_imports`]).
    pub fn imports_builder() -> Builder<Imports, R> {
        Builder::new(Recall::of_imports())
    }
}

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Leases the resource of a key: the one that was released last, if one is warm, else what `open` returns.
    ///
    /// `query` is a key or a borrowed form of it (see [`Query`]). On a hit nothing is opened, allocated or cloned, but that
    /// a lease on a *shared* resource needs a key of its own: give that a cheap `Clone`, as [`Imports`]
    /// has.
    /// On a miss, room is made first (victims are dropped before `open` runs), then `open` is called, once, outside
    /// the pool's borrow: it may use the pool. An acquire of the same key in there opens a second resource.
    ///
    /// # Errors
    /// [`AcquireError::Open`] with what `open` returned; [`AcquireError::Exhausted`] and [`AcquireError::Refused`] if
    /// the capacity policy lets nothing be opened, [`AcquireError::Memory`] if it could not be told what it wants to know. None of them is counted as an acquire.
    ///
    /// # Panics
    /// If user code does (see [`Pool`]), or when called from inside a policy.
    #[inline]
    pub fn acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, AcquireError<R::Error>>
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
            Err(found) => match self.acquire_slowly(query, hash, found, open) {
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

    /// Whether a resource of that key is warm: idle, or shared and leased. Nobody is asked for more than that: it may turn
    /// out to be unfit, to have expired, or to be shared no longer.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm<Q>(&self, query: &Q) -> bool
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        let (warm, aftermath) = self.enter(|state| state.is_warm(hash, |key| query.is_key(key)));
        self.finish(aftermath);
        warm
    }

    /// Drops all idle resources and returns how many they were. Leases go on, and may come back later.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn drain(&self) -> usize {
        let (count, aftermath) = self.enter(State::drain);
        self.finish(aftermath);
        count
    }

    /// Drops the idle resources that have expired ([`IdleTimeout`](crate::eviction::IdleTimeout),
    /// [`MaxAge`](crate::eviction::MaxAge)) and returns how many they were. Each acquire and release does so too; call
    /// this where a pool may lie unused for long.
    ///
    /// # Panics
    /// If a resource's `Drop` does, after all others have been dropped.
    pub fn evict_expired(&self) -> u64 {
        let nanos = self.nanos();
        let (count, aftermath) = self.enter(|state| state.evict_expired(nanos));
        self.finish(aftermath);
        count
    }

    /// Drops the idle resources that are stale, as `is_stale` says, and returns how many they were: for those who know that
    /// something has just made many of them so. Without it, each is found out when it is asked for.
    ///
    /// `is_stale` is called inside the pool's borrow: it must be quick, and must not use the pool. What is dropped is dropped
    /// outside.
    ///
    /// # Panics
    /// If `is_stale` does, once it has been asked about all others (what it panicked at stays); or if a resource's `Drop` does, after
    /// all others have been dropped.
    pub fn drop_stale(&self, is_stale: impl FnMut(&K, &R) -> bool) -> usize {
        let (count, aftermath) = self.enter(|state| state.drop_stale(is_stale));
        self.finish(aftermath);
        count
    }

    /// How many resources are idle.
    ///
    /// # Panics
    /// When called from inside a policy, as all the following.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.usage().idle).unwrap_or(usize::MAX)
    }

    /// Whether no resource is idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most resources that may be idle, if the capacity policy bounds their number.
    #[must_use]
    pub fn capacity(&self) -> Option<u64> {
        self.max_idle
    }

    /// What the pool holds now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.borrow().usage()
    }

    /// What the pool has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.borrow().stats()
    }

    /// Counts everything again and compares.
    ///
    /// # Panics
    /// If the pool's books are wrong, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_consistent(&self) {
        self.borrow().assert_consistent();
    }

    fn observe(&self, event: Event<'_, K>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }

    fn borrow(&self) -> Ref<'_, State<K, R, C, E>> {
        self.state.try_borrow().unwrap_or_else(|_| reentered())
    }
}

/// Drops what is idle as [`drain`](Pool::drain) does, and the remembered keys: the observer hears of each resource, and
/// a panic of one does not keep the others.
impl<K, R, C, E> Drop for Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        in_drop(|| {
            let ((), aftermath) = self.enter(State::clear);
            self.finish(aftermath);
        });
    }
}

impl<K, R, C, E> fmt::Debug for Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("Pool");
        pool.field("capacity", &self.max_idle);
        match self.state.try_borrow() {
            Ok(state) => {
                let Usage { idle, leased, opening, .. } = state.usage();
                pool.field("idle", &idle).field("leased", &leased).field("opening", &opening).finish()
            }
            Err(_) => pool.finish_non_exhaustive(),
        }
    }
}
