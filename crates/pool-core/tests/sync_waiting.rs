//! Risk: who waits is served too late, out of turn, twice or never; and who must not wait does.

#[path = "support/threads.rs"]
mod threads;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxLive, MaxLiveWeight};
use pool_core::eviction::{IdleTimeout, Lru};
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, OpenNow, Pool, WaitIfCheaper};
use pool_core::{AcquireError, AcquireOptions, Capacity, Health, MissReason, Resource, Step};
use threads::{Exclusive, Ledger, Time, builder, pool, until, watchdog};

fn waiting(pool: &Exclusive, number: u64) {
    until(|| pool.usage().waiting == number);
}

#[test]
fn lease_that_ends_goes_to_who_waits_for_it() {
    let _watchdog = watchdog();
    let limits: [fn() -> Exclusive; 2] = [|| pool(MaxLive(1)), || pool(MaxLiveWeight(10))];
    for make in limits {
        let (pool, ledger) = (make(), Ledger::default());
        ledger.weigh(10);
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
                (LeaseOf::was_hit(&lease), lease.id())
            });
            waiting(&pool, 1);
            drop(lease);
            assert_eq!(waiter.join().unwrap(), (true, 1));
        });
        let stats = pool.stats();
        assert_eq!((stats.waits.waited, stats.waits.hand_offs, stats.waits.peak_waiting), (1, 1, 1));
        assert_eq!((stats.opened(), stats.usage.waiting), (1, 0));
        pool.assert_sound();
    }
}

/// What has expired is looked for at a return as well, where what somebody waits for is not asked whether it may stay.
#[test]
fn what_is_waited_for_is_handed_on_also_where_time_is_wanted_and_nothing_may_lie_idle() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let limits = Both(MaxIdle(0), MaxLive(1));
    let pool: Exclusive = builder(limits, &Time::default())
        .eviction(IdleTimeout::new(Duration::from_secs(1), Lru::new()))
        .build();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        drop(lease);
        assert!(waiter.join().unwrap());
    });
    let stats = pool.stats();
    assert_eq!((stats.waits.hand_offs, stats.opened(), stats.usage.live()), (1, 1, 0));
    pool.assert_sound();
}

#[test]
fn try_acquire_does_not_wait_and_says_what_the_pool_holds() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        let Err(error) = pool.try_acquire(&2, |_| ledger.open()) else { panic!("there was no room") };
        assert!(matches!(error, AcquireError::Exhausted { by: "MaxLive", .. }), "{error}");
        let usage = error.usage();
        assert_eq!((usage.idle, usage.leased, usage.opening, usage.waiting), (0, 1, 0, 1));
        let who = pool.describe();
        assert!(who.contains("waits for key 0: Room"), "{who}");
        drop(lease);
    });
}

#[test]
fn who_times_out_hands_its_turn_on() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    time.advance(1 << 62); // A clock may have begun long ago: one who sleeps does so for what is left.
    let pool: Exclusive = builder(MaxLive(1), &time).build();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    let Err(error) = pool.acquire_timeout(&1, Duration::ZERO, |_| ledger.open()) else {
        panic!("it was leased")
    };
    assert!(matches!(error, AcquireError::TimedOut { step: Step::Wait, .. }), "{error}");
    assert_eq!((error.usage().leased, error.usage().waiting), (1, 0));
    thread::scope(|scope| {
        let late = scope.spawn(|| {
            let lease = pool.acquire_timeout(&1, Duration::from_nanos(1_000), |_| ledger.open());
            assert!(matches!(lease, Err(AcquireError::TimedOut { step: Step::Wait, .. })));
        });
        waiting(&pool, 1);
        let next = scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        time.advance(1_000);
        late.join().unwrap();
        assert_eq!(pool.usage().waiting, 1);
        drop(lease);
        next.join().unwrap();
    });
    assert_eq!((pool.stats().waits.timed_out_waiting, ledger.opened()), (2, 1));
    pool.assert_sound();
}

