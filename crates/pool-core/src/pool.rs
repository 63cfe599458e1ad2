//! What the pool for one thread and the pool for many are: [`Pool`], its [`Builder`], and its leases, [`LeaseOf`].
//!
//! [`local`](crate::local) and [`sync`](crate::sync) are this shell with names for its two modes. Use those.

// It decides nothing. It enters the core, and carries out what an event leaves to do once it is outside again: user code (open,
// health, weight, destructors, observers, the clock) never runs inside. Each half-finished step is a value whose
// `Drop` ends it: `Waiting` (a place in the queue), `Place` (room to open), `LeaseOf`.

mod acquire;
mod builder;
mod closing;
mod effects;
mod emptying;
mod hit;
mod lease;
mod miss;
mod place;
pub(crate) mod prewarm;
mod waiting;

pub use builder::Builder;
pub use lease::LeaseOf;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use effects::Postponed;

use crate::capacity::Capacity;
use crate::contain::in_drop;
use crate::core::Core;
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::guard::{Guard, Mode};
use crate::key::{KeyHasher, Query};
use crate::observer::{Event, Observer as _};
use crate::resource::Resource;
use crate::stats::Stats;
use crate::sync::AtomicBool;
use crate::usage::Usage;

/// What an open failed with, for all who waited for it.
pub(crate) type Failure<R> = Arc<<R as Resource>::Error>;

/// A lease that borrows its pool.
pub(crate) type Borrowed<'p, K, R, C, E, M> = LeaseOf<&'p Pool<K, R, C, E, M>, K, R, C, E, M>;

/// The result of an acquire, in whatever form what was acquired is.
pub(crate) type Acquired<T, R> = Result<T, AcquireError<<R as Resource>::Error>>;

/// The core that this shell is around.
type Inner<K, R, C, E> = Core<K, R, Failure<R>, C, E>;

/// Access to it.
type Entered<'a, K, R, C, E, M> =
    <<M as Mode>::Guard<Inner<K, R, C, E>> as Guard<Inner<K, R, C, E>>>::Entered<'a>;

/// A keyed pool. Its two kinds are [`local::Pool`](crate::local::Pool), for one thread, and [`sync::Pool`](crate::sync::Pool), for
/// many: what both can do is here.
///
/// `K` names resources, `R` is what is pooled, `C` says how much may be held and `E` what goes first. The policies are
/// boxed unless [`Builder::static_policies`] is used.
///
/// # Panics and re-entrance
/// The pool may be used from `open`, `health`, `weight`, observers and the `Drop` of resources and keys. It may not be
/// used from a policy, key equality, or the `Clone` of a shared resource or its key, which run inside its borrow or lock: there every
/// method panics with a message that says so, and a lease that is dropped there is taken in as soon as the borrow or lock ends.
///
/// When user code panics, the pool first finishes what it was doing, and then lets the panic go on. It is then as if
/// the resource concerned had been discarded; nothing else is lost, and nobody is left waiting. That holds also for an acquire in a
/// destructor while the thread unwinds: catch the panic there, or it ends the process. Only the destructors of leases and pools
/// hold a panic back while the thread unwinds. A panic in a policy goes on in the thread whose step it was.
pub struct Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    core: M::Guard<Inner<K, R, C, E>>,
    /// Ends of leases that came from inside.
    postponed: M::Guard<Vec<Postponed<K, R>>>,
    any_postponed: AtomicBool,
    hasher: KeyHasher,
    clock: Box<M::Clock>,
    needs_clock: bool,
    max_idle: Option<u64>,
    share: Option<fn(&R) -> R>,
    observer: Option<Box<M::Observer<K>>>,
    /// Only if the capacity policy wants it.
    process_memory: Option<Box<M::ReadMemory>>,
    mode: PhantomData<M>,
}

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// Whether a resource of that key is warm: idle, or shared and leased. Nobody is asked for more than that: it may turn
    /// out to be unfit, or to have expired; and another thread may take it.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm<Q>(&self, query: &Q) -> bool
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        self.enter_and_finish(|core| core.is_warm(hash, |key| query.is_key(key)))
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

    /// What the pool holds now, and how many wait for it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.look(Core::usage)
    }

    /// What the pool has done so far. Takes as long as a copy of a few hundred bytes: no acquire waits for more
    /// than that, whatever user code is running.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.look(Core::stats)
    }

    /// Checks by brute force what always holds between events, as far as no policy has to be asked.
    ///
    /// # Panics
    /// If it doesn't, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_sound(&self) {
        self.look(Core::assert_sound);
    }

    /// Checks by brute force what only the capacity policy can tell. `gives_up` says that the eviction policy always names a
    /// victim where something is idle.
    ///
    /// # Panics
    /// If somebody waits who could be served, or something is idle that no limit allows, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_served(&self, gives_up: bool) {
        self.look(|core| core.assert_served(gives_up));
    }

    /// Who waits for what, a line each.
    #[doc(hidden)]
    pub fn describe(&self) -> String {
        self.look(Core::describe)
    }

    fn observe(&self, event: Event<'_, K>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

/// Drops what is idle as [`drain`](Pool::drain) does, and the remembered keys: the observer hears of each resource, and
/// a panic of one does not keep the others.
impl<K, R, C, E, M> Drop for Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn drop(&mut self) {
        in_drop(|| self.enter_and_finish(Core::clear));
    }
}

impl<K, R, C, E, M> fmt::Debug for Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("Pool");
        pool.field("capacity", &self.max_idle);
        let Some(core) = self.core.enter() else { return pool.finish_non_exhaustive() };
        let (Usage { idle, leased, opening, dropping, waiting, .. }, closed) =
            (core.usage(), core.is_closed());
        drop(core);
        pool.field("idle", &idle).field("leased", &leased).field("opening", &opening);
        pool.field("dropping", &dropping).field("waiting", &waiting).field("closed", &closed).finish()
    }
}
