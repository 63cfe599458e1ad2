//! The pool for many threads: the sequential core behind one lock, and those who wait for it.
//!
//! Resources must be `Send`. All user code runs outside the lock, but policies, key equality, and the `Clone` of a shared resource and
//! its key; what leaves the pool is dropped outside as well. See [`Pool`] for what it can do.
//!
//! # Who is served when
//! An acquire that finds nothing warm and no room to open waits, as long as its [`AcquireOptions`] allow;
//! [`acquire`](Pool::acquire) as long as it takes.
//!
//! 1. What becomes free is given by name to the first of those who wait and can take it: first come, first served. It may be a
//!    resource of its key, or room to open one; room is made by eviction where that helps.
//! 2. One who can't be served holds up nobody: who came later, and can be, is.
//! 3. But once 64 who came later were served before the first who waits for room, newcomers wait behind it, also for
//!    what is warm, until it is served or has left. So nobody starves, as long as leases end.
//! 4. One who holds a lease is no newcomer: it is never made to wait for one who waits, so acquires that take several keys in
//!    one order don't wait for each other. (A lease counts for the thread that acquired it.)
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
//! # Async
//! Acquiring blocks the thread. From async code, do it where that is allowed, and take an [`OwnedLease`] with you:
//!
//! ```
//! use std::sync::Arc;
//! use pool_core::AcquireOptions;
//! use pool_core::sync::{CancellationToken, OwnedLease, Pool};
//! # struct Solver;
//! # impl pool_core::Resource for Solver { type Error = std::convert::Infallible; }
//!
//! async fn solver(pool: &Arc<Pool<String, Solver>>, theory: String) -> OwnedLease<String, Solver> {
//!     let (pool, token) = (Arc::clone(pool), CancellationToken::new());
//!     let task = {
//!         let options = AcquireOptions::new().until_cancelled(&token);
//!         tokio::task::spawn_blocking(move || {
//!             let lease = pool.acquire_with(&theory, &options, |_| Ok(Solver)).unwrap();
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

mod lock;
mod parker;
mod token;

pub use crate::create_or_wait::{CreateOrWait, OpenNow, Queue, WaitIfCheaper};
pub use crate::pool::prewarm::{Job, Prewarmed, Prewarming};
pub use token::CancellationToken;

pub(crate) use lock::{AtomicBool, Lock};
pub(crate) use parker::Parker;

use std::sync::Arc;
use std::time::Duration;

use crate::capacity::{Capacity, MaxIdle};
#[cfg(doc)]
use crate::error::AcquireError;
use crate::eviction::{Eviction, Recall};
use crate::guard::Mode;
use crate::imports::Imports;
use crate::key::Query;
use crate::observer::Observer;
use crate::options::AcquireOptions;
use crate::pool::Acquired;
use crate::process_memory::{ProcessMemoryError, private_dirty_bytes};
use crate::resource::Resource;
use crate::time::{Clock, SystemClock};

/// A keyed pool for many threads.
pub type Pool<K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::Pool<K, R, C, E, ManyThreads>;

/// Makes a [`Pool`].
pub type Builder<K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::Builder<K, R, C, E, ManyThreads>;

/// A resource on loan from a [`Pool`], which it can't outlive. Dropping it gives the resource back.
pub type Lease<'p, K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::LeaseOf<&'p Pool<K, R, C, E>, K, R, C, E, ManyThreads>;

/// A resource on loan from a [`Pool`], which it keeps alive: see [`Pool::own`].
pub type OwnedLease<K, R, C = Box<dyn Capacity + Send>, E = Box<dyn Eviction<K> + Send>> =
    crate::pool::LeaseOf<Arc<Pool<K, R, C, E>>, K, R, C, E, ManyThreads>;

/// Many threads.
#[derive(Debug)]
pub struct ManyThreads(());

impl Mode for ManyThreads {
    type Guard<T> = Lock<T>;
    type Sleep = Parker;
    type Clock = dyn Clock + Send + Sync;
    type Observer<K> = dyn Observer<K> + Send + Sync;
    type ReadMemory = dyn Fn() -> Result<u64, ProcessMemoryError> + Send + Sync;

    #[inline]
    fn me() -> usize {
        lock::me()
    }
}

