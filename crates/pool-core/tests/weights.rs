//! Risk: what nobody has weighed yet, or what weighs too much to be counted, keeps others out or breaks a limit.

#[path = "support/thing.rs"]
mod thing;
#[path = "support/threads.rs"]
mod threads;

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pool_core::capacity::{MaxLiveWeight, ProcessMemory};
use pool_core::eviction::RejectIncoming;
use pool_core::pool::{Granted, LeaseOf};
use pool_core::sync::{CreateOrWait, Pool, Queue};
use pool_core::{AcquireError, AcquireOptions, local};
use thing::{Thing, thing};
use threads::watchdog;

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
