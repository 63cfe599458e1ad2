//! What is there for an acquire: which warm resource goes out?

use std::cell::Cell;

use super::State;
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id};
use crate::resource::{Resource, handle};
use crate::stats::{DropReason, add, count};
use crate::time::Now;

/// A warm resource that was found and is leased from now on.
pub(crate) struct Taken<K, R> {
    /// Its entry, as wide as a register: half as wide, it would be written as such and read with the gap that follows, which
    /// has to wait until the write is done.
    entry: usize,
    pub(crate) key: K,
    pub(crate) resource: R,
}

impl<K, R> Taken<K, R> {
    #[inline]
    pub(crate) fn new(entry: EntryId, key: K, resource: R) -> Self {
        Self { entry: entry.index(), key, resource }
    }

    #[inline]
    pub(crate) fn entry(&self) -> EntryId {
        EntryId::linked(self.entry as u32)
    }
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Leases the warm resource of a key that is to go out next, if there is one.
    #[inline(always)]
    pub(crate) fn take(&mut self, hash: u64, is: impl FnMut(&K) -> bool, nanos: u64) -> Option<Taken<K, R>> {
        if R::SHAREABLE { self.take_shareable(hash, is, nanos) } else { self.take_exclusive(hash, is, nanos) }
    }

    /// A look for a warm resource begins: what has expired goes before.
    #[inline]
    fn begin_take(&mut self, nanos: u64) -> Now {
        self.tick = self.tick.wrapping_add(1);
        let now = self.now(nanos);
        if self.needs_clock {
            self.reap(now, None);
        }
        now
    }

    /// Where nothing is ever shared, all that is warm is idle: the hit that is to be fast.
    ///
    /// Not inlined, so that what calls it is: a lease is then made where its user keeps it, and never copied. And itself, not
    /// only what calls it: else it would make its result in one place, and copy it to another.
    #[inline(never)]
    fn take_exclusive(&mut self, hash: u64, is: impl FnMut(&K) -> bool, nanos: u64) -> Option<Taken<K, R>> {
        let now = self.begin_take(nanos);
        // Key equality first, then the books, which can't panic, then the policy: nothing is ever half done.
        let Self { entries, keys, usage, counters, eviction, aftermath, .. } = self;
        let (key, record) = aftermath.contain(|| keys.find_mut(hash, is)).flatten()?;
        let id = record.newest()?;
        let entry = &mut entries[id];
        let (name, resource) = entry.resource.take()?;
        entry.leases = 1;
        count(&mut counters.taken);
        add(&mut counters.taken_nanos, entry.cost_nanos);
        usage.idle_to_leased(entry.weight);
        counters.peaks.note_leased(usage);
        record.idle -= 1;
        if !record.warm.remove_only(&mut entry.link) {
            record.warm.remove(entries, id.index() as u32);
        }
        aftermath.contain(|| eviction.on_acquire(id, key, now));
        Some(Taken::new(id, name, resource))
    }

    #[inline(never)]
    fn take_shareable(&mut self, hash: u64, is: impl FnMut(&K) -> bool, nanos: u64) -> Option<Taken<K, R>> {
        let now = self.begin_take(nanos);
        let Self { entries, keys, usage, counters, eviction, aftermath, .. } = self;
        // Whose `share` is being asked: still set if that panicked.
        let asked = Cell::new(None);
        // A handle for the lease, where it is safe should the key's `clone` panic.
        let mut parked = None;
        let mut taken = None;
        // User code first, then the books, which can't panic, then user code again: nothing is ever half done.
        let found = aftermath.contain(|| {
            let key = keys.find(hash, is)?;
            let record = &mut keys[key];
            let mut id = record.newest()?;
            let (value, shared) = loop {
                let entry = &mut entries[id];
                let (own_key, own) = entry.resource.as_ref()?;
                asked.set(Some(id));
                let handle = handle(own);
                asked.set(None);
                if let Some(shared) = handle {
                    parked = Some(shared);
                    break ((own_key.clone(), parked.take()?), true);
                }
                if entry.leases == 0 {
                    break (entry.resource.take()?, false);
                }
                // It was shared when it was leased, and no longer wants to be: busy. An older one may be idle.
                id = entries.older(id)?;
            };
            let entry = &mut entries[id];
            let (was_idle, weight) = (entry.leases == 0, entry.weight);
            entry.shared = shared;
            entry.leases += 1;
            add(&mut counters.taken, 1);
            add(&mut counters.taken_nanos, entry.cost_nanos);
            if was_idle {
                if !shared {
                    record.warm.remove(entries, id.index() as u32);
                }
                record.idle -= 1;
                usage.idle_to_leased(weight);
                counters.peaks.note_leased(usage);
            }
            taken = Some(Taken::new(id, value.0, value.1));
            eviction.on_acquire(id, key, now);
            Some(())
        });
        if found.is_none() {
            self.recover(asked.get(), parked);
        }
        taken
    }

    /// User code panicked in [`take_shareable`](State::take_shareable). A resource that did so when it was asked for a handle
    /// is not offered again; a handle that is left is dropped.
    #[cold]
    fn recover(&mut self, asked: Option<EntryId>, parked: Option<R>) {
        if let Some(handle) = parked {
            self.aftermath.push_handle(None, handle);
        }
        let Some(id) = asked else { return };
        if self.entries[id].leases == 0 {
            self.evict(id, DropReason::Panicked);
        } else {
            self.doom(id, DropReason::Panicked);
        }
    }
}