impl<K: Clone, R: Resource> Pool<K, R> {
    /// A pool that keeps at most `max_idle` idle resources and evicts what is worth least
    /// ([`Recall`]). 0 disables reuse. What is live is not limited, so nobody waits but for an open that is shared.
    #[must_use]
    pub fn with_max_idle(max_idle: u64) -> Self {
        Self::builder().capacity(MaxIdle(max_idle)).build()
    }

    /// A pool with other policies, clock or observer.
    pub fn builder() -> Builder<K, R> {
        builder(Recall::new())
    }
}

impl<R: Resource> Pool<Imports, R> {
    /// A [`builder`](Pool::builder) for import lists: its eviction policy sees which lists are alike
    /// ([`Recall::of_imports`]).
    pub fn imports_builder() -> Builder<Imports, R> {
        builder(Recall::of_imports())
    }
}

fn builder<K, R>(eviction: impl Eviction<K> + Send + 'static) -> Builder<K, R> {
    let clock = Box::new(SystemClock::new());
    Builder::new(Box::new(MaxIdle(8)), Box::new(eviction), clock, Box::new(private_dirty_bytes))
}

impl<K, R> Builder<K, R> {
    /// How much the pool may hold.
    pub fn capacity(self, capacity: impl Capacity + Send + 'static) -> Self {
        self.replace_capacity(Box::new(capacity))
    }

    /// Which idle resource goes first.
    pub fn eviction(self, eviction: impl Eviction<K> + Send + 'static) -> Self {
        self.replace_eviction(Box::new(eviction))
    }
}

impl<K, R, C: Capacity, E: Eviction<K>> Builder<K, R, C, E> {
    /// Where nanoseconds come from: a virtual clock in tests and simulators. Timeouts are by this clock, too, but who
    /// waits is only woken to look at it when so much real time has passed.
    pub fn clock(mut self, clock: impl Clock + Send + Sync + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Who hears of events: on the threads where they happen, several at once.
    pub fn observer(mut self, observer: impl Observer<K> + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// How the memory of the process is measured, in bytes, for a capacity policy that
    /// [wants it](Capacity::needs_process_memory): once on each miss, outside the lock, and again where one who waited asks
    /// again. Without this, [`private_dirty_bytes`].
    pub fn process_memory(
        mut self,
        read: impl Fn() -> Result<u64, ProcessMemoryError> + Send + Sync + 'static,
    ) -> Self {
        self.process_memory = Box::new(read);
        self
    }
}

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// As [`acquire`](Pool::acquire), but never waits.
    ///
    /// # Errors
    /// [`Exhausted`](AcquireError::Exhausted) where that would wait, and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn try_acquire<Q>(
        &self,
        query: &Q,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Lease<'_, K, R, C, E>, R>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_with(query, &AcquireOptions::new().never_wait(), open)
    }

    /// As [`acquire`](Pool::acquire), but waits for `timeout` at most. An open of its own that runs is never broken off: if it ends
    /// late, what came of it is leased all the same, and the lease says that it [was late](Lease::was_late).
    ///
    /// # Errors
    /// [`TimedOut`](AcquireError::TimedOut), and those of [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub fn acquire_timeout<Q>(
        &self,
        query: &Q,
        timeout: Duration,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Lease<'_, K, R, C, E>, R>
    where
        Q: Query<K> + ?Sized,
    {
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
    pub fn acquire_cancellable<Q>(
        &self,
        query: &Q,
        token: &CancellationToken,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Lease<'_, K, R, C, E>, R>
    where
        Q: Query<K> + ?Sized,
    {
        self.acquire_with(query, &AcquireOptions::new().until_cancelled(token), open)
    }

    /// Makes a lease independent of this borrow of the pool: it keeps the pool alive from now on.
    ///
    /// # Panics
    /// If it is a lease of another pool; that ends in order.
    pub fn own(self: &Arc<Self>, lease: Lease<'_, K, R, C, E>) -> OwnedLease<K, R, C, E> {
        assert!(std::ptr::eq(lease.pool(), &raw const **self), "this lease is of another pool than this one");
        lease.refer_by(|_| Arc::clone(self))
    }
}
