//! Risk: a panic of user code loses a place for ever, poisons the pool, or leaves somebody who waits asleep.
//!
//! In what other pools were found to fail: a panic in `connect`, `is_valid` or `has_broken` loses a place for ever (r2d2, bb8); a panic in
//! a closure that is run under the lock poisons the pool (deadpool's `retain`); a lost wake-up between looking and queueing
//! (qp: see `hand_off` in the model for loom); destructors that run under the lock (bb8, deadpool's `resize`).

#[path = "support/threads.rs"]
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::eviction::Lru;
use pool_core::pool::LeaseOf;
use pool_core::sync::{Lease, Pool};
use pool_core::{
    Capacity, EntryId, Event, Eviction, KeyId, Now, Opened, Removal, Resource, Returned, Usage, Verdict,
    Victim,
};
use threads::{Bomb, Exclusive, Expected, Ledger, Shared, Thing, panicked, pool, until, watchdog};

/// While another waits for `key`, does what panics; that other must be served, and nothing may be lost.
fn survives<const SHARED: bool>(
    what: &str,
    pool: &Pool<u32, Thing<SHARED>>,
    ledger: &Ledger,
    key: u32,
    act: impl FnOnce(&dyn Fn()),
) {
    let (asked, ready) = (&AtomicBool::new(false), &AtomicBool::new(false));
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            until(|| ready.load(SeqCst));
            asked.store(true, SeqCst);
            drop(pool.acquire(&key, |_| ledger.open()).unwrap());
        });
        let somebody_waits = || {
            ready.store(true, SeqCst);
            until(|| asked.load(SeqCst) && pool.usage().waiting == 1);
        };
        assert!(panicked(|| act(&somebody_waits)), "{what}: the panic goes on");
        waiter.join().unwrap();
    });
    assert!(ledger.bomb().went_off(), "{what}");
    pool.assert_sound();
    assert_eq!((pool.usage().live(), pool.usage().waiting, ledger.live()), (1, 0, 1), "{what}");
    let again = pool.acquire(&key, |_| ledger.open()).unwrap();
    assert!(LeaseOf::was_hit(&again), "{what}: the pool is as good as new");
    drop(again);
}

fn survives_in_an_open<const SHARED: bool>(step: &'static str) {
    let (pool, ledger) = (pool::<SHARED>(MaxLive(1)), Ledger::default());
    survives(step, &pool, &ledger, 1, |somebody_waits| {
        let open = |_: &u32| {
            somebody_waits();
            ledger.bomb().arm(step);
            ledger.bomb().step("open");
            ledger.open()
        };
        drop(pool.acquire(&1, open));
    });
    drop(pool);
    ledger.assert_all_dropped_once();
}

/// r2d2 and bb8 lose a place when `connect` panics.
#[test]
fn panic_in_an_open_loses_no_place() {
    let _watchdog = watchdog();
    survives_in_an_open::<false>("open");
    survives_in_an_open::<true>("open");
}

#[test]
fn panic_while_what_was_opened_is_measured_loses_no_place() {
    let _watchdog = watchdog();
    for step in ["weight", "residue"] {
        survives_in_an_open::<false>(step);
        survives_in_an_open::<true>(step);
    }
    survives_in_an_open::<true>("share");
}

fn ends(step: &'static str, end: impl FnOnce(&Bomb, Lease<u32, Thing<false>>)) {
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    survives(step, &pool, &ledger, 2, |somebody_waits| {
        somebody_waits();
        ledger.bomb().arm(step);
        end(ledger.bomb(), lease);
    });
    drop(pool);
    ledger.assert_all_dropped_once();
}

/// r2d2 and bb8 lose a place when `has_broken` panics.
#[test]
fn panic_in_health_or_weight_at_a_release_loses_no_place() {
    let _watchdog = watchdog();
    ends("health", |_, lease| drop(lease));
    ends("weight", |_, lease| drop(lease));
}

/// r2d2 and bb8 lose a place when `is_valid` panics.
#[test]
fn panic_in_health_at_an_acquire_loses_no_place() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    drop(pool.acquire(&1, |_| ledger.open()).unwrap());
    ledger.bomb().arm("health");
    assert!(panicked(|| drop(pool.acquire(&1, |_| ledger.open()))));
    assert_eq!((pool.usage().live(), ledger.live()), (0, 0));
    pool.assert_sound();

    // The same where the resource was handed to one who waited.
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let struck = scope.spawn(|| panicked(|| drop(pool.acquire(&1, |_| ledger.open()))));
        until(|| pool.usage().waiting == 1);
        scope.spawn(|| drop(pool.acquire(&2, |_| ledger.open()).unwrap()));
        until(|| pool.usage().waiting == 2);
        ledger.bomb().arm(Bomb::HEALTH_AFTER_WEIGHT);
        drop(lease);
        assert!(struck.join().unwrap());
    });
    assert_eq!((pool.usage().live(), pool.usage().waiting), (1, 0), "the other was served");
    pool.assert_sound();
    drop(pool);
    ledger.assert_all_dropped_once();
}

#[test]
fn panic_in_a_destructor_loses_no_place() {
    let _watchdog = watchdog();
    ends("drop", |_, lease| LeaseOf::discard(lease));
}

#[test]
fn panic_of_a_leases_holder_loses_no_place() {
    let _watchdog = watchdog();
    ends("holder", |bomb, lease| {
        let _lease = lease;
        bomb.step("holder");
    });
}

