//! The pool for many threads: the sequential core behind one lock, and those who wait for it.
//!
//! Resources must be `Send`. All user code runs outside the lock, but `share`, key equality and policies; what leaves the
//! pool is dropped outside as well.
//!
//! # Who is served when
//! An acquire that finds nothing warm and no room to open waits, if its [`Patience`] allows: [`acquire`](Pool::acquire) for
//! as long as it takes.
//!
//! - Whenever a lease or an open ends, what has become free is given to those who wait, in the order in which they came: to
//!   each what it can take. That is a resource of its key, or room to open one; room is made by eviction where that helps.
//!   It is given by name, under the lock, and one thread is woken for each: nobody else can snatch it, and nothing is
//!   left that somebody who waits could take.
//! - So who waits for one key does not hold up who waits for another and can be served; and who comes later may be served
//!   before one who can't be. But nobody is passed over more than 64 times by others who take what it needs room for: from then
//!   on, all who came after it wait until it has been served, also for what is warm. So nobody starves, as
//!   long as leases end. (A thread that acquires while it holds a lease may wait for itself, as with any lock: give it a
//!   timeout, or acquire in one order.)
//! - Who gives up, because its time is over or it was cancelled, leaves the queue; what it was given at that very moment it
//!   takes.
//!
//! # One open for all
//! With [`Resource::SHAREABLE`], acquires of a key that is being opened wait for that open, and each gets a handle. If it
//! fails, all of them get the same error, and the next acquire tries again. If it panics, the panic goes on in its own thread, and
//! the next in the queue opens with the closure that it brought itself. Other resources are opened side by side, within the limits, unless
//! [`Builder::create_or_wait`] says otherwise.
//!
//! # Async
//! Acquiring blocks the thread. From async code, do it where that is allowed, and take an [`OwnedLease`] with you:
//!
//! ```
//! use std::sync::Arc;
//! use pool_core::sync::{CancellationToken, OwnedLease, Pool};
//! # struct Solver;
//! # impl pool_core::Resource for Solver { type Error = std::convert::Infallible; }
//!
//! async fn solver(pool: &Arc<Pool<String, Solver>>, theory: String) -> OwnedLease<String, Solver> {
//!     let (pool, token) = (Arc::clone(pool), CancellationToken::new());
//!     let task = {
//!         let token = token.clone();
//!         tokio::task::spawn_blocking(move || {
//!             let lease = pool.acquire_cancellable(&theory, &token, |_| Ok(Solver)).unwrap();
//!             pool.own(lease)
//!         })
//!     };
//!     // If this future is dropped, the acquire ends, too: its thread must not wait for nobody.
//!     let _guard = CancelOnDrop(token);
//!     task.await.unwrap()
//! }
//!
//! struct CancelOnDrop(CancellationToken);
//! impl Drop for CancelOnDrop {
//!     fn drop(&mut self) {
//!         self.0.cancel();
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let pool = Arc::new(Pool::with_max_idle(8));
//! # assert!(!solver(&pool, "arrays".to_owned()).await.was_hit());
//! # assert!(solver(&pool, "arrays".to_owned()).await.was_hit());
//! # });
//! ```

mod acquiring;
mod broken;
mod builder;
mod create_or_wait;
mod desk;
mod emptying;
mod lease;
mod lock;
mod opening;
mod patience;
mod prewarm;
mod queue;
mod serving;
mod step;
mod taking;
mod token;
mod waiting;

pub use builder::Builder;
pub use create_or_wait::{CreateOrWait, OpenNow, Queue, WaitIfCheaper};
pub use lease::{Lease, LeaseOf, OwnedLease};
pub use patience::Patience;
pub use prewarm::{Job, Prewarmed, Prewarming};
pub use token::CancellationToken;

#[cfg(any(pool_loom, pool_shuttle))]
#[doc(hidden)]
pub mod models {
    //! What the models switch.

    /// Makes one mistake from here on, on this thread; 0 for none.
    pub fn make_mistake(mistake: u8) {
        super::broken::MISTAKE.with(|made| made.set(mistake));
    }
}

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use desk::Desk;
use lock::Lock;
use step::Postponed;

