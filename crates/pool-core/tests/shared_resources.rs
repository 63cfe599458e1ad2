//! Risk: a resource with many leases is counted twice, given out when it is no good, or dropped too early or too late.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxLive};
use pool_core::eviction::{IdleTimeout, Lru};
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, Capacity, DropReason, Health, MissReason};
use support::{Ledger, Thing, Things, assert_usable, dropped_as, fill, hit, no_open, panic_of};

fn setting(capacity: impl Capacity + 'static) -> (Things, Ledger) {
    (Pool::builder().capacity(capacity).shared().build(), Ledger::default())
}

fn open_shared(ledger: &Ledger) -> impl Fn(&u32) -> Result<Thing, &'static str> + use<> {
    ledger.open_with(|knobs| knobs.weight.set(10))
}

/// Leases on one shared resource, of key 1.
fn siblings<const N: usize>(pool: &Things, ledger: &Ledger) -> [Lease<u32, Thing>; N] {
    let leases: [_; N] = std::array::from_fn(|_| pool.acquire(&1, open_shared(ledger)).unwrap());
    assert!(leases.iter().all(|lease| lease.id() == leases[0].id()), "they share one resource");
    leases
}

#[test]
fn leases_of_one_key_share_one_resource_and_hit_while_it_is_leased() {
    let (pool, ledger) = setting(MaxIdle(8));
    let leases = siblings::<4>(&pool, &ledger);
    assert_eq!(leases.each_ref().map(Lease::was_hit), [false, true, true, true]);
    assert_eq!((ledger.opened(), pool.stats().opened(), pool.stats().reused), (1, 1, 3));
    assert!(pool.is_warm(&1) && pool.acquire_warm(&1).is_some_and(|lease| lease.id() == 1));
    assert_eq!(leases[0].handles(), 4 + 1, "the pool keeps one");
    drop(leases);
    assert_eq!((pool.len(), hit(&pool, &1)), (1, 1));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn usage_and_peaks_count_a_shared_resource_once() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two, three] = siblings(&pool, &ledger);
    for lease in [one, two, three] {
        let usage = pool.usage();
        assert_eq!((usage.idle, usage.leased, usage.live()), (0, 1, 1));
        assert_eq!((usage.leased_weight, usage.live_weight()), (10, 10));
        drop(lease);
        pool.assert_sound();
    }
    let stats = pool.stats();
    assert_eq!((stats.usage.idle, stats.usage.idle_weight, stats.usage.leased_weight), (1, 10, 0));
    assert_eq!(
        (stats.peaks.leased, stats.peaks.live, stats.peaks.idle, stats.peaks.live_weight),
        (1, 1, 1, 10)
    );
    assert_eq!((stats.acquired(), stats.ended(), stats.released_to_pool), (3, 3, 3));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn weight_of_a_shared_resource_is_that_of_its_last_release() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two] = siblings(&pool, &ledger);
    one.knobs().weight.set(25);
    assert_eq!(pool.usage().leased_weight, 10);
    drop(one);
    assert_eq!(pool.usage().leased_weight, 25);
    two.knobs().weight.set(7);
    drop(two);
    assert_eq!((pool.usage().leased_weight, pool.usage().idle_weight), (0, 7));
    assert_usable(&pool, &ledger, &1);
}

/// After `spoil` has ended the first of three leases, the others go on, nobody gets that resource any more, and it is
/// dropped with the last of its handles.
#[test]
fn shared_resource_may_weigh_all_that_can_be_counted() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two] = siblings(&pool, &ledger);
    one.knobs().weight.set(u64::MAX);
    drop(one);
    assert_eq!(pool.usage().leased_weight, u64::MAX);
    let one = pool.acquire(&1, no_open).unwrap();
    drop(one); // and is weighed again
    assert_eq!(pool.usage().leased_weight, u64::MAX);
    drop(two);
    assert_eq!(pool.usage().idle_weight, u64::MAX);
    pool.assert_sound();
}

