//! Risk: a hook is not asked, or its answer is not heeded; what was invalidated is given out; a changed limit is not kept, or
//! leaves somebody asleep; opens that fail empty the pool; and the defaults are not what the builder says.

#[path = "support/threads.rs"]
mod threads;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::capacity::{
    Both, MaxIdle, MaxIdleWeight, MaxLive, MaxLiveWeight, MaxResidue, ProcessMemory, Unbounded,
};
use pool_core::eviction::{Lru, RejectIncoming};
use pool_core::pool::{Granted, LeaseOf};
use pool_core::sync::Pool;
use pool_core::{AcquireError, Capacity, DropReason, Event, Health, Hooks, MissReason, Resource};
use threads::{Ledger, Thing, pool, until, watchdog};

/// A type that is another's.
type Connection = Vec<&'static str>;
type Connections = Pool<String, Connection, Hooks<Connection, String>>;

fn hooked() -> Hooks<Connection, String> {
    Hooks::new()
}

fn connect(_: &String) -> Result<Connection, String> {
    Ok(vec!["connected"])
}

#[test]
fn hooks_of_another_s_type_are_asked_and_heeded() {
    let _watchdog = watchdog();
    let hooks = hooked()
        .health(|connection| if connection.contains(&"broken") { Health::Broken } else { Health::Reusable })
        .reset(|connection| {
            connection.retain(|said| *said != "transaction");
            if connection.contains(&"stuck") { Health::Stale } else { Health::Reusable }
        })
        .weight(|connection| connection.len() as u64)
        .residue(|_| 3);
    let pool: Connections = Pool::hooks_builder(hooks).build();
    let mut lease = pool.acquire("a", connect).unwrap();
    lease.push("transaction");
    drop(lease);
    let mut lease = pool.acquire("a", connect).unwrap();
    assert!(LeaseOf::was_hit(&lease) && !lease.contains(&"transaction"), "reset at return");
    lease.push("larger");
    drop(lease);
    assert_eq!((pool.usage().idle_weight, pool.usage().residue), (2, 3));
    for (says, reason) in [("stuck", DropReason::Stale), ("broken", DropReason::Broken)] {
        pool.acquire("a", connect).unwrap().push(says);
        assert_eq!((pool.usage().live(), pool.stats().dropped().get(reason)), (0, 1), "{says}");
    }
    pool.assert_sound();
}

#[test]
fn lease_that_ends_by_a_panic_is_kept_where_the_hooks_say_so() {
    let _watchdog = watchdog();
    for (survives, live) in [(false, 0), (true, 1)] {
        let hooks = if survives { hooked().survives_panic() } else { hooked() };
        let pool: Connections = Pool::hooks_builder(hooks).build();
        assert!(threads::panicked(|| {
            let _lease = pool.acquire("a", connect);
            std::panic::resume_unwind(Box::new(threads::Expected));
        }));
        assert_eq!(pool.usage().live(), live);
    }
}

/// Counts what it is asked.
#[derive(Clone, Default)]
struct Asked(Arc<[AtomicU64; 2]>);

impl Resource for Asked {
    type Error = ();

    fn health(&mut self) -> Health {
        self.0[0].fetch_add(1, SeqCst);
        Health::Reusable
    }

    fn reset(&mut self) -> Health {
        self.0[1].fetch_add(1, SeqCst);
        Health::Reusable
    }
}

#[test]
fn a_shared_resource_is_not_reset_while_others_may_be_using_it() {
    let _watchdog = watchdog();
    for (is_shared, resets) in [(false, 2), (true, 0)] {
        let asked = Asked::default();
        let builder = Pool::<u32, Asked>::builder();
        let pool = if is_shared { builder.shared().build() } else { builder.build() };
        (0..2).for_each(|_| drop(pool.acquire(&1, |_| Ok(asked.clone())).unwrap()));
        assert_eq!(asked.0[1].load(SeqCst), resets);
        assert!(asked.0[0].load(SeqCst) >= 3, "once at the hit, and at each return");
    }
}

