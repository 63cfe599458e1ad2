//! Risk: a panic in user code loses a place, a resource or the panic itself, or ends the process.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxLive, MaxLiveWeight};
use pool_core::eviction::{IdleTimeout, Lru};
use pool_core::local::Pool;
use pool_core::pool::LeaseOf;
use pool_core::{DropReason, Event, MissReason};
use support::{
    Knobs, Ledger, Things, assert_usable, caught, dropped_as, fill, hit, no_open, panic_of, while_unwinding,
};

/// A pool in which a lost place is noticed at the next acquire.
fn one_place() -> (Things, Ledger) {
    (Pool::builder().capacity(MaxLive(1)).build(), Ledger::default())
}

fn one_shared_place() -> (Things, Ledger) {
    (Pool::builder().capacity(MaxLive(1)).shared().build(), Ledger::default())
}

/// An idle thing of `key` that panics in `what` from now on.
fn idle(pool: &Things, ledger: &Ledger, key: u32, what: &'static str) -> Rc<Knobs> {
    let lease = pool.acquire(&key, ledger.open()).unwrap();
    let knobs = lease.knobs();
    drop(lease);
    knobs.panics_in.set(Some(what));
    knobs
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("expected panic of a bomb");
    }
}

/// Time that a test sets.
fn hand_set_clock() -> (Rc<Cell<u64>>, impl Fn() -> u64) {
    let time = Rc::new(Cell::new(0));
    let clock = Rc::clone(&time);
    (time, move || clock.get())
}

