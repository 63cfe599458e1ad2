//! Risk: a closed pool gives something out, keeps something, or leaves somebody waiting.

#[path = "support/thing.rs"]
mod thing;
#[path = "support/threads.rs"]
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use pool_core::capacity::MaxLive;
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, Step};
use thing::{handle, sharing};
use threads::{Exclusive, Ledger, Shared, Time, builder, pool, until, watchdog};

#[test]
fn closed_pool_gives_nothing_out_and_keeps_nothing() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(3)), Ledger::default());
    for key in 1..=2 {
        drop(pool.acquire(&key, |_| ledger.open()).unwrap());
    }
    let lease = pool.acquire(&3, |_| ledger.open()).unwrap();
    assert_eq!((pool.close(), ledger.live()), (2, 1), "what is idle goes");
    assert!(pool.is_closed());
    for key in [1, 3, 9] {
        let late = pool.acquire(&key, |_| unreachable!("nothing is opened"));
        let Err(error) = late else { panic!("it is closed") };
        assert!(matches!(error, AcquireError::Closed { .. }), "{error}");
        assert_eq!(error.usage().leased, 1);
    }
    assert!(pool.acquire_warm(&1).is_none());
    assert_eq!(lease.id(), 3, "leases go on");
    drop(lease);
    assert_eq!((ledger.live(), pool.close()), (0, 0), "closing twice does nothing");
    pool.assert_sound();
    ledger.assert_all_dropped_once();
}

#[test]
fn all_who_wait_are_told() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(2)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let closed = scope.spawn(|| {
            let open = |_: &u32| {
                until(|| pool.is_closed());
                ledger.open()
            };
            let lease = pool.acquire(&2, open);
            assert!(matches!(lease, Err(AcquireError::Closed { .. })), "its open came too late");
        });
        until(|| pool.usage().opening == 1);
        // For the open, and for room.
        for key in [2, 3] {
            let pool = &pool;
            scope.spawn(move || {
                let lease = pool.acquire(&key, |_| unreachable!());
                assert!(matches!(lease, Err(AcquireError::Closed { .. })));
            });
        }
        until(|| pool.usage().waiting == 2);
        pool.close();
        closed.join().unwrap();
    });
    assert_eq!(ledger.live(), 1, "what was opened in vain is dropped");
    drop(lease);
    pool.assert_sound();
    ledger.assert_all_dropped_once();
}

#[test]
fn closing_waits_for_the_last_lease_and_the_last_open() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(2)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let open = |_: &u32| {
                until(|| over.load(SeqCst));
                ledger.open()
            };
            assert!(pool.acquire(&2, open).is_err());
        });
        until(|| pool.usage().opening == 1);
        let closer = scope.spawn(|| pool.close_and_wait(Duration::from_secs(3600)));
        until(|| pool.is_closed());
        drop(lease);
        assert!(!closer.is_finished(), "an open is still running");
        over.store(true, SeqCst);
        closer.join().unwrap().unwrap();
        assert_eq!(pool.usage().live(), 0);
    });
    ledger.assert_all_dropped_once();
}

#[test]
fn closing_that_times_out_says_what_is_out_and_may_be_tried_again() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    let pool: Exclusive = builder(MaxLive(2), &time).build();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    let error = pool.close_and_wait(Duration::ZERO).unwrap_err();
    assert!(matches!(error, AcquireError::TimedOut { step: Step::Wait, .. }), "{error}");
    assert_eq!(error.usage().leased, 1);
    time.advance(1 << 62); // A clock may have begun long ago: who waits sleeps for what is left.
    thread::scope(|scope| {
        let closer = scope.spawn(|| pool.close_and_wait(Duration::from_nanos(1_000)));
        until(|| {
            time.advance(1_000);
            closer.is_finished()
        });
        assert!(closer.join().unwrap().is_err());
    });
    drop(lease);
    pool.close_and_wait(Duration::ZERO).unwrap();
}

#[test]
fn one_who_gives_up_on_the_end_leaves_the_others_to_be_told() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    let pool: Exclusive = builder(MaxLive(2), &time).build();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let patient = scope.spawn(|| pool.close_and_wait(Duration::from_secs(3600)));
        // By then it is known who waits.
        until(|| pool.is_closed());
        for _ in 0..100 {
            pool.close_and_wait(Duration::ZERO).unwrap_err();
            thread::yield_now();
        }
        drop(lease);
        patient.join().unwrap().unwrap();
    });
}

#[test]
fn pool_that_is_dropped_drops_what_is_idle() {
    let _watchdog = watchdog();
    let (pool, ledger) = (Arc::new(pool::<false>(MaxLive(2))), Ledger::default());
    drop(pool.acquire(&1, |_| ledger.open()).unwrap());
    let lease = pool.acquire(&2, |_| ledger.open()).unwrap();
    drop(pool);
    assert_eq!(ledger.live(), 2, "a lease keeps its pool");
    drop(lease);
    ledger.assert_all_dropped_once();
}

#[test]
fn closed_pool_keeps_nothing_of_a_shared_resource_whose_last_lease_is_detached() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    let leases = [(); 2].map(|()| pool.acquire(&1, |_| handle(1)).unwrap());
    pool.close();
    let [one, two] = leases.map(LeaseOf::into_inner);
    assert_eq!(Arc::strong_count(&one.0), 2, "the pool has none");
    assert_eq!(pool.usage().live(), 0);
    assert!(pool.close_and_wait(Duration::ZERO).is_ok());
    drop((one, two));
    pool.assert_sound();
}

#[test]
fn closing_ends_when_the_last_lease_is_detached() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    let lease = pool.acquire(&1, |_| handle(1)).unwrap();
    thread::scope(|scope| {
        let closer = scope.spawn(|| pool.close_and_wait(Duration::from_secs(3600)).is_ok());
        until(|| pool.is_closed());
        drop(LeaseOf::into_inner(lease));
        assert!(closer.join().unwrap());
    });
}

#[test]
fn closed_pool_gives_no_further_lease_on_what_is_shared_and_leased() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    let _lease = pool.acquire(&1, |_| handle(1)).unwrap();
    pool.close();
    assert!(pool.acquire_warm(&1).is_none());
    assert!(matches!(pool.acquire(&1, |_| handle(2)), Err(AcquireError::Closed { .. })));
}

#[test]
fn closed_pool_keeps_nothing_that_was_being_opened() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    let opened = pool.acquire(&1, |_| {
        pool.close();
        handle(1)
    });
    assert!(matches!(opened, Err(AcquireError::Closed { .. })));
    assert_eq!(pool.usage().live(), 0);
    pool.assert_sound();
}
