//! The pool for one thread: the sequential core in a `RefCell`. Resources need not be `Send`.
//!
//! It never waits: nobody else could end what it would wait for. See [`Pool`] for what it can do.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::capacity::{Capacity, MaxIdle};
use crate::eviction::{Eviction, Recall};
use crate::guard::{Mode, NoSleep};
use crate::imports::Imports;
use crate::observer::Observer;
use crate::process_memory::{ProcessMemoryError, private_dirty_bytes};
use crate::resource::Resource;
use crate::time::{Clock, SystemClock};

/// A keyed pool for one thread. Neither `Send` nor `Sync`, whatever it holds.
pub type Pool<K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::Pool<K, R, C, E, OneThread>;

/// Makes a [`Pool`].
pub type Builder<K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::Builder<K, R, C, E, OneThread>;

/// A resource on loan from a [`Pool`], which it can't outlive. Dropping it gives the resource back.
///
/// ```compile_fail,E0597
/// # use pool_core::local::Pool;
/// # struct Solver;
/// # impl pool_core::Resource for Solver { type Error = (); }
/// let lease = {
///     let pool: Pool<u32, Solver> = Pool::with_max_idle(1);
///     pool.acquire(&1, |_| Ok(Solver)).unwrap()
/// };
/// drop(lease);
/// ```
pub type Lease<'p, K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::LeaseOf<&'p Pool<K, R, C, E>, K, R, C, E, OneThread>;

/// One thread.
#[derive(Debug)]
pub struct OneThread(PhantomData<Rc<()>>);

impl Mode for OneThread {
    type Guard<T> = RefCell<T>;
    type Sleep = NoSleep;
    type Clock = dyn Clock;
    type Observer<K> = dyn Observer<K>;
    type ReadMemory = dyn Fn() -> Result<u64, ProcessMemoryError>;

    #[inline]
    fn me() -> usize {
        1
    }
}

impl<K: Clone, R: Resource> Pool<K, R> {
    /// A pool that keeps at most `max_idle` idle resources and evicts what is worth least
    /// ([`Recall`]). 0 disables reuse.
    /// Nothing is allocated up front.
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

fn builder<K, R>(eviction: impl Eviction<K> + 'static) -> Builder<K, R> {
    let clock = Box::new(SystemClock::new());
    Builder::new(Box::new(MaxIdle(8)), Box::new(eviction), clock, Box::new(private_dirty_bytes))
}

impl<K, R> Builder<K, R> {
    /// How much the pool may hold.
    pub fn capacity(self, capacity: impl Capacity + 'static) -> Self {
        self.replace_capacity(Box::new(capacity))
    }

    /// Which idle resource goes first.
    pub fn eviction(self, eviction: impl Eviction<K> + 'static) -> Self {
        self.replace_eviction(Box::new(eviction))
    }
}

impl<K, R, C: Capacity, E: Eviction<K>> Builder<K, R, C, E> {
    /// Where nanoseconds come from: a virtual clock in tests and simulators.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Who hears of events.
    pub fn observer(mut self, observer: impl Observer<K> + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// How the memory of the process is measured, in bytes, for a capacity policy that
    /// [wants it](Capacity::needs_process_memory): once on each miss, outside the pool's borrow. Without this,
    /// [`private_dirty_bytes`].
    pub fn process_memory(mut self, read: impl Fn() -> Result<u64, ProcessMemoryError> + 'static) -> Self {
        self.process_memory = Box::new(read);
        self
    }
}
