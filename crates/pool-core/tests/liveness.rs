//! Risk: the pool gets stuck, panics inside, exceeds its limits or loses a place, where several things come together.

#[path = "support/threads.rs"]
mod threads;

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxLive, MaxLiveWeight, MaxResidue, ProcessMemory};
use pool_core::eviction::{IdleTimeout, Lru, MaxAge, RejectIncoming};
use pool_core::pool::{Granted, LeaseOf};
use pool_core::sync::{CancellationToken, CreateOrWait, Lease, Pool, Queue, WaitIfCheaper};
use pool_core::{AcquireError, AcquireOptions, Capacity, ProcessMemoryError, Resource, local};
use threads::{Expected, Time, panicked, until, watchdog};

#[derive(Debug)]
struct Thing {
    weight: u64,
}

impl Resource for Thing {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.weight
    }
}

fn thing(weight: u64) -> Result<Thing, &'static str> {
    Ok(Thing { weight })
}

#[derive(Clone)]
struct Handle(Arc<u64>);

impl Resource for Handle {
    type Error = &'static str;
}

fn handle(number: u64) -> Result<Handle, &'static str> {
    Ok(Handle(Arc::new(number)))
}

fn sharing(max_idle: u64) -> Pool<u32, Handle> {
    Pool::builder().capacity(MaxIdle(max_idle)).shared().build()
}

#[test]
fn closed_pool_keeps_nothing_of_a_shared_resource_whose_last_lease_is_detached() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    let leases = [(); 2].map(|()| pool.acquire(&1, |_| handle(1)).unwrap());
    pool.close();
    let [one, two] = leases.map(Lease::into_inner);
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

/// An eviction policy may give up nothing. Then nobody waits for room that nobody will make, and what is warm can be had.
#[test]
fn nobody_waits_for_room_that_the_eviction_policy_never_gives_up() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(1)).eviction(RejectIncoming).build();
    drop(pool.acquire(&1, |_| thing(0)).unwrap());
    let other = pool.acquire(&2, |_| thing(0));
    assert!(matches!(other, Err(AcquireError::Exhausted { by: "MaxLive", .. })), "{other:?}");
    assert_eq!(pool.stats().waits.waited, 0, "it was told so at once");
    let held = pool.acquire(&1, |_| thing(0)).expect("it is warm");
    // With a lease out there is something to wait for: what comes back may be rejected for one who waits.
    thread::scope(|scope| {
        let other = scope.spawn(|| pool.acquire(&2, |_| thing(0)).map(|lease| LeaseOf::was_hit(&lease)));
        until(|| pool.usage().waiting == 1);
        drop(held);
        assert!(!other.join().unwrap().unwrap());
    });
    assert_eq!((pool.usage().live(), pool.usage().waiting), (1, 0));
    pool.assert_sound();
}

#[test]
fn one_for_whom_nothing_is_given_up_keeps_nobody_from_what_is_free() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> =
        local::Pool::builder().capacity(MaxLiveWeight(10)).eviction(RejectIncoming).build();
    drop(pool.acquire(&1, |_| thing(5)).unwrap()); // stays
    let expect = |bytes| AcquireOptions::new().expect_weight(bytes);
    let held = pool.acquire_with(&2, &expect(4), |_| thing(4)).unwrap();
    let mut heavy = pool.request_with(&3, &expect(8));
    let mut light = pool.request_with(&4, &expect(4));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut heavy).poll(&mut context).is_pending());
    assert!(Pin::new(&mut light).poll(&mut context).is_pending());
    LeaseOf::discard(held);
    let place = Pin::new(&mut light).poll(&mut context);
    assert!(matches!(place, Poll::Ready(Ok(_))));
    assert!(Pin::new(&mut heavy).poll(&mut context).is_pending());
    drop((place, heavy));
    pool.assert_sound();
}

#[test]
fn one_who_was_refused_and_has_not_looked_yet_is_not_refused_again() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> =
        local::Pool::builder().capacity(MaxLiveWeight(10)).eviction(RejectIncoming).build();
    drop(pool.acquire(&1, |_| thing(5)).unwrap()); // stays
    let expect = |bytes| AcquireOptions::new().expect_weight(bytes);
    let mut context = Context::from_waker(Waker::noop());
    let mut refused = [&3, &4].map(|key| pool.request_with(key, &expect(8)));
    for (before, request) in refused.iter_mut().enumerate() {
        let held = pool.acquire_with(&2, &expect(4), |_| thing(4)).unwrap();
        assert!(Pin::new(request).poll(&mut context).is_pending());
        LeaseOf::discard(held);
        assert_eq!(pool.stats().refused, before as u64 + 1, "nothing is given up for it");
    }
    for mut request in refused {
        assert!(matches!(
            Pin::new(&mut request).poll(&mut context),
            Poll::Ready(Err(AcquireError::Exhausted { .. }))
        ));
    }
    pool.assert_sound();
}

#[test]
fn one_heavy_open_keeps_no_unknown_key_out() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> = local::Pool::builder().capacity(MaxLiveWeight(100)).build();
    drop(pool.acquire(&0, |_| thing(1000)).unwrap());
    assert_eq!(pool.usage().live(), 0);
    for key in 1..100 {
        drop(pool.acquire(&key, |_| thing(1)).expect("it counts as no more than the limit"));
    }
    // One that is known to be too heavy is told so, unless its caller knows better.
    assert!(matches!(pool.acquire(&0, |_| thing(1)), Err(AcquireError::Refused { by: "MaxLiveWeight", .. })));
    let light = AcquireOptions::new().expect_weight(1);
    assert!(pool.acquire_with(&0, &light, |_| thing(1)).is_ok());
}

