//! The pool for one thread: the sequential core in a `RefCell`. Resources need not be `Send`.

mod builder;
mod lease;
mod reservation;

pub use builder::Builder;
pub use lease::Lease;

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use reservation::Reservation;

use crate::capacity::Capacity;
use crate::contain::Panics;
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::key::{KeyHasher, Query};
use crate::observer::{Event, Observer};
use crate::resource::{Health, Resource};
use crate::state::{Denied, Ending, State};
use crate::stats::{DropReason, Stats};
use crate::time::Clock;
use crate::usage::{MAX_WEIGHT, Opened, Usage};
use crate::victims::Victims;

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
/// the resource concerned had been discarded; nothing else is lost.
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
    observer: Option<Box<dyn Observer<K>>>,
    local: PhantomData<Rc<()>>,
}

/// The end of a lease that has yet to be taken in: whose, with what, how and when.
type Postponed<K, R> = (EntryId, (K, R), Ending, u64);

/// What is left to do when the borrow is over.
#[must_use = "victims are dropped and panics go on in `Pool::finish`"]
struct Aftermath<K, R> {
    victims: Victims<K, R>,
    panics: Panics,
}

impl<K: Clone, R: Resource> Pool<K, R> {
    /// A pool that keeps at most `max_idle` idle resources and evicts the least recently used. 0 disables reuse.
    /// Nothing is allocated up front.
    #[must_use]
    pub fn with_max_idle(max_idle: u64) -> Self {
        Self::builder().capacity(crate::capacity::MaxIdle(max_idle)).build()
    }

    /// A pool with other policies, clock or observer.
    pub fn builder() -> Builder<K, R> {
        Builder::new()
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
    /// `query` is a key or a borrowed form of it (see [`Query`]). On a hit nothing is allocated, cloned or opened.
    /// On a miss, room is made first (victims are dropped before `open` runs), then `open` is called, once, outside
    /// the pool's borrow: it may use the pool. An acquire of the same key in there opens a second resource.
    ///
    /// # Errors
    /// [`AcquireError::Open`] with what `open` returned; [`AcquireError::Exhausted`] and [`AcquireError::Refused`] if
    /// the capacity policy lets nothing be opened. None of them is counted as an acquire.
    ///
    /// # Panics
    /// If user code does (see [`Pool`]), or when called from inside a policy.
    pub fn acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, AcquireError<R::Error>>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash(&self.hasher);
        let unfit = match self.take_fit(query, hash) {
            Ok(lease) => return Ok(lease),
            Err(unfit) => unfit,
        };
        let key = query.to_key();
        let reservation = match self.reserve(query, hash, key.clone(), unfit) {
            Ok(reservation) => reservation,
            Err(denied) => {
                self.observe(Event::Refused { key: &key, by: denied.by() });
                return Err(match denied {
                    Denied::Exhausted { by, usage } => AcquireError::Exhausted { by, usage },
                    Denied::Refused { by, usage } => AcquireError::Refused { by, usage },
                });
            }
        };
        let start = self.clock.nanos();
        let resource = match open(&key) {
            Ok(resource) => resource,
            Err(error) => {
                drop(reservation);
                self.observe(Event::OpenFailed { key: &key });
                return Err(AcquireError::Open(error));
            }
        };
        let cost_nanos = self.clock.nanos().saturating_sub(start);
        let weight = resource.weight().min(MAX_WEIGHT);
        let opened = Opened { cost_nanos, weight, residue: resource.residue() };
        Ok(reservation.commit(key, resource, opened))
    }

    /// Leases a warm resource of a key, if there is one; opens nothing, and counts nothing if there is none.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_warm<Q>(&self, query: &Q) -> Option<Lease<'_, K, R, C, E>>
    where
        Q: Query<K> + ?Sized,
    {
        self.take_fit(query, query.hash(&self.hasher)).ok()
    }

    /// Whether a resource of that key is warm: idle, or shared and leased. Its health is not asked.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm<Q>(&self, query: &Q) -> bool
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash(&self.hasher);
        let (warm, aftermath) = self.enter(|state, _| state.is_warm(hash, |key| query.matches(key)));
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
        let (count, aftermath) = self.enter(|state, victims| state.evict_expired(nanos, victims));
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
        self.borrow().capacity().max_idle()
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

