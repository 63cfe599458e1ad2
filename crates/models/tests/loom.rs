//! Every order of a few threads, within a bound on preemptions: `cargo loom`.
//!
//! Deadlock is what most models look for: a waiter that nobody wakes. Models that find nothing prove nothing: `.ci/mutants` makes
//! the mistakes in `crates/pool-core/tests/mutants`, and expects the model that is named beside each to find it.
#![cfg(pool_loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use loom::thread;
use pool_core::capacity::{Both, MaxIdle, MaxLive, Unbounded};
use pool_core::eviction::Lru;
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, Pool};
use pool_core::{AcquireError, Clock, Resource, Step};

/// Time stands still: decisions must not hang on the time that a model takes.
struct Stopped;

impl Clock for Stopped {
    fn nanos(&self) -> u64 {
        0
    }
}

#[derive(Default)]
struct Ledger {
    opened: AtomicU64,
    dropped: AtomicU64,
}

impl Ledger {
    fn open<const SHARED: bool>(self: &Arc<Self>) -> Result<Thing<SHARED>, &'static str> {
        self.opened.fetch_add(1, SeqCst);
        Ok(Thing(Arc::new(Core(Arc::clone(self)))))
    }

    fn live(&self) -> u64 {
        self.opened.load(SeqCst) - self.dropped.load(SeqCst)
    }
}

struct Core(Arc<Ledger>);

impl Drop for Core {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, SeqCst);
    }
}

#[derive(Clone)]
struct Thing<const SHARED: bool>(Arc<Core>);

impl<const SHARED: bool> Resource for Thing<SHARED> {
    type Error = &'static str;

    /// All threads of a model are one thread of the system's, and unwind together.
    fn survives_panic(&self) -> bool {
        true
    }
}

type Exclusive = Pool<u32, Thing<false>>;
type Shared = Pool<u32, Thing<true>>;

fn exclusive(max_live: u64) -> Arc<Exclusive> {
    Arc::new(Pool::builder().clock(Stopped).eviction(Lru::new()).capacity(MaxLive(max_live)).build())
}

/// At most so many preemptions where three threads run: 3, or what `POOL_PREEMPTIONS` says (4 take ten times as long).
fn three_threads() -> Option<usize> {
    Some(
        std::env::var("POOL_PREEMPTIONS")
            .map_or(3, |number| number.parse().expect("a number of preemptions")),
    )
}

/// Tries all orders with at most `preemptions`, or really all.
fn model(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 20_000;
    let orders = Arc::new(AtomicU64::new(0));
    let tried = Arc::clone(&orders);
    builder.check(move || {
        tried.fetch_add(1, SeqCst);
        model();
    });
    println!("{} orders", orders.load(SeqCst));
}

/// A lease that ends just as another thread begins to wait for it. Finds a lost wake-up: the release looks at the queue
/// before the waiter is in it, or the waiter parks after it was woken.
#[test]
fn hand_off() {
    model(None, || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let waiter = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || drop(pool.acquire(&1, |_| ledger.open()).unwrap()))
        };
        drop(lease);
        waiter.join().unwrap();
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (1, 0, 1));
        assert_eq!(ledger.opened.load(SeqCst), 1, "handed off, or taken warm");
    });
}

/// One lease, two who wait for it, of which one needs the room and not the resource. Finds a wake-up of the wrong one, and one that
/// is served without waking the next.
#[test]
fn lease_that_ends_and_two_who_wait() {
    model(three_threads(), || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let waiters = [1, 2].map(|key| {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || {
                drop(pool.acquire(&key, |_| ledger.open()).unwrap());
                assert!(ledger.live() <= 1, "a victim is gone before the next open");
            })
        });
        drop(lease);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (1, 0, 1));
    });
}

/// Two ask for one key, whose open fails. Finds a waiter that hears of no error, or of one twice, or sleeps on.
#[test]
fn single_flight_whose_open_fails() {
    model(None, || {
        let pool: Arc<Shared> = Arc::new(Pool::builder().clock(Stopped).capacity(Unbounded).shared().build());
        let opens = Arc::new(AtomicU64::new(0));
        let ask = {
            let (pool, opens) = (Arc::clone(&pool), Arc::clone(&opens));
            move || {
                let failed = pool.acquire(&1, |_| {
                    opens.fetch_add(1, SeqCst);
                    // Another may begin to wait now.
                    thread::yield_now();
                    Err("no")
                });
                assert!(matches!(failed, Err(AcquireError::Open { .. })));
            }
        };
        let other = thread::spawn(ask.clone());
        ask();
        other.join().unwrap();
        pool.assert_sound();
        let shared = pool.stats().waits.waited;
        assert_eq!(opens.load(SeqCst) + shared, 2, "an error is of one's own open, or of the one waited for");
        assert_eq!((pool.usage().live(), pool.usage().waiting), (0, 0));
    });
}

/// Two ask for one key, and the open of one panics. Finds an open that is never called off, for which the other would wait for
/// ever.
#[test]
fn single_flight_whose_open_panics() {
    model(None, || {
        let pool: Arc<Shared> =
            Arc::new(Pool::builder().clock(Stopped).capacity(MaxLive(1)).shared().build());
        let ledger = Arc::new(Ledger::default());
        let other = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || drop(pool.acquire(&1, |_| ledger.open()).unwrap()))
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let lease = pool.acquire(&1, |_| {
                thread::yield_now();
                std::panic::resume_unwind(Box::new("expected"))
            });
            assert!(LeaseOf::was_hit(&lease.unwrap()));
        }));
        drop(outcome);
        other.join().unwrap();
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (1, 0, 1));
    });
}