#[test]
fn what_is_invalidated_goes_at_once_where_it_is_idle_and_when_it_comes_back_where_it_is_leased() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(9)), Ledger::default());
    let acquire = |key: u32| pool.acquire(&key, |_| ledger.open()).unwrap();
    drop([1, 1, 2].map(acquire));
    let leased = acquire(1);
    assert_eq!((pool.invalidate(&1), ledger.live()), (1, 2), "the idle one");
    assert!(!LeaseOf::was_hit(&acquire(1)), "the leased one is not waited for, nor given out");
    drop(leased);
    assert_eq!((pool.stats().dropped().get(DropReason::Invalidated), ledger.live()), (2, 2));
    assert!(
        LeaseOf::was_hit(&acquire(1)) && LeaseOf::was_hit(&acquire(2)),
        "the new one, and the other key's"
    );
    assert_eq!(pool.invalidate(&3), 0, "an unknown key");
    let lease = acquire(2);
    assert_eq!(LeaseOf::invalidate(&lease), 0, "its own goes with it");
    drop(lease);
    assert!(!pool.is_warm(&2) && pool.is_warm(&1));
    assert_eq!((pool.invalidate_all(), ledger.live()), (1, 0));
    drop(acquire(2));
    assert_eq!(pool.stats().misses.get(MissReason::Invalidated), 1);
    pool.assert_sound();
}

#[test]
fn what_is_being_opened_while_it_is_invalidated_serves_nobody_else() {
    let _watchdog = watchdog();
    for all in [false, true] {
        let (pool, ledger) = (pool::<true>(MaxLive(9)), Ledger::default());
        let invalidate = || if all { pool.invalidate_all() } else { pool.invalidate(&1) };
        std::thread::scope(|scope| {
            let open = |_: &u32| {
                scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
                until(|| pool.usage().waiting == 1);
                invalidate();
                ledger.open()
            };
            drop(pool.acquire(&1, open).unwrap());
        });
        assert_eq!(
            (ledger.opened(), pool.stats().dropped().get(DropReason::Invalidated)),
            (2, 1),
            "who waited opened"
        );
        assert!(pool.is_warm(&1));
        // What begins afterwards is good.
        invalidate();
        drop(pool.acquire(&1, |_| ledger.open()).unwrap());
        assert!(pool.is_warm(&1));
        pool.assert_sound();
    }
}

#[test]
fn shared_resource_that_is_invalidated_goes_with_its_last_lease() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<true>(MaxLive(9)), Ledger::default());
    let [one, two] = [(); 2].map(|()| pool.acquire(&1, |_| ledger.open()).unwrap());
    assert_eq!((pool.invalidate(&1), pool.is_warm(&1)), (0, false));
    drop(one);
    assert_eq!(ledger.live(), 1);
    drop(two);
    assert_eq!((ledger.live(), pool.usage().live()), (0, 0));
    pool.assert_sound();
}

#[test]
fn limits_that_are_lowered_evict_and_limits_that_are_raised_serve_who_waits() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(4)), Ledger::default());
    drop([1, 2, 3, 4].map(|key| pool.acquire(&key, |_| ledger.open()).unwrap()));
    pool.set_capacity(Box::new(MaxLive(2)));
    assert_eq!((ledger.live(), pool.bounds().entries), (2, Some(2)));
    let held = [3, 4].map(|key| pool.acquire(&key, |_| unreachable!()).unwrap());
    pool.set_capacity(Box::new(MaxLive(1)));
    assert_eq!(ledger.live(), 2, "leases go on");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| drop(pool.acquire(&5, |_| ledger.open()).unwrap()));
        until(|| pool.usage().waiting == 1);
        pool.set_capacity(Box::new(MaxLive(3)));
        waits.join().unwrap();
    });
    drop(held);
    assert_eq!(pool.usage().idle, 3);
    pool.assert_sound();
}

