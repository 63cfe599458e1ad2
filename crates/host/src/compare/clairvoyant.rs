//! Policies that know the future, for what can be reached at best.

use std::collections::HashMap;

use pool_core::{
    EntryId, Eviction, Id as _, KeyId, Names as Imports, Now, Opened, Removal, Returned, Victim,
};

use crate::trace::Trace;

/// What a clairvoyant policy drops first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foresight {
    /// What is asked for again last: Belady's MIN, "A study of replacement algorithms for a virtual-storage computer", IBM
    /// Systems Journal, 1966.
    Furthest,
    /// The same, weighed by bytes.
    FurthestByBytes,
    /// The same, weighed by the bytes that each saved nanosecond takes.
    FurthestByBytesPerCost,
}

impl Foresight {
    pub(super) const ALL: [Self; 3] = [Self::Furthest, Self::FurthestByBytes, Self::FurthestByBytesPerCost];
}

/// A policy that knows a trace. It must be asked for just that, in order, once.
#[derive(Debug)]
pub(super) struct Clairvoyant {
    foresight: Foresight,
    /// Where each list is asked for.
    uses: HashMap<Imports, Vec<u32>>,
    /// The same by key; and the cost and weight of its last open.
    keys: Vec<(Vec<u32>, Opened)>,
    idle: Vec<(EntryId, KeyId)>,
    requests: u32,
}

impl Clairvoyant {
    pub(super) fn new(trace: &Trace, foresight: Foresight) -> Self {
        let mut of_key = vec![Vec::new(); trace.distinct_keys()];
        for (place, &key) in (1..).zip(trace.requests()) {
            of_key[key as usize].push(place);
        }
        let uses = trace.keys().iter().cloned().zip(of_key).collect();
        Self { foresight, uses, keys: Vec::new(), idle: Vec::new(), requests: 0 }
    }

    fn take(&mut self, entry: EntryId) {
        if let Some(place) = self.idle.iter().position(|&(idle, _)| idle == entry) {
            self.idle.swap_remove(place);
        }
    }

    /// How little it helps to keep a resource of a key.
    fn waste(&self, key: KeyId) -> f64 {
        let (uses, opened) = &self.keys[key.index()];
        let next = uses.get(uses.partition_point(|&place| place <= self.requests));
        let Some(next) = next else { return f64::INFINITY };
        let away = f64::from(next - self.requests);
        match self.foresight {
            Foresight::Furthest => away,
            Foresight::FurthestByBytes => away * opened.weight as f64,
            Foresight::FurthestByBytesPerCost => {
                away * opened.weight as f64 / opened.cost_nanos.max(1) as f64
            }
        }
    }
}

impl Eviction<Imports> for Clairvoyant {
    fn on_key(&mut self, key: KeyId, name: &Imports) {
        if key.index() >= self.keys.len() {
            self.keys.resize(key.index() + 1, Default::default());
        }
        self.keys[key.index()].0 = self.uses.get(name).cloned().unwrap_or_default();
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, opened: &Opened, _: Now) {
        self.requests += 1;
        self.keys[key.index()].1 = *opened;
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.requests += 1;
        self.take(entry);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, _: &Returned, _: Now) {
        self.idle.push((entry, key));
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, _: Removal) {
        self.take(entry);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        let wasted = |&(entry, key): &(EntryId, KeyId)| (entry, self.waste(key));
        self.idle.iter().map(wasted).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(entry, _)| Victim::Entry(entry))
    }
}
