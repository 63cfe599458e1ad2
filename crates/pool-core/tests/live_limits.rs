//! Risk: a limit lets too much live, evicts for nothing, refuses what it should admit, or overflows.

mod support;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use pool_core::capacity::{
    Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive, MaxLiveWeight, MaxOpens, MaxResidue, Unbounded,
};
use pool_core::eviction::{Lru, RejectIncoming};
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, AcquireOptions, Bounds, Capacity, DropReason, Event, Opened, Usage, Verdict};
use support::{Ledger, Thing, Things, assert_usable, dropped_as, fill, hit, no_open};

type Error = AcquireError<&'static str>;

fn setting(capacity: impl Capacity + 'static) -> (Things, Ledger) {
    (Pool::builder().capacity(capacity).eviction(Lru::new()).build(), Ledger::default())
}

/// A lease on a new resource of that weight.
fn open(pool: &Things, ledger: &Ledger, key: u32, weight: u64) -> Result<Lease<u32, Thing>, Error> {
    let lease = pool.acquire(&key, ledger.open_with(move |knobs| knobs.weight.set(weight)))?;
    assert!(!LeaseOf::was_hit(&lease));
    Ok(lease)
}

/// Opens one of each key and weight, and gives it back at once.
fn put(pool: &Things, ledger: &Ledger, things: &[(u32, u64)]) {
    for &(key, weight) in things {
        drop(open(pool, ledger, key, weight).unwrap());
    }
}

fn by(error: Error) -> (&'static str, &'static str) {
    match error {
        AcquireError::Exhausted { by, .. } => ("exhausted", by),
        AcquireError::Refused { by, .. } => ("refused", by),
        other => panic!("{other}"),
    }
}

fn warm(pool: &Things) -> Vec<u32> {
    (0..100).filter(|key| pool.is_warm(key)).collect()
}

#[test]
fn max_live_evicts_an_idle_one_before_an_open_and_is_exhausted_with_none_idle() {
    let (pool, ledger) = setting(MaxLive(2));
    fill(&pool, &ledger, &[1, 2]);
    let three = open(&pool, &ledger, 3, 0).unwrap();
    assert_eq!((warm(&pool), pool.usage().live()), (vec![2], 2), "the longest idle one went");
    let four = open(&pool, &ledger, 4, 0).unwrap();
    assert_eq!(by(pool.acquire(&5, no_open).unwrap_err()), ("exhausted", "MaxLive"));
    assert_eq!(pool.stats().peaks.live, 2);
    drop((three, four));
    assert_eq!(warm(&pool), [3, 4]);
    assert_usable(&pool, &ledger, &5);
}

#[test]
fn max_live_counts_opens_that_are_running() {
    let (pool, ledger) = setting(MaxLive(2));
    let lease = pool.acquire(&1, |_| {
        let inner = pool.acquire(&2, |_| {
            assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()), ("exhausted", "MaxLive"));
            Ok(ledger.thing())
        });
        drop(inner.unwrap()); // and this one makes room
        drop(pool.acquire(&3, ledger.open()).unwrap());
        Ok(ledger.thing())
    });
    drop(lease.unwrap());
    assert_eq!(warm(&pool), [1, 3]);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn max_live_of_zero_refuses_every_open_for_good() {
    let (pool, _) = setting(MaxLive(0));
    assert_eq!(by(pool.acquire(&1, no_open).unwrap_err()), ("refused", "MaxLive"));
    assert_eq!(pool.stats().known_keys, 0);
    pool.assert_sound();
}

#[test]
fn max_live_weight_admits_on_what_the_key_took_last_else_on_what_is_typical() {
    let (pool, ledger) = setting(MaxLiveWeight(100));
    let (ten, fifty) = (open(&pool, &ledger, 1, 10).unwrap(), open(&pool, &ledger, 2, 50).unwrap());
    // 60 are leased; a second one of key 2 would be 50, and so would one of a key that was never opened.
    for key in [2, 3] {
        assert_eq!(by(pool.acquire(&key, no_open).unwrap_err()), ("exhausted", "MaxLiveWeight"));
    }
    let thirty = AcquireOptions::new().expect_weight(30);
    let open_thirty = ledger.open_with(|knobs| knobs.weight.set(30));
    drop(pool.acquire_with(&3, &thirty, open_thirty).expect("its caller says that it takes 30"));
    drop(open(&pool, &ledger, 1, 10).unwrap());
    assert_eq!((pool.usage().live_weight(), warm(&pool)), (100, vec![1, 3]), "as full as it may be");
    // Of 10, 10, 30 and 50, the upper quartile is 50: it does not fit, whatever goes.
    assert_eq!(by(pool.acquire(&4, no_open).unwrap_err()), ("exhausted", "MaxLiveWeight"));
    drop(fifty);
    drop(open(&pool, &ledger, 4, 20).unwrap());
    assert_eq!((pool.usage().live_weight(), warm(&pool)), (30, vec![4]), "50 were expected");
    drop(ten);
    assert_usable(&pool, &ledger, &1);
}