#[test]
fn memory_is_measured_from_the_moment_that_a_limit_on_it_is_set() {
    let _watchdog = watchdog();
    let measured = Arc::new(AtomicU64::new(0));
    let reads = Arc::clone(&measured);
    let pool: Pool<u32, Thing<false>> = Pool::builder()
        .capacity(Unbounded)
        .process_memory(move || {
            reads.fetch_add(1, SeqCst);
            Ok(1000)
        })
        .build();
    let ledger = Ledger::default();
    drop(pool.acquire(&1, |_| ledger.open()).unwrap());
    assert_eq!(measured.load(SeqCst), 0);
    pool.set_capacity(Box::new(ProcessMemory::refuse_above(999)));
    let refused = pool.acquire(&2, |_| ledger.open()).err().unwrap();
    assert!(matches!(refused, AcquireError::Refused { by: "ProcessMemory", .. }), "{refused}");
    pool.set_capacity(Box::new(Unbounded));
    drop(pool.acquire(&2, |_| ledger.open()).unwrap());
    assert_eq!(measured.load(SeqCst), 1);
}

#[test]
fn a_limit_on_memory_without_a_reader_says_what_to_do() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing<false>> = Pool::builder().capacity(ProcessMemory::evict_above(1)).build();
    let error = pool.acquire(&1, |_| unreachable!()).err().unwrap();
    assert!(matches!(error, AcquireError::Memory { .. }));
    let AcquireError::Memory { error, .. } = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("give the pool's builder a `process_memory`"), "{error}");
}

/// Weighs ten bytes, and leaves one.
struct Heavy;

impl Resource for Heavy {
    type Error = ();

    fn weight(&self) -> u64 {
        10
    }

    fn residue(&self) -> u64 {
        1
    }
}

#[test]
fn a_hundred_opens_that_fail_evict_one_idle_resource_at_most() {
    let _watchdog = watchdog();
    // A process whose memory is what its resources weigh.
    let live = Arc::new(Mutex::new(None::<Pool<u32, Heavy>>));
    let limits: [(&str, Box<dyn Capacity + Send>); 8] = [
        ("MaxIdle", Box::new(MaxIdle(8))),
        ("MaxIdleWeight", Box::new(MaxIdleWeight(80))),
        ("MaxLive", Box::new(MaxLive(8))),
        ("MaxLiveWeight", Box::new(MaxLiveWeight(80))),
        ("Both", Box::new(Both(MaxLive(8), MaxLiveWeight(80)))),
        ("MaxResidue", Box::new(Both(MaxLive(8), MaxResidue(200)))),
        ("ProcessMemory", Box::new(ProcessMemory::evict_above(85))),
        ("ProcessMemory and MaxLive", Box::new(Both(MaxLive(8), ProcessMemory::evict_above(85)))),
    ];
    for (name, limit) in limits {
        let read = Arc::clone(&live);
        let pool: Pool<u32, Heavy> = Pool::builder()
            .capacity(limit)
            .eviction(Lru::new())
            .process_memory(move || {
                let pool = read.lock().unwrap().clone().unwrap();
                Ok(10 * pool.usage().idle)
            })
            .build();
        *live.lock().unwrap() = Some(pool.clone());
        drop(
            [(); 8]
                .map(|()| ())
                .into_iter()
                .enumerate()
                .map(|(key, ())| pool.acquire(&(key as u32), |_| Ok(Heavy)).unwrap())
                .collect::<Vec<_>>(),
        );
        let before = pool.usage().idle;
        for key in 100..200 {
            assert!(matches!(pool.acquire(&key, |_| Err(())), Err(AcquireError::Open { .. })), "{name}");
        }
        assert!(
            pool.usage().idle + 1 >= before && before == 8,
            "{name}: {} of {before} are left",
            pool.usage().idle
        );
    }
}

#[test]
fn a_pool_is_bounded_and_nobody_waits_for_ever_unless_told_to() {
    let _watchdog = watchdog();
    let time = threads::Time::default();
    let pool: Pool<u32, Thing<false>> = Pool::builder().eviction(RejectIncoming).clock(time.clone()).build();
    let ledger = Ledger::default();
    assert_eq!(pool.bounds().entries, Some(8));
    let _held: Vec<_> = (0..8).map(|key| pool.acquire(&key, |_| ledger.open()).unwrap()).collect();
    let mut waits = pool.request_with(&9, &pool_core::AcquireOptions::new());
    let mut for_ever = pool.request(&9);
    let poll = |request: &mut pool_core::pool::Request<_, _>| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::future::Future::poll(std::pin::Pin::new(request), &mut context).map_ok(|granted| match granted {
            Granted::Lease(_) | Granted::Place(_) => unreachable!("all are leased"),
        })
    };
    assert!(poll(&mut waits).is_pending() && poll(&mut for_ever).is_pending());
    time.advance(Duration::from_secs(30).as_nanos() as u64 - 1);
    assert!(poll(&mut waits).is_pending());
    time.advance(1);
    assert!(matches!(poll(&mut waits), std::task::Poll::Ready(Err(AcquireError::TimedOut { .. }))));
    assert!(poll(&mut for_ever).is_pending());
}

