//! Risk: who waits is served out of turn, or starves. Each of the five sentences of the rule in `pool_core::sync` is a test here.

#[path = "support/threads.rs"]
mod threads;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use pool_core::capacity::{MaxLive, MaxLiveWeight, ProcessMemory};
use pool_core::eviction::RejectIncoming;
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, Lease, Pool};
use pool_core::{AcquireError, AcquireOptions};
use threads::{Exclusive, Ledger, Shared, Thing, Time, builder, pool, until, watchdog};

/// As often as this, others may be served before the first who waits for room.
const MOST_OVERTAKEN: usize = 64;

fn waiting<const SHARED: bool>(pool: &Pool<u32, Thing<SHARED>>, number: u64) {
    until(|| pool.usage().waiting == number);
}

/// A lease that a newcomer got: a thread of its own, which holds nothing when it asks.
fn newcomer<const SHARED: bool>(
    pool: &Pool<u32, Thing<SHARED>>,
    ledger: &Ledger,
    key: u32,
) -> Result<Lease<u32, Thing<SHARED>>, AcquireError<threads::Error>> {
    thread::scope(|scope| scope.spawn(|| pool.try_acquire(&key, |_| ledger.open())).join().unwrap())
}

/// A pool of 10 bytes that knows what its keys weigh: 8 weighs 8 bytes, 1, 2 and 3 weigh 3 each.
fn ten_bytes(ledger: &Ledger) -> Exclusive {
    let pool: Exclusive = pool(MaxLiveWeight(10));
    for (key, weight) in [(8, 8), (1, 3), (2, 3), (3, 3)] {
        ledger.weigh(weight);
        drop(pool.acquire(&key, |_| ledger.open()).unwrap());
    }
    pool
}

#[test]
fn rule_1_first_come_first_served() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let order = Mutex::new(Vec::new());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        for number in 0..5 {
            let (pool, ledger, order) = (&pool, &ledger, &order);
            scope.spawn(move || {
                // Some want the resource, some its room.
                let lease = pool.acquire(&(number % 2), |_| ledger.open()).unwrap();
                order.lock().unwrap().push(number);
                drop(lease);
            });
            waiting(pool, u64::from(number) + 1);
        }
        drop(lease);
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(pool.usage().live(), 1);
    pool.assert_sound();
}

#[test]
fn rule_1_what_was_given_by_name_is_not_snatched_by_who_comes_later() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
            until(|| over.load(SeqCst));
            drop(lease);
        });
        waiting(&pool, 1);
        drop(lease);
        // Whether the other thread has run since or not.
        assert!(pool.try_acquire(&1, |_| ledger.open()).is_err());
        over.store(true, SeqCst);
    });
    assert_eq!(ledger.opened(), 1);
}

