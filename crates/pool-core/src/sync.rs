//! The pool for many threads: the sequential core behind one lock, and those who wait for it.
//!
//! A pool is `Send` and `Sync` where keys and resources are `Send` and the error of an open is `Send + Sync`. All user code runs outside the lock, but policies, key equality, and the `Clone` of a shared resource and
//! its key; what leaves the pool is dropped outside as well. See [`Pool`] for what it can do.
//!
//! # Who is served when
//! An acquire that finds nothing warm and no room to open waits: as long as its [`AcquireOptions`] allow, else as
//! [`Builder::max_wait`] says (30 seconds). [`acquire_async`](Pool::acquire_async) and [`request`](Pool::request) have no timer, and wait
//! for as long as it takes.
//!
//! 1. What becomes free is given by name to the first of those who wait and can take it: first come, first served. It may be a
//!    resource of its key, or room to open one; room is made by eviction where that helps.
//! 2. One who can't be served holds up nobody: who came later, and can be, is.
//! 3. But once 64 who came later were served before the first who waits for room, newcomers wait behind it, also for
//!    what is warm, until it is served or has left. So nobody starves, as long as leases end.
//! 4. One who holds a lease, or is in the middle of an open, is no newcomer: it is never made to wait for one who waits, so
//!    acquires that take several keys in one order don't wait for each other. (A lease counts for the thread that acquired it; a task is taken to hold some.)
//! 5. One who gives up leaves nothing behind: what it was given goes to the next.
//!
//! Who waits is woken by name, and nobody else. A victim that makes room holds its place until its destructor has ended. Waiting
//! always ends, as long as leases and opens end: where nothing is out that could end, or only what waits itself, the answer is
//! an error that says so. (A thread that waits for a lease of its own waits for itself, as with any lock: give it a timeout.)
//!
//! # One open for all
//! In a pool that is [`shared`](Builder::shared), acquires of a key that is being opened wait for that open, and each gets a handle. If it
//! fails, all of them get the same error, and the next acquire tries again. If it panics, the panic goes on in its own thread, and
//! the next in the queue opens with the closure that it brought itself. Other resources are opened side by side, within the limits, unless
//! [`Builder::create_or_wait`] says otherwise.
//!
//! # Tasks
//! [`acquire_async`](Pool::acquire_async), and [`request`](Pool::request) that it is made of, wait without a thread, in one queue with the
//! threads. They need no runtime, and no timer: put the caller's around them.

mod lock;
mod parker;
mod token;

pub use crate::create_or_wait::{CreateOrWait, OpenNow, Queue, WaitIfCheaper};
pub use crate::pool::prewarm::{Job, Prewarmed, Prewarming};
pub use token::CancellationToken;
pub(crate) use token::Wakes;

pub(crate) use lock::{AtomicBool, Lock};
pub(crate) use parker::Parker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::capacity::{Capacity, MaxIdle, MaxLive};
#[cfg(doc)]
use crate::error::AcquireError;
use crate::eviction::{Eviction, Recall};
use crate::guard::Mode;
use crate::key::Query;
use crate::manage::{Hooks, Manage, Own};
use crate::names::Names;
use crate::observer::Observer;
use crate::options::AcquireOptions;
use crate::pool::{Acquired, ErrorOf, LeaseOf, Types, TypesOf};
use crate::process_memory::ProcessMemoryError;
use crate::time::{Clock, SystemClock};

/// A keyed pool for many threads and tasks: a handle over an `Arc`.
pub type Pool<K, R, H = Own, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::Pool<TypesOf<K, R, H, C, E, ManyThreads>>;

/// Makes a [`Pool`].
pub type Builder<K, R, H = Own, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::Builder<TypesOf<K, R, H, C, E, ManyThreads>>;

/// A resource on loan from a [`Pool`], which it keeps alive. Dropping it gives the resource back.
pub type Lease<K, R, H = Own, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::LeaseOf<TypesOf<K, R, H, C, E, ManyThreads>>;

/// Room in a [`Pool`] for one resource.
pub type Place<K, R, H = Own, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::PlaceOf<TypesOf<K, R, H, C, E, ManyThreads>>;

/// Many threads.
#[derive(Debug)]
pub struct ManyThreads(());

impl Mode for ManyThreads {
    type Ref<T> = Arc<T>;
    type Guard<T> = Lock<T>;
    type Sleep = Parker;
    type Clock = dyn Clock + Send + Sync;
    type Observer<K> = dyn Observer<K> + Send + Sync;
    type ReadMemory = dyn Fn() -> Result<u64, ProcessMemoryError> + Send + Sync;

    fn share<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    #[inline]
    fn me() -> usize {
        lock::me()
    }
}

