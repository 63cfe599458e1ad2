use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use super::Pool;
use crate::capacity::{Capacity, MaxIdle};
use crate::eviction::{Eviction, Worth};
use crate::key::KeyHasher;
use crate::observer::Observer;
use crate::resource::Resource;
use crate::state::State;
use crate::time::{Clock, SystemClock};

/// Makes a [`Pool`]. Without further calls: [`MaxIdle`]`(8)`, [`Worth`], the system's clock, no observer, 4096 keys
/// remembered.
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder<K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> {
    capacity: C,
    eviction: E,
    clock: Box<dyn Clock>,
    observer: Option<Box<dyn Observer<K>>>,
    remembered_keys: usize,
    resource: PhantomData<fn() -> R>,
}

impl<K, R> Builder<K, R> {
    pub(super) fn new() -> Self {
        Self {
            capacity: Box::new(MaxIdle(8)),
            eviction: Box::new(Worth::new()),
            clock: Box::new(SystemClock::new()),
            observer: None,
            remembered_keys: 4096,
            resource: PhantomData,
        }
    }

    /// How much the pool may hold.
    pub fn capacity(self, capacity: impl Capacity + 'static) -> Self {
        Self { capacity: Box::new(capacity), ..self }
    }

    /// Which idle resource goes first.
    pub fn eviction(self, eviction: impl Eviction<K> + 'static) -> Self {
        Self { eviction: Box::new(eviction), ..self }
    }

    /// Both policies as types of their own, called without a virtual call.
    pub fn static_policies<C: Capacity, E: Eviction<K>>(
        self,
        capacity: C,
        eviction: E,
    ) -> Builder<K, R, C, E> {
        let Self { clock, observer, remembered_keys, resource, .. } = self;
        Builder { capacity, eviction, clock, observer, remembered_keys, resource }
    }
}

impl<K, R, C: Capacity, E: Eviction<K>> Builder<K, R, C, E> {
    /// Where nanoseconds come from: a virtual clock in tests and simulators.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        Self { clock: Box::new(clock), ..self }
    }

    /// Who hears of events.
    pub fn observer(self, observer: impl Observer<K> + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    /// How many keys without any resource are remembered, the latest first: what they cost, and what policies know of
    /// them. With 0 every miss of a key that is not in use is [`Cold`](crate::MissReason::Cold).
    pub fn remembered_keys(self, keys: usize) -> Self {
        Self { remembered_keys: keys, ..self }
    }

    /// The pool, empty. Allocates nothing in proportion to its limits.
    pub fn build(self) -> Pool<K, R, C, E>
    where
        K: Clone,
        R: Resource,
    {
        let Self { capacity, eviction, clock, observer, remembered_keys, resource: _ } = self;
        let max_idle = capacity.max_idle();
        let state = State::new(capacity, eviction, remembered_keys);
        Pool {
            needs_clock: state.needs_clock(),
            max_idle,
            state: RefCell::new(state),
            postponed: RefCell::new(Vec::new()),
            any_postponed: Cell::new(false),
            hasher: KeyHasher::default(),
            clock,
            observer,
            local: PhantomData,
        }
    }
}

impl<K, R, C, E> fmt::Debug for Builder<K, R, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("remembered_keys", &self.remembered_keys).finish_non_exhaustive()
    }
}