/// What was returned last has no part in what is asked about another key.
#[test]
fn a_limit_is_asked_with_what_is_idle_of_the_key_in_question_only() {
    struct Asked(MaxLive, Rc<Cell<u64>>);
    impl Capacity for Asked {
        fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
            self.1.set(self.1.get().max(usage.idle_of_key));
            self.0.admit(usage, expected)
        }
        fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
            self.0.keep(usage, weight)
        }
    }
    let most = Rc::<Cell<u64>>::default();
    let (pool, ledger) = setting(Asked(MaxLive(1), Rc::clone(&most)));
    put(&pool, &ledger, &[(1, 0), (2, 0)]); // 1 goes for 2, which waits until it is gone
    // Where the eviction policy gives up nothing, who waits is asked about with all that is idle.
    let pool: Things =
        Pool::builder().capacity(Asked(MaxLive(2), Rc::clone(&most))).eviction(RejectIncoming).build();
    put(&pool, &ledger, &[(1, 0)]);
    let _lease = open(&pool, &ledger, 2, 0).unwrap();
    let mut waiting = [&3, &4].map(|key| pool.request(key));
    for request in &mut waiting {
        assert!(Pin::new(request).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let [_stays, leaves] = waiting;
    drop(leaves);
    assert_eq!((most.get(), pool.usage().waiting), (0, 1));
}

/// What a key that is not known is expected to weigh is halved where nothing but that kept it out of an empty pool.
#[test]
fn a_refusal_for_another_reason_leaves_what_is_expected_alone() {
    let (pool, ledger) = setting(MaxLiveWeight(100));
    put(&pool, &ledger, &[(1, 40)]);
    let refused = |key: u32, options: &AcquireOptions| {
        assert_eq!(by(pool.acquire_with(&key, options, no_open).unwrap_err()).0, "refused");
    };
    let options = AcquireOptions::new();
    pool.set_capacity(Box::new(MaxOpens(1)));
    refused(2, &options); // not by its weight, and something is idle
    pool.drain();
    pool.set_capacity(Box::new(MaxLiveWeight(30)));
    refused(1, &options); // it is known what that takes
    refused(2, &options.expect_weight(40)); // its caller says what it takes
    pool.set_capacity(Box::new(MaxLiveWeight(100)));
    let lease = pool.acquire(&2, |_| {
        assert_eq!(pool.usage().opening_weight, 40);
        Ok(ledger.thing())
    });
    drop(lease.unwrap());
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn open_that_turns_out_heavier_than_expected_evicts_idle_ones_at_once() {
    let (pool, ledger) = setting(MaxLiveWeight(100));
    put(&pool, &ledger, &[(1, 30), (2, 30), (3, 30)]);
    let lease = open(&pool, &ledger, 4, 65).unwrap(); // 30 expected: 1 goes before, 2 after
    assert_eq!((warm(&pool), pool.usage().live_weight()), (vec![3], 95));
    assert_eq!(dropped_as(&pool, DropReason::Evicted), 2);
    drop(lease);
    assert_eq!(warm(&pool), [3, 4]);
    assert_usable(&pool, &ledger, &5);
}

#[test]
fn leased_weight_may_exceed_max_live_weight_until_it_comes_back_and_is_refused_from_then_on() {
    let (pool, ledger) = setting(MaxLiveWeight(100));
    put(&pool, &ledger, &[(1, 30)]);
    let lease = open(&pool, &ledger, 2, 130).unwrap();
    assert_eq!((warm(&pool), pool.usage().live_weight()), (vec![], 130));
    assert_eq!(by(pool.acquire(&1, no_open).unwrap_err()), ("exhausted", "MaxLiveWeight"));
    drop(lease);
    assert_eq!((pool.usage().live(), dropped_as(&pool, DropReason::Rejected)), (0, 1));
    assert_eq!(by(pool.acquire(&2, no_open).unwrap_err()), ("refused", "MaxLiveWeight"));
    put(&pool, &ledger, &[(1, 30), (3, 20), (1, 30)]);
    pool.acquire(&3, no_open).unwrap().knobs().weight.set(130);
    assert_eq!(warm(&pool), [1], "what grew too heavy alone goes alone");
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn resource_that_grew_while_leased_evicts_by_its_new_weight() {
    let (pool, ledger) = setting(MaxIdleWeight(100));
    put(&pool, &ledger, &[(1, 40), (2, 40), (3, 20)]);
    let lease = pool.acquire(&3, no_open).unwrap();
    lease.knobs().weight.set(60);
    assert_eq!((pool.usage().leased_weight, pool.usage().idle_weight), (20, 80), "not measured yet");
    drop(lease);
    assert_eq!((warm(&pool), pool.usage().idle_weight, pool.usage().leased_weight), (vec![2, 3], 100, 0));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn entry_heavier_than_max_idle_weight_evicts_nothing() {
    let (pool, ledger) = setting(Both(MaxIdle(2), MaxIdleWeight(100)));
    put(&pool, &ledger, &[(1, 50), (2, 50), (3, 101)]);
    assert_eq!((warm(&pool), dropped_as(&pool, DropReason::Rejected)), (vec![1, 2], 1));
    assert_eq!(dropped_as(&pool, DropReason::Evicted), 0);
    put(&pool, &ledger, &[(4, 100)]);
    assert_eq!((warm(&pool), pool.usage().idle_weight), (vec![4], 100), "exactly the limit fits");
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn max_idle_per_key_drops_the_longest_idle_of_that_key_only() {
    let (pool, ledger) = setting(MaxIdlePerKey(2));
    fill(&pool, &ledger, &[7, 8, 9, 9, 9]);
    assert_eq!((ledger.dropped(), pool.len()), (vec![3], 4));
    let leases = [9, 9].map(|key| pool.acquire(&key, no_open).unwrap());
    assert_eq!(leases.each_ref().map(|lease| lease.id()), [5, 4]);
    drop(leases);
    assert_usable(&pool, &ledger, &9);
    let (pool, ledger) = setting(MaxIdlePerKey(0));
    fill(&pool, &ledger, &[1]);
    assert_eq!((pool.len(), dropped_as(&pool, DropReason::Rejected)), (0, 1));
    pool.assert_sound();
}

#[test]
fn max_opens_is_a_budget_that_failures_do_not_spend_and_hits_outlive() {
    let (pool, ledger) = setting(MaxOpens(2));
    for _ in 0..3 {
        assert_eq!(pool.acquire(&1, |_| Err("no")).unwrap_err().into_open().as_deref(), Some(&"no"));
    }
    let lease = pool.acquire(&1, |_| {
        drop(open(&pool, &ledger, 2, 0).unwrap());
        assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()), ("refused", "MaxOpens"), "one is running");
        Ok(ledger.thing())
    });
    drop(lease.unwrap());
    assert_eq!((hit(&pool, &1), hit(&pool, &2)), (2, 1));
    assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()), ("refused", "MaxOpens"));
    pool.drain();
    assert_eq!(by(pool.acquire(&1, no_open).unwrap_err()), ("refused", "MaxOpens"), "for good");
    pool.assert_sound();
}

#[test]
fn max_residue_refuses_what_is_expected_to_leave_too_much() {
    let (pool, ledger) = setting(MaxResidue(100));
    let leaving = |residue| ledger.open_with(move |knobs| knobs.residue.set(residue));
    LeaseOf::discard(pool.acquire(&1, leaving(60)).unwrap());
    assert_eq!(by(pool.acquire(&1, no_open).unwrap_err()), ("refused", "MaxResidue"), "120 in the end");
    assert_eq!(by(pool.acquire(&2, no_open).unwrap_err()), ("refused", "MaxResidue"), "as the mean has it");
    assert_eq!((pool.usage().residue, pool.usage().opening_residue), (60, 0));
    let (pool, _) = setting(MaxResidue(100));
    drop(pool.acquire(&1, leaving(50)).unwrap());
    let exactly = pool.acquire(&2, |key| {
        assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()), ("refused", "MaxResidue"), "50 are running");
        leaving(50)(key)
    });
    drop(exactly.unwrap());
    assert_eq!((hit(&pool, &1), hit(&pool, &2), pool.usage().residue), (2, 3, 100));
    pool.assert_sound();
}