/// The same where the limit can't say what one resource may weigh.
#[test]
fn one_heavy_open_keeps_unknown_keys_out_of_a_memory_limit_for_a_few_tries_only() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> =
        local::Pool::builder().capacity(ProcessMemory::refuse_above(100)).process_memory(|| Ok(10)).build();
    let unknown = AcquireOptions::new().expect_weight(1);
    LeaseOf::discard(pool.acquire_with(&0, &unknown, |_| thing(1000)).unwrap());
    let tries = (1..100).find(|key| pool.acquire(key, |_| thing(1)).is_ok());
    assert_eq!(tries, Some(5), "1000, 500, 250, 125, 62 with 10 that are there");
}

#[test]
fn one_who_fails_to_measure_memory_hands_its_turn_on() {
    let _watchdog = watchdog();
    let memory = Arc::new(AtomicU64::new(0));
    let fails = Arc::new(AtomicBool::new(false));
    let (measured, fail) = (Arc::clone(&memory), Arc::clone(&fails));
    let pool: Pool<u32, Thing> = Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .process_memory(move || {
            if fail.swap(false, SeqCst) {
                return Err(ProcessMemoryError::Unknown("once".into()));
            }
            Ok(measured.load(SeqCst))
        })
        .build();
    let lease = pool.acquire(&1, |_| thing(50)).unwrap();
    memory.store(100, SeqCst);
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.acquire(&2, |_| thing(50)).is_err());
        until(|| pool.usage().waiting == 1);
        let second = scope.spawn(|| pool.acquire(&3, |_| thing(50)).is_ok());
        until(|| pool.usage().waiting == 2);
        fails.store(true, SeqCst);
        memory.store(50, SeqCst);
        LeaseOf::discard(lease);
        assert!(first.join().unwrap(), "it could not measure");
        assert!(second.join().unwrap(), "there was room, and it was told");
    });
    pool.assert_sound();
}

#[test]
fn one_who_measures_too_much_memory_lets_the_next_measure() {
    let _watchdog = watchdog();
    struct Large(u64, Arc<AtomicU64>);
    impl Resource for Large {
        type Error = ();
        fn weight(&self) -> u64 {
            self.0
        }
    }
    impl Drop for Large {
        fn drop(&mut self) {
            self.1.store(75, SeqCst);
        }
    }
    let (memory, token) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let measured = Arc::clone(&memory);
    let pool: Pool<u32, Large> = Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .process_memory(move || Ok(measured.load(SeqCst)))
        .build();
    let get = |key: u32, bytes| {
        let options = AcquireOptions::new().expect_weight(bytes).until_cancelled(&token);
        pool.acquire_with(&key, &options, |_| Ok(Large(bytes, Arc::clone(&memory))))
    };
    let [one, _two] = [(1, 30), (2, 60)].map(|(key, bytes)| get(key, bytes).unwrap());
    memory.store(100, SeqCst);
    thread::scope(|scope| {
        let heavy = scope.spawn(|| get(3, 50).is_err());
        until(|| pool.usage().waiting == 1);
        let light = scope.spawn(|| get(4, 20));
        until(|| pool.usage().waiting == 2);
        LeaseOf::discard(one);
        let _light = light.join().unwrap().unwrap();
        assert_eq!(pool.usage().waiting, 1, "50 are too many");
        token.cancel();
        assert!(heavy.join().unwrap());
    });
    pool.assert_sound();
}

/// Also while the place of one who waited, and its lease, are on their way.
#[test]
fn clock_that_panics_at_any_of_its_reads_loses_no_place() {
    let _watchdog = watchdog();
    for nth in 0..14 {
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let count = Arc::clone(&left);
        let clock = move || {
            match count.load(SeqCst) {
                usize::MAX => {}
                0 => {
                    count.store(usize::MAX, SeqCst);
                    resume_unwind(Box::new(Expected));
                }
                more => count.store(more - 1, SeqCst),
            }
            0
        };
        let eviction = IdleTimeout::new(Duration::from_secs(1), Lru::new());
        let pool: Pool<u32, Thing> =
            Pool::builder().capacity(MaxLive(1)).clock(clock).eviction(eviction).build();
        left.store(nth, SeqCst);
        panicked(|| drop(pool.acquire_timeout(&1, Duration::from_secs(1), |_| thing(0))));
        panicked(|| pool.acquire(&1, |_| thing(0)).map_or((), Lease::discard));
        panicked(|| drop(pool.acquire(&2, |_| thing(0)).map(Lease::into_inner)));
        left.store(usize::MAX, SeqCst);
        let usage = pool.usage();
        assert_eq!((usage.opening, usage.leased, usage.dropping), (0, 0, 0), "read {nth}: {usage}");
        assert!(pool.try_acquire(&3, |_| thing(0)).is_ok(), "read {nth}");
        pool.assert_sound();
    }
}

#[derive(PartialEq, Eq, Hash, Debug)]
struct Key(u32);

thread_local! {
    /// The key's drop that panics, counted down; 0 for none.
    static DROPS_LEFT: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Clone for Key {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let left = DROPS_LEFT.get();
        DROPS_LEFT.set(left.saturating_sub(1));
        if left == 1 && !thread::panicking() {
            resume_unwind(Box::new(Expected));
        }
    }
}

