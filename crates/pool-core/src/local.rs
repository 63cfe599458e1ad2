//! The pool for one thread: the sequential core in a `RefCell`. Resources need not be `Send`.
//!
//! An acquire never waits: nobody else could end what it would wait for. Tasks of the thread may wait for each other:
//! [`acquire_async`](Pool::acquire_async). See [`Pool`] for what it can do.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::capacity::{Capacity, MaxIdle, MaxLive};
use crate::eviction::{Eviction, Recall};
use crate::guard::{Mode, NoSleep};
use crate::manage::{Hooks, Manage, Own};
use crate::names::Names;
use crate::observer::Observer;
use crate::pool::TypesOf;
use crate::process_memory::ProcessMemoryError;
use crate::time::{Clock, SystemClock};

/// A keyed pool for one thread: a handle over an `Rc`. Neither `Send` nor `Sync`, whatever it holds.
pub type Pool<K, R, H = Own, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::Pool<TypesOf<K, R, H, C, E, OneThread>>;

/// Makes a [`Pool`].
pub type Builder<K, R, H = Own, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::Builder<TypesOf<K, R, H, C, E, OneThread>>;

/// A resource on loan from a [`Pool`], which it keeps alive. Dropping it gives the resource back.
pub type Lease<K, R, H = Own, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::LeaseOf<TypesOf<K, R, H, C, E, OneThread>>;

/// Room in a [`Pool`] for one resource.
pub type Place<K, R, H = Own, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> =
    crate::pool::PlaceOf<TypesOf<K, R, H, C, E, OneThread>>;

/// One thread.
#[derive(Debug)]
pub struct OneThread(PhantomData<Rc<()>>);

impl Mode for OneThread {
    type Ref<T> = Rc<T>;
    type Guard<T> = RefCell<T>;
    type Sleep = NoSleep;
    type Clock = dyn Clock;
    type Observer<K> = dyn Observer<K>;
    type ReadMemory = dyn Fn() -> Result<u64, ProcessMemoryError>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    #[inline]
    fn me() -> usize {
        1
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
    eviction: impl Eviction<K> + 'static,
) -> Builder<K, R, H> {
    Builder::new(Box::new(MaxLive(8)), Box::new(eviction), manager, Box::new(SystemClock::new()))
}

impl<K: Clone + fmt::Debug, R, H: Manage<R>> Builder<K, R, H> {
    /// How much the pool may hold.
    pub fn capacity(self, capacity: impl Capacity + 'static) -> Self {
        self.replace_capacity(Box::new(capacity))
    }

    /// Which idle resource goes first.
    pub fn eviction(self, eviction: impl Eviction<K> + 'static) -> Self {
        self.replace_eviction(Box::new(eviction))
    }
}

impl<K: Clone + fmt::Debug, R, H: Manage<R>, C: Capacity, E: Eviction<K>> Builder<K, R, H, C, E> {
    /// Where nanoseconds come from: a virtual clock in tests and simulators.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.settings.clock = Box::new(clock);
        self
    }

    /// Who hears of events.
    pub fn observer(mut self, observer: impl Observer<K> + 'static) -> Self {
        self.settings.observer = Some(Box::new(observer));
        self
    }

    /// How the memory of the process is measured, in bytes, for a capacity policy that
    /// [wants it](Capacity::needs_process_memory): once on each miss, outside the pool's borrow.
    pub fn process_memory(mut self, read: impl Fn() -> Result<u64, ProcessMemoryError> + 'static) -> Self {
        self.settings.process_memory = Some(Box::new(read));
        self
    }
}
