//! Twelve threads in thousands of random orders: `cargo shuttle`.
//!
//! What the threads do is drawn from shuttle's generator, so a failing order can be replayed with what it did; the books are counted
//! again at each step. `SHUTTLE_SCHEDULES` says how many orders each test tries (1000).
#![cfg(pool_shuttle)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::eviction::Lru;
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, Lease, Pool, WaitIfCheaper};
use pool_core::{AcquireError, Clock, Health, Resource};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};

const THREADS: usize = 12;
const STEPS: usize = 6;
const KEYS: u32 = 5;
const MAX_LIVE: u64 = 4;
const MAX_IDLE: u64 = 2;

/// Each look is a nanosecond later.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn nanos(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }
}

#[derive(Default)]
struct Ledger {
    opened: AtomicU64,
    dropped: AtomicU64,
}

struct Core {
    key: u32,
    ledger: Arc<Ledger>,
    dropped: AtomicBool,
    in_use: AtomicBool,
    stale: AtomicBool,
}

impl Drop for Core {
    fn drop(&mut self) {
        assert!(!self.dropped.swap(true, SeqCst), "dropped twice");
        self.ledger.dropped.fetch_add(1, SeqCst);
    }
}

#[derive(Clone)]
struct Thing<const SHARED: bool>(Arc<Core>);

impl<const SHARED: bool> Resource for Thing<SHARED> {
    type Error = &'static str;

    fn health(&mut self) -> Health {
        if self.0.stale.load(SeqCst) { Health::Stale } else { Health::Reusable }
    }

    /// All threads are one thread of the system's here, and unwind together.
    fn survives_panic(&self) -> bool {
        true
    }
}

struct Expected;

/// An open which takes its time, and may fail or panic.
fn open<const SHARED: bool>(key: u32, ledger: &Arc<Ledger>) -> Result<Thing<SHARED>, &'static str> {
    let luck = thread_rng().gen_range(0..20);
    thread::yield_now();
    match luck {
        0 => Err("no"),
        1 => resume_unwind(Box::new(Expected)),
        _ => {
            ledger.opened.fetch_add(1, SeqCst);
            Ok(Thing(Arc::new(Core {
                key,
                ledger: Arc::clone(ledger),
                dropped: AtomicBool::new(false),
                in_use: AtomicBool::new(false),
                stale: AtomicBool::new(false),
            })))
        }
    }
}

type Things<const SHARED: bool> = Pool<u32, Thing<SHARED>>;

fn check<const SHARED: bool>(pool: &Things<SHARED>) {
    pool.assert_sound();
    let usage = pool.usage();
    assert!(usage.live() <= MAX_LIVE, "{usage}");
    assert!(usage.idle <= MAX_IDLE, "{usage}");
}

fn step<const SHARED: bool>(pool: &Arc<Things<SHARED>>, ledger: &Arc<Ledger>, token: &CancellationToken) {
    let mut rng = thread_rng();
    let key = rng.gen_range(0..KEYS);
    let ledger = Arc::clone(ledger);
    let open = move |key: &u32| open::<SHARED>(*key, &ledger);
    let way = rng.gen_range(0..10);
    let acquired = catch_unwind(AssertUnwindSafe(|| match way {
        0 => pool.try_acquire(&key, open),
        1 => pool.acquire_timeout(&key, Duration::from_nanos(0), open),
        2..5 => pool.acquire_cancellable(&key, token, open),
        _ => pool.acquire(&key, open),
    }));
    check(pool);
    let lease = match acquired {
        Ok(Ok(lease)) => lease,
        Ok(Err(error)) => {
            let allowed = match error {
                AcquireError::Open { .. } | AcquireError::Closed { .. } => true,
                AcquireError::Exhausted { .. } => way == 0,
                AcquireError::TimedOut { .. } => way == 1,
                AcquireError::Cancelled { .. } => (2..5).contains(&way),
                _ => false,
            };
            assert!(allowed, "{error} by way {way}");
            return;
        }
        Err(payload) => {
            assert!(payload.is::<Expected>(), "somebody else's panic");
            return;
        }
    };
    assert_eq!(lease.0.key, key);
    if !SHARED {
        assert!(!lease.0.in_use.swap(true, SeqCst), "leased twice at a time");
    }
    thread::yield_now();
    if !SHARED {
        lease.0.in_use.store(false, SeqCst);
    }
    match rng.gen_range(0..12) {
        0 => LeaseOf::discard(lease),
        1 => drop(LeaseOf::into_inner(lease)),
        2 => lease.0.stale.store(true, SeqCst),
        3 => {
            let owned: Lease<_, _> = lease;
            drop(owned);
        }
        4 => {
            drop(lease);
            pool.drain();
        }
        _ => drop(lease),
    }
    check(pool);
}