fn spoiled(reason: DropReason, spoil: impl FnOnce(Lease<u32, Thing>)) {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two, three] = siblings(&pool, &ledger);
    spoil(one);
    pool.assert_sound();
    assert!(!pool.is_warm(&1) && pool.acquire_warm(&1).is_none());
    assert_eq!((two.id(), three.id(), ledger.live(), two.handles()), (1, 1, 1, 3), "the pool keeps its own");
    let fresh = pool.acquire(&1, open_shared(&ledger)).unwrap();
    assert_eq!((LeaseOf::was_hit(&fresh), fresh.id(), pool.usage().leased), (false, 2, 2));
    assert_eq!(hit(&pool, &1), 2);
    drop(two);
    assert_eq!((three.id(), ledger.dropped().len()), (1, 0));
    drop(three);
    assert_eq!(ledger.dropped(), [1], "with its last lease");
    let stats = pool.stats();
    assert_eq!((stats.releases_dropped.get(reason), stats.releases_deferred), (1, 2), "dropped once");
    assert_eq!((stats.released_dropped(), stats.dropped().get(reason)), (3, 1));
    drop(fresh);
    assert_eq!((hit(&pool, &1), pool.len()), (2, 1));
    assert_usable(&pool, &ledger, &1);
    drop(pool);
    ledger.assert_all_dropped_once();
}

#[test]
fn discard_while_siblings_are_out() {
    spoiled(DropReason::Discarded, |lease| {
        assert!(!LeaseOf::was_hit(&lease));
        LeaseOf::discard(lease);
    });
}

#[test]
fn lease_that_comes_back_stale_while_siblings_are_out() {
    spoiled(DropReason::Stale, |lease| {
        let knobs = lease.knobs();
        knobs.health.set(Health::Stale);
        drop(lease);
        knobs.health.set(Health::Reusable); // the siblings find nothing wrong, and it stays out of the pool
    });
}

#[test]
fn lease_dropped_by_a_panic_while_siblings_are_out() {
    spoiled(DropReason::Panicked, |lease| {
        let _ = panic_of(|| {
            let _lease = lease;
            panic!("expected panic");
        });
    });
}

