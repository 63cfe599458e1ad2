//! Risk: a hit allocates, and the pool costs what it was meant to save.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::rc::Rc;

use allocation_counter::measure;
use pool_core::capacity::{Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive};
use pool_core::eviction;
use pool_core::local::Pool;
use pool_core::pool::LeaseOf;
use pool_core::{AcquireOptions, Names, Resource};
use watchdog::watchdog;

struct Exclusive;

impl Resource for Exclusive {
    type Error = ();
}

#[derive(Clone)]
struct Shared(#[allow(dead_code, reason = "what counts is how it is made")] Rc<()>);

impl Resource for Shared {
    type Error = ();
}

#[test]
fn a_hit_and_its_return_allocate_nothing_whatever_the_policy() {
    let _watchdog = watchdog();
    let keys: Vec<Names> = (0..8).map(|i| Names::new(["Init", "Lean", &format!("M{i}")])).collect();
    for name in eviction::NAMES {
        let pool = Pool::builder()
            .capacity(Both(Both(MaxIdle(8), MaxLive(9)), Both(MaxIdlePerKey(2), MaxIdleWeight(1 << 30))))
            .eviction(eviction::named(name).unwrap())
            .build();
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Exclusive)).unwrap()));
        let allocated = measure(|| {
            for key in keys.iter().chain(&keys) {
                let lease = pool.acquire(key, |_| Err(())).unwrap();
                assert!(
                    LeaseOf::was_hit(&lease) && LeaseOf::key(&lease) == key && pool.stats().opened() == 8
                );
            }
        });
        assert_eq!(allocated.count_total, 0, "{name}");
    }
}

#[test]
fn a_hit_by_borrowed_names_allocates_nothing() {
    let _watchdog = watchdog();
    let pool: Pool<Names, _> = Pool::with_max_idle(8);
    drop(pool.acquire(&["Init", "Lean"], |_| Ok(Exclusive)).unwrap());
    let (array, vec) = (["Init", "Lean"], vec!["Init".to_owned(), "Lean".to_owned()]);
    let allocated = measure(|| {
        assert!(pool.acquire(&array[..], |_| Err(())).is_ok());
        assert!(pool.acquire(&array, |_| Err(())).is_ok());
        assert!(pool.acquire(&vec, |_| Err(())).is_ok());
        assert!(pool.is_warm(&array) && !pool.is_warm(&["Lean", "Init"]));
    });
    assert_eq!(allocated.count_total, 0);
    assert_eq!(pool.stats().reused, 3);
}

#[test]
fn a_hit_on_a_shared_resource_and_its_return_allocate_nothing() {
    let _watchdog = watchdog();
    let pool: Pool<Names, Shared> = Pool::builder().shared().build();
    let key = Names::new(["Init"]);
    let hit = || pool.acquire(&key, |_| Err(())).unwrap();
    drop(pool.acquire(&key, |_| Ok(Shared(Rc::new(())))).unwrap());
    let allocated = measure(|| drop((hit(), hit(), hit())));
    assert_eq!(allocated.count_total, 0);
    assert_eq!(pool.stats().reused, 3);
}

#[test]
fn a_drain_gives_back_the_memory_of_what_is_gone() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Exclusive> =
        Pool::builder().capacity(MaxIdle(10_000)).eviction(eviction::Lru::new()).remembered_keys(0).build();
    let kept = measure(|| {
        let leases: Vec<_> = (0..4_096).map(|key| pool.acquire(&key, |_| Ok(Exclusive)).unwrap()).collect();
        drop(leases);
        assert_eq!(pool.drain(), 4_096);
    });
    assert!(kept.bytes_max > 100_000 && kept.bytes_current < 10_000, "{kept:?}");
}

#[test]
fn waits_for_a_closed_pool_that_were_given_up_keep_nothing() {
    let _watchdog = watchdog();
    let pool: pool_core::sync::Pool<u32, Exclusive> = pool_core::sync::Pool::new(1);
    let lease = pool.acquire(&1, |_| Ok(Exclusive)).unwrap();
    let wait = || assert!(pool.close_and_wait(std::time::Duration::ZERO).is_err());
    wait();
    let kept = measure(|| (0..100).for_each(|_| wait()));
    assert_eq!(kept.bytes_current, 0, "{kept:?}");
    drop(lease);
}

#[test]
fn waits_with_a_token_that_is_never_cancelled_keep_nothing() {
    let _watchdog = watchdog();
    let pool: pool_core::sync::Pool<u32, Exclusive> = pool_core::sync::Pool::new(1);
    let lease = pool.acquire(&1, |_| Ok(Exclusive)).unwrap();
    let token = pool_core::sync::CancellationToken::new();
    let options = AcquireOptions::new().timeout(std::time::Duration::ZERO).until_cancelled(&token);
    let wait = || assert!(pool.acquire_with(&2, &options, |_| Err(())).is_err());
    (0..8).for_each(|_| wait());
    let kept = measure(|| (0..100).for_each(|_| wait()));
    assert_eq!(kept.bytes_current, 0, "{kept:?}");
    drop(lease);
}
