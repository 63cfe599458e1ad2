use std::fmt;
use std::marker::PhantomData;

use super::Pool;
use crate::capacity::Capacity;
use crate::core::{Core, Parts};
use crate::create_or_wait::{CreateOrWait, OpenNow};
use crate::eviction::Eviction;
use crate::guard::{Guard, Mode};
use crate::key::KeyHasher;
use crate::resource::Resource;
use crate::sync::AtomicBool;

/// Makes a [`Pool`]. Without further calls: [`MaxIdle`](crate::capacity::MaxIdle)`(8)`, [`Recall`](crate::eviction::Recall),
/// [`OpenNow`], exclusive resources, the system's clock, no observer, 4096 keys remembered.
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder<K, R, C, E, M: Mode> {
    capacity: C,
    eviction: E,
    create_or_wait: Box<dyn CreateOrWait>,
    share: Option<fn(&R) -> R>,
    remembered_keys: usize,
    pub(crate) clock: Box<M::Clock>,
    pub(crate) observer: Option<Box<M::Observer<K>>>,
    pub(crate) process_memory: Box<M::ReadMemory>,
    resource: PhantomData<fn() -> R>,
}

impl<K, R, C, E, M: Mode> Builder<K, R, C, E, M> {
    pub(crate) fn new(
        capacity: C,
        eviction: E,
        clock: Box<M::Clock>,
        process_memory: Box<M::ReadMemory>,
    ) -> Self {
        Self {
            capacity,
            eviction,
            create_or_wait: Box::new(OpenNow),
            share: None,
            remembered_keys: 4096,
            clock,
            observer: None,
            process_memory,
            resource: PhantomData,
        }
    }

    /// For another [`Mode`], as simulations have.
    #[doc(hidden)]
    pub fn of_mode(
        capacity: C,
        eviction: E,
        clock: Box<M::Clock>,
        observer: Box<M::Observer<K>>,
        process_memory: Box<M::ReadMemory>,
    ) -> Self {
        Self { observer: Some(observer), ..Self::new(capacity, eviction, clock, process_memory) }
    }

    /// Both policies as types of their own, called without a virtual call.
    pub fn static_policies<C2: Capacity, E2: Eviction<K>>(
        self,
        capacity: C2,
        eviction: E2,
    ) -> Builder<K, R, C2, E2, M> {
        let Self {
            create_or_wait, share, remembered_keys, clock, observer, process_memory, resource, ..
        } = self;
        Builder {
            capacity,
            eviction,
            create_or_wait,
            share,
            remembered_keys,
            clock,
            observer,
            process_memory,
            resource,
        }
    }

    pub(crate) fn replace_capacity(self, capacity: C) -> Self {
        Self { capacity, ..self }
    }

    pub(crate) fn replace_eviction(self, eviction: E) -> Self {
        Self { eviction, ..self }
    }
}

impl<K, R, C, E, M> Builder<K, R, C, E, M>
where
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// Leases of a key share one resource: each gets a clone of it, which must be cheap, and another handle of the same thing.
    /// Acquires of a key that is being opened wait for that open, where the pool may wait.
    ///
    /// `Clone` is called after the open, and on each hit **inside** the pool's borrow or lock: it must be O(1) (a reference count)
    /// and must not call the pool.
    pub fn shared(self) -> Self
    where
        R: Clone,
    {
        Self { share: Some(R::clone), ..self }
    }

    /// Whether to wait for an exclusive resource that is leased, rather than open another. For pools that can wait.
    pub fn create_or_wait(self, policy: impl CreateOrWait + 'static) -> Self {
        Self { create_or_wait: Box::new(policy), ..self }
    }

    /// How many keys without any resource are remembered, the latest first: what they cost, and what policies know of
    /// them. With 0 every miss of a key that is not in use is [`Cold`](crate::MissReason::Cold).
    pub fn remembered_keys(self, keys: usize) -> Self {
        Self { remembered_keys: keys, ..self }
    }

    /// The pool, empty. Allocates nothing in proportion to its limits.
    pub fn build(self) -> Pool<K, R, C, E, M>
    where
        K: Clone,
        R: Resource,
    {
        let Self {
            capacity,
            eviction,
            create_or_wait,
            share,
            remembered_keys,
            clock,
            observer,
            process_memory,
            ..
        } = self;
        let max_idle = capacity.bounds().entries;
        let process_memory = capacity.needs_process_memory().then_some(process_memory);
        let core = Core::new(Parts { capacity, eviction, create_or_wait, share, remembered_keys });
        Pool {
            needs_clock: core.needs_clock(),
            max_idle,
            share,
            core: M::Guard::new(core),
            postponed: M::Guard::new(Vec::new()),
            any_postponed: AtomicBool::new(false),
            hasher: KeyHasher::default(),
            clock,
            observer,
            process_memory,
            mode: PhantomData,
        }
    }
}

impl<K, R, C, E, M: Mode> fmt::Debug for Builder<K, R, C, E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("remembered_keys", &self.remembered_keys).finish_non_exhaustive()
    }
}