impl<K: Clone + fmt::Debug, R> Pool<K, R>
where
    Own: Manage<R>,
{
    /// A pool that holds at most `max_live` resources, idle and leased together, and evicts what is worth least ([`Recall`]).
    /// Nothing is allocated up front.
    #[must_use]
    pub fn new(max_live: u64) -> Self {
        Self::builder().capacity(MaxLive(max_live)).build()
    }

    /// A pool that keeps at most `max_idle` idle resources, and lets any number be leased. 0 disables reuse.
    #[must_use]
    pub fn with_max_idle(max_idle: u64) -> Self {
        Self::builder().capacity(MaxIdle(max_idle)).build()
    }

    /// A pool with other policies, clock or observer.
    pub fn builder() -> Builder<K, R> {
        builder(Own, Recall::new())
    }
}

impl<K: Clone + fmt::Debug, R, X> Pool<K, R, Hooks<R, X>> {
    /// A [`builder`](Pool::builder) for resources whose type is another's: `hooks` answer for them.
    pub fn hooks_builder(hooks: Hooks<R, X>) -> Builder<K, R, Hooks<R, X>> {
        builder(hooks, Recall::new())
    }
}

impl<R> Pool<Names, R>
where
    Own: Manage<R>,
{
    /// A [`builder`](Pool::builder) for lists of names: its eviction policy sees which lists are alike
    /// ([`Recall::of_names`]).
    pub fn names_builder() -> Builder<Names, R> {
        builder(Own, Recall::of_names())
    }
}

fn builder<K: Clone + fmt::Debug, R, H: Manage<R>>(
    manager: H,
    eviction: impl Eviction<K> + Send + 'static,
) -> Builder<K, R, H> {
    Builder::new(Box::new(MaxLive(8)), Box::new(eviction), manager, Box::new(SystemClock::new()))
}

impl<K: Clone + fmt::Debug, R, H: Manage<R>> Builder<K, R, H> {
    /// How much the pool may hold.
    pub fn capacity(self, capacity: impl Capacity + Send + 'static) -> Self {
        self.replace_capacity(Box::new(capacity))
    }

    /// Which idle resource goes first.
    pub fn eviction(self, eviction: impl Eviction<K> + Send + 'static) -> Self {
        self.replace_eviction(Box::new(eviction))
    }
}

impl<K: Clone + fmt::Debug, R, H: Manage<R>, C: Capacity, E: Eviction<K>> Builder<K, R, H, C, E> {
    /// Where nanoseconds come from: a virtual clock in tests and simulators. Timeouts are by this clock, too, but who
    /// waits is only woken to look at it when so much real time has passed.
    pub fn clock(mut self, clock: impl Clock + Send + Sync + 'static) -> Self {
        self.settings.clock = Box::new(clock);
        self
    }

    /// Who hears of events: on the threads where they happen, several at once.
    pub fn observer(mut self, observer: impl Observer<K> + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Box::new(observer));
        self
    }

    /// How the memory of the process is measured, in bytes, for a capacity policy that
    /// [wants it](Capacity::needs_process_memory): once on each miss, outside the lock, and again where one who waited asks
    /// again.
    pub fn process_memory(
        mut self,
        read: impl Fn() -> Result<u64, ProcessMemoryError> + Send + Sync + 'static,
    ) -> Self {
        self.settings.process_memory = Some(Box::new(read));
        self
    }
}

impl<T: Types<Mode = ManyThreads>> crate::pool::Pool<T> {
    /// As [`acquire`](Pool::acquire), but never waits.
    ///
    /// # Errors
    /// [`Exhausted`](AcquireError::Exhausted) where that would wait, and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn try_acquire(
        &self,
        query: impl Query<T::Key>,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        self.acquire_with(query, &AcquireOptions::new().never_wait(), open)
    }

    /// As [`acquire`](Pool::acquire), but waits for `timeout` at most. An open of its own that runs is never broken off: if it ends
    /// late, what came of it is leased all the same, and the lease says that it [was late](LeaseOf::was_late).
    ///
    /// # Errors
    /// [`TimedOut`](AcquireError::TimedOut), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_timeout(
        &self,
        query: impl Query<T::Key>,
        timeout: Duration,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        self.acquire_with(query, &AcquireOptions::new().timeout(timeout), open)
    }

    /// As [`acquire`](Pool::acquire), but gives up when `token` is cancelled. An open of its own that runs is not broken off;
    /// what came of it goes to those who wait, and to the pool.
    ///
    /// # Errors
    /// [`Cancelled`](AcquireError::Cancelled), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_cancellable(
        &self,
        query: impl Query<T::Key>,
        token: &CancellationToken,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        self.acquire_with(query, &AcquireOptions::new().until_cancelled(token), open)
    }
}