#[test]
fn rule_2_one_who_can_not_be_served_holds_up_nobody() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool = ten_bytes(&ledger);
    let [one, two, three] = [1, 2, 3].map(|key| newcomer(&pool, &ledger, key).unwrap());
    thread::scope(|scope| {
        let heavy = scope.spawn(|| drop(pool.acquire(&8, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        let light = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        drop(one);
        assert!(light.join().unwrap(), "it came later, and is served first");
        assert_eq!(pool.usage().waiting, 1, "8 bytes are still not free");
        drop((two, three));
        heavy.join().unwrap();
    });
    pool.assert_sound();
}

/// Leases of newcomers that overlap, so that there are never 8 bytes for the one who waits; returned is how many there were until one
/// had to wait, and the lease that is still out then.
fn overtake(
    pool: &Exclusive,
    ledger: &Ledger,
) -> (usize, Lease<u32, Thing<false>>, AcquireError<threads::Error>) {
    let mut held = newcomer(pool, ledger, 1).unwrap();
    for overtaken in 0.. {
        assert!(overtaken <= MOST_OVERTAKEN, "it starves");
        match newcomer(pool, ledger, 1 + (overtaken as u32 + 1) % 2) {
            Ok(next) => drop(std::mem::replace(&mut held, next)),
            Err(error) => return (overtaken, held, error),
        }
    }
    unreachable!()
}

#[test]
fn rule_3_newcomers_wait_once_64_were_served_before_the_first_who_waits_for_room() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool = ten_bytes(&ledger);
    let first = newcomer(&pool, &ledger, 3).unwrap();
    thread::scope(|scope| {
        let heavy = scope.spawn(|| drop(pool.acquire(&8, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        let (overtaken, held, error) = overtake(&pool, &ledger);
        assert_eq!(overtaken + 1, MOST_OVERTAKEN);
        assert!(
            matches!(error, AcquireError::Exhausted { by: "those who came before, and wait,", .. }),
            "{error}"
        );
        assert!(pool.usage().idle > 0, "even what is warm has to wait");
        let after = scope.spawn(|| pool.acquire(&2, |_| ledger.open()).unwrap().id());
        waiting(&pool, 2);
        pool.assert_sound();
        drop(first);
        assert_eq!(pool.usage().waiting, 2, "3 bytes are out");
        drop(held);
        heavy.join().unwrap();
        after.join().unwrap();
    });
    assert_eq!(pool.usage().waiting, 0);
    assert!(newcomer(&pool, &ledger, 8).is_ok(), "newcomers come in again");
    pool.assert_sound();
}

#[test]
fn rule_3_who_came_later_and_waited_has_overtaken_too() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool = ten_bytes(&ledger);
    let [mut one, two, three] = [1, 2, 3].map(|key| newcomer(&pool, &ledger, key).unwrap());
    thread::scope(|scope| {
        let heavy = scope.spawn(|| drop(pool.acquire(&8, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        for _ in 0..MOST_OVERTAKEN {
            let next = scope.spawn(|| pool.acquire(&1, |_| ledger.open()).unwrap());
            waiting(&pool, 2);
            drop(one);
            one = next.join().unwrap();
        }
        drop(one);
        assert!(newcomer(&pool, &ledger, 1).is_err(), "now newcomers wait");
        drop((two, three));
        heavy.join().unwrap();
    });
    pool.assert_sound();
}

#[test]
fn rule_3_newcomers_come_in_again_when_the_one_they_wait_for_has_left() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let (pool, token) = (ten_bytes(&ledger), CancellationToken::new());
    let first = newcomer(&pool, &ledger, 3).unwrap();
    thread::scope(|scope| {
        let heavy = scope.spawn(|| pool.acquire_cancellable(&8, &token, |_| ledger.open()).is_err());
        waiting(&pool, 1);
        let (_, held, _) = overtake(&pool, &ledger);
        let after = scope.spawn(|| drop(pool.acquire(&2, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        token.cancel();
        assert!(heavy.join().unwrap());
        after.join().unwrap();
        drop(held);
    });
    drop(first);
    pool.assert_sound();
}

#[test]
fn rule_3_holds_for_leases_that_share_a_resource() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(1)), Ledger::default());
    let mut held = newcomer(&pool, &ledger, 1).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&2, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        let mut overtaken = 0;
        while let Ok(next) = newcomer(&pool, &ledger, 1) {
            drop(std::mem::replace(&mut held, next));
            overtaken += 1;
            assert!(overtaken <= MOST_OVERTAKEN, "it starves");
        }
        assert_eq!(overtaken, MOST_OVERTAKEN);
        drop(held);
        assert!(!other.join().unwrap());
    });
    pool.assert_sound();
}

/// Whoever waited behind the turnstile for a key that is just being opened.
fn comes_in_again_during_an_open<const SHARED: bool>() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<SHARED>(MaxLiveWeight(20)), Ledger::default());
    ledger.weigh(3);
    for key in [1, 3, 5] {
        LeaseOf::discard(pool.acquire(&key, |_| ledger.open()).unwrap());
    }
    let _mine = pool.acquire(&5, |_| ledger.open()).unwrap();
    let mut held = newcomer(&pool, &ledger, 1).unwrap();
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let heavy = scope.spawn(|| {
            let options = AcquireOptions::new().expect_weight(18).until_cancelled(&token);
            pool.acquire_with(&8, &options, |_| ledger.open()).is_err()
        });
        waiting(&pool, 1);
        while let Ok(next) = newcomer(&pool, &ledger, 1) {
            drop(std::mem::replace(&mut held, next));
        }
        let waits = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&3, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        let open = |_: &u32| {
            token.cancel();
            assert!(heavy.join().unwrap());
            if SHARED {
                assert_eq!(pool.usage().waiting, 1, "for this open");
            } else {
                until(|| waits.is_finished());
            }
            ledger.open()
        };
        drop(pool.acquire(&3, open).unwrap());
        assert_eq!(waits.join().unwrap(), SHARED);
    });
    pool.assert_sound();
}