#[test]
fn panic_in_an_observer_loses_no_place() {
    let _watchdog = watchdog();
    for kind in ["opened", "dropped", "failed", "refused"] {
        let ledger = Ledger::default();
        let bomb = ledger.bomb().clone();
        let observer = move |event: Event<'_, u32>| match event {
            Event::Opened { .. } => bomb.step("opened"),
            Event::Dropped { .. } => bomb.step("dropped"),
            Event::OpenFailed { .. } => bomb.step("failed"),
            Event::Refused { .. } => bomb.step("refused"),
            _ => {}
        };
        let pool: Exclusive = Pool::builder().capacity(MaxLive(1)).observer(observer).build();
        let held =
            (kind != "failed" && kind != "opened").then(|| pool.acquire(&1, |_| ledger.open()).unwrap());
        survives(kind, &pool, &ledger, 2, |somebody_waits| {
            let open = |_: &u32| {
                somebody_waits();
                ledger.bomb().arm(kind);
                if kind == "failed" { Err("no") } else { ledger.open() }
            };
            match held {
                None => drop(pool.acquire(&1, open)),
                Some(lease) => {
                    somebody_waits();
                    ledger.bomb().arm(kind);
                    if kind == "refused" {
                        let _lease = lease;
                        drop(pool.try_acquire(&3, |_| ledger.open()));
                    } else {
                        LeaseOf::discard(lease);
                    }
                }
            }
        });
        drop(pool);
        ledger.assert_all_dropped_once();
    }
}

/// A policy of which one hook panics when it is told to.
struct Fragile {
    inner: Lru,
    bomb: Bomb,
}

impl Eviction<u32> for Fragile {
    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.bomb.step("on_open");
        Eviction::<u32>::on_open(&mut self.inner, entry, key, opened, now);
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.bomb.step("on_acquire");
        Eviction::<u32>::on_acquire(&mut self.inner, entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.bomb.step("on_release");
        Eviction::<u32>::on_release(&mut self.inner, entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.bomb.step("on_remove");
        Eviction::<u32>::on_remove(&mut self.inner, entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.bomb.step("victim");
        Eviction::<u32>::victim(&mut self.inner, incoming, now)
    }
}

/// The same for limits.
struct FragileLimit(Both<MaxLive, MaxIdle>, Bomb);

impl Capacity for FragileLimit {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        self.1.step("admit");
        self.0.admit(usage, expected)
    }
    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        self.1.step("keep");
        self.0.keep(usage, weight)
    }
}

/// deadpool is poisoned by a closure that panics under its lock.
#[test]
fn panic_in_a_policy_poisons_nothing_and_everybody_is_served() {
    let _watchdog = watchdog();
    for hook in ["on_open", "on_acquire", "on_release", "on_remove", "victim", "admit", "keep"] {
        let ledger = Ledger::default();
        let eviction = Fragile { inner: Lru::new(), bomb: ledger.bomb().clone() };
        let limit = FragileLimit(Both(MaxLive(2), MaxIdle(1)), ledger.bomb().clone());
        let pool: Pool<u32, Thing<false>> = Pool::builder().eviction(eviction).capacity(limit).build();
        let leases = [1, 2].map(|key| pool.acquire(&key, |_| ledger.open()).unwrap());
        thread::scope(|scope| {
            let waiters = [1, 3].map(|key| {
                let (pool, ledger) = (&pool, &ledger);
                // In whose step it goes off, there it goes on.
                scope.spawn(move || {
                    let acquire = || drop(pool.acquire(&key, |_| ledger.open()));
                    panicked(acquire)
                })
            });
            until(|| pool.usage().waiting == 2);
            ledger.bomb().arm(hook);
            for lease in leases {
                panicked(|| drop(lease));
            }
            // None sleeps on: this is what the test would hang at.
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
        pool.assert_sound();
        assert_eq!(pool.usage().waiting, 0, "{hook}");
        assert_eq!(pool.usage().live(), ledger.live(), "{hook}");
        for key in [10, 10, 11, 12, 12] {
            panicked(|| drop(pool.acquire(&key, |_| ledger.open())));
        }
        assert!(ledger.bomb().went_off(), "{hook} was never called");
        assert!(pool.try_acquire(&20, |_| ledger.open()).is_ok(), "{hook}: no place was lost");
        drop(pool);
        ledger.assert_all_dropped_once();
    }
}

/// bb8, and deadpool's `resize`, run destructors under the lock: one that uses the pool hangs.
#[test]
fn destructor_may_use_the_pool() {
    let _watchdog = watchdog();
    struct Nosy(std::sync::Weak<Pool<u32, Nosy>>, Arc<AtomicBool>);
    impl Resource for Nosy {
        type Error = ();
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            if let Some(pool) = self.0.upgrade() {
                pool.assert_sound();
                self.1.store(pool.stats().opened() > 0, SeqCst);
            }
        }
    }
    let looked = Arc::new(AtomicBool::new(false));
    let pool = Arc::new(Pool::builder().capacity(MaxLive(1)).build());
    let open = |_: &u32| Ok(Nosy(Arc::downgrade(&pool), Arc::clone(&looked)));
    drop(pool.acquire(&1, open).unwrap());
    drop(pool.acquire(&2, open).unwrap());
    assert!(looked.load(SeqCst), "the first was evicted");
}

#[test]
fn panic_of_one_thread_is_not_taken_for_that_of_another() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(1)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            panicked(|| {
                let _handle = pool.acquire(&1, |_| ledger.open()).unwrap();
                std::panic::resume_unwind(Box::new(Expected))
            })
        });
        assert!(other.join().unwrap());
    });
    // What is shared is doomed by the one that panicked, and goes with the last lease, not before.
    assert_eq!((ledger.live(), pool.usage().leased), (1, 1));
    drop(lease);
    assert_eq!(ledger.live(), 0);
    pool.assert_sound();
}
