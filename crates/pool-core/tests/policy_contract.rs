//! Risk: a policy names what it may not, loses track of entries, grows without bound, or is not deterministic.
//!
//! Every policy in `eviction::NAMES` is driven through random lives of keys and entries (`pool_core::testing`), straight and with hooks repeated
//! and missed, under limits that change, and must keep the contract of `Eviction`. A new policy is covered by its line in that list.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pool_core::eviction::{IdleTimeout, MaxAge, NAMES, TinyLfu, named, named_for_imports};
use pool_core::testing::{World, keeps_the_contract, keeps_the_contract_with, list, names_only_what_is_idle};
use pool_core::{Bounds, EntryId, Eviction, Id as _, KeyId, Names, Now, Opened, Removal, Returned, Victim};

type Policy = Box<dyn Eviction<Names>>;

/// Policies that give up nothing for an open, by their documentation.
fn gives_nothing_up(name: &str) -> bool {
    name == "RejectIncoming"
}

fn keeps(make: impl Fn() -> Policy, seeds: u64) {
    names_only_what_is_idle(make, list, seeds);
}

fn world(policy: Policy, seed: u64, sloppy: usize) -> World<Names> {
    World::new(policy, list, seed, sloppy)
}

#[test]
fn only_idle_entries_are_named_and_each_can_be_whatever_is_removed_when() {
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        println!("{name}");
        keeps(|| named(name).unwrap(), 20);
        keeps(|| named_for_imports(name).unwrap(), 20);
    }
}

#[test]
fn admission_and_filters_over_any_policy_keep_the_contract() {
    let hour = std::time::Duration::from_secs(3600);
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        println!("{name}");
        keeps(|| Box::new(TinyLfu::new(named_for_imports(name).unwrap())), 4);
        keeps(|| Box::new(TinyLfu::with_window(0.1, named_for_imports(name).unwrap())), 4);
        keeps(|| Box::new(IdleTimeout::new(hour, MaxAge::new(hour, named(name).unwrap()))), 4);
    }
}

#[test]
fn a_policy_that_is_told_of_no_capacity_works_all_the_same() {
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        for seed in 0..10 {
            let mut world = World::untold(named_for_imports(name).unwrap(), list, seed, 0);
            (0..600).for_each(|_| world.step());
            world.evict_all();
        }
    }
}

#[test]
fn shrink_to_fit_gives_back_what_is_kept_for_ids_that_are_not_in_use_and_harms_nothing() {
    for name in NAMES {
        let mut world = world(named_for_imports(name).unwrap(), 7, usize::from(gives_nothing_up(name)));
        // At any time.
        for _ in 0..2000 {
            world.step();
            if world.random_below(20) == 0 {
                world.policy().shrink_to_fit();
            }
        }
        // Ids far beyond those of the steps above, and then none.
        let far = |index: usize| (EntryId::from_index(index), KeyId::from_index(index));
        world.empty();
        world.policy().shrink_to_fit();
        let used = allocation_counter::measure(|| {
            let list = Names::new(["a", "b"]);
            for (entry, key) in (1000..5000).map(far) {
                world.policy().on_key(key, &list);
                world.policy().on_open(entry, key, &Opened::default(), Now::default());
                let returned = Returned { weight: 1, idle_of_key: 1 };
                world.policy().on_release(entry, key, &returned, Now::default());
            }
            for (entry, key) in (1000..5000).map(far) {
                world.policy().on_remove(entry, key, Removal::Drained);
                world.policy().on_forget(key);
            }
            world.policy().shrink_to_fit();
        });
        assert!(used.bytes_current < 20_000, "{name} keeps {} bytes", used.bytes_current);
        (0..2000).for_each(|_| world.step());
    }
}

/// Bytes that a policy keeps for each of `keys` that have no entry any more, after all had one in turn.
fn bytes_for_each_remembered_key(make: impl FnOnce() -> Policy, keys: usize) -> f64 {
    let list = |key: usize| {
        Names::new((0..20).map(|name| format!("Name{}", key % 7 + name * (key % 300))).collect::<Vec<_>>())
    };
    let mut kept = None;
    let used = allocation_counter::measure(|| {
        let mut policy = make();
        policy.on_capacity(&Bounds::of_entries(8));
        for key in 0..keys {
            let (entry, id, now) = (EntryId::from_index(key % 8), KeyId::from_index(key), Now::default());
            policy.on_key(id, &list(key));
            policy.on_open(entry, id, &Opened::default(), now);
            policy.on_release(entry, id, &Returned { weight: 1, idle_of_key: 1 }, now);
            policy.victim(None, now);
            policy.on_remove(entry, id, Removal::Evicted);
        }
        kept = Some(policy);
    });
    drop(kept);
    used.bytes_current as f64 / keys as f64
}

