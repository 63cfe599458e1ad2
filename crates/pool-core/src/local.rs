//! The pool for one thread: the sequential core in a `RefCell`. Resources need not be `Send`.

mod builder;
mod lease;
mod reservation;

pub use builder::Builder;
pub use lease::Lease;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use reservation::Reservation;

use crate::aftermath::Aftermath;
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, in_drop};
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::key::{KeyHasher, Query};
use crate::observer::{Event, Observer};
use crate::resource::{Health, Resource};
use crate::state::{Denied, Ending, State, Taken};
use crate::stats::{DropReason, Stats};
use crate::time::Clock;
use crate::usage::{MAX_WEIGHT, Opened, Usage};

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
    local: PhantomData<Rc<()>>,
}

/// The end of a lease that has yet to be taken in: whose, with what, how and when.
type Postponed<K, R> = (EntryId, (K, R), Ending, u64);

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
    #[inline]
    pub fn acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, AcquireError<R::Error>>
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash(&self.hasher);
        match self.take_fit(query, hash) {
            Ok(lease) => {
                // Here, and not when this returns: were its drop to panic there, the lease would leak.
                drop(open);
                Ok(lease)
            }
            Err(unfit) => self.open(query, hash, unfit, open),
        }
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

    /// Whether a resource of that key is warm: idle, or shared and leased. The resource itself is not asked, neither for
    /// its health nor whether it can still be shared.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm<Q>(&self, query: &Q) -> bool
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash(&self.hasher);
        let (warm, aftermath) = self.enter(|state| state.is_warm(hash, |key| query.matches(key)));
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

    /// Takes warm resources of a key until one is fit for use. Without one: why the last was not, if there was any.
    #[inline]
    fn take_fit<Q>(&self, query: &Q, hash: u64) -> Result<Lease<'_, K, R, C, E>, Option<DropReason>>
    where
        Q: Query<K> + ?Sized,
    {
        let nanos = self.nanos();
        let mut unfit = None;
        loop {
            let (taken, aftermath) = self.enter(|state| state.take(hash, |key| query.matches(key), nanos));
            let Some(Taken { entry, key, resource }) = taken else {
                self.finish(aftermath);
                return Err(unfit);
            };
            let lease = Lease::new(self, entry, key, resource, true);
            let lease = self.finish_before(lease, |_| self.finish(aftermath));
            match contain(|| lease.health()) {
                Ok(Health::Reusable) => return Ok(lease),
                bad => unfit = Some(lease.end_unfit(bad, nanos)),
            }
        }
    }

    /// The rest of [`acquire`](Pool::acquire), after a miss. `unfit` is why a resource that was found was dropped.
    #[cold]
    fn open<Q>(
        &self,
        query: &Q,
        hash: u64,
        unfit: Option<DropReason>,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, AcquireError<R::Error>>
    where
        Q: Query<K> + ?Sized,
    {
        let key = query.to_key();
        let reservation = match self.reserve(query, hash, key.clone(), unfit) {
            Ok(reservation) => reservation,
            Err(denied) => {
                self.observe(Event::Refused { key: &key, by: denied.by() });
                drop(key);
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
                drop(key);
                return Err(AcquireError::Open(error));
            }
        };
        let cost_nanos = self.clock.nanos().saturating_sub(start);
        let measured = contain(|| {
            let weight = resource.weight().min(MAX_WEIGHT);
            let opened = Opened { cost_nanos, weight, residue: resource.residue() };
            // If the resource is shared, the pool keeps one handle and the lease has the other.
            (opened, resource.share().map(|handle| (key.clone(), handle)), self.nanos())
        });
        match measured {
            Ok((opened, prototype, nanos)) => {
                Ok(reservation.commit((key, resource), prototype, opened, nanos))
            }
            Err(payload) => {
                // One by one: two panics at once would end the process.
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.contain(|| drop(resource));
                panics.contain(|| drop(key));
                panics.contain(|| drop(reservation));
                panics.resume();
                unreachable!("the panic that was kept has gone on")
            }
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
        let (reserved, aftermath) =
            self.enter(|state| state.reserve(hash, |key| query.matches(key), name, unfit, nanos));
        let reservation = reserved.map(|done| done.map(|reserved| Reservation::new(self, reserved)));
        self.finish(aftermath);
        reservation.expect("nothing is reserved only if a panic was contained, and that has gone on")
    }

    /// Ends a lease, or puts that off if it happens inside the pool's own borrow.
    #[inline]
    fn end(&self, entry: EntryId, value: (K, R), ending: Ending, nanos: u64) {
        let Ok(state) = self.state.try_borrow_mut() else {
            return self.postpone((entry, value, ending, nanos));
        };
        let ((), aftermath) = Self::step(state, |state| state.end(entry, value, ending, nanos));
        self.finish(aftermath);
    }

    #[cold]
    fn postpone(&self, end: Postponed<K, R>) {
        self.postponed.borrow_mut().push(end);
        self.any_postponed.set(true);
    }

    /// Nanoseconds for policies: read before the borrow, and only if they want them.
    fn nanos(&self) -> u64 {
        if self.needs_clock { self.clock.nanos() } else { 0 }
    }

    /// One step of the core. What comes back is consistent, but has to be [finished](Pool::finish).
    #[inline]
    fn enter<T>(&self, step: impl FnOnce(&mut State<K, R, C, E>) -> T) -> (T, Option<Box<Aftermath<K, R>>>) {
        Self::step(self.state.try_borrow_mut().unwrap_or_else(|_| reentered()), step)
    }

    #[inline]
    fn step<T>(
        mut state: RefMut<'_, State<K, R, C, E>>,
        step: impl FnOnce(&mut State<K, R, C, E>) -> T,
    ) -> (T, Option<Box<Aftermath<K, R>>>) {
        let result = step(&mut state);
        (result, state.take_aftermath())
    }

    /// Does, with the borrow over, what a step left to do.
    #[inline]
    fn finish(&self, aftermath: Option<Box<Aftermath<K, R>>>) {
        match aftermath {
            Some(aftermath) => self.finish_slowly(*aftermath),
            None if self.any_postponed.get() => self.finish_slowly(Aftermath::none()),
            None => {}
        }
    }

    /// Runs `rest` while `lease` waits to be handed out. If that panics, it is not the resource's fault: the lease ends
    /// in order, and its resource stays in the pool.
    #[inline]
    fn finish_before<'p>(
        &self,
        lease: Lease<'p, K, R, C, E>,
        rest: impl FnOnce(&Lease<'p, K, R, C, E>),
    ) -> Lease<'p, K, R, C, E> {
        match contain(|| rest(&lease)) {
            Ok(()) => lease,
            Err(payload) => {
                let mut panics = Panics::default();
                panics.keep(payload);
                panics.contain(|| drop(lease));
                panics.resume();
                unreachable!("the panic that was kept has gone on")
            }
        }
    }

    #[cold]
    fn finish_slowly(&self, aftermath: Aftermath<K, R>) {
        let Aftermath { resources, keys, mut panics } = aftermath;
        for victim in resources {
            if let (Some(key), Some(reason)) = (&victim.key, victim.reason) {
                panics.contain(|| self.observe(Event::Dropped { key, reason }));
            }
            panics.contain(|| drop(victim.resource));
            panics.contain(|| drop(victim.key));
        }
        for key in keys {
            panics.contain(|| drop(key));
        }
        self.any_postponed.set(false);
        for (entry, value, ending, nanos) in self.postponed.take() {
            panics.contain(|| self.end(entry, value, ending, nanos));
        }
        panics.resume();
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
