//! A trace through one pool, on virtual time.

mod report;

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mock_backend::{Cost, CostModel, Journal, MockBackend, MockEnvironment, Regions};
use pool_core::capacity::{Both, MaxIdle, MaxIdleWeight};
use pool_core::eviction::{IdleTimeout, MaxAge};
use pool_core::local::{Builder, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{
    Bounds, Clock, EntryId, Eviction, KeyId, Names as Imports, Now, Opened, Removal, Resource, Returned,
    Victim,
};

pub use report::{ByReason, Report, WarmUp};

use crate::policy::{Circumstances, Policy};
use crate::trace::Trace;
use report::Counted;

/// The type of the policy that a pool of environments uses when it is told no other.
pub const DEFAULT_POLICY: &str = "Recall";

/// How a trace is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most idle environments; 0 disables reuse.
    pub capacity: u64,
    /// Most bytes of idle environments, if they are bounded too.
    pub max_idle_weight: Option<u64>,
    /// Which idle environment goes first.
    pub eviction: Policy,
    /// What an import costs.
    pub regions: Regions,
    /// Whether leases of a key share one environment.
    pub share: bool,
    /// Each lease is held while so many further requests are served.
    pub hold: usize,
    /// How often the trace is run, one run after the other, through the same pool.
    pub repeat: u32,
    /// So many requests are counted apart, first.
    pub warm_up: u64,
    /// Environments idle for so long, in the trace's time, are dropped.
    pub idle_timeout: Option<Duration>,
    /// Environments that old, in the trace's time, are dropped.
    pub max_age: Option<Duration>,
    /// How many keys without environments the pool remembers, if not as many as it does by itself.
    pub remembered_keys: Option<usize>,
}

impl Default for Options {
    /// 8 environments, the default policy, shared regions, exclusive leases that don't overlap, once.
    fn default() -> Self {
        Self {
            capacity: 8,
            max_idle_weight: None,
            eviction: Policy::default_policy(),
            regions: Regions::Shared,
            share: false,
            hold: 0,
            repeat: 1,
            warm_up: 0,
            idle_timeout: None,
            max_age: None,
            remembered_keys: None,
        }
    }
}

impl Options {
    /// Whether these options make sense with `trace`.
    ///
    /// # Errors
    /// If time has to pass, for a limit on it, and there is more of it than virtual time has; or if nothing is left to count after
    /// the warm-up.
    pub fn check(&self, trace: &Trace) -> Result<(), OptionsError> {
        let span = last_nanos(trace).div_ceil(1_000_000_000).max(1);
        let most = MOST_SECONDS / span;
        if self.is_timed() && u64::from(self.repeat) > most {
            return Err(OptionsError::TooMuchTime { repeat: self.repeat, most });
        }
        let requests = self.total(trace);
        if self.warm_up >= requests {
            return Err(OptionsError::AllWarmUp { warm_up: self.warm_up, requests });
        }
        Ok(())
    }

    fn total(&self, trace: &Trace) -> u64 {
        trace.len() as u64 * u64::from(self.repeat)
    }

    /// Whether anything depends on the trace's time. If not it does not pass, so that it can't end.
    fn is_timed(&self) -> bool {
        self.idle_timeout.is_some() || self.max_age.is_some()
    }

    /// The policy, with its filters.
    fn policy(&self, trace: &Trace) -> Box<dyn Eviction<Imports>> {
        let circumstances =
            Circumstances { by_weight: self.max_idle_weight.is_some(), lists: trace.has_lists() };
        let mut policy = self.eviction.make(circumstances);
        if let Some(limit) = self.idle_timeout {
            policy = Box::new(IdleTimeout::new(limit, policy));
        }
        if let Some(limit) = self.max_age {
            policy = Box::new(MaxAge::new(limit, policy));
        }
        policy
    }
}

fn last_nanos(trace: &Trace) -> u64 {
    trace.len().checked_sub(1).map_or(0, |last| trace.nanos(last))
}

/// Half of what a clock of nanoseconds can show; the other half is for opening.
const MOST_SECONDS: u64 = u64::MAX / 2 / 1_000_000_000;

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Time would run out.
    #[error(
        "repeating the trace {repeat} times takes more than the 292 years that virtual time has; with a limit on \
         time, repeat it at most {most} times"
    )]
    TooMuchTime {
        /// As asked.
        repeat: u32,
        /// As often as it can be.
        most: u64,
    },
    /// No request is left.
    #[error("a warm-up of {warm_up} requests leaves none of the {requests} to count; warm up with fewer")]
    AllWarmUp {
        /// As asked.
        warm_up: u64,
        /// How many there are.
        requests: u64,
    },
}

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Requests served.
    pub done: u64,
    /// Requests in all.
    pub total: u64,
    /// How many of those served were hits.
    pub hits: u64,
}

/// Replays `trace`.
///
/// # Panics
/// If [`Options::check`] finds an error.
#[must_use]
pub fn replay(trace: &Trace, options: &Options) -> Report {
    replay_until(trace, options, |_| ControlFlow::Continue(()))
}

/// Replays `trace` until `progress`, called after each request, breaks it off: the report is then of what was done.
///
/// # Panics
/// As [`replay`].
pub fn replay_until(
    trace: &Trace,
    options: &Options,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    replay_with(trace, options, options.policy(trace), &trace.costs(options.regions), progress)
}