#[test]
fn both_hold_and_never_wins_and_then_the_first_that_asks() {
    let per_key_last: Both<_, _> = Both(MaxIdle(2), MaxIdlePerKey(1));
    for (capacity, left) in [
        (Box::new(per_key_last) as Box<dyn Capacity>, vec![4]),
        (Box::new(Both(MaxIdlePerKey(1), MaxIdle(2))), vec![3, 4]),
    ] {
        assert_eq!(capacity.bounds().entries, Some(2));
        let (pool, ledger) = setting(capacity);
        fill(&pool, &ledger, &[3, 4, 4]); // the last one breaks both limits
        assert_eq!((warm(&pool), pool.len()), (left.clone(), left.len()));
        assert_usable(&pool, &ledger, &1);
    }
    let (pool, ledger) = setting(Both(MaxLive(1), MaxOpens(1)));
    let lease = open(&pool, &ledger, 1, 0).unwrap();
    assert_eq!(by(pool.acquire(&2, no_open).unwrap_err()), ("refused", "MaxOpens"), "never, not now");
    drop(lease);
    assert_eq!(by(pool.acquire(&2, no_open).unwrap_err()), ("refused", "MaxOpens"));
    assert_eq!(hit(&pool, &1), 1, "and nothing was evicted for it");
    assert_eq!(Both(MaxOpens(1), MaxIdle(7)).bounds(), Bounds::of_entries(7));
}

