use std::fmt;
use std::time::Duration;

use super::{Pool, Shell, Types, WithPolicies};
use crate::capacity::{Capacity, MostOpening};
use crate::core::{Core, Parts};
use crate::create_or_wait::{CreateOrWait, WaitIfCheaper};
use crate::eviction::Eviction;
use crate::guard::{Mode, Sleep as _};
use crate::key::KeyHasher;
use crate::sync::AtomicBool;

/// Makes a [`Pool`]. Without further calls:
///
/// - at most 8 resources are live: [`MaxLive`](crate::capacity::MaxLive)`(8)`;
/// - what goes first is chosen by [`Recall`](crate::eviction::Recall);
/// - no acquire waits for longer than 30 seconds;
/// - no more are opened at once than the machine has processors;
/// - a resource that is leased is waited for where that is cheaper than another open: [`WaitIfCheaper`];
/// - resources are exclusive, time is the system's, nobody observes, 4096 keys are remembered.
///
/// Waiting, and opening at once, are for pools for many threads.
#[must_use = "a builder makes nothing until `build`"]
pub struct Builder<T: Types> {
    capacity: T::Capacity,
    eviction: T::Eviction,
    pub(crate) settings: Settings<T::Key, T::Resource, T::Manager, T::Mode>,
}

/// All but the policies.
pub(crate) struct Settings<K, R, H, M: Mode> {
    manager: H,
    create_or_wait: Box<dyn CreateOrWait>,
    max_opening: u64,
    max_wait: Option<Duration>,
    share: Option<fn(&R) -> R>,
    remembered_keys: usize,
    pub(crate) clock: Box<M::Clock>,
    pub(crate) observer: Option<Box<M::Observer<K>>>,
    pub(crate) process_memory: Option<Box<M::ReadMemory>>,
}

impl<T: Types> Builder<T> {
    pub(crate) fn new(
        capacity: T::Capacity,
        eviction: T::Eviction,
        manager: T::Manager,
        clock: Box<<T::Mode as Mode>::Clock>,
    ) -> Self {
        let waits = <T::Mode as Mode>::Sleep::SLEEPS;
        let processors = || std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let settings = Settings {
            manager,
            create_or_wait: Box::new(WaitIfCheaper),
            max_opening: if waits { processors() } else { u64::MAX },
            max_wait: Some(Duration::from_secs(30)),
            share: None,
            remembered_keys: 4096,
            clock,
            observer: None,
            process_memory: None,
        };
        Self { capacity, eviction, settings }
    }

    /// For another [`Mode`], as simulations have.
    #[doc(hidden)]
    pub fn of_mode(
        capacity: T::Capacity,
        eviction: T::Eviction,
        manager: T::Manager,
        clock: Box<<T::Mode as Mode>::Clock>,
        observer: Box<<T::Mode as Mode>::Observer<T::Key>>,
        process_memory: Box<<T::Mode as Mode>::ReadMemory>,
    ) -> Self {
        let mut builder = Self::new(capacity, eviction, manager, clock);
        builder.settings.observer = Some(observer);
        builder.settings.process_memory = Some(process_memory);
        builder
    }

    /// Both policies as types of their own, called without a virtual call.
    pub fn static_policies<C: Capacity, E: Eviction<T::Key>>(
        self,
        capacity: C,
        eviction: E,
    ) -> Builder<WithPolicies<T, C, E>> {
        Builder { capacity, eviction, settings: self.settings }
    }

    pub(crate) fn replace_capacity(self, capacity: T::Capacity) -> Self {
        Self { capacity, ..self }
    }

    pub(crate) fn replace_eviction(self, eviction: T::Eviction) -> Self {
        Self { eviction, ..self }
    }

    /// Leases of a key share one resource: each gets a clone of it, which must be cheap, and another handle of the same thing.
    /// Acquires of a key that is being opened wait for that open, where the pool may wait.
    ///
    /// `Clone` is called after the open, and on each hit **inside** the pool's borrow or lock: it must be O(1) (a reference count)
    /// and must not call the pool.
    pub fn shared(mut self) -> Self
    where
        T::Resource: Clone,
    {
        self.settings.share = Some(T::Resource::clone);
        self
    }

    /// Whether to wait for an exclusive resource that is leased, rather than open another. For pools that can wait.
    pub fn create_or_wait(mut self, policy: impl CreateOrWait + 'static) -> Self {
        self.settings.create_or_wait = Box::new(policy);
        self
    }

    /// How many may be opened at once; others wait. At least 1.
    pub fn max_opening(mut self, opens: u64) -> Self {
        self.settings.max_opening = opens.max(1);
        self
    }

    /// How long an acquire waits that does not [say otherwise](crate::AcquireOptions); `None` is for ever.
    pub fn max_wait(mut self, most: impl Into<Option<Duration>>) -> Self {
        self.settings.max_wait = most.into();
        self
    }

    /// How many keys without any resource are remembered, the latest first: what they cost, and what policies know of
    /// them. With 0 every miss of a key that is not in use is [`Cold`](crate::MissReason::Cold).
    pub fn remembered_keys(mut self, keys: usize) -> Self {
        self.settings.remembered_keys = keys;
        self
    }

    /// The pool, empty. Allocates nothing in proportion to its limits.
    pub fn build(self) -> Pool<T> {
        let Self { capacity, eviction, settings } = self;
        let Settings { manager, create_or_wait, max_opening, max_wait, share, remembered_keys, .. } =
            settings;
        let Settings { clock, observer, process_memory, .. } = settings;
        let capacity = MostOpening { most: max_opening, capacity };
        let needs_process_memory = capacity.needs_process_memory();
        let core = Core::new(Parts { capacity, eviction, create_or_wait, share, remembered_keys });
        let shell = Shell {
            needs_clock: core.needs_clock(),
            max_opening,
            times_holds: core.times_holds(),
            needs_process_memory: AtomicBool::new(needs_process_memory),
            max_wait,
            share,
            core: T::Mode::guard(core),
            postponed: T::Mode::guard(Vec::new()),
            any_postponed: AtomicBool::new(false),
            hasher: KeyHasher::default(),
            manager,
            clock,
            observer,
            process_memory,
        };
        Pool { shell: T::Mode::share(shell) }
    }
}

impl<T: Types> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builder = f.debug_struct("Builder");
        let Settings { max_opening, max_wait, remembered_keys, .. } = &self.settings;
        builder.field("max_opening", max_opening).field("max_wait", max_wait);
        builder.field("remembered_keys", remembered_keys).finish_non_exhaustive()
    }
}
