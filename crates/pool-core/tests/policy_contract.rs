//! Risk: a policy names what it may not, loses track of entries, grows without bound, or is not deterministic.
//!
//! Every policy in `eviction::NAMES` is driven through random lives of keys and entries, straight and with hooks repeated
//! and missed, under limits that change, and must keep the contract of `Eviction`. A new policy is covered by its line in that list.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pool_core::eviction::{IdleTimeout, MaxAge, NAMES, TinyLfu, named, named_for_imports};
use pool_core::{Bounds, EntryId, Eviction, Id as _, KeyId, Names, Now, Opened, Removal, Returned, Victim};

type Policy = Box<dyn Eviction<Names>>;

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// A naive pool: knows of each entry whose it is and whether it is idle.
struct World {
    policy: Policy,
    random: Random,
    tick: u64,
    /// Keys the policy was told of.
    keys: BTreeMap<usize, Names>,
    entries: BTreeMap<usize, (usize, bool)>,
    /// How often, in a hundred hooks, one is repeated or left out.
    sloppy: usize,
    victims: Vec<usize>,
}

const KEYS: usize = 40;
const ENTRIES: usize = 60;

impl World {
    fn new(policy: Policy, seed: u64, sloppy: usize) -> Self {
        let mut world = Self::untold(policy, seed, sloppy);
        world.policy.on_capacity(&Bounds::of_entries(8));
        world
    }

    /// One whose policy was told of no capacity.
    fn untold(policy: Policy, seed: u64, sloppy: usize) -> Self {
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self {
            policy,
            random,
            tick: 0,
            keys: BTreeMap::new(),
            entries: BTreeMap::new(),
            sloppy,
            victims: Vec::new(),
        }
    }

    /// Calls a hook once; or, being sloppy, twice or not at all.
    fn tell(&mut self, hook: impl Fn(&mut Policy, Now)) {
        let times = match self.random.below(100) {
            chance if chance < self.sloppy / 2 => 0,
            chance if chance < self.sloppy => 2,
            _ => 1,
        };
        let now = Now { tick: self.tick, nanos: self.tick * 1000 };
        (0..times).for_each(|_| hook(&mut self.policy, now));
    }

    /// The limits change.
    fn change_capacity(&mut self) {
        let bounds = [
            Bounds::default(),
            Bounds::of_entries([0, 1, 30, u64::MAX][self.random.below(4)]),
            Bounds::of_bytes([0, 1 << 21, u64::MAX][self.random.below(3)]),
            Bounds::of_entries(20).and(Bounds::of_bytes(1 << 22)),
        ][self.random.below(4)];
        self.tell(|policy, _| policy.on_capacity(&bounds));
    }

    /// All entries go, and then all keys are forgotten.
    fn empty(&mut self) {
        while let Some((&entry, &(key, _))) = self.entries.first_key_value() {
            self.entries.remove(&entry);
            let (entry, key) = (EntryId::from_index(entry), KeyId::from_index(key));
            self.tell(|policy, _| policy.on_remove(entry, key, Removal::Drained));
        }
        while let Some((key, _)) = self.keys.pop_first() {
            self.tell(|policy, _| policy.on_forget(KeyId::from_index(key)));
        }
    }

    fn step(&mut self) {
        self.tick += 1;
        if self.random.below(200) == 0 {
            self.change_capacity();
        }
        match self.random.below(10) {
            0..=2 => self.open(),
            3..=5 => self.lease(),
            6..=7 => self.release(),
            8 => self.remove_any(),
            _ => self.evict(),
        }
    }

    fn open(&mut self) {
        let Some(entry) = (0..ENTRIES).find(|entry| !self.entries.contains_key(entry)) else { return };
        let key = self.random.below(KEYS);
        if !self.keys.contains_key(&key) {
            let names = (0..4).map(|_| format!("M{}", self.random.below(6)));
            let name = Names::new(names.collect::<Vec<_>>());
            self.tell(|policy, _| policy.on_key(KeyId::from_index(key), &name));
            self.keys.insert(key, name);
        } else if !self.entries.values().any(|(of, _)| *of == key) {
            let name = self.keys[&key].clone();
            self.tell(|policy, _| policy.on_reopen(KeyId::from_index(key), &name));
        }
        let opened = Opened {
            cost_nanos: [0, 1, 1000, u64::MAX][self.random.below(4)],
            weight: [0, 1, 1 << 20, 1 << 48][self.random.below(4)],
            residue: 0,
        };
        self.entries.insert(entry, (key, false));
        self.tell(|policy, now| {
            policy.on_open(EntryId::from_index(entry), KeyId::from_index(key), &opened, now);
        });
    }

