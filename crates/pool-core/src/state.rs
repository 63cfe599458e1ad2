//! The sequential core: every decision of a pool, and nothing else.
//!
//! All methods take `&mut self` and time as an argument; nothing here locks, reads a clock, opens or drops a resource.
//! What must be dropped is pushed to the caller's [`Victims`]. User code that has to run in here (policies, key
//! equality, `share`) is contained: no method unwinds, so no step is ever half done. The caller lets the panic go on
//! after it has left its borrow or lock.

mod audit;
mod ending;
mod entries;
mod keys;
mod opening;
mod room;

pub(crate) use ending::Ending;
pub(crate) use opening::{Denied, Reserved};

use entries::Entries;
use keys::Keys;

use crate::capacity::Capacity;
use crate::contain::Panics;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::resource::Resource;
use crate::stats::{Counters, MissReason, Stats, add};
use crate::time::Now;
use crate::usage::{Opened, Usage};
use crate::victims::Victims;

pub(crate) struct State<K, R, C, E> {
    entries: Entries<K, R>,
    keys: Keys<K>,
    usage: Usage,
    /// Sums over all opens, for the expectation of a key not opened yet.
    opened: Opened,
    counters: Counters,
    capacity: C,
    eviction: E,
    needs_clock: bool,
    tick: u64,
    /// What user code panicked with since the caller last took it.
    panics: Panics,
}

/// A warm resource that was found and is leased from now on.
pub(crate) struct Taken<K, R> {
    pub(crate) entry: EntryId,
    pub(crate) key: K,
    pub(crate) resource: R,
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pub(crate) fn new(capacity: C, eviction: E, max_dormant: usize) -> Self {
        Self {
            entries: Entries::new(),
            keys: Keys::new(max_dormant),
            usage: Usage::default(),
            opened: Opened::default(),
            counters: Counters::default(),
            needs_clock: eviction.needs_clock(),
            capacity,
            eviction,
            tick: 0,
            panics: Panics::default(),
        }
    }

    pub(crate) fn needs_clock(&self) -> bool {
        self.needs_clock
    }

    pub(crate) fn capacity(&self) -> &C {
        &self.capacity
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot(self.usage, self.keys.len() as u64)
    }

    /// What user code panicked with, to go on once the borrow or lock is over.
    pub(crate) fn take_panics(&mut self) -> Panics {
        self.panics.take()
    }

    /// Leases the warm resource of a key that is to go out next, if there is one.
    pub(crate) fn take(
        &mut self,
        hash: u64,
        is: impl FnMut(&K) -> bool,
        nanos: u64,
        victims: &mut Victims<K, R>,
    ) -> Option<Taken<K, R>> {
        self.tick = self.tick.wrapping_add(1);
        let now = self.now(nanos);
        self.reap(now, None, victims);
        let key = self.find(hash, is)?;
        let id = self.keys[key].newest()?;
        let entry = &mut self.entries[id];
        let (own_key, own) = entry.resource.as_ref()?;
        let first = entry.leases == 0;
        let (lease_key, resource) = match self.panics.contain(|| own.share())? {
            Some(handle) => {
                let Some(lease_key) = self.panics.contain(|| own_key.clone()) else {
                    victims.push_handle(None, handle);
                    return None;
                };
                entry.shared = true;
                (lease_key, handle)
            }
            // It was shared when it was leased, and no longer wants to be: busy.
            None if !first => return None,
            None => {
                entry.shared = false;
                let value = entry.resource.take()?;
                self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
                value
            }
        };
        let entry = &mut self.entries[id];
        entry.leases += 1;
        let (weight, cost_nanos) = (entry.weight, entry.cost_nanos);
        if first {
            self.move_weight(key, weight, Place::Idle, Place::Leased);
            self.counters.peaks.note_live(&self.usage);
        }
        add(&mut self.counters.taken, 1);
        add(&mut self.counters.taken_nanos, cost_nanos);
        self.panics.contain(|| self.eviction.on_acquire(id, key, now));
        Some(Taken { entry: id, key: lease_key, resource })
    }

    /// Whether [`take`](State::take) would find something, apart from what has expired since the last call.
    pub(crate) fn is_warm(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> bool {
        self.find(hash, is).is_some_and(|key| self.keys[key].newest().is_some())
    }

    fn find(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> Option<KeyId> {
        self.panics.contain(|| self.keys.find(hash, is)).flatten()
    }

    fn now(&self, nanos: u64) -> Now {
        Now { tick: self.tick, nanos }
    }

    /// Changes the sums as one resource of `key`, of `weight` bytes, goes from one place to another.
    fn move_weight(&mut self, key: KeyId, weight: u64, from: Place, to: Place) {
        let (usage, record) = (&mut self.usage, &mut self.keys[key]);
        match from {
            Place::Idle => {
                usage.idle -= 1;
                usage.idle_weight = usage.idle_weight.saturating_sub(weight);
                record.idle -= 1;
            }
            Place::Leased => {
                usage.leased -= 1;
                usage.leased_weight = usage.leased_weight.saturating_sub(weight);
                record.leased -= 1;
            }
            Place::Nowhere => {}
        }
        match to {
            Place::Idle => {
                usage.idle += 1;
                usage.idle_weight = usage.idle_weight.saturating_add(weight);
                record.idle += 1;
            }
            Place::Leased => {
                usage.leased += 1;
                usage.leased_weight = usage.leased_weight.saturating_add(weight);
                record.leased += 1;
            }
            Place::Nowhere => {}
        }
    }

    /// Takes an entry out, from the `place` where it is counted, and returns the resource if it held it.
    fn remove(
        &mut self,
        id: EntryId,
        place: Place,
        gone: MissReason,
        victims: &mut Victims<K, R>,
    ) -> Option<(K, R)> {
        let key = self.entries[id].key;
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        let entry = self.entries.remove(id);
        self.keys[key].gone = gone;
        self.move_weight(key, entry.weight, place, Place::Nowhere);
        self.panics.contain(|| self.eviction.on_remove(id, key));
        self.retire(key, victims);
        entry.resource
    }

    /// To be called when something of the key ended.
    fn retire(&mut self, key: KeyId, victims: &mut Victims<K, R>) {
        if let Some((forgotten, name)) = self.keys.retire(key) {
            self.panics.contain(|| self.eviction.on_forget(forgotten));
            victims.keys.push(name);
        }
    }
}

/// Where a resource is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Idle,
    Leased,
}
