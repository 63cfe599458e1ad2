//! The contract of [`Eviction`], as a test for any policy. Behind the feature `testing`, for tests alone.
//!
//! ```
//! use pool_core::eviction::Lru;
//! use pool_core::testing::keeps_the_contract;
//!
//! keeps_the_contract(Lru::new);
//! ```
//!
//! What no test here can see: that it is quick, that memory is bounded (`crates/pool-core/tests/policy_contract.rs` counts allocations), and that it
//! is any good.

use std::collections::BTreeMap;

use crate::capacity::Bounds;
use crate::eviction::{Eviction, Removal, Victim};
use crate::id::{EntryId, Id as _, KeyId};
use crate::names::Names;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// Leads policies that `make` gives through random lives of keys and entries, under limits that change, and panics if one does not keep the
/// contract:
///
/// - it names no entry that is leased or unknown, and names one as long as one is idle;
/// - also if it is told of no capacity, and whatever is removed when;
/// - the same hooks give the same victims;
/// - memory may be given back at any time;
/// - hooks that are repeated or missed make it neither panic nor loop.
///
/// # Panics
/// If it breaks the contract, with what it did.
pub fn keeps_the_contract<E: Eviction<Names> + 'static>(make: impl Fn() -> E) {
    keeps_the_contract_with(make, list);
}

/// The same with other keys: `name` gives the key of a number, the same each time.
///
/// # Panics
/// As [`keeps_the_contract`].
pub fn keeps_the_contract_with<K: Clone, E: Eviction<K> + 'static>(make: impl Fn() -> E, name: fn(u64) -> K) {
    let make = || -> Box<dyn Eviction<K>> { Box::new(make()) };
    names_only_what_is_idle(make, name, 20);
    for seed in 0..10 {
        let mut untold = World::untold(make(), name, seed, 0);
        (0..600).for_each(|_| untold.step());
        untold.evict_all();
        let mut sloppy = World::new(make(), name, seed, 20);
        (0..1500).for_each(|_| sloppy.step());
    }
    let victims = |shrinks: bool| {
        let mut world = World::new(make(), name, 5, 0);
        for step in 0..5000 {
            world.step();
            if shrinks && step % 20 == 0 {
                world.policy().shrink_to_fit();
            }
        }
        world.take_victims()
    };
    let once = victims(false);
    assert!(once.len() > 100, "only {} victims in 5000 steps", once.len());
    assert_eq!(once, victims(false), "the same hooks gave other victims");
    victims(true);
}

/// That a policy names what is idle, and nothing else, whatever is removed when; over so many seeds.
///
/// # Panics
/// If it does not.
pub fn names_only_what_is_idle<K: Clone>(
    make: impl Fn() -> Box<dyn Eviction<K>>,
    name: fn(u64) -> K,
    seeds: u64,
) {
    for seed in 0..seeds {
        let mut world = World::new(make(), name, seed, 0);
        (0..600).for_each(|_| world.step());
        world.evict_all();
    }
}

/// An import list of four names of six, by number.
#[must_use]
pub fn list(number: u64) -> Names {
    let mut random = Random(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..4).map(|_| format!("M{}", random.below(6))).collect()
}

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

/// A naive pool for a policy under test: it knows of each entry whose it is and whether it is idle, and leads it through random lives of keys and
/// entries, the same for the same seed.
pub struct World<K> {
    policy: Box<dyn Eviction<K>>,
    /// The key of a number.
    name: fn(u64) -> K,
    random: Random,
    tick: u64,
    /// Keys the policy was told of.
    keys: BTreeMap<usize, K>,
    entries: BTreeMap<usize, (usize, bool)>,
    /// How often, in a hundred hooks, one is repeated or left out.
    sloppy: usize,
    victims: Vec<usize>,
}

const KEYS: usize = 40;
const ENTRIES: usize = 60;

impl<K: Clone> World<K> {
    /// One for 8 entries. `name` gives the key of a number, the same each time. In a hundred hooks `sloppy` are repeated or left out, as may happen
    /// after a panic; with 0 what the policy names is checked.
    #[must_use]
    pub fn new(policy: Box<dyn Eviction<K>>, name: fn(u64) -> K, seed: u64, sloppy: usize) -> Self {
        let mut world = Self::untold(policy, name, seed, sloppy);
        world.policy.on_capacity(&Bounds::of_entries(8));
        world
    }

    /// One whose policy is told of no capacity at first.
    #[must_use]
    pub fn untold(policy: Box<dyn Eviction<K>>, name: fn(u64) -> K, seed: u64, sloppy: usize) -> Self {
        let random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self {
            policy,
            name,
            random,
            tick: 0,
            keys: BTreeMap::new(),
            entries: BTreeMap::new(),
            sloppy,
            victims: Vec::new(),
        }
    }

    /// Calls a hook once; or, being sloppy, twice or not at all.
    fn tell(&mut self, hook: impl Fn(&mut dyn Eviction<K>, Now)) {
        let times = match self.random.below(100) {
            chance if chance < self.sloppy / 2 => 0,
            chance if chance < self.sloppy => 2,
            _ => 1,
        };
        let now = Now { tick: self.tick, nanos: self.tick * 1000 };
        (0..times).for_each(|_| hook(&mut *self.policy, now));
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
    pub fn empty(&mut self) {
        while let Some((&entry, &(key, _))) = self.entries.first_key_value() {
            self.entries.remove(&entry);
            let (entry, key) = (EntryId::from_index(entry), KeyId::from_index(key));
            self.tell(|policy, _| policy.on_remove(entry, key, Removal::Drained));
        }
        while let Some((key, _)) = self.keys.pop_first() {
            self.tell(|policy, _| policy.on_forget(KeyId::from_index(key)));
        }
    }

    /// Something happens: an open, a lease, a release, an end, an eviction; now and then the limits change.
    ///
    /// # Panics
    /// If the policy breaks the contract.
    pub fn step(&mut self) {
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
            let name = (self.name)(self.random.below(1 << 20) as u64);
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

    /// An open needs room.
    ///
    /// # Panics
    /// If the policy breaks the contract.
    pub fn evict(&mut self) {
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

    /// Everything that is idle goes, one after the other.
    ///
    /// # Panics
    /// If the policy does not give up all of it.
    pub fn evict_all(&mut self) {
        (0..ENTRIES).for_each(|_| self.evict());
        let any_idle = self.entries.values().any(|(_, idle)| *idle);
        assert!(!any_idle, "something idle was not given up");
        let named = self.policy.victim(None, Now::default());
        assert_eq!(named, None, "named {named:?}, though nothing is idle");
    }

    /// The policy, to be asked or told something else.
    pub fn policy(&mut self) -> &mut dyn Eviction<K> {
        &mut *self.policy
    }

    /// A number below `n` that looks random.
    pub fn random_below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }

    /// The entries that went to make room so far, by place; and forgets them.
    pub fn take_victims(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.victims)
    }
}