#[test]
fn one_token_cancels_all_who_wait_with_it_and_nobody_else() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
    let token = CancellationToken::new();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        let cancelled = [1, 2].map(|key| {
            let (pool, ledger, token) = (&pool, &ledger, &token);
            scope.spawn(move || {
                let lease = pool.acquire_cancellable(&key, token, |_| ledger.open());
                assert!(matches!(lease, Err(AcquireError::Cancelled { step: Step::Wait, .. })));
            })
        });
        waiting(&pool, 2);
        let other = scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
        waiting(&pool, 3);
        token.cancel();
        for thread in cancelled {
            thread.join().unwrap();
        }
        assert_eq!(pool.usage().waiting, 1);
        let again = pool.acquire_cancellable(&1, &token, |_| ledger.open());
        assert!(matches!(again, Err(AcquireError::Cancelled { step: Step::Wait, .. })), "it stays cancelled");
        drop(lease);
        other.join().unwrap();
    });
    assert_eq!(pool.stats().waits.cancelled_waiting, 3);
    pool.assert_sound();
}

#[test]
fn one_who_is_served_leaves_the_others_of_its_token_to_be_woken() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLiveWeight(10)), Ledger::default());
    ledger.weigh(5);
    let [one, two] = [1, 2].map(|key| pool.acquire(&key, |_| ledger.open()).unwrap());
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let heavy = scope.spawn(|| {
            let options = AcquireOptions::new().until_cancelled(&token).expect_weight(10);
            assert!(pool.acquire_with(&3, &options, |_| ledger.open()).is_err());
        });
        waiting(&pool, 1);
        let light = scope.spawn(|| drop(pool.acquire_cancellable(&2, &token, |_| ledger.open()).unwrap()));
        waiting(&pool, 2);
        drop(two);
        light.join().unwrap();
        token.cancel();
        heavy.join().unwrap();
    });
    drop(one);
    assert_eq!((pool.stats().waits.hand_offs, pool.stats().waits.cancelled_waiting), (1, 1));
}

#[test]
fn whatever_makes_room_serves_who_waits_for_room() {
    let _watchdog = watchdog();
    type End = fn(pool_core::sync::Lease<u32, threads::Thing<false>>);
    let ends: [(&str, End); 4] = [
        ("release, and eviction", |lease| drop(lease)),
        ("discard", |lease| LeaseOf::discard(lease)),
        ("detach", |lease| drop(LeaseOf::into_inner(lease))),
        ("a panic of its holder", |lease| {
            assert!(threads::panicked(move || {
                let _lease = lease;
                std::panic::resume_unwind(Box::new(threads::Expected))
            }));
        }),
    ];
    for (what, end) in ends {
        let (pool, ledger): (Exclusive, _) = (pool(MaxLive(1)), Ledger::default());
        let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&2, |_| ledger.open()).unwrap()));
            waiting(&pool, 1);
            end(lease);
            assert!(!waiter.join().unwrap(), "{what}");
        });
        assert_eq!((pool.usage().live(), ledger.live()), (1, 1), "{what}");
        pool.assert_sound();
    }
}

/// Admits no open while anything is idle, and evicts nothing for it: only a drain helps.
struct NoneIdle;

impl Capacity for NoneIdle {
    fn admit(&self, usage: &pool_core::Usage, _: &pool_core::Opened) -> pool_core::Verdict {
        if usage.idle == 0 { pool_core::Verdict::Fits } else { pool_core::Verdict::EvictOfKey("NoneIdle") }
    }

    fn keep(&self, _: &pool_core::Usage, _: u64) -> pool_core::Verdict {
        pool_core::Verdict::Fits
    }
}

#[test]
fn drain_serves_who_waits_for_room() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(NoneIdle), Ledger::default());
    let leases = [1, 2].map(|key| pool.acquire(&key, |_| ledger.open()).unwrap());
    let [one, held] = leases;
    drop(one);
    thread::scope(|scope| {
        scope.spawn(|| drop(pool.acquire(&3, |_| ledger.open()).unwrap()));
        waiting(&pool, 1);
        assert_eq!(pool.drain(), 1);
    });
    drop(held);
    pool.assert_sound();
}

