//! Risk: real threads get stuck where virtual ones don't. Every capacity policy with every eviction policy, for a moment each; a
//! pair that does not move for 30 s fails, and says who waits for what.

#[path = "support/threads.rs"]
mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{
    Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive, MaxLiveWeight, MaxOpens, MaxResidue, ProcessMemory,
    Unbounded,
};
use pool_core::eviction::{self, IdleTimeout, MaxAge};
use pool_core::pool::LeaseOf;
use pool_core::sync::{Builder, CancellationToken, Pool, WaitIfCheaper};
use pool_core::{AcquireOptions, Capacity, Eviction, Health, Resource};
use threads::{Expected, watchdog_that_says};

type AnyCapacity = Box<dyn Capacity + Send>;
type AnyEviction = Box<dyn Eviction<u32> + Send>;

const THREADS: u64 = 4;
const ROUNDS: u64 = 300;
const KEYS: u64 = 5;

fn capacities() -> Vec<(&'static str, AnyCapacity)> {
    vec![
        ("Unbounded", Box::new(Unbounded)),
        ("MaxIdle", Box::new(MaxIdle(2))),
        ("MaxIdlePerKey", Box::new(MaxIdlePerKey(1))),
        ("MaxIdleWeight", Box::new(MaxIdleWeight(20))),
        ("MaxLive", Box::new(MaxLive(2))),
        ("MaxLiveWeight", Box::new(MaxLiveWeight(25))),
        ("MaxOpens", Box::new(MaxOpens(60))),
        ("MaxResidue", Box::new(MaxResidue(60))),
        ("ProcessMemory", Box::new(ProcessMemory::evict_above(40))),
        ("Both", Box::new(Both(MaxLive(3), MaxIdlePerKey(1)))),
    ]
}

fn evictions() -> Vec<(&'static str, AnyEviction)> {
    let brief = Duration::from_micros(50);
    let lru = || eviction::Lru::new();
    let mut all: Vec<(&'static str, AnyEviction)> = vec![
        ("IdleTimeout", Box::new(IdleTimeout::new(brief, lru()))),
        ("MaxAge", Box::new(MaxAge::new(brief, lru()))),
    ];
    all.extend(eviction::NAMES.iter().map(|name| (*name, eviction::named(name).unwrap())));
    all
}

/// Random numbers, by seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[derive(Default)]
struct Ledger {
    opened: AtomicU64,
    dropped: AtomicU64,
}

/// One that was opened; counted when it is gone.
struct Counted(Arc<Ledger>);

impl Drop for Counted {
    fn drop(&mut self) {
        thread::yield_now();
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

#[derive(Clone)]
struct Thing {
    _counted: Arc<Counted>,
    health: Arc<AtomicU64>,
}

impl Resource for Thing {
    type Error = ();

    fn weight(&self) -> u64 {
        7
    }

    fn residue(&self) -> u64 {
        1
    }

    fn health(&mut self) -> Health {
        match self.health.fetch_add(1, SeqCst) % 13 {
            11 => Health::Stale,
            12 => Health::Broken,
            _ => Health::Reusable,
        }
    }
}

fn pool(
    capacity: AnyCapacity,
    eviction: AnyEviction,
    shared: bool,
    waits: bool,
    ledger: &Arc<Ledger>,
) -> Pool<u32, Thing> {
    let ledger = Arc::clone(ledger);
    let alive = move || Ok(7 * ledger.opened.load(SeqCst).saturating_sub(ledger.dropped.load(SeqCst)));
    let builder: Builder<u32, Thing> =
        Pool::builder().capacity(capacity).eviction(eviction).remembered_keys(2).process_memory(alive);
    let builder = if shared { builder.shared() } else { builder };
    if waits { builder.create_or_wait(WaitIfCheaper).build() } else { builder.build() }
}

/// What one thread does.
fn work(pool: &Pool<u32, Thing>, ledger: &Arc<Ledger>, token: &CancellationToken, mut random: Random) {
    for _ in 0..ROUNDS {
        let key = random.below(KEYS) as u32;
        let options = match random.below(4) {
            0 => AcquireOptions::new().never_wait(),
            1 => AcquireOptions::new().timeout(Duration::from_micros(random.below(200))),
            2 => AcquireOptions::new().until_cancelled(token),
            _ => AcquireOptions::new(),
        };
        let (fate, end) = (random.below(12), random.below(12));
        let open = |_: &u32| {
            thread::yield_now();
            match fate {
                0 => Err(()),
                1 => resume_unwind(Box::new(Expected)),
                _ => {
                    ledger.opened.fetch_add(1, SeqCst);
                    let counted = Arc::new(Counted(Arc::clone(ledger)));
                    Ok(Thing { _counted: counted, health: Arc::default() })
                }
            }
        };
        let step = || match end {
            0 => drop(pool.drain()),
            1 => drop(pool.drop_stale(|name, _| *name == key)),
            2 => drop(pool.evict_expired()),
            3 => drop(pool.prewarm([key], open)),
            _ => {
                let Ok(lease) = pool.acquire_with(&key, &options, open) else { return };
                thread::yield_now();
                match end {
                    4 => LeaseOf::discard(lease),
                    5 => drop(LeaseOf::into_inner(lease)),
                    6 => resume_unwind(Box::new(Expected)),
                    _ => drop(lease),
                }
            }
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(step)) {
            assert!(payload.is::<Expected>(), "{:?}", payload.downcast_ref::<String>());
        }
    }
}

#[test]
fn no_pair_of_policies_gets_stuck_or_loses_a_place() {
    let mut seed = 0;
    for (eviction_name, _) in evictions() {
        for (capacity_name, _) in capacities() {
            seed += 1;
            let find_eviction =
                || evictions().into_iter().find(|(name, _)| *name == eviction_name).unwrap().1;
            let find_capacity =
                || capacities().into_iter().find(|(name, _)| *name == capacity_name).unwrap().1;
            let (shared, waits) = (seed % 2 == 0, seed % 3 == 0);
            let ledger = Arc::new(Ledger::default());
            let pool = Arc::new(pool(find_capacity(), find_eviction(), shared, waits, &ledger));
            let (seen, token) = (Arc::clone(&pool), CancellationToken::new());
            let _watchdog = watchdog_that_says(move || {
                format!(
                    "{capacity_name}, {eviction_name}, shared {shared}, waits {waits}: {}",
                    seen.describe()
                )
            });
            thread::scope(|scope| {
                let (pool, ledger, token) = (&pool, &ledger, &token);
                for number in 0..THREADS {
                    scope.spawn(move || work(pool, ledger, token, Random(seed * 100 + number)));
                }
                scope.spawn(|| {
                    thread::yield_now();
                    token.cancel();
                });
            });
            let usage = pool.usage();
            assert_eq!((usage.waiting, usage.leased, usage.opening, usage.dropping), (0, 0, 0, 0), "{usage}");
            pool.assert_sound();
            pool.close();
            let gone = (ledger.opened.load(SeqCst), ledger.dropped.load(SeqCst));
            assert_eq!(gone.0, gone.1, "{capacity_name}, {eviction_name}: all that was opened is gone");
        }
    }
}