#[test]
fn unbounded_keeps_everything() {
    let (pool, ledger) = setting(Unbounded);
    fill(&pool, &ledger, &(0..100).collect::<Vec<_>>());
    assert_eq!((pool.len(), warm(&pool).len(), pool.bounds().entries, ledger.live()), (100, 100, None, 100));
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn forgotten_leases_hold_their_places_and_harm_nothing_else() {
    let (pool, ledger) = setting(MaxLive(3));
    fill(&pool, &ledger, &[1, 2, 3]);
    for key in [2, 3] {
        std::mem::forget(pool.acquire(&key, no_open).unwrap());
    }
    assert_usable(&pool, &ledger, &4);
    std::mem::forget(pool.acquire(&4, no_open).unwrap());
    let error = pool.acquire(&2, no_open).unwrap_err();
    assert!(error.to_string().contains("0 idle, 3 leased, 0 opening"), "{error}");
    assert_eq!(by(error), ("exhausted", "MaxLive"));
    pool.assert_sound();
    drop(pool);
    assert_eq!(ledger.live(), 3, "those that were forgotten");
}

/// Wants more evicted as long as anything is idle, and says `last` when nothing is.
struct Insatiable(Verdict);

impl Capacity for Insatiable {
    fn admit(&self, usage: &Usage, _: &Opened) -> Verdict {
        match usage.opens {
            0..4 => Verdict::Fits,
            _ if usage.idle > 0 => Verdict::EvictAny("more"),
            _ => self.0,
        }
    }
    fn keep(&self, _: &Usage, _: u64) -> Verdict {
        Verdict::Fits
    }
}

#[test]
fn refused_open_evicts_nothing_though_its_policy_asks_for_evictions_first() {
    for (last, how) in [
        (Verdict::Never("last"), "refused"),
        (Verdict::EvictAny("last"), "exhausted"),
        (Verdict::EvictOfKey("last"), "exhausted"),
    ] {
        let (pool, ledger) = setting(Insatiable(last));
        fill(&pool, &ledger, &[1, 2, 3, 3]);
        assert_eq!(by(pool.acquire(&9, no_open).unwrap_err()), (how, "last"));
        assert_eq!((ledger.live(), warm(&pool)), (4, vec![1, 2, 3]));
        assert_eq!((pool.stats().known_keys, pool.stats().refused), (3, 1));
        assert_eq!((hit(&pool, &1), hit(&pool, &3)), (1, 4));
        pool.assert_sound();
    }
}

#[test]
fn pool_that_gives_nothing_up_is_exhausted_with_everything_still_idle() {
    let pool: Things = Pool::builder().capacity(MaxLive(2)).eviction(RejectIncoming).build();
    let ledger = Ledger::default();
    fill(&pool, &ledger, &[1, 2]);
    assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()), ("exhausted", "MaxLive"));
    assert_eq!((hit(&pool, &1), hit(&pool, &2)), (1, 2));
    assert_usable(&pool, &ledger, &3);
}

/// Its victim's destructor lowers the limit, so that the victim's place is none.
#[test]
fn one_who_may_not_wait_does_not_wait_for_a_place_that_is_none_any_more() {
    let (pool, ledger) =
        (Rc::new(Things::builder().capacity(MaxLive(2)).eviction(Lru::new()).build()), Ledger::default());
    let _leased = open(&pool, &ledger, 1, 0).unwrap();
    let victim = open(&pool, &ledger, 2, 0).unwrap();
    let weak = Rc::downgrade(&pool);
    victim.knobs().when_asked(move |what| {
        if what == "drop" {
            weak.upgrade().unwrap().set_capacity(Box::new(MaxLive(1)));
        }
    });
    drop(victim);
    assert_eq!(by(pool.acquire(&3, no_open).unwrap_err()).0, "exhausted");
    assert_eq!((pool.usage().live(), pool.usage().waiting), (1, 0));
    pool.assert_sound();
}