    fn pick(&mut self, idle: bool) -> Option<(usize, usize)> {
        let all: Vec<_> = self.entries.iter().filter(|(_, (_, is))| *is == idle).collect();
        if all.is_empty() {
            return None;
        }
        let place = self.random.below(all.len());
        let (entry, (key, _)) = all[place];
        Some((*entry, *key))
    }

    fn lease(&mut self) {
        let Some((entry, key)) = self.pick(true) else { return };
        self.entries.insert(entry, (key, false));
        self.tell(|policy, now| {
            policy.on_acquire(EntryId::from_index(entry), KeyId::from_index(key), now);
        });
    }

    fn release(&mut self) {
        let Some((entry, key)) = self.pick(false) else { return };
        self.entries.insert(entry, (key, true));
        let idle_of_key = self.entries.values().filter(|of| **of == (key, true)).count() as u64;
        let returned = Returned { weight: 1 << self.random.below(40), idle_of_key };
        self.tell(|policy, now| {
            policy.on_release(EntryId::from_index(entry), KeyId::from_index(key), &returned, now);
        });
        if self.random.below(3) == 0 {
            self.ask(Some(entry));
        }
    }

    /// Discarded, drained, expired: from anywhere, at any time.
    fn remove_any(&mut self) {
        let idle = self.random.below(2) == 0;
        let whys = if idle {
            [Removal::Expired, Removal::Unfit, Removal::Drained]
        } else {
            [Removal::Taken, Removal::Unfit, Removal::Rejected]
        };
        let why = whys[self.random.below(whys.len())];
        if let Some((entry, key)) = self.pick(idle) {
            self.remove(entry, key, why);
        }
    }

    fn remove(&mut self, entry: usize, key: usize, why: Removal) {
        self.entries.remove(&entry);
        self.tell(|policy, _| policy.on_remove(EntryId::from_index(entry), KeyId::from_index(key), why));
        let in_use = self.entries.values().any(|(of, _)| *of == key);
        if !in_use && self.random.below(2) == 0 && self.keys.remove(&key).is_some() {
            self.tell(|policy, _| policy.on_forget(KeyId::from_index(key)));
        }
    }

    fn evict(&mut self) {
        self.ask(None);
    }

    /// Asks for a victim, which goes.
    fn ask(&mut self, incoming: Option<usize>) {
        let now = Now { tick: self.tick, nanos: 0 };
        let named = self.policy.victim(incoming.map(EntryId::from_index), now);
        let is_idle = |entry: &usize| self.entries.get(entry).is_some_and(|(_, idle)| *idle);
        // Which of a key's entries has been idle for longest doesn't matter here.
        let idle_of = |key| self.entries.iter().find(|(_, of)| **of == (key, true)).map(|(entry, _)| *entry);
        let victim = named.and_then(|named| match named {
            Victim::Entry(id) => Some(id.index()).filter(is_idle),
            Victim::OldestOf(key) => idle_of(key.index()),
        });
        if self.sloppy == 0 {
            assert_eq!(named.is_some(), victim.is_some(), "named {named:?}, which is leased or unknown");
            let any_idle = self.entries.values().any(|(_, idle)| *idle);
            assert!(named.is_some() || !any_idle, "named nothing, though something is idle");
        }
        // After a missed hook a policy may be wrong; the pool then takes one of its own choice.
        if let Some(victim) = victim.or_else(|| self.pick(true).map(|(entry, _)| entry)) {
            let key = self.entries[&victim].0;
            self.victims.push(victim);
            let why = if incoming == Some(victim) { Removal::Rejected } else { Removal::Evicted };
            self.remove(victim, key, why);
        }
    }
}

/// Policies that give up nothing for an open, by their documentation.
fn gives_nothing_up(name: &str) -> bool {
    name == "RejectIncoming"
}