#[test]
fn what_a_policy_keeps_for_a_remembered_key_is_bounded() {
    // The worst case of vectors that double.
    const KEYS: usize = (1 << 14) + 500;
    for name in NAMES {
        let bytes = bytes_for_each_remembered_key(|| named_for_imports(name).unwrap(), KEYS);
        println!("{name}: {bytes:.1} bytes");
        let most = match *name {
            "Recall" => 64.0,
            // It keeps the names of all.
            "Worth" => 600.0,
            _ => 192.0,
        };
        // Beside what does not grow with them.
        let most = most + f64::from(1 << 17) / KEYS as f64;
        assert!(bytes <= most, "{name} keeps {bytes:.1} bytes for each key");
    }
}

#[test]
fn contract_catches_policies_that_break_it() {
    /// Names the latest to come back, even if it is out again.
    #[derive(Default)]
    struct Forgetful(Option<EntryId>);
    impl Eviction<Names> for Forgetful {
        fn on_acquire(&mut self, _: EntryId, _: KeyId, _: Now) {}
        fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
            self.0 = Some(entry);
        }
        fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {}
        fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
            self.0.map(Victim::Entry)
        }
    }
    let breaks = |make: fn() -> Policy| catch_unwind(AssertUnwindSafe(|| keeps(make, 20))).is_err();
    assert!(breaks(|| Box::new(Forgetful::default())), "names a leased or unknown entry");
    assert!(breaks(|| named("RejectIncoming").unwrap()), "names nothing for an open");
}

#[test]
fn same_hooks_give_the_same_victims() {
    for name in NAMES {
        let victims = |policy| {
            // RejectIncoming leaves it to the pool whom an open evicts.
            let mut world = world(policy, 5, usize::from(gives_nothing_up(name)));
            (0..5000).for_each(|_| world.step());
            world.take_victims()
        };
        let (once, again) =
            (victims(named_for_imports(name).unwrap()), victims(named_for_imports(name).unwrap()));
        assert!(once.len() > 100, "{name}: {} victims", once.len());
        assert_eq!(once, again, "{name}");
    }
}

#[test]
fn repeated_and_missed_hooks_neither_panic_nor_loop() {
    for name in NAMES {
        for seed in 0..20 {
            let mut world = world(named_for_imports(name).unwrap(), seed, 20);
            (0..1500).for_each(|_| world.step());
        }
    }
}

#[test]
fn memory_is_bounded_by_the_ids_in_use() {
    for name in NAMES {
        let mut world = world(named_for_imports(name).unwrap(), 3, usize::from(gives_nothing_up(name)));
        let mut grown = |steps: usize| {
            let used = allocation_counter::measure(|| (0..steps).for_each(|_| world.step()));
            // The test's own list of victims is not the policy's.
            world.take_victims();
            used.bytes_current
        };
        grown(6_000);
        let more = grown(18_000);
        assert!(more.unsigned_abs() < 300_000, "{name} grew by {more} bytes");
    }
}

#[test]
fn the_contract_that_is_offered_to_others_holds_for_all_here_and_fails_for_what_breaks_it() {
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        println!("{name}");
        keeps_the_contract(|| named_for_imports(name).unwrap());
    }
    keeps_the_contract_with(|| named::<String>("Sieve").unwrap(), |number| format!("key {}", number % 7));

    /// Its victims depend on how often one was made.
    #[derive(Default)]
    struct Fickle(Vec<EntryId>, bool);
    impl Eviction<Names> for Fickle {
        fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
            self.on_remove(entry, key, Removal::Unfit);
        }
        fn on_release(&mut self, entry: EntryId, key: KeyId, _: &Returned, _: Now) {
            self.on_remove(entry, key, Removal::Unfit);
            self.0.push(entry);
        }
        fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
            self.0.retain(|&other| other != entry);
        }
        fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
            let entry = if self.1 { self.0.first() } else { self.0.last() };
            entry.copied().map(Victim::Entry)
        }
    }
    let made = std::cell::Cell::new(0_u32);
    let fickle = || {
        made.set(made.get() + 1);
        Fickle(Vec::new(), made.get() % 2 == 0)
    };
    let broken = catch_unwind(AssertUnwindSafe(|| keeps_the_contract(fickle))).unwrap_err();
    let message = broken.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.contains("the same hooks gave other victims"), "{message}");
}