#[test]
fn rule_3_who_comes_in_again_shares_an_open_that_runs() {
    comes_in_again_during_an_open::<true>();
}

#[test]
fn rule_3_who_comes_in_again_opens_one_of_its_own_where_resources_are_exclusive() {
    comes_in_again_during_an_open::<false>();
}

/// Nothing is given up for it, so nobody could serve it any more.
#[test]
fn rule_3_newcomers_come_in_again_when_the_one_they_wait_for_is_refused() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool: Exclusive = builder(MaxLiveWeight(10), &Time::default()).eviction(RejectIncoming).build();
    ledger.weigh(5);
    drop(newcomer(&pool, &ledger, 1).unwrap()); // stays
    ledger.weigh(4);
    let held = newcomer(&pool, &ledger, 2).unwrap();
    thread::scope(|scope| {
        let heavy = scope.spawn(|| {
            let options = AcquireOptions::new().expect_weight(8);
            pool.acquire_with(&3, &options, |_| ledger.open()).map(drop)
        });
        waiting(&pool, 1);
        (0..MOST_OVERTAKEN).for_each(|_| drop(newcomer(&pool, &ledger, 1).unwrap()));
        let late = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        LeaseOf::discard(held);
        assert!(matches!(heavy.join().unwrap(), Err(AcquireError::Exhausted { .. })));
        assert!(late.join().unwrap());
    });
    pool.assert_sound();
}

#[test]
fn rule_4_one_who_holds_a_lease_is_never_made_to_wait_for_one_who_waits() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let (pool, token) = (ten_bytes(&ledger), CancellationToken::new());
    thread::scope(|scope| {
        let outer = pool.acquire(&1, |_| ledger.open()).unwrap();
        let heavy = scope.spawn(|| drop(pool.acquire_cancellable(&8, &token, |_| ledger.open())));
        waiting(&pool, 1);
        for _ in 0..4 * MOST_OVERTAKEN {
            drop(pool.try_acquire(&2, |_| ledger.open()).expect("it holds a lease, and 2 is warm"));
        }
        assert!(newcomer(&pool, &ledger, 2).is_err(), "a newcomer waits");
        token.cancel();
        heavy.join().unwrap();
        drop(outer);
    });
    pool.assert_sound();
}

