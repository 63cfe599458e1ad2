//! Risk: keys that collide, panic or use the pool; a key forgotten too early, too late or twice; a key leaked.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::eviction::Lru;
use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{EntryId, Eviction, KeyId, MissReason, Names, Now, Opened, Removal, Returned, Victim};
use support::keys::{Key, Manners};
use support::{Ledger, Thing, Things, assert_usable, caught, fill, hit, no_open, panic_of, while_unwinding};

type Keyed = Pool<Key, Thing>;

fn keyed() -> (Keyed, Ledger, Rc<Manners>) {
    (Pool::with_max_idle(8), Ledger::default(), Rc::default())
}

/// Checks that what a policy hears of keys and entries makes sense, and evicts as `Lru` does.
#[derive(Default)]
struct Auditor {
    lru: Lru,
    /// The name of each known key, and how many entries it has.
    keys: HashMap<KeyId, (u32, u64)>,
    entries: HashMap<EntryId, KeyId>,
    heard: Rc<Heard>,
}

#[derive(Default)]
struct Heard {
    keys: Cell<u64>,
    forgotten: Cell<u64>,
    /// Names that are being opened, as the test says.
    opening: RefCell<Vec<u32>>,
}

impl Eviction<u32> for Auditor {
    fn on_key(&mut self, key: KeyId, name: &u32) {
        assert!(self.keys.insert(key, (*name, 0)).is_none(), "{key:?} is known already");
        assert!(self.keys.values().filter(|(known, _)| known == name).count() == 1, "{name} has two ids");
        self.heard.keys.set(self.heard.keys.get() + 1);
    }
    fn on_forget(&mut self, key: KeyId) {
        let (name, entries) = self.keys.remove(&key).expect("only what is known is forgotten");
        assert_eq!(entries, 0, "{name} is forgotten with entries");
        assert!(!self.heard.opening.borrow().contains(&name), "{name} is forgotten while it is opened");
        self.heard.forgotten.set(self.heard.forgotten.get() + 1);
    }
    fn on_open(&mut self, entry: EntryId, key: KeyId, _: &Opened, _: Now) {
        assert!(self.entries.insert(entry, key).is_none());
        self.keys.get_mut(&key).expect("a key that is opened is known").1 += 1;
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        assert_eq!(self.entries[&entry], key);
        Eviction::<u32>::on_acquire(&mut self.lru, entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        assert_eq!(self.entries[&entry], key);
        Eviction::<u32>::on_release(&mut self.lru, entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        assert_eq!(self.entries.remove(&entry), Some(key));
        self.keys.get_mut(&key).expect("a key with entries is known").1 -= 1;
        Eviction::<u32>::on_remove(&mut self.lru, entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        Eviction::<u32>::victim(&mut self.lru, incoming, now)
    }
}

fn audited(remembered: usize, idle: u64) -> (Things, Ledger, Rc<Heard>) {
    let auditor = Auditor::default();
    let heard = Rc::clone(&auditor.heard);
    let builder = Pool::builder().capacity(MaxIdle(idle)).eviction(auditor);
    (builder.remembered_keys(remembered).build(), Ledger::default(), heard)
}

#[test]
fn keys_of_one_hash_are_told_apart_also_when_forgotten_and_known_again() {
    let (manners, ledger) = (Rc::<Manners>::default(), Ledger::default());
    manners.collide.set(true);
    let pool: Keyed = Pool::builder().capacity(MaxIdle(5)).remembered_keys(3).build();
    let mut number = HashMap::new();
    for round in 0..4_u32 {
        for name in (0..40).map(|step| (step * step + round) % 11) {
            let lease = pool.acquire(&manners.key(name), ledger.open()).unwrap();
            assert_eq!(LeaseOf::key(&lease).0, name);
            if LeaseOf::was_hit(&lease) {
                assert_eq!(number[&name], lease.id(), "a hit is on one's own");
            }
            number.insert(name, lease.id());
            drop(lease);
            assert!(pool.stats().known_keys <= 5 + 3);
            pool.assert_sound();
        }
    }
    assert!(pool.stats().misses.get(MissReason::Cold) > 11 && pool.stats().reused > 11);
    assert_usable(&pool, &ledger, &manners.key(1));
}

#[test]
fn boundaries_of_names_tell_keys_apart() {
    let (pool, ledger) = (Pool::<Names, Thing>::with_max_idle(8), Ledger::default());
    let lists: [&[&str]; 5] = [&["ab", "c"], &["a", "bc"], &["abc"], &["abc", ""], &[]];
    fill(&pool, &ledger, &lists.map(Names::new));
    for (place, list) in lists.into_iter().enumerate() {
        assert_eq!(hit(&pool, list), place as u64 + 1, "{list:?}");
    }
    assert_usable(&pool, &ledger, &Names::new(["x"]));
}

#[test]
fn key_is_not_forgotten_while_it_is_being_opened() {
    for remembered in [0, 1] {
        let (pool, ledger, heard) = audited(remembered, 1);
        fill(&pool, &ledger, &[1]);
        pool.drain(); // 1 is dormant, or forgotten at once
        heard.opening.borrow_mut().push(1);
        let lease = pool.acquire(&1, |_| {
            for other in 2..6 {
                LeaseOf::discard(pool.acquire(&other, ledger.open()).unwrap()); // each pushes the last one out
                LeaseOf::discard(pool.acquire(&1, ledger.open()).unwrap());
                assert!(
                    pool.acquire(&1, |_| Err("no")).is_err() && pool.acquire(&other, |_| Err("no")).is_err()
                );
            }
            Ok(ledger.thing())
        });
        heard.opening.borrow_mut().clear();
        drop(lease.unwrap());
        assert_eq!(heard.keys.get() - heard.forgotten.get(), pool.stats().known_keys);
        assert_usable(&pool, &ledger, &1);
    }
}

#[test]
fn key_that_lay_dormant_for_longest_is_forgotten_first() {
    let (pool, ledger, heard) = audited(2, 8);
    for key in [1, 2, 1, 3] {
        LeaseOf::discard(pool.acquire(&key, ledger.open()).unwrap()); // 2 goes for 3: 1 was dormant again after it
    }
    assert_eq!((pool.stats().known_keys, heard.forgotten.get()), (2, 1));
    let cold = || pool.stats().misses.get(MissReason::Cold);
    let known = [1, 3, 2].map(|key| {
        let before = cold();
        let lease = pool.acquire(&key, ledger.open()).unwrap();
        (*LeaseOf::key(&lease), cold() == before)
    });
    assert_eq!(known, [(1, true), (3, true), (2, false)]);
    assert_usable(&pool, &ledger, &1);
}

#[test]
fn hooks_for_keys_are_balanced_and_ids_are_used_again() {
    for remembered in [0, 1, 2, 4096] {
        let (pool, ledger, heard) = audited(remembered, 2);
        for step in 0..200_u32 {
            let key = step * step % 7;
            match step % 9 {
                0 => drop(pool.acquire(&key, |_| Err("no"))),
                1 => drop(LeaseOf::into_inner(pool.acquire(&key, ledger.open()).unwrap())),
                2 => LeaseOf::discard(pool.acquire(&key, ledger.open()).unwrap()),
                3 if step % 4 == 0 => assert!(pool.drain() <= 2),
                _ => drop(pool.acquire(&key, ledger.open()).unwrap()),
            }
            pool.assert_sound();
            let known = pool.stats().known_keys;
            assert_eq!(heard.keys.get() - heard.forgotten.get(), known);
            assert!(known <= remembered as u64 + 2);
        }
        assert_usable(&pool, &ledger, &1);
    }
}

/// Steps of all kinds, on exclusive or shared resources; returns how many panicked.
fn mixed_steps(manners: &Rc<Manners>, shared: bool) -> u32 {
    let ledger = Ledger::default();
    let builder = Pool::builder().capacity(Both(MaxIdle(2), MaxLive(4))).remembered_keys(2);
    let pool: Keyed = if shared { builder.shared() } else { builder }.build();
    let (mut leases, mut panics, mut random) = (Vec::<Lease<Key, Thing>>::new(), 0, 0x9E37_79B9_u64);
    for _ in 0..150 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (name, what) = ((random >> 32) as u32 % 6, (random >> 20) % 14);
        let last = (what > 8).then(|| leases.pop()).flatten();
        let open = ledger.open();
        let result = caught(|| {
            let key = manners.key(name);
            match (what, last) {
                (0..=5, _) => leases.extend(pool.acquire(&key, open).ok()),
                (6, _) => drop(pool.acquire(&key, |_| Err("no"))),
                (7, _) => assert_eq!(pool.is_warm(&key), pool.acquire_warm(&key).is_some()),
                (8, _) => assert!(pool.drain() <= 2),
                (9, Some(lease)) => LeaseOf::discard(lease),
                (10, Some(lease)) => drop(LeaseOf::into_inner(lease)),
                (_, lease) => drop(lease),
            }
        });
        panics += u32::from(result.is_err());
        pool.assert_sound();
        let usage = pool.usage();
        assert!(usage.idle <= 2 && usage.live() <= 4 && usage.opening == 0, "{usage}");
        assert_eq!(ledger.live(), usage.live(), "no resource is lost");
    }
    manners.panics.set(None);
    drop(leases);
    assert_usable(&pool, &ledger, &manners.key(1));
    drop(pool);
    ledger.assert_all_dropped_once();
    assert_eq!(manners.live.get(), 0, "no key is leaked");
    panics
}

#[test]
fn keys_that_are_cloned_are_dropped() {
    assert_eq!(mixed_steps(&Rc::default(), false) + mixed_steps(&Rc::default(), true), 0);
}

#[test]
fn key_that_panics_once_in_anything_it_is_asked_costs_no_more_than_that_step() {
    for collide in [false, true] {
        for name in ["hash", "eq", "clone", "drop"] {
            for nth in 1..=60 {
                for shared in [false, true] {
                    let manners = Rc::<Manners>::default();
                    manners.collide.set(collide);
                    manners.panics.set(Some((name, nth)));
                    assert_eq!(mixed_steps(&manners, shared), 1, "call {nth} of {name} reaches one caller");
                }
            }
        }
    }
}

/// A pool whose keys call it, as `act` has it, in the function of that name.
fn calling(name: &'static str, shared: bool) -> (Rc<Keyed>, Ledger, Rc<Manners>, Rc<Cell<u32>>) {
    let (ledger, manners) = (Ledger::default(), Rc::<Manners>::default());
    let pool = if shared { Pool::builder().shared().build() } else { Pool::with_max_idle(8) };
    let (pool, calls) = (Rc::new(pool), Rc::new(Cell::new(0)));
    drop(pool.acquire(&manners.key(1), ledger.open()).unwrap());
    let (weak, books, count) = (Rc::downgrade(&pool), ledger.clone(), Rc::clone(&calls));
    let (plain, busy) = (Rc::<Manners>::default(), Cell::new(false));
    *manners.act.borrow_mut() = Some(Rc::new(move |asked| {
        if let (true, false, Some(pool)) = (asked == name, busy.replace(true), weak.upgrade()) {
            count.set(count.get() + 1);
            let result = caught(|| {
                drop(pool.acquire(&plain.key(100), books.open()).unwrap());
                assert_eq!(pool.stats().usage, pool.usage());
            });
            busy.set(false);
            result.unwrap_or_else(|message| panic!("expected panic: {message}"));
        }
        busy.set(false);
    }));
    (pool, ledger, manners, calls)
}

#[test]
fn key_may_use_the_pool_when_it_is_hashed_cloned_for_a_miss_or_dropped() {
    for name in ["hash", "clone", "drop"] {
        let (pool, ledger, manners, calls) = calling(name, false);
        assert_eq!(hit(&*pool, &manners.key(1)), 1);
        drop(pool.acquire(&manners.key(2), ledger.open()).unwrap());
        LeaseOf::discard(pool.acquire(&manners.key(2), no_open).unwrap());
        pool.drain();
        assert!(calls.get() >= 1, "{name}");
        *manners.act.borrow_mut() = None;
        assert_usable(&pool, &ledger, &manners.key(1));
    }
}

#[test]
fn key_that_uses_the_pool_when_it_is_compared_gets_a_clear_panic() {
    // Also when it is cloned for a lease on a shared resource, which happens inside.
    for (name, shared) in [("eq", false), ("clone", true)] {
        let (pool, ledger, manners, _) = calling(name, shared);
        let message = panic_of(|| hit(&*pool, &manners.key(1)));
        assert!(message.contains("used from inside itself"), "{message}");
        *manners.act.borrow_mut() = None;
        assert_eq!((hit(&*pool, &manners.key(1)), pool.len()), (1, 1), "nothing is lost");
        assert_usable(&pool, &ledger, &manners.key(1));
    }
}

#[test]
fn eq_that_panics_while_the_thread_unwinds_says_what_it_panicked_with() {
    let (pool, ledger, manners) = keyed();
    drop(pool.acquire(&manners.key(1), ledger.open()).unwrap());
    let result = while_unwinding(|| {
        // Not by `panics`: that one keeps quiet while the thread unwinds.
        *manners.act.borrow_mut() = Some(Rc::new(|name| assert!(name != "eq", "expected panic in eq")));
        caught(|| drop(pool.acquire(&manners.key(1), ledger.open())))
    });
    *manners.act.borrow_mut() = None;
    pool.assert_sound();
    assert_eq!(result, Err("expected panic in eq".to_owned()));
}

#[test]
fn key_that_panics_in_drop_at_into_inner_leaks_no_resource() {
    let (pool, ledger, manners) = keyed();
    let lease = pool.acquire(&manners.key(1), ledger.open()).unwrap();
    manners.panics.set(Some(("drop", 1)));
    assert_eq!(panic_of(|| drop(LeaseOf::into_inner(lease))), "expected panic in drop");
    assert_eq!((ledger.live(), pool.usage().live()), (0, 0));
    assert_usable(&pool, &ledger, &manners.key(1));
}

#[test]
fn pool_that_is_dropped_drops_all_keys_though_one_panics() {
    for idle in [false, true] {
        let (pool, ledger, manners) = keyed();
        fill(&pool, &ledger, &[manners.key(1), manners.key(2), manners.key(3)]);
        if !idle {
            pool.drain(); // the keys are remembered
        }
        manners.panics.set(Some(("drop", 1)));
        assert_eq!(panic_of(|| drop(pool)), "expected panic in drop");
        assert_eq!(manners.live.get(), 0);
        ledger.assert_all_dropped_once();
    }
}

#[test]
fn pool_that_is_dropped_drops_all_keys_though_two_panic() {
    let (pool, ledger, manners) = keyed();
    fill(&pool, &ledger, &[manners.key(1), manners.key(2), manners.key(3)]);
    pool.drain();
    *manners.act.borrow_mut() = Some(Rc::new(|name| assert!(name != "drop", "expected panic in drop")));
    assert_eq!(panic_of(|| drop(pool)), "expected panic in drop");
    assert_eq!(manners.live.get(), 0);
}
