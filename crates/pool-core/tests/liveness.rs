//! Risk: the pool gets stuck, panics inside, exceeds its limits or loses a place, where several things come together.

#[path = "support/thing.rs"]
mod thing;
#[path = "support/threads.rs"]
mod threads;

use std::future::Future as _;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxLive, MaxLiveWeight, ProcessMemory};
use pool_core::eviction::{IdleTimeout, Lru, MaxAge, RejectIncoming};
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, CreateOrWait, Lease, Pool, Queue, WaitIfCheaper};
use pool_core::{AcquireError, AcquireOptions, local};
use thing::{Handle, Thing, handle, sharing, thing};
use threads::{Expected, Time, panicked, until, watchdog};

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