#[test]
fn who_hears_of_a_refusal_hears_whose_it_was() {
    let (heard, ledger) = (Rc::<RefCell<Vec<_>>>::default(), Ledger::default());
    let hears = Rc::clone(&heard);
    let observer = move |event: Event<'_, u32>| {
        if let Event::Refused { by, .. } = event {
            hears.borrow_mut().push(by);
        }
    };
    let pool: Things = Pool::builder().capacity(Both(MaxLive(1), MaxOpens(2))).observer(observer).build();
    let lease = open(&pool, &ledger, 1, 0).unwrap();
    assert!(pool.acquire(&2, no_open).is_err());
    drop(lease);
    drop(open(&pool, &ledger, 2, 0).unwrap());
    assert!(pool.acquire(&3, no_open).is_err());
    assert_eq!(*heard.borrow(), ["MaxLive", "MaxOpens"]);
}

#[test]
fn errors_say_what_to_do() {
    let (pool, ledger) = setting(MaxLive(1));
    let lease = open(&pool, &ledger, 1, 0).unwrap();
    let exhausted = pool.acquire(&2, no_open).unwrap_err();
    assert_eq!(
        exhausted.to_string(),
        "the pool is exhausted: MaxLive allows no further open now (key 2; 0 idle, 1 leased, 0 opening, \
         1 opened so far; at most 1); end a lease or raise the limit"
    );
    assert_eq!(exhausted.open_error(), None);
    assert_eq!(exhausted.into_open(), None);
    drop(lease);
    let (pool, ledger) = setting(MaxOpens(1));
    put(&pool, &ledger, &[(1, 0)]);
    let refused = pool.acquire(&2, no_open).unwrap_err().to_string();
    assert!(
        refused.contains("MaxOpens rules it out, whatever leases end (key 2; 1 idle, 0 leased"),
        "{refused}"
    );
    assert!(refused.ends_with("raise the limit or make a new pool"), "{refused}");
    let (pool, _) = setting(Unbounded);
    let failed = pool.acquire(&1, |_| Err("no such file")).unwrap_err();
    assert!(!failed.to_string().contains("no such file"), "that is its source");
    assert_eq!(failed.open_error(), Some(&"no such file"));
    assert_eq!(failed.into_open().as_deref(), Some(&"no such file"));
}

#[test]
fn weights_and_residues_of_u64_max_do_not_overflow() {
    for capacity in [
        Box::new(Unbounded) as Box<dyn Capacity>,
        Box::new(MaxIdleWeight(u64::MAX)),
        Box::new(MaxLiveWeight(u64::MAX)),
        Box::new(MaxResidue(u64::MAX)),
    ] {
        let (pool, ledger) = setting(capacity);
        let most = ledger.open_with(|knobs| {
            knobs.weight.set(u64::MAX);
            knobs.residue.set(u64::MAX);
        });
        drop(pool.acquire(&1, &most).unwrap());
        assert_eq!(pool.usage().idle_weight, u64::MAX);
        assert_eq!(pool.usage().residue, u64::MAX);
        let lease = pool.acquire(&2, |key| {
            drop(pool.acquire(&3, &most).unwrap()); // two opens at a time
            most(key)
        });
        drop(lease.unwrap());
        assert_eq!(pool.usage().live_weight(), u64::MAX, "more can't be counted");
        assert_eq!((warm(&pool), pool.usage().opening_residue), (vec![1, 2, 3], 0));
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn growth_that_a_release_finds_counts_in_the_peak_of_live_weight() {
    for shared in [false, true] {
        let pool: Things = if shared { Pool::builder().shared().build() } else { Pool::with_max_idle(8) };
        let ledger = Ledger::default();
        let open = ledger.open_with(|knobs| knobs.weight.set(5));
        let lease = pool.acquire(&1, &open).unwrap();
        let sibling = if shared { Some(pool.acquire(&1, &open).unwrap()) } else { None };
        assert_eq!(pool.stats().peaks.live_weight, 5);
        lease.knobs().weight.set(70);
        drop(lease);
        assert_eq!(pool.stats().peaks.live_weight, 70);
        drop(sibling);
        pool.drain();
        assert_eq!((pool.stats().peaks.live_weight, pool.usage().live_weight()), (70, 0));
    }
}