#[test]
fn key_whose_drop_panics_after_waiting_loses_no_lease() {
    let _watchdog = watchdog();
    for nth in 1..=8 {
        for asked in [1, 2] {
            let pool: Pool<Key, Thing> = Pool::builder().capacity(MaxLive(1)).build();
            let lease = pool.acquire(&Key(1), |_| thing(0)).unwrap();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let key = Key(asked);
                    DROPS_LEFT.set(nth);
                    panicked(|| drop(pool.acquire(&key, |_| thing(0))));
                    DROPS_LEFT.set(0);
                });
                until(|| pool.usage().waiting == 1 || waiter.is_finished());
                drop(lease);
            });
            let usage = pool.usage();
            assert_eq!(usage.leased + usage.opening + usage.waiting, 0, "drop {nth}: {usage}");
            pool.assert_sound();
        }
    }
}

/// A lease that is given back, and time that passes, while one who asks measures memory.
fn key_that_expires_while_somebody_asks(remembered: usize, by_age: bool) {
    type Held = Arc<Mutex<Option<Lease<u32, Thing>>>>;
    let (time, held) = (Time::default(), Held::default());
    let (passing, given_back) = (time.clone(), Arc::clone(&held));
    let builder = Pool::builder()
        .capacity(ProcessMemory::evict_above(1000))
        .process_memory(move || {
            if let Some(lease) = given_back.lock().unwrap().take() {
                passing.advance(9);
                drop(lease);
                passing.advance(10);
            }
            Ok(0)
        })
        .clock(time.clone())
        .remembered_keys(remembered);
    let limit = Duration::from_nanos(10);
    let pool: Arc<Pool<u32, Thing>> = Arc::new(match by_age {
        true => builder.eviction(MaxAge::new(limit, Lru::new())).build(),
        false => builder.eviction(IdleTimeout::new(limit, Lru::new())).build(),
    });
    let lease = pool.acquire(&1, |_| thing(1)).unwrap();
    // Enough other keys for the pool to forget this one as soon as it is not in use.
    (10..5000).for_each(|key| drop(pool.acquire(&key, |_| thing(0)).unwrap()));
    *held.lock().unwrap() = Some(lease);
    assert!(!LeaseOf::was_hit(&pool.acquire(&1, |_| thing(1)).unwrap()));
    pool.assert_sound();
}

#[test]
fn key_that_is_forgotten_while_somebody_asks_for_it_harms_nobody() {
    let _watchdog = watchdog();
    for by_age in [false, true] {
        key_that_expires_while_somebody_asks(0, by_age);
        key_that_expires_while_somebody_asks(4096, by_age);
    }
}

#[test]
fn resource_that_expires_while_somebody_waits_behind_the_turnstile_leaves_nobody_asleep() {
    let _watchdog = watchdog();
    const HEAVY: u32 = 9;
    let time = Time::default();
    let pool: Pool<u32, Thing> = Pool::builder()
        .capacity(MaxLiveWeight(10))
        .eviction(IdleTimeout::new(Duration::from_nanos(10), Lru::new()))
        .clock(time.clone())
        .remembered_keys(0)
        .build();
    let expect = |weight| AcquireOptions::new().expect_weight(weight);
    let newcomer = |key: u32| {
        let get = || pool.acquire_with(&key, &expect(1), |_| thing(1)).unwrap();
        thread::scope(|scope| scope.spawn(get).join().unwrap())
    };
    let token = CancellationToken::new();
    thread::scope(|scope| {
        let (mut two, one) = (newcomer(2), newcomer(1));
        let heavy = scope.spawn(|| {
            let options = expect(10).until_cancelled(&token);
            pool.acquire_with(&HEAVY, &options, |_| thing(10)).is_ok()
        });
        until(|| pool.usage().waiting == 1);
        for _ in 0..64 {
            drop(two);
            two = newcomer(2);
        }
        let late = scope.spawn(|| pool.acquire_with(&2, &expect(1), |_| thing(1)).is_ok());
        until(|| pool.usage().waiting == 2);
        drop(two); // idle, and not to be had before the heavy one
        assert_eq!((pool.usage().idle, pool.usage().waiting), (1, 2));
        time.advance(10); // it expires
        token.cancel();
        assert!(!heavy.join().unwrap());
        assert!(late.join().unwrap(), "it was served when the heavy one left");
        drop(one);
    });
    pool.assert_sound();
}

#[test]
fn no_more_exists_than_max_live_while_a_victim_is_being_dropped() {
    let _watchdog = watchdog();
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    struct Port<'a>(&'a AtomicBool);
    impl Resource for Port<'_> {
        type Error = ();
    }
    impl Drop for Port<'_> {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
            LIVE.fetch_sub(1, SeqCst);
        }
    }
    let go_on = AtomicBool::new(false);
    let open = |_: &u32| {
        MOST.fetch_max(LIVE.fetch_add(1, SeqCst) + 1, SeqCst);
        Ok(Port(&go_on))
    };
    let pool: Pool<u32, Port<'_>> = Pool::builder().capacity(MaxLive(1)).build();
    let lease = pool.acquire(&1, open).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| drop(pool.acquire(&2, open).unwrap()));
        until(|| pool.usage().waiting == 1);
        scope.spawn(|| drop(lease)); // 1 is evicted for 2, by this thread; 2 is opened by the other one
        until(|| pool.usage().dropping == 1);
        let usage = pool.usage();
        assert_eq!((usage.live(), usage.waiting, other.is_finished()), (1, 1, false), "{usage}");
        assert!(pool.try_acquire(&3, open).is_err(), "the place is not free yet");
        go_on.store(true, SeqCst);
        other.join().unwrap();
    });
    assert_eq!(MOST.load(SeqCst), 1);
    pool.assert_sound();
}

