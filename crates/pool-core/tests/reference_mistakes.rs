//! Risk: what the reference pool gets wrong: user code inside the borrow, allocation by capacity, reuse after a panic.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive, MaxLiveWeight};
use pool_core::eviction::{Lru, MaxAge, RejectIncoming};
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{Capacity, DropReason, Eviction, Health, MissReason};
use support::{Knobs, Ledger, Things, assert_usable, dropped_as, fill, hit, no_open, panic_of};

fn pool(capacity: impl Capacity + 'static, eviction: impl Eviction<u32> + 'static) -> Rc<Things> {
    Rc::new(Pool::builder().capacity(capacity).eviction(eviction).build())
}

/// Everything that a pool offers, from wherever this is called.
fn use_all(pool: &Things, ledger: &Ledger) {
    pool.assert_sound();
    for _ in 0..2 {
        // No place is left where the pool is bounded by what lives.
        drop(pool.acquire(&100, ledger.open()));
    }
    drop(pool.acquire_warm(&100).map(Lease::into_inner));
    assert_eq!(pool.is_empty(), matches!(pool.len(), 0));
    assert_eq!(pool.stats().usage, pool.usage());
    assert!(!pool.is_warm(&101) && format!("{pool:?}").contains("idle"));
    pool.evict_expired();
    pool.drain();
    pool.assert_sound();
}

/// A resource whose `Drop` uses the pool ends as `scenario` has it: once, and for `reason`. The scenario gets a function
/// that sets the knobs of that resource.
#[track_caller]
fn drop_uses_the_pool(
    pool: &Rc<Things>,
    reason: DropReason,
    scenario: impl FnOnce(&Things, &Ledger, &dyn Fn(&Knobs)),
) {
    // How many drops there were, and how often the reason was counted by then.
    let (ledger, drops) = (Ledger::default(), Rc::new(Cell::new((0, 0))));
    let set = |knobs: &Knobs| {
        let (pool, ledger, drops) = (Rc::downgrade(pool), ledger.clone(), Rc::clone(&drops));
        knobs.when_asked(move |what| {
            if what == "drop" {
                let pool = pool.upgrade().expect("the pool outlives this test");
                drops.set((drops.get().0 + 1, dropped_as(&pool, reason)));
                use_all(&pool, &ledger);
            }
        });
    };
    scenario(pool, &ledger, &set);
    assert_eq!(drops.get(), (1, 1));
    assert_eq!((pool.usage().live(), ledger.live()), (pool.len() as u64, pool.len() as u64));
    assert_usable(pool, &ledger, &1);
}

#[test]
fn drop_of_what_is_evicted_at_a_release_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(1), Lru::new()), DropReason::Evicted, |pool, ledger, set| {
        drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
        fill(pool, ledger, &[2]);
    });
}

#[test]
fn drop_of_what_is_evicted_for_an_open_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxLive(1), Lru::new()), DropReason::Evicted, |pool, ledger, set| {
        drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
        fill(pool, ledger, &[2]);
    });
}

#[test]
fn drop_of_what_is_rejected_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(1), RejectIncoming), DropReason::Rejected, |pool, ledger, set| {
        fill(pool, ledger, &[2]);
        drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
    });
}

#[test]
fn drop_of_what_is_drained_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(8), Lru::new()), DropReason::Drained, |pool, ledger, set| {
        drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
        assert_eq!((pool.drain(), pool.drain()), (1, 0));
    });
}

#[test]
fn drop_of_what_is_discarded_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(8), Lru::new()), DropReason::Discarded, |pool, ledger, set| {
        LeaseOf::discard(pool.acquire(&1, ledger.open_with(set)).unwrap());
    });
}

#[test]
fn drop_of_what_a_hit_finds_stale_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(8), Lru::new()), DropReason::Stale, |pool, ledger, set| {
        let lease = pool.acquire(&1, ledger.open_with(set)).unwrap();
        let knobs = lease.knobs();
        drop(lease);
        knobs.health.set(Health::Stale);
        assert!(!LeaseOf::was_hit(&pool.acquire(&1, ledger.open()).unwrap()));
    });
}

#[test]
fn drop_of_what_comes_back_broken_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(8), Lru::new()), DropReason::Broken, |pool, ledger, set| {
        let lease = pool.acquire(&1, ledger.open_with(set)).unwrap();
        lease.knobs().health.set(Health::Broken);
    });
}

#[test]
fn drop_of_what_has_expired_may_use_the_pool() {
    let eviction = MaxAge::new(Duration::from_nanos(10), Lru::new());
    let time = Rc::new(Cell::new(0));
    let clock = Rc::clone(&time);
    let pool = Rc::new(Pool::builder().eviction(eviction).clock(move || clock.get()).build());
    drop_uses_the_pool(&pool, DropReason::Expired, |pool, ledger, set| {
        drop(pool.acquire(&1, ledger.open_with(set)).unwrap());
        time.set(10);
        assert!(!LeaseOf::was_hit(&pool.acquire(&1, ledger.open()).unwrap()));
    });
}

#[test]
fn drop_of_what_a_panic_discards_may_use_the_pool() {
    drop_uses_the_pool(&pool(MaxIdle(8), Lru::new()), DropReason::Panicked, |pool, ledger, set| {
        let _ = panic_of(|| {
            let _lease = pool.acquire(&1, ledger.open_with(set)).unwrap();
            panic!("expected panic");
        });
    });
}

