//! The sequential core: every decision of a pool, and nothing else.
//!
//! All methods take `&mut self` and time as an argument; nothing here locks, reads a clock, opens or drops a resource.
//! What must be dropped is kept in the [`Aftermath`], for the caller to take. User code that has to run in here (policies, key
//! equality, `share`) is contained: no method unwinds, so no step is ever half done. The caller lets the panic go on
//! after it has left its borrow or lock.

mod audit;
mod ending;
mod entries;
mod keys;
mod opening;
mod room;
mod taking;
mod waiting;

pub(crate) use ending::{Ending, judge};
pub(crate) use opening::{Denied, Reserved};
pub(crate) use taking::Taken;
pub(crate) use waiting::KeyFacts;

use entries::Entries;
use keys::Keys;

use crate::aftermath::{Aftermath, Pending};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::resource::Resource;
use crate::stats::{Counters, MissReason, Stats};
use crate::time::Now;
use crate::usage::{Opened, Usage};

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
    /// What the caller has to do once the borrow or lock is over.
    aftermath: Pending<K, R>,
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pub(crate) fn new(capacity: C, mut eviction: E, max_dormant: usize) -> Self {
        eviction.on_capacity(&capacity.bounds());
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
            aftermath: Pending::none(),
        }
    }

    pub(crate) fn needs_clock(&self) -> bool {
        self.needs_clock
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { idle_of_key: 0, ..self.usage }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot(self.usage(), self.keys.len() as u64)
    }

    /// What the steps so far left to do, once the borrow or lock is over; `None` on a hit and a return.
    #[inline]
    pub(crate) fn take_aftermath(&mut self) -> Option<Box<Aftermath<K, R>>> {
        self.aftermath.take()
    }

    /// Whether there is no aftermath.
    #[inline]
    pub(crate) fn nothing_left(&self) -> bool {
        self.aftermath.is_none()
    }

    /// Whether [`take`](State::take) would find something, apart from what has expired since the last call.
    pub(crate) fn is_warm(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> bool {
        self.find(hash, is).is_some_and(|key| self.keys[key].newest().is_some())
    }

    #[inline]
    pub(crate) fn find(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> Option<KeyId> {
        self.aftermath.contain(|| self.keys.find(hash, is)).flatten()
    }

    fn now(&self, nanos: u64) -> Now {
        Now { tick: self.tick, nanos }
    }

    /// Changes the sums as one resource of `key`, of `weight` bytes, goes from one place to another.
    #[inline]
    fn move_weight(&mut self, key: KeyId, weight: u64, from: Place, to: Place) {
        let (usage, record) = (&mut self.usage, &mut self.keys[key]);
        match from {
            Place::Idle => {
                usage.idle -= 1;
                usage.idle_weight = usage.idle_weight.wrapping_sub(weight);
                usage.note_evicted(weight);
                record.idle -= 1;
                record.entries -= 1;
            }
            Place::Leased => {
                usage.leased -= 1;
                usage.leased_weight = usage.leased_weight.wrapping_sub(weight);
                record.entries -= 1;
            }
            Place::Nowhere => {}
        }
        match to {
            Place::Idle => {
                usage.idle += 1;
                usage.idle_weight = usage.idle_weight.wrapping_add(weight);
                record.idle += 1;
                record.entries += 1;
            }
            Place::Leased => {
                usage.leased += 1;
                usage.leased_weight = usage.leased_weight.wrapping_add(weight);
                record.entries += 1;
            }
            Place::Nowhere => {}
        }
    }

    /// Takes an entry out, from the `place` where it is counted, and returns the resource if it held it.
    fn remove(&mut self, id: EntryId, place: Place, gone: MissReason) -> Option<(K, R)> {
        let key = self.entries[id].key;
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        let entry = self.entries.remove(id);
        self.keys[key].gone = gone;
        self.move_weight(key, entry.weight, place, Place::Nowhere);
        self.aftermath.contain(|| self.eviction.on_remove(id, key, gone.into()));
        self.retire(key);
        entry.resource
    }

    /// To be called when something of the key ended.
    fn retire(&mut self, key: KeyId) {
        if let Some((forgotten, name)) = self.keys.retire(key) {
            self.aftermath.contain(|| self.eviction.on_forget(forgotten));
            self.aftermath.push_keys([name]);
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