#[test]
fn who_needs_the_place_of_a_victim_that_another_drops_waits_for_it_and_nobody_else_does() {
    let _watchdog = watchdog();
    struct Slow(Arc<AtomicBool>);
    impl Resource for Slow {
        type Error = ();
        fn weight(&self) -> u64 {
            5
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
        }
    }
    type Limit = Box<dyn Capacity + Send>;
    let limits: [(Limit, Limit); 3] = [
        (Box::new(MaxLive(1)), Box::new(MaxLive(2))),
        (Box::new(MaxLiveWeight(5)), Box::new(MaxLiveWeight(10))),
        (Box::new(ProcessMemory::evict_above(14)), Box::new(ProcessMemory::evict_above(15))),
    ];
    let each = limits.into_iter().flat_map(|(tight, ample)| [(true, tight), (false, ample)]);
    for (is_tight, limit) in each {
        let go_on = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&go_on);
        let measure = move || Ok(if gone.load(SeqCst) { 5 } else { 10 });
        let pool: Pool<u32, Slow> = Pool::builder().capacity(limit).process_memory(measure).build();
        let open = |_: &u32| Ok(Slow(Arc::clone(&go_on)));
        drop(pool.acquire(&1, open).unwrap());
        thread::scope(|scope| {
            scope.spawn(|| pool.drain());
            until(|| pool.usage().dropping == 1);
            assert!(!is_tight || pool.try_acquire(&3, open).is_err());
            let other = scope.spawn(|| drop(pool.acquire(&2, open).unwrap()));
            if is_tight {
                until(|| pool.usage().waiting == 1);
            } else {
                until(|| other.is_finished());
            }
            go_on.store(true, SeqCst);
            other.join().unwrap();
        });
        pool.assert_sound();
    }
}

/// One has evicted something, and waits in its destructor. It was promised the room.
#[test]
fn room_that_is_promised_to_one_is_not_promised_to_the_next() {
    let _watchdog = watchdog();
    struct Slow(Arc<AtomicBool>);
    impl Resource for Slow {
        type Error = ();
        fn weight(&self) -> u64 {
            5
        }
        fn residue(&self) -> u64 {
            40
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
        }
    }
    let go_on = Arc::new(AtomicBool::new(false));
    let open = |_: &u32| Ok(Slow(Arc::clone(&go_on)));
    let pool: Pool<u32, Slow> = Pool::with_max_idle(2);
    drop([1, 2].map(|key| pool.acquire(&key, open).unwrap()));
    let limits: [Box<dyn Capacity + Send>; 2] = [Box::new(MaxLive(2)), Box::new(MaxLiveWeight(10))];
    for (key, limit) in [3, 5].into_iter().zip(limits) {
        go_on.store(false, SeqCst);
        pool.set_capacity(limit);
        thread::scope(|scope| {
            let evicts = |key: u32| drop(pool.acquire(&key, open).unwrap());
            scope.spawn(move || evicts(key));
            until(|| pool.usage().dropping == 1);
            scope.spawn(move || evicts(key + 1));
            until(|| pool.usage().dropping == 2);
            go_on.store(true, SeqCst);
        });
    }
    assert_eq!((pool.usage().idle, pool.stats().opened()), (2, 6));
    go_on.store(false, SeqCst);
    pool.set_capacity(Box::new(Both(MaxLive(2), MaxResidue(280))));
    thread::scope(|scope| {
        let other = scope.spawn(|| drop(pool.acquire(&7, open).unwrap()));
        until(|| pool.usage().dropping == 1);
        let refused = pool.acquire(&8, open);
        assert!(matches!(refused, Err(AcquireError::Refused { by: "MaxResidue", .. })), "280 are promised");
        go_on.store(true, SeqCst);
        other.join().unwrap();
    });
    pool.assert_sound();
}

/// A shared resource that was discarded lives on with the leases that others have on it, and serves nobody else.
#[test]
fn nobody_waits_for_the_end_of_what_will_not_come_back() {
    let _watchdog = watchdog();
    struct Always;
    impl CreateOrWait for Always {
        fn wait(&self, _: &Queue) -> Option<u64> {
            Some(u64::MAX)
        }
    }
    let pool: Pool<u32, Handle> =
        Pool::builder().capacity(MaxIdle(2)).shared().create_or_wait(Always).build();
    let [one, _two] = [1, 2].map(|number| pool.acquire(&1, |_| handle(number)).unwrap());
    LeaseOf::discard(one);
    let three = pool.acquire(&1, |_| handle(3)).unwrap();
    assert_eq!((LeaseOf::was_hit(&three), *three.0), (false, 3));
}

#[test]
fn open_that_takes_longer_than_its_caller_has_is_not_lost_on_it() {
    let _watchdog = watchdog();
    let time = Time::default();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(1)).clock(time.clone()).build();
    let timeout = Duration::from_nanos(10);
    let open = |_: &u32| {
        time.advance(20);
        thing(0)
    };
    let lease = pool.acquire_timeout(&1, timeout, open).unwrap();
    assert!(LeaseOf::was_late(&lease) && !LeaseOf::was_hit(&lease));
    drop(lease);
    let lease = pool.acquire_timeout(&1, timeout, open).unwrap();
    assert!(!LeaseOf::was_late(&lease) && LeaseOf::was_hit(&lease));
    assert_eq!(pool.stats().waits.timed_out_opening, 1);
}