#[test]
fn no_more_are_opened_at_once_than_there_are_processors() {
    let _watchdog = watchdog();
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    let pool: Pool<u32, Thing<false>> = Pool::builder().capacity(Unbounded).build();
    let (ledger, peak) = (Ledger::default(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 * processors {
            scope.spawn(|| {
                let open = |_: &u32| {
                    peak.fetch_max(pool.usage().opening, SeqCst);
                    until(|| pool.usage().opening == processors || pool.usage().waiting == 0);
                    ledger.open()
                };
                drop(pool.acquire(&1, open).unwrap());
            });
        }
    });
    assert!(peak.load(SeqCst) <= processors);
    pool.assert_sound();
}

#[test]
fn handles_are_the_same_pool_and_what_is_idle_goes_with_the_last_of_them() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(2)), Ledger::default());
    let other = pool.clone();
    drop(pool.acquire(&1, |_| ledger.open()).unwrap());
    let lease = other.acquire(&1, |_| ledger.open()).unwrap();
    assert!(LeaseOf::was_hit(&lease) && pool.ptr_eq(&other) && LeaseOf::pool(&lease).ptr_eq(&pool));
    assert!(!pool.ptr_eq(&self::pool(MaxLive(2))));
    drop((pool, other));
    assert_eq!(ledger.live(), 1, "the lease keeps it");
    drop(lease);
    ledger.assert_all_dropped_once();
}

#[test]
fn an_error_is_one_line_with_key_limit_and_what_to_do_and_its_cause_is_apart() {
    let _watchdog = watchdog();
    let pool: Pool<String, Connection, Hooks<Connection, std::fmt::Error>> =
        Pool::hooks_builder(Hooks::new()).capacity(MaxLive(1)).build();
    let error = pool.acquire("arrays", |_| Err(std::fmt::Error)).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the open failed (key \"arrays\"; 0 idle, 0 leased, 0 opening, 0 opened so far; at most 1); the next acquire of the key \
         tries again"
    );
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), std::fmt::Error.to_string());
    let _held = pool.acquire("arrays", |_| Ok(vec![])).unwrap();
    let error = pool.try_acquire(&"é".repeat(300), |_| Ok(vec![])).err().unwrap();
    let said = error.to_string();
    assert!(
        said.starts_with("the pool is exhausted: MaxLive allows no further open now (key \"éé")
            && !said.contains('\n')
    );
    assert!(
        said.contains("…; 0 idle, 1 leased") && said.ends_with("end a lease or raise the limit"),
        "{said}"
    );
    assert!(error.situation().key.as_ref().unwrap().len() < 210);
}

#[test]
fn two_can_hear_of_one_event_and_an_error_can_be_kept_whatever_it_is_made_of() {
    let _watchdog = watchdog();
    /// As `std::io::Error`, no `Clone`.
    #[derive(Debug)]
    struct Failure;

    #[derive(Debug)]
    struct Thing;
    impl Resource for Thing {
        type Error = Failure;
    }

    let heard = Arc::new(Mutex::new(Vec::new()));
    let (one, two) = (Arc::clone(&heard), Arc::clone(&heard));
    let first = move |event: Event<'_, u32>| one.lock().unwrap().push(format!("{event:?}"));
    let second = move |event: Event<'_, u32>| two.lock().unwrap().push(format!("{event:?}"));
    let both = move |event: Event<'_, u32>| {
        first(event);
        second(event);
    };
    let pool: Pool<u32, Thing> = Pool::builder().observer(both).build();
    let error = pool.acquire(&1, |_| Err(Failure)).unwrap_err();
    assert!(error.clone().open_error().is_some());
    assert_eq!(error.to_string(), error.clone().to_string());
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 2 && heard[0] == heard[1], "{heard:?}");
}
