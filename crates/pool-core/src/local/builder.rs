use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use super::{Pool, ProcessMemoryReader};
use crate::capacity::{Capacity, MaxIdle};
use crate::eviction::Eviction;
use crate::key::KeyHasher;
use crate::observer::Observer;
use crate::process_memory::{ProcessMemoryError, private_dirty_bytes};
use crate::resource::Resource;
use crate::state::State;
use crate::time::{Clock, SystemClock};

/// Makes a [`Pool`]. Without further calls: [`MaxIdle`]`(8)`, [`Recall`](crate::eviction::Recall), the system's clock, no observer, 4096 keys
/// remembered.
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder<K, R, C = Box<dyn Capacity>, E = Box<dyn Eviction<K>>> {
    capacity: C,
    eviction: E,
    clock: Box<dyn Clock>,
    observer: Option<Box<dyn Observer<K>>>,
    remembered_keys: usize,
    process_memory: ProcessMemoryReader,
    resource: PhantomData<fn() -> R>,
}

impl<K, R> Builder<K, R> {
    pub(super) fn new(eviction: impl Eviction<K> + 'static) -> Self {
        Self {
            capacity: Box::new(MaxIdle(8)),
            eviction: Box::new(eviction),
            clock: Box::new(SystemClock::new()),
            observer: None,
            remembered_keys: 4096,
            process_memory: Box::new(private_dirty_bytes),
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
        let Self { clock, observer, remembered_keys, process_memory, resource, .. } = self;
        Builder { capacity, eviction, clock, observer, remembered_keys, process_memory, resource }
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

    /// How the memory of the process is measured, in bytes, for a capacity policy that
    /// [wants it](Capacity::needs_process_memory): once on each miss, outside the pool's borrow or lock. Without this,
    /// [`private_dirty_bytes`].
    pub fn process_memory(self, read: impl Fn() -> Result<u64, ProcessMemoryError> + 'static) -> Self {
        Self { process_memory: Box::new(read), ..self }
    }

    /// The pool, empty. Allocates nothing in proportion to its limits.
    pub fn build(self) -> Pool<K, R, C, E>
    where
        K: Clone,
        R: Resource,
    {
        let Self { capacity, eviction, clock, observer, remembered_keys, process_memory, resource: _ } = self;
        let process_memory = capacity.needs_process_memory().then_some(process_memory);
        let max_idle = capacity.bounds().entries;
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
            process_memory,
            local: PhantomData,
        }
    }
}

impl<K, R, C, E> fmt::Debug for Builder<K, R, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("remembered_keys", &self.remembered_keys).finish_non_exhaustive()
    }
}
