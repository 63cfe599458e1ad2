//! Risk: something that the reference pool promises gets lost on the way. One test a promise, named for it.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxLive, MaxOpens, Unbounded};
use pool_core::eviction::{IdleTimeout, Lru, RejectIncoming};
use pool_core::local::{Lease, Pool};
use pool_core::pool::{Granted, LeaseOf};
use pool_core::sync::{CancellationToken, CreateOrWait, OpenNow, WaitIfCheaper};
use pool_core::{AcquireError, DropReason, Health, MissReason, Names, Resource, Stats};
use support::{Ledger, Thing, Things, assert_sums, assert_usable, caught, fill, hit, no_open, panic_of};

type ByImports = Pool<Names, Thing>;

fn by_imports() -> (ByImports, Ledger) {
    (Pool::with_max_idle(8), Ledger::default())
}

#[test]
fn acquire_with_the_same_ordered_list_reuses_and_never_opens() {
    let (pool, ledger) = by_imports();
    let imports = Names::new(["Init", "Lean"]);
    drop(pool.acquire(&imports, ledger.open()).unwrap());
    for _ in 0..3 {
        assert_eq!(hit(&pool, &imports), 1);
        assert_eq!(hit(&pool, &Names::new(["Init", "Lean"])), 1, "made apart, but the same list");
    }
    let stats = pool.stats();
    assert_eq!((stats.opened(), stats.reused, stats.acquired(), ledger.opened()), (1, 6, 7, 1));
    assert_usable(&pool, &ledger, &imports);
}

#[test]
fn order_of_the_names_matters() {
    let (pool, ledger) = by_imports();
    fill(&pool, &ledger, &[Names::new(["Init", "Lean"])]);
    let lease = pool.acquire(&["Lean", "Init"], ledger.open()).unwrap();
    assert!(!LeaseOf::was_hit(&lease) && lease.id() == 2);
    drop(lease);
    assert_eq!((hit(&pool, &["Init", "Lean"]), hit(&pool, &["Lean", "Init"])), (1, 2));
    assert_usable(&pool, &ledger, &Names::new(["x"]));
}

#[test]
fn duplicate_names_are_not_normalised() {
    let (pool, ledger) = by_imports();
    fill(&pool, &ledger, &[Names::new(["Lean"]), Names::new(["Lean", "Lean"])]);
    assert_eq!((hit(&pool, &["Lean"]), hit(&pool, &["Lean", "Lean"])), (1, 2));
    assert!(!pool.is_warm(&["Lean", "Lean", "Lean"]) && !pool.is_warm(&["LeanLean"]));
    assert_usable(&pool, &ledger, &Names::new(["x"]));
}

#[test]
fn most_recently_released_entry_of_a_key_is_the_next_taken() {
    let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
    let mut leases: Vec<_> = (0..3).map(|_| pool.acquire(&7, ledger.open()).unwrap()).collect();
    drop(leases.remove(1)); // number 2 first,
    drop(leases.remove(1)); // then 3,
    drop(leases); // then 1
    let again: Vec<_> = (0..3).map(|_| pool.acquire(&7, no_open).unwrap()).collect();
    assert_eq!(again.iter().map(|lease| lease.id()).collect::<Vec<_>>(), [1, 3, 2]);
    drop(again);
    assert_usable(&pool, &ledger, &7);
}

#[test]
fn capacity_zero_never_reuses_and_its_counters_agree_with_opening_each_time() {
    let (pool, ledger) = (Things::with_max_idle(0), Ledger::default());
    for turn in 1..=5 {
        let lease = pool.acquire(&1, ledger.open()).unwrap();
        assert!(!LeaseOf::was_hit(&lease));
        drop(lease);
        let stats = pool.stats();
        assert_eq!((stats.opened(), stats.reused, stats.acquired()), (turn, 0, turn));
        assert_eq!((stats.released_to_pool, stats.released_dropped()), (0, turn));
        assert_eq!(stats.releases_dropped.get(DropReason::Rejected), turn);
        assert_eq!((pool.len(), ledger.live(), ledger.opened()), (0, 0, turn));
        assert_eq!(stats.peaks.idle, 0);
        pool.assert_sound();
    }
    assert_eq!(pool.stats().misses.get(MissReason::Rejected), 4);
    assert_eq!((pool.bounds().entries, pool.drain()), (Some(0), 0));
}