#[test]
fn panic_in_open_gives_the_place_back() {
    let (pool, ledger) = one_place();
    assert_eq!(
        panic_of(|| drop(pool.acquire(&1, |_| panic!("expected panic in open")))),
        "expected panic in open"
    );
    assert_eq!((pool.usage().live(), pool.stats().acquired(), pool.stats().opens_failed), (0, 0, 1));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn panic_in_weight_residue_or_share_after_the_open_gives_the_place_back() {
    for what in ["weight", "residue", "share"] {
        let (pool, ledger) = one_shared_place();
        let open = ledger.open_with(|knobs| knobs.panics_in.set(Some(what)));
        assert_eq!(panic_of(|| drop(pool.acquire(&1, open))), format!("expected panic in {what}"));
        assert_eq!((ledger.dropped(), pool.usage().live(), pool.stats().acquired()), (vec![1], 0, 0));
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn panic_in_weight_after_the_open_and_then_in_drop_is_no_abort() {
    let (pool, ledger) = one_place();
    let open = ledger.open_with(|knobs| {
        knobs.when_asked(|what| assert!(what != "weight" && what != "drop", "expected panic in {what}"));
    });
    assert_eq!(panic_of(|| drop(pool.acquire(&1, open))), "expected panic in weight");
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn panic_in_health_on_a_hit_drops_that_resource_only() {
    let (pool, ledger) = one_place();
    idle(&pool, &ledger, 1, "health");
    let before = pool.stats();
    assert_eq!(panic_of(|| drop(pool.acquire(&1, no_open))), "expected panic in health");
    let stats = pool.stats();
    assert_eq!((ledger.dropped(), stats.usage.live()), (vec![1], 0));
    assert_eq!((stats.acquired(), stats.idle_dropped.get(DropReason::Panicked)), (before.acquired(), 1));
    drop(pool.acquire(&1, ledger.open()).unwrap());
    assert_eq!(pool.stats().misses.get(MissReason::Panicked), 1);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn panic_in_health_or_weight_at_the_release_drops_that_resource_and_reaches_who_ended_the_lease() {
    for what in ["health", "weight"] {
        let (pool, ledger) = one_place();
        let lease = pool.acquire(&1, ledger.open()).unwrap();
        lease.knobs().panics_in.set(Some(what));
        assert_eq!(panic_of(|| drop(lease)), format!("expected panic in {what}"));
        assert_eq!((ledger.dropped(), pool.usage().live()), (vec![1], 0));
        assert_eq!(pool.stats().releases_dropped.get(DropReason::Panicked), 1);
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn panic_in_drop_at_a_discard_reaches_the_caller_and_frees_the_place() {
    let (pool, ledger) = one_place();
    let lease = pool.acquire(&1, ledger.open()).unwrap();
    lease.knobs().panics_in.set(Some("drop"));
    assert_eq!(panic_of(|| LeaseOf::discard(lease)), "expected panic in drop");
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn lease_whose_health_weight_or_drop_panics_does_not_abort_while_unwinding_already() {
    for what in ["health", "weight", "survives_panic", "drop"] {
        for survives in [false, true] {
            let (pool, ledger) = one_place();
            let message = panic_of(|| {
                let lease = pool.acquire(&1, ledger.open()).unwrap();
                lease.knobs().survives_panic.set(survives);
                lease.knobs().panics_in.set(Some(what));
                panic!("expected panic, the first");
            });
            assert_eq!(message, "expected panic, the first");
            let kept = survives && what == "drop";
            assert_eq!((pool.len(), ledger.live()), (usize::from(kept), u64::from(kept)), "{what}");
            if !kept {
                assert_usable(&pool, &ledger, &1);
            }
            let _ = caught(|| drop(pool));
            ledger.assert_all_dropped_once();
        }
    }
}

#[test]
fn panic_in_share_on_a_hit_loses_neither_place_nor_resource() {
    let (pool, ledger) = one_shared_place();
    let knobs = idle(&pool, &ledger, 1, "share");
    assert_eq!(panic_of(|| drop(pool.acquire(&1, no_open))), "expected panic in share");
    pool.assert_sound();
    assert_eq!(ledger.live(), pool.len() as u64);
    knobs.panics_in.set(None);
    assert_usable(&pool, &ledger, &1);
    drop(pool);
    ledger.assert_all_dropped_once();
}

/// "It is then as if the resource concerned had been discarded": else a resource whose `share` panics each time makes
/// its key unusable until something evicts it.
#[test]
fn resource_whose_share_panics_on_a_hit_is_not_offered_again() {
    let (pool, ledger) = one_shared_place();
    idle(&pool, &ledger, 1, "share");
    assert_eq!(panic_of(|| drop(pool.acquire(&1, no_open))), "expected panic in share");
    let again = caught(|| pool.acquire(&1, ledger.open()).unwrap().id());
    assert_eq!(again, Ok(2), "the next acquire opens a fresh one");
}

#[test]
fn clock_that_panics_at_any_of_its_reads_loses_nothing() {
    let mut reads = 0;
    for nth in 1.. {
        let left = Rc::new(Cell::new(u32::MAX));
        let count = Rc::clone(&left);
        let clock = move || {
            count.set(count.get().wrapping_sub(1));
            assert!(count.get() != 0, "expected panic in the clock");
            7
        };
        let eviction = IdleTimeout::new(Duration::from_secs(1), Lru::new());
        let (pool, ledger): (Things, _) =
            (Pool::builder().capacity(MaxLive(1)).eviction(eviction).clock(clock).build(), Ledger::default());
        left.set(nth);
        let result = caught(|| {
            drop(pool.acquire(&1, ledger.open()).unwrap());
            hit(&pool, &1);
            LeaseOf::discard(pool.acquire(&1, no_open).unwrap()); // one of them when it is gone
            assert_eq!(pool.evict_expired(), 0);
        });
        left.set(u32::MAX);
        assert_eq!(pool.usage().live(), ledger.live());
        assert_usable(&pool, &ledger, &1);
        drop(pool);
        ledger.assert_all_dropped_once();
        if result.is_ok() {
            reads = nth - 1;
            break;
        }
    }
    assert!((8..20).contains(&reads), "{reads}");
}

#[test]
fn observer_that_panics_at_any_event_loses_nothing_but_the_lease_it_keeps_from_its_caller() {
    for nth in 1..=6 {
        let left = Rc::new(Cell::new(nth));
        let count = Rc::clone(&left);
        let observer = move |event: Event<'_, u32>| {
            count.set(count.get() - 1);
            assert!(count.get() != 0, "expected panic at {event:?}");
        };
        let pool: Things = Pool::builder().capacity(MaxLive(1)).observer(observer).build();
        let ledger = Ledger::default();
        let result = caught(|| {
            drop(pool.acquire(&1, ledger.open()).unwrap()); // opened
            let lease = pool.acquire(&2, ledger.open()).unwrap(); // 1 is dropped, 2 opened
            assert!(pool.acquire(&3, ledger.open()).is_err()); // refused
            LeaseOf::discard(lease); // dropped
            assert!(pool.acquire(&1, |_| Err("no")).is_err()); // the open failed
        });
        let message = result.expect_err("there are six events");
        assert!(message.starts_with("expected panic at "), "{message}");
        left.set(i32::MAX);
        assert_eq!(pool.usage().live(), ledger.live());
        assert_usable(&pool, &ledger, &1);
        drop(pool);
        ledger.assert_all_dropped_once();
    }
}

#[test]
fn lease_made_and_dropped_while_unwinding_is_returned() {
    let (pool, ledger) = one_place();
    let survives = while_unwinding(|| {
        let lease = pool.acquire(&1, ledger.open()).unwrap();
        lease.knobs().survives_panic.get()
    });
    assert!(!survives && pool.is_warm(&1));
    assert_eq!(while_unwinding(|| hit(&pool, &1)), 1);
    assert_eq!((pool.stats().released_to_pool, pool.stats().released_dropped()), (2, 0));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn acquire_while_unwinding_passes_a_panic_in_health_on() {
    let (pool, ledger) = one_place();
    idle(&pool, &ledger, 1, "health");
    let result = while_unwinding(|| caught(|| drop(pool.acquire(&1, ledger.open()))));
    assert_eq!(result, Err("expected panic in health".to_owned()));
    assert_eq!((ledger.dropped(), pool.usage().live()), (vec![1], 0));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn open_that_is_not_called_on_a_hit_and_panics_when_it_is_dropped_leaves_no_lease_behind() {
    let (pool, ledger) = one_place();
    fill(&pool, &ledger, &[1]);
    let bomb = Bomb;
    let open = move |key: &u32| {
        let _captured = &bomb;
        no_open(key)
    };
    assert_eq!(panic_of(|| drop(pool.acquire(&1, open))), "expected panic of a bomb");
    assert_eq!(pool.usage().leased, 0, "the caller got no lease");
    assert_usable(&pool, &ledger, &2);
}

#[test]
fn one_of_several_victims_panics_in_drop_and_the_others_are_dropped_and_counted() {
    let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
    fill(&pool, &ledger, &[1, 2]);
    idle(&pool, &ledger, 3, "drop");
    fill(&pool, &ledger, &[4, 5]);
    assert_eq!(panic_of(|| pool.drain()), "expected panic in drop");
    assert_eq!((ledger.live(), pool.len(), dropped_as(&pool, DropReason::Drained)), (0, 0, 5));
    assert_usable(&pool, &ledger, &3);
}

#[test]
fn two_victims_panic_in_drop_without_an_abort() {
    let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
    for (key, what) in [(1, "drop"), (2, ""), (3, "drop")] {
        idle(&pool, &ledger, key, what);
    }
    assert_eq!(panic_of(|| pool.drain()), "expected panic in drop");
    assert_eq!((ledger.live(), dropped_as(&pool, DropReason::Drained)), (0, 3));
    assert_usable(&pool, &ledger, &3);
}

#[test]
fn payload_whose_own_drop_panics_is_no_abort() {
    let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
    idle(&pool, &ledger, 1, "").when_asked(|_| std::panic::panic_any(Bomb));
    idle(&pool, &ledger, 2, "drop");
    assert_eq!(panic_of(|| pool.drain()), "expected panic in drop", "the first goes on");
    assert_eq!(ledger.live(), 0);
    assert_usable(&pool, &ledger, &3);
}

#[test]
fn pool_that_is_dropped_drops_all_though_some_panic_also_while_unwinding() {
    for unwinding in [false, true] {
        let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
        for (key, what) in [(1, ""), (2, "drop"), (3, ""), (4, "drop")] {
            idle(&pool, &ledger, key, what);
        }
        if unwinding {
            while_unwinding(|| drop(pool));
        } else {
            assert_eq!(panic_of(|| drop(pool)), "expected panic in drop");
        }
        ledger.assert_all_dropped_once();
    }
}

#[test]
fn victim_of_admission_that_panics_in_drop_gives_the_place_back() {
    let (pool, ledger) = one_place();
    idle(&pool, &ledger, 1, "drop");
    assert_eq!(panic_of(|| drop(pool.acquire(&2, no_open))), "expected panic in drop");
    assert_eq!((pool.usage().live(), ledger.live(), dropped_as(&pool, DropReason::Evicted)), (0, 0, 1));
    assert_usable(&pool, &ledger, &2);
}

/// The resource concerned is the one that expired. "Nothing else is lost", so not the one that was found for the hit.
#[test]
fn expired_victim_that_panics_in_drop_does_not_cost_the_resource_that_was_hit() {
    let (time, clock) = hand_set_clock();
    let eviction = IdleTimeout::new(Duration::from_nanos(10), Lru::new());
    let pool: Things = Pool::builder().capacity(MaxIdle(8)).eviction(eviction).clock(clock).build();
    let ledger = Ledger::default();
    idle(&pool, &ledger, 1, "drop");
    time.set(9);
    fill(&pool, &ledger, &[2]);
    time.set(10);
    assert_eq!(panic_of(|| drop(pool.acquire(&2, no_open))), "expected panic in drop");
    pool.assert_sound();
    assert_eq!(ledger.dropped(), [1]);
    assert_eq!(hit(&pool, &2), 2);
}

/// The resource concerned is the victim, not the one that took seconds to open.
#[test]
fn victim_that_panics_in_drop_after_an_open_does_not_cost_the_resource_that_was_opened() {
    let pool: Things = Pool::builder().capacity(MaxLiveWeight(10)).build();
    let ledger = Ledger::default();
    let set = |knobs: &support::Knobs| {
        knobs.weight.set(5);
        knobs.panics_in.set(Some("drop"));
    };
    drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
    let heavier = ledger.open_with(|knobs| knobs.weight.set(8));
    assert_eq!(panic_of(|| drop(pool.acquire(&2, heavier))), "expected panic in drop");
    pool.assert_sound();
    assert_eq!(ledger.dropped(), [1]);
    assert_eq!(hit(&pool, &2), 2);
}
