//! Risk: a policy that ranks keys loses sight of one: after a hook that it missed, or when a key is worth less than before.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use pool_core::capacity::MaxIdle;
use pool_core::eviction::{Gdsf, Lfu, NAMES, TinyLfu, Worth, named};
use pool_core::local::Pool;
use pool_core::{EntryId, Eviction, Id, KeyId, Now, Opened, Removal, Resource, Returned, Victim};
use watchdog::watchdog;

struct Thing;

impl Resource for Thing {
    type Error = ();
}

/// A policy whose `on_remove` panics once, before the one within hears of it.
struct MissesRemoval<E>(E, Rc<Cell<bool>>);

impl<K: ?Sized, E: Eviction<K>> Eviction<K> for MissesRemoval<E> {
    fn on_key(&mut self, key: KeyId, name: &K) {
        self.0.on_key(key, name);
    }
    fn on_forget(&mut self, key: KeyId) {
        self.0.on_forget(key);
    }
    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.0.on_open(entry, key, opened, now);
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.0.on_acquire(entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.0.on_release(entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        assert!(!self.1.take(), "expected panic in on_remove");
        self.0.on_remove(entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.0.victim(incoming, now)
    }
}

/// How many hits there are after an eviction that the policy hears of, or misses.
fn hits_after_an_eviction(name: &str, missed: bool) -> u64 {
    let trips = Rc::new(Cell::new(false));
    let policy = MissesRemoval(named::<u32>(name).unwrap(), Rc::clone(&trips));
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxIdle(2)).eviction(policy).clock(|| 0).build();
    let ask = |key: u32| drop(pool.acquire(&key, |_| Ok(Thing)).unwrap());
    ask(1);
    ask(2);
    trips.set(missed);
    assert_eq!(catch_unwind(AssertUnwindSafe(|| ask(3))).is_err(), missed, "{name}");
    pool.assert_sound();
    for key in 10..60 {
        (0..3).for_each(|_| ask(key));
    }
    pool.stats().reused
}

#[test]
fn one_removal_that_was_missed_does_not_make_a_policy_reject_for_ever() {
    let _watchdog = watchdog();
    // RejectIncoming does so anyway, and calls itself so.
    for name in NAMES.iter().filter(|name| **name != "RejectIncoming") {
        let (heard, missed) = (hits_after_an_eviction(name, false), hits_after_an_eviction(name, true));
        assert!(heard > 0 && missed >= heard / 2, "{name}: {missed} hits, {heard} without the miss");
    }
}

fn id<I: Id>(index: usize) -> I {
    I::from_index(index)
}
fn priced(cost_nanos: u64, weight: u64) -> Opened {
    Opened { cost_nanos, weight, residue: 0 }
}
fn returned(weight: u64, idle: u64) -> Returned {
    Returned { weight, idle_of_key: idle }
}

#[test]
fn tiny_lfu_counts_the_requests_of_a_key_that_is_named() {
    let _watchdog = watchdog();
    let mut policy = TinyLfu::new(Gdsf::new());
    let policy: &mut dyn Eviction<u32> = &mut policy;
    let now = Now::default();
    policy.on_open(id(0), id(0), &priced(1, 1), now);
    policy.on_release(id(0), id(0), &returned(1, 1), now);
    for _ in 0..4 {
        policy.on_acquire(id(0), id(0), now);
        policy.on_release(id(0), id(0), &returned(1, 1), now);
    }
    policy.on_open(id(1), id(1), &priced(1000, 1), now);
    policy.on_release(id(1), id(1), &returned(1, 1), now);
    assert_eq!(policy.victim(None, now), Some(Victim::OldestOf(id(0))), "cheap");
    assert_eq!(policy.victim(Some(id(1)), now), Some(Victim::Entry(id(1))), "but asked for more");
}

fn names_what_has_grown(policy: &mut dyn Eviction<u32>) {
    let now = Now::default();
    for key in 0..2 {
        policy.on_key(id(key), &0);
        policy.on_open(id(key), id(key), &priced(100, 10), now);
        policy.on_release(id(key), id(key), &returned(10 + 10 * key as u64, 1), now);
    }
    policy.on_acquire(id(0), id(0), now);
    policy.on_release(id(0), id(0), &returned(1000, 1), now);
    assert_eq!(
        policy.victim(None, now),
        Some(Victim::OldestOf(id(0))),
        "it has grown, and is worth less by the byte"
    );
}
#[test]
fn gdsf_sees_what_has_grown() {
    let _watchdog = watchdog();
    names_what_has_grown(&mut Gdsf::new());
}
#[test]
fn worth_sees_what_has_grown() {
    let _watchdog = watchdog();
    names_what_has_grown(&mut Worth::new().per_byte().half_life(1e6));
}

#[test]
fn key_id_that_is_used_again_has_no_worth_of_before() {
    let _watchdog = watchdog();
    let mut policy = Lfu::new();
    let policy: &mut dyn Eviction<u32> = &mut policy;
    let now = Now::default();
    let ask = |policy: &mut dyn Eviction<u32>, key: usize, times: usize| {
        policy.on_open(id(key), id(key), &priced(1, 1), now);
        policy.on_release(id(key), id(key), &returned(1, 1), now);
        for _ in 1..times {
            policy.on_acquire(id(key), id(key), now);
            policy.on_release(id(key), id(key), &returned(1, 1), now);
        }
    };
    // Two leases at once, so that it is listed with three requests and covered for two.
    policy.on_open(id(0), id(0), &priced(1, 1), now);
    for _ in 0..8 {
        policy.on_acquire(id(0), id(0), now);
    }
    policy.on_release(id(0), id(0), &returned(1, 1), now);
    policy.on_remove(id(0), id(0), Removal::Drained);
    policy.on_forget(id(0));
    ask(policy, 1, 3);
    ask(policy, 0, 1);
    assert_eq!(policy.victim(None, now), Some(Victim::OldestOf(id(0))));
}

#[test]
fn idle_key_that_lost_worth_to_a_newer_one_goes_before_what_was_worth_less() {
    let _watchdog = watchdog();
    let names = |key: &u32, each: &mut dyn FnMut(&str)| {
        ["x y", "a b", "a b c"][*key as usize].split_whitespace().for_each(each);
    };
    let mut policy = Worth::with_names(names).half_life(1e6);
    let policy: &mut dyn Eviction<u32> = &mut policy;
    let now = Now::default();
    for (key, cost) in [(0, 60), (1, 100), (2, 1000)] {
        policy.on_key(id(key), &(key as u32));
        policy.on_open(id(key), id(key), &priced(cost, 1), now);
        if key < 2 {
            policy.on_release(id(key), id(key), &returned(1, 1), now);
        }
    }
    assert_eq!(policy.victim(None, now), Some(Victim::OldestOf(id(1))), "a third of 100 is left");
}

#[test]
fn key_that_worth_never_heard_of_is_worth_nothing() {
    let _watchdog = watchdog();
    let mut policy = Worth::new();
    let policy: &mut dyn Eviction<u32> = &mut policy;
    policy.on_release(id(0), id(5), &returned(1, 1), Now::default());
    assert!(policy.victim(None, Now::default()).is_some());
}