/// Two ask for one key whose open works. Finds an open too many, and a handle that is lost.
#[test]
fn single_flight_that_is_shared() {
    model(None, || {
        let pool: Arc<Shared> =
            Arc::new(Pool::builder().clock(Stopped).capacity(MaxLive(1)).shared().build());
        let ledger = Arc::new(Ledger::default());
        let ask = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            move || drop(pool.acquire(&1, |_| ledger.open()).unwrap())
        };
        let other = thread::spawn(ask.clone());
        ask();
        other.join().unwrap();
        pool.assert_sound();
        assert_eq!((ledger.opened.load(SeqCst), pool.stats().acquired()), (1, 2));
        pool.close();
        assert_eq!(ledger.live(), 0);
    });
}

/// The first of two who wait is cancelled just as the lease ends. Finds a turn that is lost with the one who gave up, so that the
/// second waits for ever.
#[test]
fn cancel_against_hand_off() {
    model(three_threads(), || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let token = CancellationToken::new();
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let cancelled = {
            let (pool, ledger, token) = (Arc::clone(&pool), Arc::clone(&ledger), token.clone());
            thread::spawn(move || match pool.acquire_cancellable(&1, &token, |_| ledger.open()) {
                Ok(lease) => drop(lease),
                Err(AcquireError::Cancelled { step: Step::Wait, .. }) => {}
                Err(error) => panic!("{error}"),
            })
        };
        let next = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || drop(pool.acquire(&1, |_| ledger.open()).unwrap()))
        };
        token.cancel();
        drop(lease);
        cancelled.join().unwrap();
        next.join().unwrap();
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (1, 0, 1));
    });
}

/// One waits for what does not end, and is cancelled. Finds one that parks after it looked at the token, and before it said that it
/// is to be woken.
#[test]
fn cancel_against_parking() {
    model(None, || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let token = CancellationToken::new();
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let cancelled = {
            let (pool, ledger, token) = (Arc::clone(&pool), Arc::clone(&ledger), token.clone());
            thread::spawn(move || {
                let lease = pool.acquire_cancellable(&1, &token, |_| ledger.open());
                assert!(matches!(lease, Err(AcquireError::Cancelled { step: Step::Wait, .. })));
            })
        };
        token.cancel();
        cancelled.join().unwrap();
        drop(lease);
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting), (1, 0));
    });
}

/// A pool is closed while one waits and another opens. Finds one that waits for a closed pool, and a resource that comes back to
/// it and stays.
#[test]
fn close_against_acquire() {
    model(three_threads(), || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let others = [1, 2].map(|key| {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || match pool.acquire(&key, |_| ledger.open()) {
                Ok(lease) => drop(lease),
                Err(AcquireError::Closed { .. }) => {}
                Err(error) => panic!("{error}"),
            })
        });
        pool.close();
        for other in others {
            other.join().unwrap();
        }
        pool.assert_sound();
        assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (0, 0, 0));
    });
}

/// A pool is closed and waited for while its last lease ends. Finds a closer that is told before it listens, or not at all.
#[test]
fn close_and_wait_against_the_last_lease() {
    model(None, || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let user = thread::spawn(move || drop(lease));
        pool.close_and_wait(Duration::MAX).unwrap();
        assert_eq!(pool.usage().live(), 0);
        user.join().unwrap();
        pool.assert_sound();
        assert_eq!(ledger.live(), 0);
    });
}

/// One takes a handle of what is idle while another's open evicts it. Finds a resource that is evicted with a lease on it, that is
/// counted twice, or dropped never.
#[test]
fn share_against_evict() {
    model(None, || {
        let capacity = Both(MaxLive(2), MaxIdle(1));
        let pool: Arc<Shared> =
            Arc::new(Pool::builder().clock(Stopped).eviction(Lru::new()).capacity(capacity).shared().build());
        let ledger = Arc::new(Ledger::default());
        drop(pool.acquire(&1, |_| ledger.open()).unwrap());
        let sharer = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || {
                let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
                assert!(Arc::strong_count(&lease.0) >= 2, "the lease's handle and the pool's");
            })
        };
        drop(pool.acquire(&2, |_| ledger.open()).unwrap());
        sharer.join().unwrap();
        pool.assert_sound();
        assert_eq!((pool.usage().idle, ledger.live()), (1, 1));
        pool.close();
        assert_eq!(ledger.live(), 0);
    });
}

/// One who never waits, against one who does. Finds an acquire that takes what was given to another.
#[test]
fn no_barging() {
    model(None, || {
        let (pool, ledger) = (exclusive(1), Arc::new(Ledger::default()));
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        let waiter = {
            let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
            thread::spawn(move || drop(pool.acquire(&1, |_| ledger.open()).unwrap()))
        };
        let waits = pool.usage().waiting == 1;
        drop(lease);
        if waits {
            // The waiter has it, or has already given it back.
            match pool.try_acquire(&1, |_| ledger.open()) {
                Ok(_) => assert_eq!(pool.stats().waits.hand_offs, 1),
                Err(error) => assert!(matches!(error, AcquireError::Exhausted { .. }), "{error}"),
            }
        }
        waiter.join().unwrap();
        pool.assert_sound();
        assert_eq!((pool.usage().live(), ledger.opened.load(SeqCst)), (1, 1));
    });
}