#[test]
fn first_reason_for_which_a_resource_became_unfit_is_the_one_that_counts() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two, three] = siblings(&pool, &ledger);
    one.knobs().health.set(Health::Broken);
    drop(one);
    LeaseOf::discard(two);
    drop(three);
    assert_eq!((dropped_as(&pool, DropReason::Broken), dropped_as(&pool, DropReason::Discarded)), (1, 0));
    assert!(!LeaseOf::was_hit(&pool.acquire(&1, ledger.open()).unwrap()));
    assert_eq!(pool.stats().misses.get(MissReason::Broken), 1);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn resource_found_stale_on_a_hit_with_siblings_out_is_replaced_and_dropped_with_the_last_of_them() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two] = siblings(&pool, &ledger);
    one.knobs().health.set(Health::Stale);
    let before = pool.stats();
    let fresh = pool.acquire(&1, open_shared(&ledger)).unwrap();
    let stats = pool.stats();
    assert_eq!((LeaseOf::was_hit(&fresh), fresh.id(), ledger.live()), (false, 2, 2));
    assert_eq!(
        (stats.reused, stats.ended(), stats.misses.get(MissReason::Stale)),
        (before.reused, before.ended(), 1)
    );
    assert_eq!((hit(&pool, &1), one.handles()), (2, 3));
    drop(one);
    assert_eq!((two.id(), ledger.dropped().len()), (1, 0));
    drop(two);
    assert_eq!((ledger.dropped(), dropped_as(&pool, DropReason::Stale)), (vec![1], 1));
    drop(fresh);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn idle_shared_resource_found_stale_is_dropped_at_once() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one] = siblings(&pool, &ledger);
    let knobs = one.knobs();
    drop(one);
    knobs.health.set(Health::Stale);
    assert!(pool.acquire_warm(&1).is_none());
    assert_eq!((ledger.dropped(), pool.stats().idle_dropped.get(DropReason::Stale)), (vec![1], 1));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn into_inner_of_a_shared_lease_is_one_handle_and_the_pool_and_siblings_keep_theirs() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two] = siblings(&pool, &ledger);
    let kept = LeaseOf::into_inner(one);
    assert_eq!((kept.handles(), pool.usage().leased, pool.stats().detached), (3, 1, 1));
    let also = LeaseOf::into_inner(two); // the last lease: the pool's handle is idle now
    assert_eq!((pool.len(), pool.usage().leased, hit(&pool, &1)), (1, 0, 1));
    assert_eq!((pool.drain(), ledger.dropped().len()), (1, 0), "only the pool's handle is dropped");
    drop(kept);
    assert_eq!((also.id(), also.handles()), (1, 1));
    drop(also);
    assert_eq!(ledger.dropped(), [1]);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn into_inner_of_the_last_lease_of_a_discarded_resource_leaves_nothing_in_the_pool() {
    let (pool, ledger) = setting(MaxLive(1));
    let [one, two] = siblings(&pool, &ledger);
    LeaseOf::discard(one);
    let kept = LeaseOf::into_inner(two);
    assert_eq!((kept.handles(), pool.usage().live()), (1, 0));
    drop(kept);
    assert_eq!(ledger.dropped(), [1]);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn shared_entry_is_no_victim_while_leased_and_is_one_after_its_last_lease() {
    let (pool, ledger) = setting(MaxLive(1));
    let leases = siblings::<3>(&pool, &ledger);
    for lease in leases {
        let error = pool.acquire(&2, no_open).unwrap_err();
        assert!(matches!(error, AcquireError::Exhausted { by: "MaxLive", .. }));
        assert_eq!((lease.id(), ledger.dropped().len()), (1, 0));
    }
    drop(pool.acquire(&2, ledger.open()).unwrap());
    assert_eq!((ledger.dropped(), dropped_as(&pool, DropReason::Evicted)), (vec![1], 1));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn shared_entry_is_rejected_with_its_last_lease_only() {
    let (pool, ledger) = setting(MaxIdle(0));
    let [one, two, three] = siblings(&pool, &ledger);
    drop(one);
    drop(three);
    assert_eq!((two.id(), ledger.live(), pool.stats().released_to_pool), (1, 1, 2));
    drop(two);
    assert_eq!((ledger.dropped(), dropped_as(&pool, DropReason::Rejected)), (vec![1], 1));
    pool.assert_sound();
    assert!(!LeaseOf::was_hit(&siblings::<1>(&pool, &ledger)[0]));
}

#[test]
fn shared_entry_does_not_expire_while_it_is_leased() {
    let time = Rc::new(Cell::new(0));
    let clock = Rc::clone(&time);
    let eviction = IdleTimeout::new(Duration::from_nanos(10), Lru::new());
    let pool: Things = Pool::builder().eviction(eviction).clock(move || clock.get()).shared().build();
    let ledger = Ledger::default();
    let [one, two] = siblings(&pool, &ledger);
    drop(one);
    time.set(50);
    assert_eq!((pool.evict_expired(), hit(&pool, &1)), (0, 1), "one lease is out still");
    drop(two);
    time.set(60);
    assert_eq!((pool.evict_expired(), ledger.dropped()), (1, vec![1]));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn drain_leaves_a_shared_entry_alone_while_it_is_leased() {
    let (pool, ledger) = setting(MaxIdle(8));
    let [one, two] = siblings(&pool, &ledger);
    fill(&pool, &ledger, &[2]);
    drop(one);
    assert_eq!((pool.drain(), ledger.dropped()), (1, vec![2]));
    assert_eq!(hit(&pool, &1), 1);
    drop(two);
    assert_eq!((pool.drain(), ledger.live()), (1, 0));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn forgotten_lease_on_a_shared_resource_keeps_it_leased_and_to_be_had() {
    let (pool, ledger) = setting(MaxLive(2));
    let [one, two] = siblings(&pool, &ledger);
    std::mem::forget(one);
    drop(two);
    assert_eq!((pool.usage().leased, pool.drain(), hit(&pool, &1)), (1, 0, 1));
    assert_usable(&pool, &ledger, &2);
    assert_eq!((pool.close(), ledger.dropped()), (1, vec![2]), "all but what was forgotten");
}