    /// Takes warm resources of a key until one is fit for use. Without one: why the last was not, if there was any.
    fn take_fit<Q>(&self, query: &Q, hash: u64) -> Result<Lease<'_, K, R, C, E>, Option<DropReason>>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let mut unfit = None;
        loop {
            let (taken, aftermath) =
                self.enter(|state, victims| state.take(hash, |key| query.matches(key), nanos, victims));
            // The lease comes first: should the rest panic, it ends in order.
            let lease = taken.map(|taken| Lease::new(self, taken.entry, taken.key, taken.resource, true));
            self.finish(aftermath);
            let Some(mut lease) = lease else { return Err(unfit) };
            let mut panics = Panics::default();
            let reason = match panics.contain(|| lease.health()) {
                Some(Health::Reusable) => return Ok(lease),
                Some(Health::Stale) => DropReason::Stale,
                Some(Health::Broken) => DropReason::Broken,
                None => DropReason::Panicked,
            };
            lease.end(Ending::Unfit(reason), nanos);
            panics.resume();
            unfit = Some(reason);
        }
    }

    fn reserve<Q>(
        &self,
        query: &Q,
        hash: u64,
        name: K,
        unfit: Option<DropReason>,
    ) -> Result<Reservation<'_, K, R, C, E>, Denied>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let (reserved, aftermath) = self.enter(|state, victims| {
            state.reserve(hash, |key| query.matches(key), name, unfit, nanos, victims)
        });
        let reservation = reserved.map(|done| done.map(|reserved| Reservation::new(self, reserved)));
        self.finish(aftermath);
        reservation.expect("nothing is reserved only if a panic was contained, and that has gone on")
    }

    /// Ends a lease, or puts that off if it happens inside the pool's own borrow.
    fn end(&self, entry: EntryId, value: (K, R), ending: Ending, nanos: u64) {
        let Ok(state) = self.state.try_borrow_mut() else {
            self.postponed.borrow_mut().push((entry, value, ending, nanos));
            self.any_postponed.set(true);
            return;
        };
        let ((), aftermath) =
            Self::step(state, |state, victims| state.end(entry, value, ending, nanos, victims));
        self.finish(aftermath);
    }

    /// Nanoseconds for policies: read before the borrow, and only if they want them.
    fn nanos(&self) -> u64 {
        if self.needs_clock { self.clock.nanos() } else { 0 }
    }

    /// One step of the core. What comes back is consistent, but has to be [finished](Pool::finish).
    fn enter<T>(
        &self,
        step: impl FnOnce(&mut State<K, R, C, E>, &mut Victims<K, R>) -> T,
    ) -> (T, Aftermath<K, R>) {
        Self::step(self.state.try_borrow_mut().unwrap_or_else(|_| reentered()), step)
    }

    fn step<T>(
        state: RefMut<'_, State<K, R, C, E>>,
        step: impl FnOnce(&mut State<K, R, C, E>, &mut Victims<K, R>) -> T,
    ) -> (T, Aftermath<K, R>) {
        // Declared before the borrow, so that it is dropped after it, whatever happens.
        let mut victims = Victims::new();
        let mut state = state;
        let result = step(&mut state, &mut victims);
        let panics = state.take_panics();
        (result, Aftermath { victims, panics })
    }

    /// Runs, with the borrow over, what a step left to do.
    fn finish(&self, aftermath: Aftermath<K, R>) {
        if aftermath.victims.is_empty() && !aftermath.panics.any() && !self.any_postponed.get() {
            return;
        }
        self.finish_slowly(aftermath);
    }

    #[cold]
    fn finish_slowly(&self, aftermath: Aftermath<K, R>) {
        let Aftermath { victims, mut panics } = aftermath;
        for victim in victims.resources {
            if let (Some(key), Some(reason)) = (&victim.key, victim.reason) {
                panics.contain(|| self.observe(Event::Dropped { key, reason }));
            }
            panics.contain(|| drop(victim.resource));
            panics.contain(|| drop(victim.key));
        }
        for key in victims.keys {
            panics.contain(|| drop(key));
        }
        self.any_postponed.set(false);
        let postponed = self.postponed.take();
        for (entry, value, ending, nanos) in postponed {
            panics.contain(|| self.end(entry, value, ending, nanos));
        }
        panics.resume();
    }

    fn observe(&self, event: Event<'_, K>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }

    fn borrow(&self) -> std::cell::Ref<'_, State<K, R, C, E>> {
        self.state.try_borrow().unwrap_or_else(|_| reentered())
    }
}

/// Drops what is idle as [`drain`](Pool::drain) does: each one is told to the observer, and a panic of one does not
/// keep the others.
impl<K, R, C, E> Drop for Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        self.drain();
    }
}

#[cold]
fn reentered() -> ! {
    panic!(
        "the pool was used from inside itself: from a policy, `share`, or a key's `Eq` or `Clone`; \
         those must not call the pool"
    )
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
        match self.state.try_borrow() {
            Ok(state) => {
                let Usage { idle, leased, opening, .. } = state.usage();
                pool.field("capacity", &state.capacity().max_idle());
                pool.field("idle", &idle).field("leased", &leased).field("opening", &opening).finish()
            }
            Err(_) => pool.finish_non_exhaustive(),
        }
    }
}