fn keeps_the_contract(make: impl Fn() -> Policy, seeds: u64) {
    for seed in 0..seeds {
        let mut world = World::new(make(), seed, 0);
        (0..600).for_each(|_| world.step());
        // Whatever is idle can be evicted, to the last.
        for _ in 0..ENTRIES {
            world.evict();
        }
        assert!(world.entries.values().all(|(_, idle)| !idle));
        assert_eq!(world.policy.victim(None, Now::default()), None);
    }
}

#[test]
fn only_idle_entries_are_named_and_each_can_be_whatever_is_removed_when() {
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        println!("{name}");
        keeps_the_contract(|| named(name).unwrap(), 20);
        keeps_the_contract(|| named_for_imports(name).unwrap(), 20);
    }
}

#[test]
fn admission_and_filters_over_any_policy_keep_the_contract() {
    let hour = std::time::Duration::from_secs(3600);
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        println!("{name}");
        keeps_the_contract(|| Box::new(TinyLfu::new(named_for_imports(name).unwrap())), 4);
        keeps_the_contract(|| Box::new(TinyLfu::with_window(0.1, named_for_imports(name).unwrap())), 4);
        keeps_the_contract(|| Box::new(IdleTimeout::new(hour, MaxAge::new(hour, named(name).unwrap()))), 4);
    }
}

#[test]
fn a_policy_that_is_told_of_no_capacity_works_all_the_same() {
    for name in NAMES.iter().filter(|name| !gives_nothing_up(name)) {
        for seed in 0..10 {
            let mut world = World::untold(named_for_imports(name).unwrap(), seed, 0);
            (0..600).for_each(|_| world.step());
            (0..ENTRIES).for_each(|_| world.evict());
            assert!(world.entries.values().all(|(_, idle)| !idle), "{name}");
        }
    }
}

#[test]
fn shrink_to_fit_gives_back_what_is_kept_for_ids_that_are_not_in_use_and_harms_nothing() {
    for name in NAMES {
        let mut world = World::new(named_for_imports(name).unwrap(), 7, 0);
        world.sloppy = usize::from(gives_nothing_up(name));
        // At any time.
        for _ in 0..2000 {
            world.step();
            if world.random.below(20) == 0 {
                world.policy.shrink_to_fit();
            }
        }
        // Ids far beyond those of the steps above, and then none.
        let far = |index: usize| (EntryId::from_index(index), KeyId::from_index(index));
        world.empty();
        world.policy.shrink_to_fit();
        let used = allocation_counter::measure(|| {
            let list = Names::new(["a", "b"]);
            for (entry, key) in (1000..5000).map(far) {
                world.policy.on_key(key, &list);
                world.policy.on_open(entry, key, &Opened::default(), Now::default());
                let returned = Returned { weight: 1, idle_of_key: 1 };
                world.policy.on_release(entry, key, &returned, Now::default());
            }
            for (entry, key) in (1000..5000).map(far) {
                world.policy.on_remove(entry, key, Removal::Drained);
                world.policy.on_forget(key);
            }
            world.policy.shrink_to_fit();
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
    let breaks =
        |make: fn() -> Policy| catch_unwind(AssertUnwindSafe(|| keeps_the_contract(make, 20))).is_err();
    assert!(breaks(|| Box::new(Forgetful::default())), "names a leased or unknown entry");
    assert!(breaks(|| named("RejectIncoming").unwrap()), "names nothing for an open");
}

#[test]
fn same_hooks_give_the_same_victims() {
    for name in NAMES {
        let victims = |policy| {
            let mut world = World::new(policy, 5, 0);
            // RejectIncoming leaves it to the pool whom an open evicts.
            world.sloppy = usize::from(gives_nothing_up(name));
            (0..5000).for_each(|_| world.step());
            world.victims
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
            let mut world = World::new(named_for_imports(name).unwrap(), seed, 20);
            (0..1500).for_each(|_| world.step());
        }
    }
}

#[test]
fn memory_is_bounded_by_the_ids_in_use() {
    for name in NAMES {
        let mut world = World::new(named_for_imports(name).unwrap(), 3, 0);
        world.sloppy = usize::from(gives_nothing_up(name));
        let mut grown = |steps: usize| {
            let used = allocation_counter::measure(|| (0..steps).for_each(|_| world.step()));
            // The test's own list of victims is not the policy's.
            world.victims = Vec::new();
            used.bytes_current
        };
        grown(6_000);
        let more = grown(18_000);
        assert!(more.unsigned_abs() < 300_000, "{name} grew by {more} bytes");
    }
}
