//! A replay through a real pool, on virtual time.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use mock_backend::{Cost, CostModel, Journal, MockBackend, MockEnvironment};
use pool_core::capacity::{Both, MaxIdle, MaxIdleWeight};
use pool_core::local::{Builder, Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{
    AcquireOptions, Bounds, Clock, EntryId, Eviction, KeyId, Names as Imports, Now, Opened, Removal,
    Resource, Returned, Victim,
};

use super::report::{Books, Report};
use super::{Options, Progress, Served, run};
use crate::trace::Trace;

/// Replays `trace` through the mock backend, and returns also the journal of all that it and the pool did: the same each time.
///
/// # Panics
/// As [`replay`](super::replay).
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
    let served = InPool {
        pool: &pool,
        costs: &costs,
        key: |key: u32| keys[key as usize].clone(),
        open: |key: u32| backend.open(&keys[key as usize]),
        advance_to: |nanos| clock.advance_to(nanos),
        hold: options.hold,
        held: VecDeque::new(),
    };
    let report = run(trace, options, &costs, served, |_| ControlFlow::Continue(()));
    // Its end is in the journal too.
    drop(pool);
    (report, journal.text())
}

pub(super) fn replay_in_pool(
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
    let served = InPool {
        pool: &pool,
        costs,
        key: |key: u32| key,
        open: |key: u32| {
            let Cost { nanos, weight, residue, .. } = costs[key as usize];
            now.set(now.get().saturating_add(nanos));
            Ok::<_, Infallible>(Priced { weight, residue })
        },
        advance_to: |nanos| now.set(now.get().max(nanos)),
        hold: options.hold,
        held: VecDeque::new(),
    };
    run(trace, options, costs, served, progress)
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

fn build<K: Hash + Eq + Clone + Debug + 'static, R: Resource + Clone + 'static>(
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

/// A pool, and how it is asked.
struct InPool<'a, K, R, Key, Open, Advance>
where
    K: Hash + Eq + Clone + Debug + 'static,
    R: Resource + 'static,
{
    pool: &'a Pool<K, R>,
    costs: &'a [Cost],
    key: Key,
    open: Open,
    advance_to: Advance,
    hold: usize,
    held: VecDeque<Lease<K, R>>,
}

impl<K, R, Key, Open, Advance> Served for InPool<'_, K, R, Key, Open, Advance>
where
    K: Hash + Eq + Clone + Debug + 'static,
    R: Resource + 'static,
    R::Error: Error,
    Key: Fn(u32) -> K,
    Open: Fn(u32) -> Result<R, R::Error>,
    Advance: Fn(u64),
{
    fn request(&mut self, number: u32, nanos: Option<u64>) -> bool {
        if let Some(nanos) = nanos {
            (self.advance_to)(nanos);
        }
        // What it will weigh is known: the pool need not guess, and its peak of live bytes has no guess in it.
        let expected = AcquireOptions::new().expect_weight(self.costs[number as usize].weight);
        let lease = self
            .pool
            .acquire_with(&(self.key)(number), &expected, |_| (self.open)(number))
            .expect("MaxIdle refuses no open, and none fails");
        let was_hit = LeaseOf::was_hit(&lease);
        if self.hold > 0 {
            self.held.push_back(lease);
            if self.held.len() > self.hold {
                self.held.pop_front();
            }
        }
        was_hit
    }

    fn books(&self) -> Books {
        (&self.pool.stats()).into()
    }

    fn finish(mut self) -> Books {
        self.held.clear();
        self.books()
    }
}