#[test]
fn opens_that_wait_for_each_other_are_told_so() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    // Something else is out all the while, and ends by itself.
    let _other = pool.acquire(&3, |_| handle(3)).unwrap();
    let barrier = Barrier::new(2);
    let told = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (mine, others) in [(1_u32, 2_u32), (2, 1)] {
            let (pool, barrier, told) = (&pool, &barrier, &told);
            scope.spawn(move || {
                let open = |_: &u32| {
                    barrier.wait();
                    match pool.acquire(&others, |_| handle(0)) {
                        Err(AcquireError::Deadlock { .. }) => drop(told.fetch_add(1, SeqCst)),
                        shared => assert!(LeaseOf::was_hit(&shared.unwrap())),
                    }
                    handle(mine.into())
                };
                drop(pool.acquire(&mine, open).unwrap());
            });
        }
    });
    assert_eq!(told.load(SeqCst), 1, "the one that came last; the other gets what that opens");
    pool.assert_sound();
}

#[test]
fn open_that_would_wait_for_its_own_place_is_told_so() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let held = pool.acquire(&9, |_| thing(0)).unwrap();
    let lease = pool.acquire(&1, |_| {
        thread::scope(|scope| {
            // While a lease is out there is something to wait for; when it has come back and gone again, there is not.
            let inner = pool.acquire_with(&2, &AcquireOptions::new().never_wait(), |_| thing(0));
            assert!(matches!(inner, Err(AcquireError::Exhausted { .. })));
            let other = scope.spawn(|| pool.acquire(&9, |_| thing(0)).map(std::mem::forget));
            until(|| pool.usage().waiting == 1);
            drop(held);
            other.join().unwrap().unwrap();
        });
        thing(0)
    });
    drop(lease.unwrap());
    let alone: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(1)).build();
    let lease = alone.acquire(&1, |_| {
        let inner = alone.acquire(&2, |_| thing(0));
        assert!(matches!(inner, Err(AcquireError::Deadlock { .. })), "{inner:?}");
        thing(0)
    });
    drop(lease.unwrap());
    pool.assert_sound();
    alone.assert_sound();
}

#[test]
fn open_that_waits_for_its_own_place_since_the_limit_was_lowered_is_told_so() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let held = pool.acquire(&9, |_| thing(0)).unwrap();
    let open = |_: &u32| {
        let inner = pool.acquire(&2, |_| thing(0));
        assert!(matches!(inner, Err(AcquireError::Deadlock { .. })), "{inner:?}");
        thing(0)
    };
    thread::scope(|scope| {
        let opener = scope.spawn(|| drop(pool.acquire(&1, open).unwrap()));
        until(|| pool.usage().waiting == 1);
        pool.set_capacity(Box::new(MaxLive(1)));
        assert_eq!(pool.usage().waiting, 1, "a lease is still out");
        drop(held);
        opener.join().unwrap();
    });
    pool.assert_sound();
}

#[test]
fn opens_that_hold_all_places_and_wait_for_another_are_told_so_one_after_the_other() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let (barrier, told) = (Barrier::new(2), AtomicUsize::new(0));
    thread::scope(|scope| {
        for mine in [1_u32, 2] {
            let (pool, barrier, told) = (&pool, &barrier, &told);
            scope.spawn(move || {
                let open = |_: &u32| {
                    barrier.wait();
                    match pool.acquire(&(mine + 10), |_| thing(0)) {
                        Err(AcquireError::Deadlock { .. }) => drop(told.fetch_add(1, SeqCst)),
                        lease => drop(lease.unwrap()),
                    }
                    thing(0)
                };
                drop(pool.acquire(&mine, open).unwrap());
            });
        }
    });
    assert!((1..=2).contains(&told.load(SeqCst)), "the other may find room once the first is done");
    assert_eq!((pool.usage().waiting, pool.usage().opening), (0, 0));
    pool.assert_sound();
}

/// A destructor runs while its resource still holds its place.
#[test]
fn destructor_that_would_wait_for_its_own_place_is_told_so() {
    let _watchdog = watchdog();
    type WeakPool = std::sync::Weak<Pool<u32, Nosy>>;
    struct Nosy(Arc<Mutex<Option<WeakPool>>>, Arc<AtomicBool>);
    impl Resource for Nosy {
        type Error = ();
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            let pool = self.0.lock().unwrap().take().and_then(|pool| pool.upgrade());
            if let Some(pool) = pool {
                let got = pool.acquire(&7, |_| Ok(Nosy(Arc::default(), Arc::default())));
                self.1.store(matches!(got, Err(AcquireError::Deadlock { .. })), SeqCst);
            }
        }
    }
    let told = Arc::new(AtomicBool::new(false));
    let pool = Arc::new(Pool::builder().capacity(MaxLive(1)).build());
    let weak = Arc::new(Mutex::new(Some(Arc::downgrade(&pool))));
    drop(pool.acquire(&1, |_| Ok(Nosy(weak, Arc::clone(&told)))).unwrap());
    drop(pool.acquire(&2, |_| Ok(Nosy(Arc::default(), Arc::default()))).unwrap());
    assert!(told.load(SeqCst));
    assert_eq!((pool.usage().live(), pool.usage().dropping), (1, 0));
    pool.assert_sound();
}

#[test]
fn what_expires_in_a_look_for_something_warm_serves_who_waits_for_its_room() {
    let _watchdog = watchdog();
    let time = Time::default();
    let eviction = IdleTimeout::new(Duration::from_nanos(10), RejectIncoming);
    let pool: Pool<u32, Thing> =
        Pool::builder().capacity(MaxLive(2)).clock(time.clone()).eviction(eviction).build();
    let held = pool.acquire(&9, |_| thing(0)).unwrap();
    drop(pool.acquire(&1, |_| thing(0)).unwrap());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.acquire(&2, |_| thing(0)).map(drop));
        until(|| pool.usage().waiting == 1);
        time.advance(10);
        assert!(pool.acquire_warm(&3).is_none(), "which drops 1, for it has expired");
        assert!(waiter.join().unwrap().is_ok());
    });
    drop(held);
    pool.assert_sound();
}