use crate::capacity::Capacity;
use crate::contain::in_drop;
use crate::error::AcquireError;
use crate::eviction::{Eviction, Recall};
use crate::imports::Imports;
use crate::key::{KeyHasher, Query};
use crate::observer::{Event, Observer};
use crate::process_memory::ProcessMemoryError;
use crate::resource::Resource;
use crate::stats::Stats;
use crate::time::Clock;
use crate::usage::Usage;

type ProcessMemoryReader = Box<dyn Fn() -> Result<u64, ProcessMemoryError> + Send + Sync>;
type AnyObserver<K> = Box<dyn Observer<K> + Send + Sync>;
type AnyClock = Box<dyn Clock + Send + Sync>;
/// What an open failed with, which all who waited for it get.
type Failure<R> = AcquireError<Arc<<R as Resource>::Error>>;

/// A keyed pool for many threads. See the [module](self) for who is served when.
///
/// `K` names resources, `R` is what is pooled, `C` says how much may be held and `E` what goes first. The policies are
/// boxed unless [`Builder::static_policies`] is used.
///
/// # Panics and re-entrance
/// As for the [pool for one thread](crate::local::Pool): the pool may be used from `open`, `health`, `weight`, observers and
/// destructors, and not from a policy, `share`, key equality or a key's `Clone`, where every method panics and a lease that is
/// dropped is taken in as soon as the lock is released. A panic of user code leaves nobody waiting and
/// loses no place: the step is finished first. A panic in a policy goes on in the thread whose step it was.
pub struct Pool<K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    desk: Lock<Desk<K, R, C, E>>,
    /// Ends of leases that came from inside the lock.
    postponed: Lock<Vec<Postponed<K, R>>>,
    any_postponed: AtomicBool,
    hasher: KeyHasher,
    clock: AnyClock,
    needs_clock: bool,
    needs_hold_times: bool,
    max_idle: Option<u64>,
    observer: Option<AnyObserver<K>>,
    /// Only if the capacity policy wants it.
    process_memory: Option<ProcessMemoryReader>,
}

impl<K: Clone + Eq, R: Resource> Pool<K, R> {
    /// A pool that keeps at most `max_idle` idle resources and evicts what is worth least
    /// ([`Recall`]). 0 disables reuse. What is live is not limited, so nobody waits but for an open that is shared.
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
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Whether a resource of that key is warm: idle, or shared and leased. Nobody is asked for more than that: it may turn
    /// out to be unfit, to have expired, or to be shared no longer; and another thread may take it.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn is_warm<Q>(&self, query: &Q) -> bool
    where
        Q: Query<K> + ?Sized,
    {
        let hash = query.hash_with(&self.hasher);
        let (warm, left_over) = self.enter(|desk| desk.state.is_warm(hash, |key| query.is_key(key)));
        self.finish(left_over);
        warm
    }

    /// Whether [`close`](Pool::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.look(Desk::is_closed)
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
        self.look(Desk::usage)
    }

    /// What the pool has done so far. Takes the lock for as long as a copy of a few hundred bytes takes: no
    /// acquire waits for more than that, whatever user code is running.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.look(Desk::stats)
    }

    /// Counts everything again and compares.
    ///
    /// # Panics
    /// If the pool's books are wrong, which would be a bug of this crate.
    #[doc(hidden)]
    pub fn assert_consistent(&self) {
        self.look(Desk::assert_consistent);
    }

    fn observe(&self, event: Event<'_, K>) {
        if let Some(observer) = &self.observer {
            observer.observe(event);
        }
    }
}

/// Drops what is idle as [`drain`](Pool::drain) does, and the remembered keys: the observer hears of each resource, and
/// a panic of one does not keep the others.
impl<K, R, C, E> Drop for Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        in_drop(|| {
            let ((), left_over) = self.enter(|desk| desk.state.clear());
            self.finish(left_over);
        });
    }
}

impl<K, R, C, E> fmt::Debug for Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("Pool");
        pool.field("capacity", &self.max_idle);
        let Some(desk) = self.desk.lock() else { return pool.finish_non_exhaustive() };
        let (Usage { idle, leased, opening, waiting, .. }, closed) = (desk.usage(), desk.is_closed());
        drop(desk);
        pool.field("idle", &idle).field("leased", &leased).field("opening", &opening);
        pool.field("waiting", &waiting).field("closed", &closed).finish()
    }
}