#[test]
fn waits_for_a_lease_where_that_is_cheaper_and_no_longer_than_an_open_costs() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    let open = |_: &u32| {
        time.advance(100);
        ledger.open()
    };
    let use_it = |pool: &Exclusive| {
        let lease = pool.acquire(&1, open).unwrap();
        time.advance(10);
        drop(lease);
    };

    let pool: Exclusive = builder(MaxIdle(2), &time).create_or_wait(WaitIfCheaper).build();
    use_it(&pool);
    let lease = pool.acquire(&1, open).unwrap();
    thread::scope(|scope| {
        let patient = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, open).unwrap()));
        waiting(&pool, 1);
        drop(lease);
        assert!(patient.join().unwrap(), "10 ns of waiting against 100 of opening");
    });
    let lease = pool.acquire(&1, open).unwrap();
    thread::scope(|scope| {
        let patient = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, open).unwrap()));
        waiting(&pool, 1);
        time.advance(99);
        assert_eq!(pool.usage().waiting, 1);
        time.advance(1);
        assert!(!patient.join().unwrap(), "the lease took longer than expected");
    });
    drop(lease);
    assert!(pool.try_acquire(&1, open).is_ok());
    pool.assert_sound();

    let pool: Exclusive = builder(MaxIdle(2), &time).create_or_wait(OpenNow).build();
    use_it(&pool);
    let _lease = pool.acquire(&1, open).unwrap();
    assert!(!LeaseOf::was_hit(&pool.acquire(&1, open).unwrap()));
}

/// Else one could wait for one lease after the other, and longer than twice what an open costs.
#[test]
fn who_waited_for_a_lease_and_found_it_unfit_opens() {
    let _watchdog = watchdog();
    /// Its health is asked at each return and at each hit: it is bad the fourth time.
    struct Solver(u32);
    impl Resource for Solver {
        type Error = ();
        fn health(&mut self) -> Health {
            self.0 += 1;
            if self.0 == 4 { Health::Stale } else { Health::Reusable }
        }
    }
    let time = Time::default();
    let pool: Pool<u32, Solver> =
        Pool::builder().capacity(MaxLive(9)).clock(time.clone()).create_or_wait(WaitIfCheaper).build();
    let open = |_: &u32| {
        time.advance(100);
        Ok(Solver(0))
    };
    let lease = pool.acquire(&1, open).unwrap();
    time.advance(10);
    drop(lease);
    let lease = pool.acquire(&1, open).unwrap();
    let _another = pool.try_acquire(&1, open).unwrap();
    thread::scope(|scope| {
        let patient = scope.spawn(|| LeaseOf::was_hit(&pool.acquire(&1, open).unwrap()));
        until(|| pool.usage().waiting == 1);
        drop(lease);
        assert!(!patient.join().unwrap());
    });
    assert_eq!((pool.stats().misses.get(MissReason::Stale), pool.stats().waits.waited), (1, 1));
}

#[test]
fn stats_say_how_many_waited_and_how_long() {
    let _watchdog = watchdog();
    let (time, ledger) = (Time::default(), Ledger::default());
    let pool: Exclusive = builder(MaxLive(1), &time).build();
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::scope(|scope| {
        for number in 1..=3 {
            scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
            waiting(&pool, number);
        }
        time.advance(500);
        drop(lease);
    });
    let waits = pool.stats().waits;
    assert_eq!((waits.waited, waits.peak_waiting, waits.hand_offs), (3, 3, 3));
    assert_eq!(waits.waiting_nanos, 1_500);
}

#[test]
fn stats_can_be_read_while_user_code_runs() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(MaxLive(2)), Ledger::default());
    let (has_looked, go_on) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let open = |_: &u32| {
                assert_eq!(pool.stats().usage.opening, 1, "from inside the open itself");
                has_looked.store(true, SeqCst);
                until(|| go_on.load(SeqCst));
                ledger.open()
            };
            drop(pool.acquire(&1, open).unwrap());
        });
        until(|| has_looked.load(SeqCst));
        assert_eq!(pool.stats().opened(), 0, "an open that runs has not yet opened");
        drop(pool.acquire(&2, |_| ledger.open()).unwrap());
        go_on.store(true, SeqCst);
    });
    assert_eq!(pool.stats().opened(), 2);
}

#[test]
fn prewarm_opens_what_is_not_warm_and_says_what_failed() {
    let _watchdog = watchdog();
    let (pool, ledger): (Exclusive, _) = (pool(Both(MaxLive(3), MaxIdle(3))), Ledger::default());
    drop(pool.acquire(&2, |_| ledger.open()).unwrap());
    let done = pool.prewarm(1..=4, |key| if *key == 3 { Err("no") } else { ledger.open() });
    assert_eq!((&done.opened[..], &done.skipped[..], done.lost.len()), (&[1, 4][..], &[2][..], 0));
    assert_eq!(done.failed.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), [3]);
    assert_eq!(pool.len(), 3);
    let _all = [1, 2, 4].map(|key| pool.acquire_warm(&key).unwrap());
    let done = pool.prewarm([5], |_| ledger.open());
    assert!(matches!(done.failed[..], [(5, AcquireError::Exhausted { .. })]), "it never waits");
}