/// What leases share is said in one place, when the pool is built: a type can't contradict it.
#[test]
fn pool_that_is_built_as_shared_shares() {
    let _watchdog = watchdog();
    let pool = sharing(2);
    let one = pool.acquire(&1, |_| handle(1)).unwrap();
    let two = pool.acquire(&1, |_| handle(2)).unwrap();
    assert!(LeaseOf::was_hit(&two) && Arc::ptr_eq(&one.0, &two.0));
    let exclusive: Pool<u32, Handle> = Pool::with_max_idle(2);
    let _one = exclusive.acquire(&1, |_| handle(1)).unwrap();
    assert!(!LeaseOf::was_hit(&exclusive.acquire(&1, |_| handle(2)).unwrap()));
}

#[test]
fn limit_on_weight_holds_though_the_eviction_policy_gives_up_nothing() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLiveWeight(10)).eviction(RejectIncoming).build();
    drop(pool.acquire(&1, |_| thing(6)).unwrap());
    let light = AcquireOptions::new().expect_weight(1);
    let heavier = pool.acquire_with(&2, &light, |_| thing(8)).unwrap();
    assert_eq!(pool.usage().live_weight(), 8, "what was idle had to go");
    drop(heavier);
    assert_eq!(pool.usage().live_weight(), 8);
    pool.assert_sound();
    pool.assert_served(false);
}

#[test]
fn lease_that_is_dropped_inside_the_pool_is_not_taken_for_one_of_no_length() {
    let _watchdog = watchdog();
    type Slot = Arc<Mutex<Option<Lease<u32, Thing>>>>;
    struct DropsALease(Lru, Slot);
    impl pool_core::Eviction<u32> for DropsALease {
        fn on_acquire(&mut self, entry: pool_core::EntryId, key: pool_core::KeyId, now: pool_core::Now) {
            pool_core::Eviction::<u32>::on_acquire(&mut self.0, entry, key, now);
        }
        fn on_release(
            &mut self,
            entry: pool_core::EntryId,
            key: pool_core::KeyId,
            returned: &pool_core::Returned,
            now: pool_core::Now,
        ) {
            drop(self.1.lock().unwrap().take());
            pool_core::Eviction::<u32>::on_release(&mut self.0, entry, key, returned, now);
        }
        fn on_remove(&mut self, entry: pool_core::EntryId, key: pool_core::KeyId, why: pool_core::Removal) {
            pool_core::Eviction::<u32>::on_remove(&mut self.0, entry, key, why);
        }
        fn victim(
            &mut self,
            incoming: Option<pool_core::EntryId>,
            now: pool_core::Now,
        ) -> Option<pool_core::Victim> {
            pool_core::Eviction::<u32>::victim(&mut self.0, incoming, now)
        }
    }
    let (time, slot) = (Time::default(), Slot::default());
    let (clock, held) = (time.clone(), Arc::clone(&slot));
    let open = move |_: &u32| {
        clock.advance(60);
        thing(0)
    };
    let pool: Arc<Pool<u32, Thing>> = Arc::new(
        Pool::builder()
            .eviction(DropsALease(Lru::new(), slot))
            .create_or_wait(WaitIfCheaper)
            .clock(time.clone())
            .build(),
    );
    let one = pool.acquire(&1, &open).unwrap();
    let two = pool.acquire(&2, &open).unwrap();
    time.advance(100);
    *held.lock().unwrap() = Some(one);
    drop(two); // and with it the other, inside
    time.advance(1);
    drop(pool.acquire(&2, &open).unwrap()); // which takes in what was put off
    let _busy = pool.acquire(&1, &open).unwrap();
    // A lease of key 1 takes 100 or more and not 0, against an open of 60: it does not wait.
    let patient = pool.try_acquire(&1, &open).unwrap();
    assert!(!LeaseOf::was_hit(&patient));
    assert!(pool.acquire_timeout(&1, Duration::from_nanos(1), &open).is_ok());
}

#[test]
fn weights_that_would_overflow_a_sum_are_counted_as_far_as_there_is_room_for_them() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> = local::Pool::builder().capacity(MaxLiveWeight(u64::MAX)).build();
    let leases: Vec<_> = (0..3).map(|key| pool.acquire(&key, |_| thing(u64::MAX - 1)).unwrap()).collect();
    assert_eq!(pool.usage().live_weight(), u64::MAX);
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(leases)));
    assert!(outcome.is_ok());
    pool.drain();
    assert_eq!((pool.usage().live_weight(), pool.usage().live()), (0, 0));
    pool.assert_sound();
}

/// What is given back, or opened, by another thread while one who asks measures memory: `meanwhile` is called once it was read.
fn measuring(
    time: &Time,
    memory: &Arc<AtomicU64>,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Pool<u32, Thing> {
    let memory = Arc::clone(memory);
    Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .eviction(Lru::new())
        .clock(time.clone())
        .process_memory(move || {
            let measured = memory.load(SeqCst);
            meanwhile();
            Ok(measured)
        })
        .build()
}

#[test]
fn what_ends_while_one_measures_memory_is_not_missed() {
    let _watchdog = watchdog();
    for others in [0, 20] {
        let (memory, held) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<Lease<u32, Thing>>)));
        let (freed, given_back) = (Arc::clone(&memory), Arc::clone(&held));
        let pool = measuring(&Time::default(), &memory, move || {
            if let Some(lease) = given_back.lock().unwrap().take() {
                thread::scope(|scope| scope.spawn(|| LeaseOf::discard(lease)).join().unwrap());
                freed.store(others, SeqCst);
            }
        });
        let get = |key: u32, bytes| {
            pool.acquire_with(&key, &AcquireOptions::new().expect_weight(bytes), |_| thing(bytes))
        };
        let one = get(1, 80).unwrap();
        // With another lease out it would wait for that, and without one be told that nothing helps.
        let _other = (others > 0).then(|| get(2, others).unwrap());
        memory.store(80 + others, SeqCst);
        *held.lock().unwrap() = Some(one);
        assert!(get(3, 50).is_ok(), "{others} bytes of others");
        pool.assert_sound();
    }
}