#[test]
fn health_and_weight_may_use_the_pool() {
    let (pool, ledger) = (pool(MaxIdle(8), Lru::new()), Ledger::default());
    let asked = Rc::new(Cell::new(0));
    let (weak, books, count) = (Rc::downgrade(&pool), ledger.clone(), Rc::clone(&asked));
    let open = ledger.open_with(move |knobs| {
        let (weak, books, count) = (weak.clone(), books.clone(), Rc::clone(&count));
        knobs.when_asked(move |what| {
            if what == "health" || what == "weight" {
                count.set(count.get() + 1);
                use_all(&weak.upgrade().unwrap(), &books);
            }
        });
    });
    drop(pool.acquire(&1, open).unwrap()); // weight; health, weight
    assert_eq!(hit(&*pool, &1), 1); // health; health, weight
    assert_eq!(asked.get(), 6);
    pool.drain();
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn open_may_use_the_pool_for_other_keys() {
    let (pool, ledger) = (pool(MaxIdle(8), Lru::new()), Ledger::default());
    let outer = pool.acquire(&1, |key| {
        let other = pool.acquire(&(key + 1), |key| {
            drop(pool.acquire(&(key + 1), ledger.open()).unwrap());
            ledger.open()(key)
        });
        assert_eq!(pool.usage().opening, 1);
        drop(other.unwrap());
        assert_eq!((hit(&*pool, &3), hit(&*pool, &2)), (1, 2));
        ledger.open()(key)
    });
    assert!(!LeaseOf::was_hit(&outer.unwrap()));
    assert_eq!((pool.len(), pool.stats().peaks.live), (3, 3));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn open_may_acquire_the_key_being_opened_and_opens_a_second_entry() {
    let (pool, ledger) = (pool(MaxIdle(8), Lru::new()), Ledger::default());
    let outer = pool.acquire(&1, |key| {
        let inner = pool.acquire(key, ledger.open()).unwrap();
        assert!(!LeaseOf::was_hit(&inner));
        drop(inner);
        assert_eq!(hit(&*pool, key), 1, "what the inner one opened is warm");
        ledger.open()(key)
    });
    drop(outer.unwrap());
    assert_eq!((pool.len(), pool.stats().misses.get(MissReason::Busy)), (2, 1));
    assert_eq!(hit(&*pool, &1), 2);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn open_may_drain_the_pool_and_everything_else() {
    let (pool, ledger) = (pool(MaxIdle(8), Lru::new()), Ledger::default());
    fill(&pool, &ledger, &[1, 2, 3]);
    let lease = pool.acquire(&4, |key| {
        assert_eq!(pool.drain(), 3);
        use_all(&pool, &ledger);
        ledger.open()(key)
    });
    drop(lease.unwrap());
    let error = pool.acquire(&5, |_| {
        use_all(&pool, &ledger);
        Err("no")
    });
    assert_eq!(error.unwrap_err().into_open().as_deref(), Some(&"no"));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn huge_capacities_allocate_nothing_up_front() {
    for huge in [1 << 40, u64::MAX - 1, u64::MAX] {
        let keys = usize::try_from(huge).unwrap_or(usize::MAX);
        let capacities: [Box<dyn Capacity>; 5] = [
            Box::new(MaxIdle(huge)),
            Box::new(MaxIdlePerKey(huge)),
            Box::new(MaxIdleWeight(huge)),
            Box::new(MaxLive(huge)),
            Box::new(MaxLiveWeight(huge)),
        ];
        for capacity in capacities {
            let ledger = Ledger::default();
            let mut built = None;
            let allocated = allocation_counter::measure(|| {
                built = Some(Pool::builder().capacity(capacity).remembered_keys(keys).build());
            });
            assert!(allocated.bytes_total < 4096, "{} bytes", allocated.bytes_total);
            let pool: Things = built.unwrap();
            fill(&pool, &ledger, &[1, 2, 2]);
            assert_eq!((hit(&pool, &1), hit(&pool, &2), pool.len()), (1, 3, 3));
            assert_usable(&pool, &ledger, &1);
        }
        assert_eq!(Things::with_max_idle(huge).bounds().entries, Some(huge));
    }
}

#[test]
fn lease_dropped_by_a_panic_is_discarded_unless_the_resource_survives_panics() {
    for survives in [false, true] {
        let (pool, ledger) = (pool(MaxIdle(8), Lru::new()), Ledger::default());
        let message = panic_of(|| {
            let lease = pool.acquire(&1, ledger.open()).unwrap();
            lease.knobs().survives_panic.set(survives);
            panic!("expected panic");
        });
        assert_eq!(message, "expected panic");
        let stats = pool.stats();
        assert_eq!(pool.is_warm(&1), survives);
        assert_eq!(stats.released_to_pool, u64::from(survives));
        assert_eq!(stats.releases_dropped.get(DropReason::Panicked), u64::from(!survives));
        if !survives {
            drop(pool.acquire(&1, ledger.open()).unwrap());
            assert_eq!(pool.stats().misses.get(MissReason::Panicked), 1);
        }
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn victims_of_admission_are_dropped_before_open_runs() {
    let (pool, ledger) = (pool(MaxLive(2), Lru::new()), Ledger::default());
    fill(&pool, &ledger, &[1, 2]);
    let lease = pool.acquire(&3, |key| {
        assert_eq!((ledger.dropped(), ledger.live()), (vec![1], 1));
        assert_eq!((pool.usage().idle, pool.usage().opening, pool.usage().live()), (1, 1, 2));
        ledger.open()(key)
    });
    drop(lease.unwrap());
    assert_eq!(pool.acquire(&2, no_open).unwrap().id(), 2);
    assert_usable(&pool, &ledger, &1);
}
