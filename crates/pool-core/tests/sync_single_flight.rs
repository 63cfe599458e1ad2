//! Risk: a shared key is opened twice, an error or a panic of the one open leaves others asleep, or a deadline breaks an open off.

#[path = "support/threads.rs"]
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{MaxLive, Unbounded};
use pool_core::pool::LeaseOf;
use pool_core::sync::CancellationToken;
use pool_core::{AcquireError, Step};
use threads::{Exclusive, Expected, Ledger, Shared, Time, builder, panicked, pool, until, watchdog};

fn waiting(pool: &Shared, number: u64) {
    until(|| pool.usage().waiting == number);
}

#[test]
fn all_who_ask_while_a_key_is_opened_share_that_open() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(1)), Ledger::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            let open = |_: &u32| {
                waiting(&pool, 5);
                ledger.open()
            };
            assert!(!LeaseOf::was_hit(&pool.acquire(&1, open).unwrap()));
        });
        until(|| pool.usage().opening == 1);
        for _ in 0..5 {
            scope.spawn(|| {
                let lease = pool.acquire(&1, |_| unreachable!("another opens it")).unwrap();
                assert!(LeaseOf::was_hit(&lease) && lease.id() == 1);
            });
        }
    });
    let waits = pool.stats().waits;
    assert_eq!((ledger.opened(), waits.opens_shared, waits.hand_offs), (1, 5, 0));
    pool.assert_sound();
    drop(pool);
    ledger.assert_all_dropped_once();
}

#[test]
fn all_who_waited_for_an_open_that_fails_get_its_error_once() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(Unbounded), Ledger::default());
    let errors: Vec<Arc<threads::Error>> = thread::scope(|scope| {
        let opener = scope.spawn(|| {
            let open = |_: &u32| {
                waiting(&pool, 4);
                Err("no")
            };
            pool.acquire(&1, open).err().and_then(AcquireError::into_open).unwrap()
        });
        until(|| pool.usage().opening == 1);
        let others: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let lease = pool.acquire(&1, |_| unreachable!("another opens it"));
                    lease.err().and_then(AcquireError::into_open).unwrap()
                })
            })
            .collect();
        std::iter::once(opener).chain(others).map(|thread| thread.join().unwrap()).collect()
    });
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])), "one error for all");
    assert_eq!((pool.usage().live(), pool.usage().waiting), (0, 0));
    assert!(!LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()), "the next tries again");
    pool.assert_sound();
}

#[test]
fn next_in_the_queue_opens_with_its_own_closure_where_an_open_panicked() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(1)), Ledger::default());
    let opens = AtomicU64::new(0);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            panicked(|| {
                let open = |_: &u32| {
                    waiting(&pool, 3);
                    std::panic::resume_unwind(Box::new(Expected))
                };
                drop(pool.acquire(&1, open));
            })
        });
        until(|| pool.usage().opening == 1);
        let others = [(); 3].map(|()| {
            scope.spawn(|| {
                let open = |_: &u32| {
                    opens.fetch_add(1, SeqCst);
                    waiting(&pool, 2);
                    ledger.open()
                };
                pool.acquire(&1, open).unwrap().id()
            })
        });
        assert!(first.join().unwrap(), "the panic goes on where it came from");
        assert_eq!(others.map(|thread| thread.join().unwrap()), [1, 1, 1]);
    });
    assert_eq!(opens.load(SeqCst), 1);
    pool.assert_sound();
}

#[test]
fn open_that_ends_late_is_for_its_caller_and_for_others() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    let pool: Shared = builder(MaxLive(1), &time).build();
    thread::scope(|scope| {
        let late = scope.spawn(|| {
            let open = |_: &u32| {
                waiting(&pool, 1);
                time.advance(100);
                ledger.open()
            };
            let lease = pool.acquire_timeout(&1, Duration::from_nanos(10), open).unwrap();
            assert!(
                LeaseOf::was_late(&lease) && !LeaseOf::was_hit(&lease),
                "there it is, and it waited for all of it"
            );
        });
        until(|| pool.usage().opening == 1);
        let waiter = scope.spawn(|| pool.acquire(&1, |_| unreachable!()).unwrap().id());
        late.join().unwrap();
        assert_eq!(waiter.join().unwrap(), 1, "fed by the open that was late");
    });
    assert_eq!((pool.stats().waits.timed_out_opening, pool.len()), (1, 1));
    assert!(LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()));
    pool.assert_sound();
}

#[test]
fn open_that_was_cancelled_while_it_ran_is_for_the_pool() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let token = CancellationToken::new();
    let open = |_: &u32| {
        token.cancel();
        ledger.open()
    };
    let lease = pool.acquire_cancellable(&1, &token, open);
    let Err(error) = lease else { panic!("it was cancelled") };
    assert!(matches!(error, AcquireError::Cancelled { step: Step::Open, .. }), "{error}");
    assert_eq!((pool.stats().waits.cancelled_opening, pool.len()), (1, 1));
    assert!(LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()));
}

#[test]
fn waiter_that_gives_up_does_not_end_the_open() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(1)), Ledger::default());
    let go_on = AtomicBool::new(false);
    thread::scope(|scope| {
        let opener = scope.spawn(|| {
            let open = |_: &u32| {
                until(|| go_on.load(SeqCst));
                ledger.open()
            };
            pool.acquire(&1, open).unwrap().id()
        });
        until(|| pool.usage().opening == 1);
        let lease = pool.acquire_timeout(&1, Duration::ZERO, |_| unreachable!());
        assert!(matches!(lease, Err(AcquireError::TimedOut { step: Step::Wait, .. })));
        let lease = pool.try_acquire(&1, |_| unreachable!());
        assert!(matches!(lease, Err(AcquireError::Exhausted { .. })), "not even for an open");
        go_on.store(true, SeqCst);
        assert_eq!(opener.join().unwrap(), 1);
    });
    pool.assert_sound();
}

#[test]
fn thread_that_acquires_the_key_it_is_opening_gets_an_error_and_no_deadlock() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(2)), Ledger::default());
    let open = |_: &u32| {
        let own = pool.acquire(&1, |_| unreachable!());
        assert!(matches!(own, Err(AcquireError::Deadlock { .. })));
        // Another key is another matter.
        drop(pool.acquire(&2, |_| ledger.open()).unwrap());
        ledger.open()
    };
    drop(pool.acquire(&1, open).unwrap());

    // The same where it would have to wait for the room that it has itself.
    let exclusive: Exclusive = threads::pool(MaxLive(1));
    let open = |_: &u32| {
        let own = exclusive.acquire(&1, |_| unreachable!());
        assert!(matches!(own, Err(AcquireError::Deadlock { .. })));
        ledger.open()
    };
    drop(exclusive.acquire(&1, open).unwrap());
    pool.assert_sound();
    exclusive.assert_sound();
}

#[test]
fn other_keys_are_opened_side_by_side() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(2)), Ledger::default());
    thread::scope(|scope| {
        for key in [1, 2] {
            let (pool, ledger) = (&pool, &ledger);
            scope.spawn(move || {
                let open = |_: &u32| {
                    until(|| pool.usage().opening == 2 || ledger.opened() > 0);
                    ledger.open()
                };
                drop(pool.acquire(&key, open).unwrap());
            });
        }
    });
    assert_eq!(ledger.opened(), 2);
}

#[test]
fn exclusive_key_is_opened_once_for_each_who_asks() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(2)), Ledger::default());
    let leases = [(); 2].map(|()| pool.acquire(&1, |_| ledger.open()).unwrap());
    assert_eq!(leases.map(|lease| lease.id()), [1, 2]);
}