#[test]
fn rule_4_acquires_of_several_keys_in_one_order_do_not_wait_for_each_other() {
    let _watchdog = watchdog();
    for capacity in [12, 30] {
        let (pool, ledger): (Exclusive, _) = (pool(MaxLiveWeight(capacity)), Ledger::default());
        ledger.weigh(3);
        (0..3).for_each(|key| drop(pool.acquire(&key, |_| ledger.open()).unwrap()));
        thread::scope(|scope| {
            for thread in 0..3_u32 {
                let (pool, ledger) = (&pool, &ledger);
                scope.spawn(move || {
                    for round in 0..300_u32 {
                        // Two of three keys, in one order. Three threads that hold one each leave room for one more.
                        let [low, high] = [[1, 2], [0, 2], [0, 1]][((round + thread) % 3) as usize];
                        let low = pool.acquire(&low, |_| ledger.open()).unwrap();
                        thread::yield_now();
                        let high = pool.acquire(&high, |_| ledger.open()).unwrap();
                        drop((low, high));
                    }
                });
            }
            // All the while somebody waits for all there is.
            let all = AcquireOptions::new().expect_weight(capacity);
            for _ in 0..20 {
                LeaseOf::discard(pool.acquire_with(&9, &all, |_| ledger.open()).unwrap());
            }
        });
        assert_eq!(pool.usage().waiting, 0);
        pool.assert_sound();
    }
}

#[test]
fn rule_5_what_one_was_given_who_gives_up_goes_to_the_next() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    for _ in 0..200 {
        let token = CancellationToken::new();
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        thread::scope(|scope| {
            // Cancelled in the moment in which it is served: it takes what it was given, or leaves it.
            scope.spawn(|| drop(pool.acquire_cancellable(&1, &token, |_| ledger.open())));
            waiting(&pool, 1);
            let next = scope.spawn(|| drop(pool.acquire(&2, |_| ledger.open()).unwrap()));
            waiting(&pool, 2);
            scope.spawn(|| token.cancel());
            drop(lease);
            next.join().unwrap();
        });
        assert_eq!((pool.usage().waiting, pool.usage().leased), (0, 0));
        pool.assert_sound();
    }
}

/// Who is asked to measure memory waits for room all the while.
#[test]
fn rule_3_holds_while_the_first_measures_memory() {
    let _watchdog = watchdog();
    let (memory, ledger) = (Arc::new(AtomicU64::new(0)), Ledger::default());
    let measured = Arc::clone(&memory);
    let pool: Exclusive = builder(ProcessMemory::evict_above(100), &Time::default())
        .process_memory(move || Ok(measured.load(SeqCst)))
        .build();
    ledger.weigh(60);
    let mut held = Some(pool.acquire(&1, |_| ledger.open()).unwrap());
    memory.store(60, SeqCst);
    let options = AcquireOptions::new().expect_weight(60);
    let mut first = pool.request_with(&2, &options);
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut first).poll(&mut context).is_pending());
    let overtaken = (0..1000).find(|_| {
        drop(held.take()); // the first is asked to measure, and before it does, two others come
        let Ok(one) = newcomer(&pool, &ledger, 1) else { return true };
        drop(one);
        held = newcomer(&pool, &ledger, 1).ok();
        assert!(held.is_none() || Pin::new(&mut first).poll(&mut context).is_pending());
        held.is_none()
    });
    assert_eq!(overtaken, Some(MOST_OVERTAKEN / 2));
    assert!(matches!(Pin::new(&mut first).poll(&mut context), Poll::Ready(Ok(_))));
    pool.assert_sound();
}

/// Else it waits for one who waits for its place.
#[test]
fn rule_4_one_who_is_in_the_middle_of_an_open_is_never_made_to_wait_for_one_who_waits() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool = ten_bytes(&ledger);
    let options = AcquireOptions::new().expect_weight(10);
    let mut first = pool.request_with(&9, &options);
    let mut context = Context::from_waker(Waker::noop());
    let outer = pool.acquire(&1, |_| {
        drop(pool.acquire(&2, |_| ledger.open()).unwrap());
        assert!(Pin::new(&mut first).poll(&mut context).is_pending(), "it waits for this open");
        for _ in 0..2 * MOST_OVERTAKEN {
            drop(pool.acquire(&2, |_| ledger.open()).expect("it is warm"));
        }
        assert!(matches!(newcomer(&pool, &ledger, 2), Err(AcquireError::Exhausted { .. })));
        ledger.open()
    });
    drop((outer.unwrap(), first));
    pool.assert_sound();
}