#[test]
fn full_pool_under_reject_incoming_drops_what_comes_back() {
    let pool: Things = Pool::builder().capacity(MaxIdle(2)).eviction(RejectIncoming).build();
    let ledger = Ledger::default();
    fill(&pool, &ledger, &[1, 2, 3, 4]);
    assert_eq!(ledger.dropped(), [3, 4], "those that came back when it was full");
    assert_eq!((hit(&pool, &1), hit(&pool, &2)), (1, 2));
    let stats = pool.stats();
    assert_eq!((stats.released_to_pool, stats.released_dropped()), (4, 2));
    assert_eq!((stats.releases_dropped.get(DropReason::Rejected), stats.idle_dropped.total()), (2, 0));
    assert_usable(&pool, &ledger, &5);
}

#[test]
fn drain_returns_the_count_and_leaves_leases_alone_and_they_may_come_back() {
    let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
    fill(&pool, &ledger, &[1, 2, 2]);
    let lease = pool.acquire(&1, no_open).unwrap();
    assert_eq!(pool.drain(), 2);
    assert_eq!((ledger.dropped().len(), lease.id(), pool.drain()), (2, 1, 0));
    drop(lease);
    assert_eq!((pool.len(), hit(&pool, &1)), (1, 1));
    let stats = pool.stats();
    assert_eq!((stats.drains, stats.idle_dropped.get(DropReason::Drained)), (2, 2));
    drop(pool.acquire(&2, ledger.open()).unwrap());
    assert_eq!(pool.stats().misses.get(MissReason::Drained), 1);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn len_is_empty_capacity_and_debug_say_what_is_there() {
    let (pool, ledger) = (Things::with_max_idle(3), Ledger::default());
    assert!(pool.is_empty() && pool.bounds().entries == Some(3));
    fill(&pool, &ledger, &[1, 2]);
    let lease = pool.acquire(&1, no_open).unwrap();
    assert_eq!((pool.len(), pool.is_empty()), (1, false));
    assert_eq!(pool.usage().idle_of_key, 0, "none is in question");
    assert_eq!(
        format!("{pool:?}"),
        "Pool { capacity: Some(3), idle: 1, leased: 1, opening: 0, dropping: 0, waiting: 0, closed: false }"
    );
    assert_eq!(format!("{lease:?}"), "Lease { key: 1, resource: thing 1, was_hit: true }");
    drop(lease);
    let live: Things = Pool::builder().capacity(MaxLive(3)).build();
    let unbounded: Things = Pool::builder().capacity(Unbounded).build();
    assert_eq!((live.bounds().entries, unbounded.bounds().entries), (Some(3), None));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn what_is_printed_for_debugging_says_what_it_is_of() {
    let (pool, ledger) = (Things::with_max_idle(3), Ledger::default());
    let builder =
        "Builder { max_opening: 18446744073709551615, max_wait: Some(30s), remembered_keys: 4096, .. }";
    assert_eq!(format!("{:?}", Things::builder()), builder);
    let done = pool.prewarm([1, 2], |key| if *key == 1 { ledger.open()(key) } else { Err("no") });
    assert_eq!(format!("{done:?}"), "Prewarmed { opened: [1], skipped: [], failed: [2], lost: [] }");
    let request = pool.request(&1);
    assert_eq!(format!("{request:?}"), "Request { .. }");
    assert_eq!(format!("{:?}", pollster::block_on(request).unwrap()), "Lease");
    let granted = pollster::block_on(pool.request(&3)).unwrap();
    assert_eq!(format!("{granted:?}"), "Place");
    let Granted::Place(place) = granted else { unreachable!() };
    assert_eq!(format!("{place:?}"), "Place { key: 3, .. }");
    let token = CancellationToken::new();
    assert_eq!(format!("{token:?}"), "CancellationToken { is_cancelled: false }");
    let policy: Box<dyn CreateOrWait> = Box::new(OpenNow);
    assert_eq!(format!("{policy:?}"), "CreateOrWait");
    let shared_by_threads: pool_core::sync::Pool<u32, Plain> = pool_core::sync::Pool::new(1);
    let prewarming = shared_by_threads.prewarm_on([], |_| Ok(Plain), 1, drop);
    assert_eq!(format!("{prewarming:?}"), "Prewarming { .. }");
}

struct Plain;

impl Resource for Plain {
    type Error = ();
}

/// Steps of all kinds in an order that looks random, with everything counted once more beside the pool.
#[test]
fn counters_agree_with_independent_counts_after_every_step_and_never_go_back() {
    let (pool, ledger) = (Things::with_max_idle(3), Ledger::default());
    let mut leases: Vec<Lease<u32, Thing>> = Vec::new();
    let (mut hits, mut misses, mut to_pool, mut dropped, mut detached, mut failed) = (0, 0, 0, 0, 0, 0);
    let mut seen = Vec::new();
    let mut random = 88_172_645_463_325_252_u64;
    for step in 0..3000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = (random >> 40) as u32 % 5;
        let known = ledger.opened();
        match random % 16 {
            0..=6 => {
                let lease = pool.acquire(&key, ledger.open()).unwrap();
                assert_eq!(LeaseOf::was_hit(&lease), ledger.opened() == known);
                *(if LeaseOf::was_hit(&lease) { &mut hits } else { &mut misses }) += 1;
                leases.push(lease);
            }
            7 => match pool.acquire(&key, |_| Err("no")) {
                Ok(lease) => (hits += 1, leases.push(lease)).1,
                Err(error) => (failed += 1, assert_eq!(error.into_open().as_deref(), Some(&"no"))).1,
            },
            8 => {
                if let Some(lease) = pool.acquire_warm(&key) {
                    hits += 1;
                    leases.push(lease);
                }
            }
            9 => assert_eq!(pool.len(), pool.drain()),
            _ if leases.is_empty() => {}
            what => {
                let lease = leases.swap_remove(random as usize % leases.len());
                let (id, gone) = (lease.id(), ledger.dropped().len());
                match what {
                    10 => (LeaseOf::discard(lease), dropped += 1).1,
                    11 => (drop(LeaseOf::into_inner(lease)), detached += 1).1,
                    12 => (lease.knobs().health.set(Health::Broken), drop(lease), dropped += 1).2,
                    _ => {
                        drop(lease);
                        let kept = !ledger.dropped()[gone..].contains(&id);
                        *(if kept { &mut to_pool } else { &mut dropped }) += 1;
                    }
                }
            }
        }
        let stats = pool.stats();
        assert_eq!((stats.reused, stats.opened(), stats.opens_failed), (hits, misses, failed), "step {step}");
        assert_eq!(stats.acquired(), hits + misses);
        assert_eq!((stats.released_to_pool, stats.released_dropped()), (to_pool, dropped), "step {step}");
        assert_eq!((stats.detached, stats.ended()), (detached, to_pool + dropped + detached));
        assert_eq!(stats.acquired() - stats.ended(), leases.len() as u64);
        assert_eq!(ledger.live(), pool.len() as u64 + leases.len() as u64);
        assert!(pool.len() <= 3);
        let now = all_counters(&stats);
        assert!(seen.iter().zip(&now).all(|(before, after)| before <= after), "step {step}");
        seen = now;
        assert_sums(&stats);
        pool.assert_sound();
    }
    assert!([hits, misses, to_pool, dropped, detached, failed].iter().all(|&count| count > 20));
    drop(leases);
    assert_usable(&pool, &ledger, &0);
    drop(pool);
    ledger.assert_all_dropped_once();
}

fn all_counters(stats: &Stats) -> Vec<u64> {
    let mut all =
        vec![stats.reused, stats.opens_failed, stats.refused, stats.released_to_pool, stats.detached];
    all.extend([stats.drains, stats.opening_nanos, stats.saved_nanos, stats.usage.opens]);
    all.extend(stats.misses.iter().map(|(_, count)| count));
    all.extend(stats.releases_dropped.iter().map(|(_, count)| count));
    all.extend(stats.idle_dropped.iter().map(|(_, count)| count));
    all
}

/// What an acquire that fails must leave as it was.
fn fingerprint(pool: &Things) -> impl PartialEq + std::fmt::Debug + use<> {
    let stats = pool.stats();
    let warm: Vec<_> = (0..10).filter(|key| pool.is_warm(key)).collect();
    let ended = (stats.released_to_pool, stats.releases_dropped, stats.detached, stats.idle_dropped);
    let times = (stats.opening_nanos, stats.saved_nanos);
    ((stats.usage, pool.len(), warm, stats.known_keys), (stats.reused, stats.misses, ended, times))
}

#[test]
fn failed_or_panicked_open_changes_neither_acquired_nor_the_pool() {
    let pool: Things = Pool::builder().capacity(MaxIdle(3)).eviction(Lru::new()).build();
    let ledger = Ledger::default();
    fill(&pool, &ledger, &[1, 2, 3, 4]); // 1 is evicted, but remembered
    let lease = pool.acquire(&2, no_open).unwrap();
    let before = fingerprint(&pool);
    for key in [1, 2, 9] {
        assert_eq!(pool.acquire(&key, |_| Err("no")).unwrap_err().into_open().as_deref(), Some(&"no"));
        assert_eq!(fingerprint(&pool), before, "after a failed open of {key}");
        assert_eq!(panic_of(|| drop(pool.acquire(&key, |_| panic!("expected panic")))), "expected panic");
        assert_eq!(fingerprint(&pool), before, "after a panic in the open of {key}");
        pool.assert_sound();
    }
    assert_eq!(pool.stats().opens_failed, 6);
    drop(lease);
    assert_usable(&pool, &ledger, &9);
}

#[test]
fn refused_open_changes_neither_acquired_nor_the_pool() {
    let exhausted: Things = Pool::builder().capacity(MaxLive(2)).eviction(RejectIncoming).build();
    let refused: Things = Pool::builder().capacity(MaxOpens(2)).build();
    for pool in [exhausted, refused] {
        let ledger = Ledger::default();
        fill(&pool, &ledger, &[1, 2]);
        let lease = pool.acquire(&2, no_open).unwrap();
        let before = fingerprint(&pool);
        for (count, key) in [(1, 2), (2, 9)] {
            let error = pool.acquire(&key, |_| panic!("it may not open")).unwrap_err();
            assert!(matches!(error, AcquireError::Exhausted { .. } | AcquireError::Refused { .. }));
            assert_eq!(fingerprint(&pool), before, "after a refusal of {key}");
            assert_eq!((pool.stats().refused, pool.stats().opens_failed), (count, 0));
            pool.assert_sound();
        }
        drop(lease);
        assert_eq!((hit(&pool, &1), hit(&pool, &2)), (1, 2), "what is idle can still be had");
        pool.assert_sound();
    }
}

#[test]
fn unfit_resource_is_dropped_on_acquire_and_counted_with_its_reason_and_a_fresh_one_is_opened() {
    for (health, reason) in [(Health::Stale, DropReason::Stale), (Health::Broken, DropReason::Broken)] {
        let (pool, ledger) = (Things::with_max_idle(8), Ledger::default());
        let leases = [1, 1].map(|key| pool.acquire(&key, ledger.open()).unwrap());
        let knobs = leases.each_ref().map(|lease| lease.knobs());
        drop(leases);
        knobs.iter().for_each(|knobs| knobs.health.set(health));
        let before = pool.stats();
        let lease = pool.acquire(&1, ledger.open()).unwrap();
        let stats = pool.stats();
        assert_eq!((LeaseOf::was_hit(&lease), lease.id(), ledger.live()), (false, 3, 1), "both were dropped");
        assert_eq!(stats.idle_dropped.get(reason), 2);
        assert_eq!(stats.misses.get(reason.into()), 1);
        assert_eq!((stats.reused, stats.saved_nanos), (before.reused, before.saved_nanos), "no hit");
        assert_eq!((stats.acquired(), stats.ended()), (before.acquired() + 1, before.ended()), "no lease");
        drop(lease);
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn no_clock_is_read_on_a_hit_unless_a_policy_asks_for_time() {
    let ledger = Ledger::default();
    let count = |eviction: Box<dyn pool_core::Eviction<u32>>, waiting: Box<dyn CreateOrWait>| {
        let reads = Rc::new(Cell::new(0));
        let clock = Rc::clone(&reads);
        let pool: Things = Pool::builder()
            .eviction(eviction)
            .create_or_wait(waiting)
            .clock(move || {
                clock.set(clock.get() + 1);
                clock.get()
            })
            .build();
        drop(pool.acquire(&1, ledger.open()).unwrap());
        let opened = reads.get();
        hit(&pool, &1);
        let after_hit = reads.get() - opened;
        assert_eq!((pool.stats().opening_nanos, pool.stats().saved_nanos), (1, 1), "one tick a read");
        assert_usable(&pool, &ledger, &1);
        (opened, after_hit)
    };
    assert_eq!(
        count(Box::new(Lru::new()), Box::new(WaitIfCheaper)),
        (3, 0),
        "twice around the open and once after the lease that began with it, not at all on the hit"
    );
    assert_eq!(
        count(Box::new(Lru::new()), Box::new(OpenNow)),
        (2, 0),
        "nobody wants to know how long leases take"
    );
    let idle_timeout = IdleTimeout::new(Duration::from_secs(9), Lru::new());
    let timed = count(Box::new(idle_timeout), Box::new(WaitIfCheaper));
    assert_eq!(timed.1, 2, "once at the acquire, once at the release");
}

#[test]
fn look_up_by_borrowed_names_hits_what_an_interned_list_released() {
    let (pool, ledger) = by_imports();
    let interned = Names::new(["Init", "Lean.Data.Json"]);
    fill(&pool, &ledger, std::slice::from_ref(&interned));
    let slice: &[&str] = &["Init", "Lean.Data.Json"];
    let owned = vec!["Init".to_owned(), "Lean.Data.Json".to_owned()];
    assert_eq!((hit(&pool, slice), hit(&pool, &owned), hit(&pool, &owned[..])), (1, 1, 1));
    assert_eq!(hit(&pool, &["Init", "Lean.Data.Json"]), 1);
    // And the other way round: what was opened by names is hit by the list.
    drop(pool.acquire(&["Lean"][..], ledger.open()).unwrap());
    assert_eq!(hit(&pool, &Names::new(["Lean"])), 2);
    assert_eq!(pool.stats().known_keys, 2);
    assert_usable(&pool, &ledger, &interned);
}

#[test]
fn any_key_that_hashes_compares_and_clones_will_do() {
    fn check<K: std::hash::Hash + Eq + Clone + std::fmt::Debug>(one: &K, other: &K) {
        let (pool, ledger) = (Pool::<K, Thing>::with_max_idle(8), Ledger::default());
        fill(&pool, &ledger, &[one.clone(), other.clone()]);
        assert_eq!((hit(&pool, one), hit(&pool, other)), (1, 2));
        assert_eq!(LeaseOf::key(&pool.acquire(other, no_open).unwrap()), other);
        assert_usable(&pool, &ledger, one);
    }
    check(&1_u32, &2);
    check(&"a".to_owned(), &"b".to_owned());
    check(&("a", 1_u8), &("a", 2));
    check(&vec![1, 2], &vec![2, 1]);
    check(&None, &Some(()));
    assert!(caught(|| check(&1, &1)).is_err(), "and this check can fail");
}