/// All of them until all are done, then the end: nothing is out, and everything was dropped once.
fn scenario<const SHARED: bool>(closes: bool) {
    let builder = Pool::builder().clock(Ticks::default()).eviction(Lru::new());
    let builder = builder.create_or_wait(WaitIfCheaper).capacity(Both(MaxLive(MAX_LIVE), MaxIdle(MAX_IDLE)));
    let builder = if SHARED { builder.shared() } else { builder };
    let pool: Arc<Things<SHARED>> = Arc::new(builder.build());
    let (ledger, token) = (Arc::new(Ledger::default()), CancellationToken::new());
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (pool, ledger, token) = (Arc::clone(&pool), Arc::clone(&ledger), token.clone());
            thread::spawn(move || {
                for turn in 0..STEPS {
                    step(&pool, &ledger, &token);
                    match (number, turn) {
                        (0, 3) => token.cancel(),
                        (1, 4) if closes => drop(pool.close()),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    check(&pool);
    let waits = pool.stats().waits;
    for (sum, count) in
        WAITS.iter().zip([waits.waited, waits.hand_offs, waits.opens_shared, waits.cancelled_waiting])
    {
        sum.fetch_add(count, SeqCst);
    }
    pool.close_and_wait(Duration::ZERO).unwrap();
    assert_eq!((pool.usage().live(), pool.usage().waiting), (0, 0));
    drop(pool);
    assert_eq!(ledger.dropped.load(SeqCst), ledger.opened.load(SeqCst), "everything is dropped once");
}

/// How often anybody waited, was handed a resource, shared an open, was cancelled: or nothing was tried.
static WAITS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn schedules() -> usize {
    std::env::var("SHUTTLE_SCHEDULES").map_or(1000, |number| number.parse().expect("a number of schedules"))
}

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::Print;
    config.stack_size = 256 << 10;
    Runner::new(scheduler, config).run(scenario);
    let waits = WAITS.each_ref().map(|sum| sum.load(SeqCst));
    println!("waited, handed off, opens shared, cancelled, so far: {waits:?}");
    assert!(waits[0] > 0, "nobody ever waited");
}

#[test]
fn exclusive_in_random_orders() {
    run(RandomScheduler::new(schedules()), || scenario::<false>(false));
}

#[test]
fn shared_in_random_orders() {
    run(RandomScheduler::new(schedules()), || scenario::<true>(false));
}

#[test]
fn closing_in_random_orders() {
    run(RandomScheduler::new(schedules() / 2), || scenario::<false>(true));
    run(RandomScheduler::new(schedules() / 2), || scenario::<true>(true));
}

/// Few, but hostile, preemptions: they find in thousands of orders what random ones find in millions (Burckhardt et al., "A
/// randomized scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010).
#[test]
fn exclusive_in_orders_of_few_preemptions() {
    run(PctScheduler::new(3, schedules()), || scenario::<false>(false));
}

#[test]
fn shared_in_orders_of_few_preemptions() {
    run(PctScheduler::new(3, schedules()), || scenario::<true>(true));
}
