//! Random operations on a pool and on a naive model of it, on virtual time, compared after each step.
//!
//! Properties:
//! 1. An acquire gives the resource that the model gives: the most recently released one of the key that is not stale
//!    and not expired, else a new one; a hit is said to be one.
//! 2. A miss has the reason that the model gives.
//! 3. What is dropped, at which step, in which order of reasons, and whether an acquire is exhausted, is what the model
//!    says, for every policy and every limit.
//! 4. Every resource is dropped exactly once: by the pool, or by whoever took it out.
//! 5. The limits hold after each step.
//! 6. `opened + reused == acquired`, and the leases that ended are those released, dropped or detached; counters
//!    equal those that the model counts one by one.
//! 7. The high-water marks are the largest sums that there were.
//! 8. The books agree with what is there (`assert_sound`).

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive};
use pool_core::eviction::{self, IdleTimeout, MaxAge};
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, Eviction, Health, Resource};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Drops = Rc<RefCell<Vec<u64>>>;

/// A lease, and what the model knows of it.
type Leased<'p> = (Lease<u8, Item>, Entry);

struct Item {
    serial: u64,
    weight: u64,
    stale: Rc<Cell<bool>>,
    drops: Drops,
}

impl Resource for Item {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.weight
    }

    fn health(&mut self) -> Health {
        if self.stale.get() { Health::Stale } else { Health::Reusable }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.drops.borrow_mut().push(self.serial);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Acquire { key: u8, weight: u64, fails: bool },
    Release { lease: usize },
    Discard { lease: usize },
    Detach { lease: usize },
    Grow { lease: usize, weight: u64 },
    MakeStale { serial: usize },
    Drain,
    Advance { nanos: u64 },
    EvictExpired,
}

fn op() -> impl Strategy<Value = Op> {
    let lease = || 0_usize..8;
    prop_oneof![
        8 => (0_u8..5, 0_u64..12, prop::bool::weighted(0.1))
            .prop_map(|(key, weight, fails)| Op::Acquire { key, weight, fails }),
        8 => lease().prop_map(|lease| Op::Release { lease }),
        1 => lease().prop_map(|lease| Op::Discard { lease }),
        1 => lease().prop_map(|lease| Op::Detach { lease }),
        1 => (lease(), 0_u64..20).prop_map(|(lease, weight)| Op::Grow { lease, weight }),
        1 => (0_usize..64).prop_map(|serial| Op::MakeStale { serial }),
        1 => Just(Op::Drain),
        3 => (1_u64..8).prop_map(|nanos| Op::Advance { nanos }),
        1 => Just(Op::EvictExpired),
    ]
}

/// Limits and rules, for the pool and for the model.
#[derive(Clone, Copy, Debug)]
struct Rules {
    max_idle: u64,
    max_live: u64,
    max_idle_weight: u64,
    max_idle_per_key: u64,
    eviction: &'static str,
    idle_timeout: Option<u64>,
    max_age: Option<u64>,
}

fn rules() -> impl Strategy<Value = Rules> {
    const NONE: u64 = u64::MAX;
    let limit = |most: u64| prop_oneof![Just(NONE), 0..most];
    let time = || prop::option::weighted(0.3, 0_u64..20);
    let policy = prop::sample::select(vec!["Lru", "Fifo", "RejectIncoming"]);
    (limit(5), prop_oneof![Just(NONE), 1_u64..6], limit(30), limit(3), policy, time(), time()).prop_map(
        |(max_idle, max_live, max_idle_weight, max_idle_per_key, eviction, idle_timeout, max_age)| Rules {
            max_idle,
            max_live,
            max_idle_weight,
            max_idle_per_key,
            eviction,
            idle_timeout,
            max_age,
        },
    )
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    serial: u64,
    key: u8,
    weight: u64,
    opened_at: u64,
    released_at: u64,
}

/// The model: idle entries in order of release, the latest last.
struct Model {
    rules: Rules,
    idle: Vec<Entry>,
    leased: u64,
    now: u64,
    stale: Vec<Rc<Cell<bool>>>,
    /// Why the last resource of a key went.
    gone: BTreeMap<u8, &'static str>,
    leased_of: BTreeMap<u8, u64>,
    dropped: Vec<u64>,
    /// The most leased so far, with those whose health was asked.
    peak_leased: u64,
    counts: BTreeMap<&'static str, u64>,
}

enum Limit {
    Fits,
    Never,
    Any,
    OfKey,
}