/// Replays `trace` through the mock backend, and returns also the journal of all that it and the pool did: the same each time.
///
/// # Panics
/// As [`replay`].
#[must_use]
pub fn replay_journaled(trace: &Trace, options: &Options) -> (Report, String) {
    let costs = trace.costs(options.regions);
    let by_list = trace.keys().iter().cloned().zip(costs.iter().copied()).collect();
    let otherwise = Box::new(CostModel::Constant(Cost::default()));
    let backend = MockBackend::new(CostModel::PerKey { costs: by_list, otherwise });
    let journal = Journal::new(backend.clock());
    let backend = backend.with_journal(journal.clone());
    let builder: Builder<Imports, MockEnvironment> = Pool::builder().observer(journal.clone());
    let clock = backend.clock();
    let pool = build(builder, options, options.policy(trace), clock.clone());
    let keys = Arc::clone(trace.keys());
    let run = Run {
        key: |key: u32| keys[key as usize].clone(),
        open: |key: u32| backend.open(&keys[key as usize]),
        advance_to: |nanos| clock.advance_to(nanos),
    };
    let report = run.all(trace, options, &costs, &pool, |_| ControlFlow::Continue(()));
    // Its end is in the journal too.
    drop(pool);
    (report, journal.text())
}

/// Replays `trace` with a policy that has no name, and costs that are known already, by key.
pub(crate) fn replay_with(
    trace: &Trace,
    options: &Options,
    policy: Box<dyn Eviction<Imports>>,
    costs: &[Cost],
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    // The pool's keys are numbers: what a list hashes to and is equal to is not asked again at each request.
    let policy = ByNumber { policy, keys: Arc::clone(trace.keys()) };
    let now = Rc::new(Cell::new(0_u64));
    let clock = Rc::clone(&now);
    let pool = build(Pool::builder(), options, policy, move || clock.get());
    let run = Run {
        key: |key: u32| key,
        open: |key: u32| {
            let Cost { nanos, weight, residue, .. } = costs[key as usize];
            now.set(now.get().saturating_add(nanos));
            Ok::<_, Infallible>(Priced { weight, residue })
        },
        advance_to: |nanos| now.set(now.get().max(nanos)),
    };
    run.all(trace, options, costs, &pool, progress)
}

/// What is in the pool: nothing but what it weighs.
#[derive(Clone)]
struct Priced {
    weight: u64,
    residue: u64,
}

impl Resource for Priced {
    type Error = Infallible;

    fn weight(&self) -> u64 {
        self.weight
    }

    fn residue(&self) -> u64 {
        self.residue
    }
}

/// A policy for lists in a pool whose keys are their numbers.
struct ByNumber {
    policy: Box<dyn Eviction<Imports>>,
    keys: Arc<[Imports]>,
}

impl Eviction<u32> for ByNumber {
    fn needs_clock(&self) -> bool {
        self.policy.needs_clock()
    }

    fn on_capacity(&mut self, capacity: &Bounds) {
        self.policy.on_capacity(capacity);
    }

    fn on_key(&mut self, key: KeyId, name: &u32) {
        self.policy.on_key(key, &self.keys[*name as usize]);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.policy.on_forget(key);
    }

    fn on_reopen(&mut self, key: KeyId, name: &u32) {
        self.policy.on_reopen(key, &self.keys[*name as usize]);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.policy.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.policy.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.policy.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.policy.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.policy.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        self.policy.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        self.policy.shrink_to_fit();
    }
}

fn build<K: Hash + Eq + Clone + std::fmt::Debug + 'static, R: Resource + Clone + 'static>(
    builder: Builder<K, R>,
    options: &Options,
    policy: impl Eviction<K> + 'static,
    clock: impl Clock + 'static,
) -> Pool<K, R> {
    let builder = match options.max_idle_weight {
        Some(bytes) => builder.capacity(Both(MaxIdle(options.capacity), MaxIdleWeight(bytes))),
        None => builder.capacity(MaxIdle(options.capacity)),
    };
    let builder = if options.share { builder.shared() } else { builder };
    let builder = match options.remembered_keys {
        Some(keys) => builder.remembered_keys(keys),
        None => builder,
    };
    builder.eviction(policy).clock(clock).build()
}

/// How a pool is asked for the keys of a trace, by their numbers.
struct Run<Key, Open, Advance> {
    key: Key,
    open: Open,
    advance_to: Advance,
}

impl<Key, Open, Advance> Run<Key, Open, Advance> {
    fn all<K, R>(
        &self,
        trace: &Trace,
        options: &Options,
        costs: &[Cost],
        pool: &Pool<K, R>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Report
    where
        K: Hash + Eq + Clone + std::fmt::Debug + 'static,
        R: Resource + 'static,
        R::Error: Error,
        Key: Fn(u32) -> K,
        Open: Fn(u32) -> Result<R, R::Error>,
        Advance: Fn(u64),
    {
        if let Err(error) = options.check(trace) {
            panic!("{error}");
        }
        let mut now = Progress { done: 0, total: options.total(trace), hits: 0 };
        let mut counted = Counted::default();
        let mut warm_up = None;
        let mut held = VecDeque::new();
        'runs: for run in 0..u64::from(options.repeat) {
            for (place, &number) in trace.requests().iter().enumerate() {
                if now.done == options.warm_up && options.warm_up > 0 {
                    warm_up = Some((counted, pool.stats()));
                }
                if options.is_timed() {
                    (self.advance_to)(run * last_nanos(trace) + trace.nanos(place));
                }
                let lease = pool
                    .acquire(&(self.key)(number), |_| (self.open)(number))
                    .expect("MaxIdle refuses no open, and none fails");
                let was_hit = LeaseOf::was_hit(&lease);
                counted.count(&costs[number as usize], was_hit);
                now.done += 1;
                now.hits += u64::from(was_hit);
                if options.hold > 0 {
                    held.push_back(lease);
                    if held.len() > options.hold {
                        held.pop_front();
                    }
                }
                if progress(now).is_break() {
                    break 'runs;
                }
            }
        }
        drop(held);
        Report::new(trace, options, &pool.stats(), now, counted, warm_up)
    }
}
