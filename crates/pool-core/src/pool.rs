//! What the pool for one thread and the pool for many are: [`Pool`], its [`Builder`], its leases, [`LeaseOf`], and places to
//! be filled, [`PlaceOf`].
//!
//! [`local`](crate::local) and [`sync`](crate::sync) are this shell with names for its two modes. Use those.

// It decides nothing. It enters the core, and carries out what an event leaves to do once it is outside again: user code (open,
// health, weight, destructors, observers, the clock) never runs inside. Each half-finished step is a value whose
// `Drop` ends it: `Waiting` (a place in the queue), `Reservation` (room to open), `LeaseOf`.

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
mod request;
mod turn;
mod waiting;

pub use builder::Builder;
pub use lease::LeaseOf;
pub use place::PlaceOf;
pub use request::{Granted, Request};

use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use effects::Postponed;

use crate::capacity::{Bounds, Capacity, MostOpening};
use crate::contain::in_drop;
use crate::core::Core;
use crate::error::AcquireError;
use crate::eviction::Eviction;
use crate::guard::{Guard, Mode};
use crate::key::{KeyHasher, Query};
use crate::manage::Manage;
use crate::observer::{Event, Observer as _};
use crate::stats::Stats;
use crate::sync::AtomicBool;
use crate::usage::Usage;

/// What a pool is made of. [`TypesOf`] names all of it.
pub trait Types: sealed::Sealed {
    /// Names resources, also in errors.
    type Key: Clone + fmt::Debug;
    /// What is pooled.
    type Resource;
    /// What is asked of resources.
    type Manager: Manage<Self::Resource>;
    /// How much may be held.
    type Capacity: Capacity;
    /// What goes first.
    type Eviction: Eviction<Self::Key>;
    /// One thread, or many.
    type Mode: Mode;
}

/// Keys `K`, resources `R` that `H` manages, limits `C`, eviction `E`, mode `M`.
#[derive(Debug)]
#[allow(clippy::type_complexity, reason = "a list of parameters")]
pub struct TypesOf<K, R, H, C, E, M>(PhantomData<fn() -> (K, R, H, C, E, M)>);

/// The same with other policies.
type WithPolicies<T, C, E> =
    TypesOf<<T as Types>::Key, <T as Types>::Resource, <T as Types>::Manager, C, E, <T as Types>::Mode>;

impl<K, R, H, C, E, M> Types for TypesOf<K, R, H, C, E, M>
where
    K: Clone + fmt::Debug,
    H: Manage<R>,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    type Key = K;
    type Resource = R;
    type Manager = H;
    type Capacity = C;
    type Eviction = E;
    type Mode = M;
}

mod sealed {
    pub trait Sealed {}
    impl<K, R, H, C, E, M> Sealed for super::TypesOf<K, R, H, C, E, M> {}
}

/// What an open fails with.
pub type ErrorOf<T> = <<T as Types>::Manager as Manage<<T as Types>::Resource>>::Error;

/// What an open failed with, for all who waited for it.
type Failure<T> = Arc<ErrorOf<T>>;

/// The result of an acquire, in whatever form what was acquired is.
pub(crate) type Acquired<A, T> = Result<A, AcquireError<ErrorOf<T>>>;

/// The core that this shell is around.
type Inner<T> =
    Core<<T as Types>::Key, <T as Types>::Resource, Failure<T>, Limits<T>, <T as Types>::Eviction>;

type Limits<T> = MostOpening<<T as Types>::Capacity>;

/// What an event left to do.
type Effects<T> = crate::core::Effects<<T as Types>::Key, <T as Types>::Resource>;

/// How a handle of a shared resource is made.
type Share<T> = fn(&<T as Types>::Resource) -> <T as Types>::Resource;

/// What a lease is made of.
type Taken<T> = crate::core::Taken<<T as Types>::Key, <T as Types>::Resource>;

/// Access to the core.
type Entered<'a, T> = <GuardOf<T, Inner<T>> as Guard<Inner<T>>>::Entered<'a>;
type GuardOf<T, A> = <<T as Types>::Mode as Mode>::Guard<A>;
type SleepOf<T> = <<T as Types>::Mode as Mode>::Sleep;