impl Model {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn drop_entry(&mut self, entry: Entry, reason: &'static str) {
        self.dropped.push(entry.serial);
        self.gone.insert(entry.key, reason);
        self.count(reason);
    }

    fn drop_idle(&mut self, at: usize, reason: &'static str) {
        let entry = self.idle.remove(at);
        self.drop_entry(entry, reason);
    }

    fn is_stale(&self, serial: u64) -> bool {
        self.stale[serial as usize].get()
    }

    fn has_expired(&self, entry: &Entry) -> bool {
        self.rules.idle_timeout.is_some_and(|limit| self.now - entry.released_at >= limit)
            || self.rules.max_age.is_some_and(|limit| self.now - entry.opened_at >= limit)
    }

    fn reap(&mut self) -> u64 {
        let before = self.idle.len();
        while let Some(at) = self.idle.iter().position(|entry| self.has_expired(entry)) {
            self.drop_idle(at, "expired");
        }
        (before - self.idle.len()) as u64
    }

    fn acquire(&mut self, key: u8) -> Result<Entry, (&'static str, bool)> {
        self.reap();
        let mut unfit = None;
        while let Some(at) = self.idle.iter().rposition(|entry| entry.key == key) {
            self.peak_leased = self.peak_leased.max(self.leased + 1);
            if self.is_stale(self.idle[at].serial) {
                self.drop_idle(at, "stale");
                unfit = Some("stale");
                continue;
            }
            *self.leased_of.entry(key).or_default() += 1;
            self.leased += 1;
            self.count("reused");
            return Ok(self.idle.remove(at));
        }
        let busy = (self.leased_of.get(&key).copied().unwrap_or(0) > 0).then_some("busy");
        let reason = unfit.or(busy).or(self.gone.get(&key).copied()).unwrap_or("cold");
        // Room for one more.
        let exhausted = self.leased >= self.rules.max_live;
        while !exhausted && self.leased + self.idle.len() as u64 >= self.rules.max_live {
            match self.victim(None) {
                Some(at) => self.drop_idle(at, "evicted"),
                None => return Err((reason, true)),
            }
        }
        Err((reason, exhausted))
    }

    fn end(&mut self, key: u8) {
        self.leased -= 1;
        *self.leased_of.get_mut(&key).unwrap() -= 1;
    }

    fn release(&mut self, mut entry: Entry) {
        self.end(entry.key);
        if self.is_stale(entry.serial) {
            return self.drop_entry(entry, "stale");
        }
        entry.released_at = self.now;
        self.idle.push(entry);
        if self.has_expired(&entry) {
            self.reap();
            return;
        }
        self.reap();
        if !matches!(self.limit(&[entry], entry), Limit::Fits) {
            let last = self.idle.len() - 1;
            return self.drop_idle(last, "rejected");
        }
        loop {
            let last = self.idle.len() - 1;
            let at = match self.limit(&self.idle, entry) {
                Limit::Fits => return self.count("released_to_pool"),
                Limit::Never => last,
                Limit::Any => self.victim(Some(last)).unwrap(),
                Limit::OfKey => self.idle.iter().position(|other| other.key == entry.key).unwrap(),
            };
            if at == last {
                return self.drop_idle(at, "rejected");
            }
            self.drop_idle(at, "evicted");
        }
    }

    fn limit(&self, idle: &[Entry], incoming: Entry) -> Limit {
        let Rules { max_idle, max_live, max_idle_weight, max_idle_per_key, .. } = self.rules;
        let count = idle.len() as u64;
        if incoming.weight > max_idle_weight {
            Limit::Never
        } else if count > max_idle
            || self.leased + count > max_live
            || idle.iter().map(|entry| entry.weight).sum::<u64>() > max_idle_weight
        {
            Limit::Any
        } else if idle.iter().filter(|entry| entry.key == incoming.key).count() as u64 > max_idle_per_key {
            Limit::OfKey
        } else {
            Limit::Fits
        }
    }

    fn victim(&self, incoming: Option<usize>) -> Option<usize> {
        match self.rules.eviction {
            "RejectIncoming" => incoming,
            // Serials are given in order of opening.
            "Fifo" => (0..self.idle.len()).min_by_key(|&at| self.idle[at].serial),
            _ => (!self.idle.is_empty()).then_some(0),
        }
    }
}

struct Run {
    rules: Rules,
    drops: Drops,
    model: Model,
    detached: u64,
    /// The most idle resources so far, and bytes of them.
    peaks: (u64, u64),
}