#[test]
fn what_opens_while_one_measures_memory_does_not_exceed_the_limit() {
    let _watchdog = watchdog();
    type Shared = Arc<Mutex<Option<Pool<u32, Thing>>>>;
    let (memory, other) = (Arc::new(AtomicU64::new(10)), Shared::default());
    let leases = Arc::new(Mutex::new(Vec::new()));
    let (grows, opens, opened) = (Arc::clone(&memory), Arc::clone(&other), Arc::clone(&leases));
    let pool = measuring(&Time::default(), &memory, move || {
        let pool = opens.lock().unwrap().take();
        let open = |pool: Pool<u32, Thing>| {
            let lease = pool.acquire_with(&1, &AcquireOptions::new().expect_weight(80), |_| thing(80));
            grows.fetch_add(80, SeqCst);
            lease.unwrap()
        };
        let lease = pool.map(|pool| thread::scope(|scope| scope.spawn(|| open(pool)).join().unwrap()));
        opened.lock().unwrap().extend(lease);
    });
    *other.lock().unwrap() = Some(pool.clone());
    let options = AcquireOptions::new().expect_weight(50).timeout(Duration::ZERO);
    let late = pool.acquire_with(&2, &options, |_| thing(50));
    assert!(matches!(late, Err(AcquireError::TimedOut { .. })), "{late:?}");
    leases.lock().unwrap().clear();
    pool.assert_sound();
}

/// Each time that it measures, something has ended meanwhile, and it is asked to measure again.
#[test]
fn one_who_measures_memory_again_and_again_gives_up_when_its_time_is_over_and_holds_up_no_task() {
    let _watchdog = watchdog();
    for by_task in [false, true] {
        let (time, memory) = (Time::default(), Arc::new(AtomicU64::new(0)));
        let held = Arc::new(Mutex::new(Vec::<Lease<u32, Thing>>::new()));
        let (passing, given_back) = (time.clone(), Arc::clone(&held));
        let pool = measuring(&time, &memory, move || {
            let lease = given_back.lock().unwrap().pop();
            if let Some(lease) = lease {
                passing.advance(10);
                LeaseOf::discard(lease);
            }
        });
        let get = |key: u32| {
            pool.acquire_with(&key, &AcquireOptions::new().expect_weight(1), |_| thing(1)).unwrap()
        };
        let leases: Vec<_> = (0..100).map(get).collect();
        memory.store(100, SeqCst);
        *held.lock().unwrap() = leases;
        let options = AcquireOptions::new().expect_weight(50).timeout(Duration::from_nanos(45));
        if by_task {
            let mut request = pool.request_with(&1000, &options);
            let mut context = Context::from_waker(Waker::noop());
            let polls = (1..100).find(|_| match Pin::new(&mut request).poll(&mut context) {
                Poll::Pending => false,
                Poll::Ready(done) => {
                    assert!(matches!(done, Err(AcquireError::TimedOut { .. })));
                    true
                }
            });
            assert_eq!(polls, Some(4), "at most two measurements a poll");
        } else {
            let late = pool.acquire_with(&1000, &options, |_| thing(50));
            assert!(matches!(late, Err(AcquireError::TimedOut { .. })), "{late:?}");
        }
        assert_eq!(held.lock().unwrap().len(), 95, "five times of 10 ns each");
        held.lock().unwrap().clear();
        pool.assert_sound();
    }
}

#[test]
fn one_who_asks_while_the_limit_becomes_one_on_memory_measures_it() {
    let _watchdog = watchdog();
    for nth in 0..6 {
        type Shared = Arc<Mutex<Option<Pool<u32, Thing>>>>;
        let (slot, left) = (Shared::default(), AtomicUsize::new(nth));
        let changing = Arc::clone(&slot);
        let pool: Pool<u32, Thing> = Pool::builder()
            .capacity(MaxLive(1))
            .eviction(IdleTimeout::new(Duration::from_secs(1), Lru::new()))
            .clock(move || {
                let pool = changing.lock().unwrap().take_if(|_| left.fetch_sub(1, SeqCst) == 0);
                if let Some(pool) = pool {
                    pool.set_capacity(Box::new(ProcessMemory::evict_above(100)));
                }
                0
            })
            .process_memory(|| Ok(0))
            .build();
        *slot.lock().unwrap() = Some(pool.clone());
        let got = pool.acquire(&1, |_| thing(1));
        assert!(got.is_ok(), "read {nth}: {got:?}");
        *slot.lock().unwrap() = None;
    }
}

/// A resource whose destructor gives back its memory, and then does something before it ends.
struct Page {
    bytes: u64,
    memory: Arc<AtomicU64>,
    last_will: Option<Box<dyn FnOnce() + Send>>,
}

impl Resource for Page {
    type Error = ();

    fn weight(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.memory.fetch_sub(self.bytes, SeqCst);
        if let Some(last_will) = self.last_will.take() {
            last_will();
        }
    }
}