/// A keyed pool: a handle, of which any number may be had by cloning. Its two kinds are [`local::Pool`](crate::local::Pool), for one
/// thread, and [`sync::Pool`](crate::sync::Pool), for many: what both can do is here.
///
/// The pool lives as long as a handle or a lease does. With the last of them it drops what is idle, as [`drain`](Pool::drain)
/// does. (A resource that holds a handle of its own pool keeps both alive: close the pool to end that.)
///
/// The policies are boxed unless [`Builder::static_policies`] is used.
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
pub struct Pool<T: Types> {
    pub(crate) shell: <T::Mode as Mode>::Ref<Shell<T>>,
}

/// What all handles and leases of a pool refer to.
#[doc(hidden)]
pub struct Shell<T: Types> {
    core: GuardOf<T, Inner<T>>,
    /// Ends of leases that came from inside.
    postponed: GuardOf<T, Vec<Postponed<T>>>,
    any_postponed: AtomicBool,
    hasher: KeyHasher,
    manager: T::Manager,
    clock: Box<<T::Mode as Mode>::Clock>,
    needs_clock: bool,
    /// Whether leases on what was just opened are timed.
    times_holds: bool,
    needs_process_memory: AtomicBool,
    max_opening: u64,
    max_wait: Option<Duration>,
    share: Option<Share<T>>,
    observer: Option<Box<<T::Mode as Mode>::Observer<T::Key>>>,
    process_memory: Option<Box<<T::Mode as Mode>::ReadMemory>>,
}

impl<T: Types> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shell: self.shell.clone() }
    }
}

// A panic in user code leaves the pool sound: see "Panics and re-entrance".
impl<T: Types> UnwindSafe for Pool<T> {}
impl<T: Types> RefUnwindSafe for Pool<T> {}

impl<T: Types> Pool<T> {
    /// Whether a resource of that key is warm: idle, or shared and leased. Nobody is asked for more than that: it may turn
    /// out to be unfit, or to have expired; and another thread may take it.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm(&self, query: impl Query<T::Key>) -> bool {
        let hash = query.hash_with(&self.shell.hasher);
        self.shell.enter_and_finish(|core| core.is_warm(hash, |key| query.is_key(key)))
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

    /// What the pool has room for, as its capacity policy bounds it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.shell.look(Core::bounds)
    }

    /// What the pool holds now, and how many wait for it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.shell.look(Core::usage)
    }

    /// What the pool has done so far. Takes as long as a copy of a few hundred bytes: no acquire waits for more
    /// than that, whatever user code is running.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shell.look(Core::stats)
    }

    /// Checks by brute force what always holds between events, as far as no policy has to be asked.
    ///
    /// # Panics
    /// If it doesn't, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_sound(&self) {
        self.shell.look(Core::assert_sound);
    }

    /// Checks by brute force what only the capacity policy can tell. `gives_up` says that the eviction policy always names a
    /// victim where something is idle.
    ///
    /// # Panics
    /// If somebody waits who could be served, or something is idle that no limit allows, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_served(&self, gives_up: bool) {
        self.shell.look(|core| core.assert_served(gives_up));
    }

    #[cfg(test)]
    pub(crate) fn tamper(&self, with: impl FnOnce(&mut Inner<T>)) {
        with(&mut self.shell.entered());
    }

    /// Who waits for what, a line each.
    #[doc(hidden)]
    pub fn describe(&self) -> String {
        self.shell.look(Core::describe)
    }

    /// Whether both are handles of the same pool.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        T::Mode::ptr_eq(&self.shell, &other.shell)
    }
}

impl<T: Types> Shell<T> {
    fn observe(&self, event: Event<'_, T::Key>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

/// Drops what is idle as [`drain`](Pool::drain) does, and the remembered keys: the observer hears of each resource, and
/// a panic of one does not keep the others.
impl<T: Types> Drop for Shell<T> {
    fn drop(&mut self) {
        in_drop(|| self.enter_and_finish(Core::clear));
    }
}

impl<T: Types> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("Pool");
        let Some(core) = self.shell.core.enter() else { return pool.finish_non_exhaustive() };
        pool.field("capacity", &core.bounds().entries);
        let (Usage { idle, leased, opening, dropping, waiting, .. }, closed) =
            (core.usage(), core.is_closed());
        drop(core);
        pool.field("idle", &idle).field("leased", &leased).field("opening", &opening);
        pool.field("dropping", &dropping).field("waiting", &waiting).field("closed", &closed).finish()
    }
}