impl Run {
    fn new(rules: Rules) -> Self {
        let model = Model {
            rules,
            idle: Vec::new(),
            leased: 0,
            now: 0,
            stale: Vec::new(),
            gone: BTreeMap::new(),
            leased_of: BTreeMap::new(),
            dropped: Vec::new(),
            peak_leased: 0,
            counts: BTreeMap::new(),
        };
        Self { rules, drops: Drops::default(), model, detached: 0, peaks: (0, 0) }
    }

    fn pool(&self, clock: &Rc<Cell<u64>>) -> Pool<u8, Item> {
        let Rules { max_idle, max_live, max_idle_weight, max_idle_per_key, eviction, idle_timeout, max_age } =
            self.rules;
        let mut policy: Box<dyn Eviction<u8>> = eviction::named(eviction).unwrap();
        if let Some(limit) = idle_timeout {
            policy = Box::new(IdleTimeout::new(Duration::from_nanos(limit), policy));
        }
        if let Some(limit) = max_age {
            policy = Box::new(MaxAge::new(Duration::from_nanos(limit), policy));
        }
        let (counts, weights) = (
            Both(MaxIdle(max_idle), MaxLive(max_live)),
            Both(MaxIdleWeight(max_idle_weight), MaxIdlePerKey(max_idle_per_key)),
        );
        let clock = Rc::clone(clock);
        Pool::builder().capacity(Both(counts, weights)).eviction(policy).clock(move || clock.get()).build()
    }

    fn run(mut self, ops: &[Op]) -> Result<(), TestCaseError> {
        let clock = Rc::new(Cell::new(0));
        let pool = self.pool(&clock);
        let mut leases: Vec<Leased<'_>> = Vec::new();
        for op in ops {
            let dropped_before = self.model.dropped.len();
            match *op {
                Op::Acquire { key, weight, fails } => {
                    leases.extend(self.acquire(&pool, key, weight, fails)?);
                }
                Op::Release { lease } if lease < leases.len() => {
                    let (lease, entry) = leases.remove(lease);
                    drop(lease);
                    self.model.release(entry);
                }
                Op::Discard { lease } if lease < leases.len() => {
                    let (lease, entry) = leases.remove(lease);
                    LeaseOf::discard(lease);
                    self.model.end(entry.key);
                    self.model.drop_entry(entry, "discarded");
                }
                Op::Detach { lease } if lease < leases.len() => {
                    let (lease, entry) = leases.remove(lease);
                    let item = LeaseOf::into_inner(lease);
                    prop_assert_eq!(item.serial, entry.serial);
                    prop_assert_eq!(self.drops.borrow().len(), dropped_before, "it is the caller's now");
                    self.model.end(entry.key);
                    self.model.dropped.push(entry.serial);
                    self.model.gone.insert(entry.key, "detached");
                    self.detached += 1;
                }
                Op::Grow { lease, weight } if lease < leases.len() => {
                    leases[lease].0.weight = weight;
                    leases[lease].1.weight = weight;
                }
                Op::MakeStale { serial } if serial < self.model.stale.len() => {
                    self.model.stale[serial].set(true);
                }
                Op::Drain => {
                    let count = self.model.idle.len();
                    (0..count).for_each(|_| self.model.drop_idle(0, "drained"));
                    prop_assert_eq!(pool.drain(), count);
                }
                Op::Advance { nanos } => {
                    self.model.now += nanos;
                    clock.set(self.model.now);
                }
                Op::EvictExpired => prop_assert_eq!(pool.evict_expired(), self.model.reap()),
                _ => {}
            }
            self.compare(&pool, leases.len() as u64, dropped_before)?;
        }
        drop(leases);
        drop(pool);
        let mut drops = self.drops.borrow().clone();
        drops.sort_unstable();
        let all: Vec<u64> = (0..self.model.stale.len() as u64).collect();
        prop_assert_eq!(drops, all, "each is dropped exactly once");
        Ok(())
    }

