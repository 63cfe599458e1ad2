//! Drives a policy through the life of entries, for the tests of each policy.

use std::collections::HashMap;

use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, Id as _, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// A policy and what it has been told: keys are small numbers, entries are made as needed.
pub(super) struct Drive {
    policy: Box<dyn Eviction<usize>>,
    /// Idle entries, the most recently released last.
    idle: Vec<(EntryId, usize)>,
    prices: HashMap<usize, Opened>,
    /// How many entries each known key has.
    known: HashMap<usize, usize>,
    entries: usize,
}

impl Drive {
    pub(super) fn new(policy: impl Eviction<usize> + 'static) -> Self {
        Self {
            policy: Box::new(policy),
            idle: Vec::new(),
            prices: HashMap::new(),
            known: HashMap::new(),
            entries: 0,
        }
    }

    /// So many may be idle; it is not seen to here.
    pub(super) fn bounds(&mut self, entries: usize) -> &mut Self {
        self.policy.on_capacity(&Bounds::of_entries(entries as u64));
        self
    }

    pub(super) fn idle(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn is_idle(&self, key: usize) -> bool {
        self.idle.iter().any(|(_, of)| *of == key)
    }

    pub(super) fn price(&mut self, key: usize, cost_nanos: u64, weight: u64) -> &mut Self {
        self.prices.insert(key, Opened { cost_nanos, weight, residue: 0 });
        self
    }

    /// An acquire and its release.
    pub(super) fn ask(&mut self, key: usize) {
        let entry = self.lease(key);
        self.release(entry, key);
    }

    pub(super) fn ask_twice_at_once(&mut self, key: usize) {
        let (one, two) = (self.lease(key), self.lease(key));
        self.release(one, key);
        self.release(two, key);
    }

    /// What goes when an open needs room.
    pub(super) fn evict(&mut self) -> Option<usize> {
        let victim = self.policy.victim(None, Now::default())?;
        self.remove(victim)
    }

    /// What goes when the latest of `key` has come back to a full pool.
    pub(super) fn evict_for(&mut self, key: usize) -> Option<usize> {
        let incoming = self.idle.iter().rev().find(|(_, of)| *of == key)?.0;
        let victim = self.policy.victim(Some(incoming), Now::default())?;
        self.remove(victim)
    }

    fn remove(&mut self, victim: Victim) -> Option<usize> {
        let is_it = |(entry, key): &(EntryId, usize)| match victim {
            Victim::Entry(named) => named == *entry,
            Victim::OldestOf(named) => named.index() == *key,
        };
        let place = self.idle.iter().position(is_it).expect("a victim is idle");
        let (entry, key) = self.idle.remove(place);
        self.known.entry(key).and_modify(|entries| *entries -= 1);
        self.policy.on_remove(entry, KeyId::from_index(key), Removal::Evicted);
        Some(key)
    }

    pub(super) fn lease(&mut self, key: usize) -> EntryId {
        let id = KeyId::from_index(key);
        if let Some(place) = self.idle.iter().rposition(|(_, of)| *of == key) {
            let (entry, _) = self.idle.remove(place);
            self.policy.on_acquire(entry, id, Now::default());
            return entry;
        }
        match self.known.get_mut(&key) {
            None => self.policy.on_key(id, &key),
            Some(0) => self.policy.on_reopen(id, &key),
            Some(_) => {}
        }
        *self.known.entry(key).or_default() += 1;
        self.entries += 1;
        let entry = EntryId::from_index(self.entries);
        self.policy.on_open(entry, id, &self.opened(key), Now::default());
        entry
    }

    pub(super) fn release(&mut self, entry: EntryId, key: usize) {
        self.idle.push((entry, key));
        let idle_of_key = self.idle.iter().filter(|(_, of)| *of == key).count() as u64;
        let returned = Returned { weight: self.opened(key).weight, idle_of_key };
        self.policy.on_release(entry, KeyId::from_index(key), &returned, Now::default());
    }

    fn opened(&self, key: usize) -> Opened {
        self.prices.get(&key).copied().unwrap_or(Opened { cost_nanos: 1, weight: 1, residue: 0 })
    }
}