type Pages = Pool<u32, Page>;

/// A pool of 100 bytes, and what it takes.
fn pages() -> (Pages, Arc<AtomicU64>) {
    let memory = Arc::new(AtomicU64::new(0));
    let measured = Arc::clone(&memory);
    let builder = Pool::builder().capacity(ProcessMemory::evict_above(100)).eviction(Lru::new());
    (builder.process_memory(move || Ok(measured.load(SeqCst))).build(), memory)
}

fn page(
    pool: &Pages,
    memory: &Arc<AtomicU64>,
    key: u32,
    bytes: u64,
    token: &CancellationToken,
    last_will: Option<Box<dyn FnOnce() + Send>>,
) -> Result<Lease<u32, Page>, AcquireError<()>> {
    let options = AcquireOptions::new().expect_weight(bytes).wait_forever().until_cancelled(token);
    pool.acquire_with(&key, &options, |_| {
        assert!(memory.fetch_add(bytes, SeqCst) + bytes <= 100, "the limit is exceeded");
        Ok(Page { bytes, memory: Arc::clone(memory), last_will })
    })
}

#[test]
fn what_a_victim_has_given_back_before_it_is_gone_does_not_count_twice() {
    let _watchdog = watchdog();
    let ((pool, memory), token) = (pages(), CancellationToken::new());
    let _other = page(&pool, &memory, 1, 70, &token, None).unwrap();
    let waits = Arc::new(Mutex::new(None));
    let last_will = {
        let (pool, memory, waits, token) = (pool.clone(), memory.clone(), Arc::clone(&waits), token.clone());
        move || {
            let (theirs, until_then) = (pool.clone(), token);
            let late = thread::spawn(move || page(&theirs, &memory, 3, 60, &until_then, None).is_ok());
            *waits.lock().unwrap() = Some(late);
            until(|| pool.usage().waiting == 1);
        }
    };
    let victim = page(&pool, &memory, 2, 30, &token, Some(Box::new(last_will))).unwrap();
    LeaseOf::discard(victim);
    token.cancel();
    assert!(!waits.lock().unwrap().take().unwrap().join().unwrap(), "70 bytes are leased");
    pool.assert_sound();
}

#[test]
fn what_was_opened_since_room_was_promised_is_not_forgotten() {
    let _watchdog = watchdog();
    let ((pool, memory), token) = (pages(), CancellationToken::new());
    let _other = page(&pool, &memory, 1, 30, &token, None).unwrap();
    let opened = Arc::new(Mutex::new(None));
    let last_will = {
        let (pool, memory, opened, token) =
            (pool.clone(), memory.clone(), Arc::clone(&opened), token.clone());
        move || {
            let open = || page(&pool, &memory, 3, 40, &token, None).unwrap();
            *opened.lock().unwrap() = Some(thread::scope(|scope| scope.spawn(open).join().unwrap()));
            token.cancel();
        }
    };
    drop(page(&pool, &memory, 2, 50, &token, Some(Box::new(last_will))).unwrap());
    assert!(page(&pool, &memory, 4, 60, &token, None).is_err(), "70 bytes are leased");
    opened.lock().unwrap().take();
    pool.assert_sound();
}

#[test]
fn one_who_waits_with_a_guess_is_not_refused_when_the_limit_becomes_less_than_the_guess() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing> = local::Pool::builder().capacity(MaxLiveWeight(100)).build();
    let held = pool.acquire(&1, |_| thing(80)).unwrap();
    let declared = AcquireOptions::new().expect_weight(80);
    let (mut guesses, mut knows) = (pool.request(&2), pool.request_with(&3, &declared));
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut guesses).poll(&mut context).is_pending());
    assert!(Pin::new(&mut knows).poll(&mut context).is_pending());
    pool.set_capacity(Box::new(MaxLiveWeight(50)));
    assert!(Pin::new(&mut guesses).poll(&mut context).is_pending(), "as one who comes now");
    let refused = Pin::new(&mut knows).poll(&mut context);
    assert!(matches!(refused, Poll::Ready(Err(AcquireError::Refused { .. }))));
    drop(held);
    assert!(matches!(Pin::new(&mut guesses).poll(&mut context), Poll::Ready(Ok(_))));
}

/// Also one who can't be asked about room just then: it waits for a lease of its key.
#[test]
fn one_who_waits_for_a_lease_with_a_guess_is_not_refused_later_for_that() {
    let _watchdog = watchdog();
    struct Waits;
    impl CreateOrWait for Waits {
        fn wait(&self, _: &Queue) -> Option<u64> {
            Some(u64::MAX)
        }
    }
    let pool: local::Pool<u32, Thing> =
        local::Pool::builder().capacity(MaxLiveWeight(100)).create_or_wait(Waits).build();
    let held = pool.acquire(&1, |_| thing(80)).unwrap();
    let light = AcquireOptions::new().expect_weight(10);
    let mut context = Context::from_waker(Waker::noop());
    let mut opens = pool.request_with(&2, &light);
    let Poll::Ready(Ok(Granted::Place(place))) = Pin::new(&mut opens).poll(&mut context) else {
        panic!("there is room")
    };
    let mut guesses = pool.request(&2);
    assert!(Pin::new(&mut guesses).poll(&mut context).is_pending());
    pool.set_capacity(Box::new(MaxLiveWeight(50)));
    drop(place); // it takes room from now on
    assert!(Pin::new(&mut guesses).poll(&mut context).is_pending());
    drop(held);
    assert!(matches!(Pin::new(&mut guesses).poll(&mut context), Poll::Ready(Ok(_))));
}