    fn acquire<'p>(
        &mut self,
        pool: &'p Pool<u8, Item>,
        key: u8,
        weight: u64,
        fails: bool,
    ) -> Result<Option<Leased<'p>>, TestCaseError> {
        let serial = self.model.stale.len() as u64;
        let stale = Rc::new(Cell::new(false));
        let misses_before = pool.stats().misses;
        let result = pool.acquire(&key, |_| {
            if fails {
                return Err("scripted");
            }
            Ok(Item { serial, weight, stale: Rc::clone(&stale), drops: Rc::clone(&self.drops) })
        });
        match self.model.acquire(key) {
            Ok(entry) => {
                let lease = result.map_err(|error| TestCaseError::fail(format!("a hit, but {error}")))?;
                prop_assert!(LeaseOf::was_hit(&lease));
                prop_assert_eq!((lease.serial, *LeaseOf::key(&lease)), (entry.serial, key));
                Ok(Some((lease, entry)))
            }
            Err((_, true)) => {
                prop_assert!(matches!(result, Err(AcquireError::Exhausted { .. })), "{:?}", result.err());
                self.model.count("refused");
                Ok(None)
            }
            Err((_, false)) if fails => {
                let failed = result.err().and_then(AcquireError::into_open);
                prop_assert_eq!(failed.as_deref(), Some(&"scripted"));
                self.model.count("failed");
                Ok(None)
            }
            Err((reason, false)) => {
                let lease = result.map_err(|error| TestCaseError::fail(format!("a miss, but {error}")))?;
                prop_assert!(!LeaseOf::was_hit(&lease) && lease.serial == serial);
                let counted: Vec<&str> = pool
                    .stats()
                    .misses
                    .iter()
                    .filter(|(reason, count)| *count > misses_before.get(*reason))
                    .map(|(reason, _)| pool_core::Reason::name(reason))
                    .collect();
                prop_assert_eq!(counted, vec![reason]);
                self.model.stale.push(stale);
                self.model.leased += 1;
                *self.model.leased_of.entry(key).or_default() += 1;
                self.model.count("opened");
                let now = self.model.now;
                Ok(Some((lease, Entry { serial, key, weight, opened_at: now, released_at: now })))
            }
        }
    }

    fn compare(&mut self, pool: &Pool<u8, Item>, leases: u64, before: usize) -> Result<(), TestCaseError> {
        pool.assert_sound();
        let sorted = |serials: &[u64]| {
            let mut serials = serials.to_vec();
            serials.sort_unstable();
            serials
        };
        let (drops, model) = (self.drops.borrow(), &mut self.model);
        prop_assert_eq!(drops.len(), model.dropped.len(), "as many drops");
        prop_assert_eq!(sorted(&drops[before..]), sorted(&model.dropped[before..]), "dropped by this step");

        let stats = pool.stats();
        let count = |what: &str| model.counts.get(what).copied().unwrap_or(0);
        prop_assert_eq!(stats.reused, count("reused"));
        prop_assert_eq!(stats.opened(), count("opened"));
        prop_assert_eq!(stats.acquired(), count("opened") + count("reused"));
        prop_assert_eq!((stats.refused, stats.opens_failed), (count("refused"), count("failed")));
        prop_assert_eq!((stats.released_to_pool, stats.detached), (count("released_to_pool"), self.detached));
        for (reason, dropped) in stats.dropped().iter() {
            prop_assert_eq!(dropped, count(pool_core::Reason::name(reason)), "{}", reason);
        }
        prop_assert_eq!(stats.acquired() - stats.ended(), leases);

        let usage = pool.usage();
        prop_assert_eq!((usage.idle, usage.leased), (model.idle.len() as u64, model.leased));
        prop_assert_eq!(usage.idle_weight, model.idle.iter().map(|entry| entry.weight).sum::<u64>());
        self.peaks = (self.peaks.0.max(usage.idle), self.peaks.1.max(usage.idle_weight));
        model.peak_leased = model.peak_leased.max(usage.leased);
        prop_assert_eq!((stats.peaks.idle, stats.peaks.idle_weight), self.peaks);
        prop_assert_eq!(stats.peaks.leased, model.peak_leased);
        let Rules { max_idle, max_live, max_idle_weight, .. } = self.rules;
        prop_assert!(usage.idle <= max_idle && usage.live() <= max_live);
        prop_assert!(usage.idle_weight <= max_idle_weight);
        Ok(())
    }
}

/// The same cases each time, so that a change is judged by what it changed. To look for more:
/// `PROPTEST_RNG_SEED=7 PROPTEST_CASES=100000 cargo test --release -p pool-core --test model`
fn config() -> ProptestConfig {
    let (set, config) = (|name| std::env::var_os(name).is_some(), ProptestConfig::default());
    let cases = if set("PROPTEST_CASES") { config.cases } else { 1500 };
    let rng_seed = if set("PROPTEST_RNG_SEED") { config.rng_seed } else { RngSeed::Fixed(1) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_pool_does_what_the_naive_model_does(rules in rules(), ops in prop::collection::vec(op(), 1..80)) {
        let _watchdog = watchdog::watchdog();
        Run::new(rules).run(&ops)?;
    }
}