/// Between the look whether a key is warm and its open, another may have opened it.
#[test]
fn what_another_opened_just_now_is_skipped_and_not_said_to_be_opened() {
    let _watchdog = watchdog();
    type Act = Box<dyn FnOnce()>;
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Key;
    thread_local! {
        static WHEN_HASHED: std::cell::RefCell<Vec<Act>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {
            let act = WHEN_HASHED.with_borrow_mut(Vec::pop);
            act.into_iter().for_each(|act| act());
        }
    }
    struct Solver;
    impl Resource for Solver {
        type Error = ();
    }
    let pool: Pool<Key, Solver> = Pool::new(1);
    let other = pool.clone();
    let opens: Act = Box::new(move || drop(other.acquire(&Key, |_| Ok(Solver)).unwrap()));
    WHEN_HASHED.set(vec![opens, Box::new(|| ())]); // the last comes first
    let done = pool.prewarm([Key], |_| Ok(Solver));
    assert_eq!((done.opened, done.skipped), (vec![], vec![Key]));
}

#[test]
fn prewarm_on_opens_no_more_at_a_time_than_it_was_told() {
    let _watchdog = watchdog();
    let (pool, ledger) = (std::sync::Arc::new(pool::<false>(MaxIdle(9))), Ledger::default());
    let (running, most) = (std::sync::Arc::new(AtomicU64::new(0)), std::sync::Arc::new(AtomicU64::new(0)));
    let open = {
        let (ledger, running, most) = (ledger.clone(), running.clone(), most.clone());
        move |key: &u32| {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            thread::yield_now();
            running.fetch_sub(1, SeqCst);
            match key {
                5 => std::panic::resume_unwind(Box::new(threads::Expected)),
                _ => ledger.open(),
            }
        }
    };
    let mut spawned = 0;
    let spawn = |job| {
        spawned += 1;
        drop(thread::spawn(job));
    };
    let done = pool.prewarm_on(1..=9, open.clone(), 3, spawn).wait();
    assert_eq!((spawned, done.opened.len(), &done.lost[..], pool.len()), (3, 8, &[5][..], 8));
    assert!((1..=3).contains(&most.load(SeqCst)));
    // An executor that shuts down drops its jobs: nobody waits for them.
    let done = pool.prewarm_on(20..=22, open, 2, drop).wait();
    assert_eq!((done.lost.len(), done.opened.len()), (3, 0));
    pool.assert_sound();
}

#[test]
fn lease_may_end_on_another_thread_than_it_began() {
    let _watchdog = watchdog();
    let ledger = Ledger::default();
    let pool = pool::<false>(MaxLive(1));
    let lease = pool.acquire(&1, |_| ledger.open()).unwrap();
    thread::spawn(move || drop(lease)).join().unwrap();
    assert_eq!(pool.usage().idle, 1);
    pool.assert_sound();
}

mod types {
    use pool_core::sync::{CancellationToken, Lease, Pool};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    struct Movable(#[allow(dead_code, reason = "only its type matters")] std::cell::Cell<u8>);
    struct Pinned(#[allow(dead_code, reason = "only its type matters")] std::rc::Rc<u8>);

    impl pool_core::Resource for Movable {
        type Error = ();
    }
    impl pool_core::Resource for Pinned {
        type Error = ();
    }

    assert_impl_all!(Pool<u32, Movable>: Send, Sync);
    assert_impl_all!(Lease<u32, Movable>: Send);
    assert_impl_all!(Lease<u32, Movable>: Send);
    // Two threads must not look at one cell.
    assert_not_impl_any!(Lease<u32, Movable>: Sync);
    assert_not_impl_any!(Pool<u32, Pinned>: Send, Sync);
    assert_not_impl_any!(Lease<u32, Pinned>: Send, Sync);
    assert_impl_all!(CancellationToken: Send, Sync);
}
