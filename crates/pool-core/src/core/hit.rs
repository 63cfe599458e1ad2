//! An acquire comes: which warm resource does it get?

use super::keys::{KeyRecord, Keys};
use super::{Core, LeaseId, Who};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::reason::DropReason;
use crate::stats::{add, count};
use crate::time::Now;

/// A warm resource that is leased from now on.
pub(crate) struct Taken<K, R> {
    pub(crate) lease: LeaseId,
    pub(crate) key: K,
    pub(crate) resource: R,
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// Leases the warm resource of a key that is to go out next, if there is one and `who` need not wait for others.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        hash: u64,
        is: impl FnMut(&K) -> bool,
        who: Who,
        nanos: u64,
    ) -> Option<Taken<K, R>> {
        if self.plain { self.take_plainly(hash, is, who) } else { self.take_slowly(hash, is, who, nanos) }
    }

    /// The hit that is to be fast: nobody waits, nobody wants to know the time, and what is warm is idle.
    #[inline(never)]
    fn take_plainly(&mut self, hash: u64, is: impl FnMut(&K) -> bool, who: Who) -> Option<Taken<K, R>> {
        self.tick = self.tick.wrapping_add(1);
        self.take_idle(|keys| keys.find_mut(hash, is), who, Now { tick: self.tick, nanos: 0 })
    }

    #[inline(never)]
    fn take_slowly(
        &mut self,
        hash: u64,
        is: impl FnMut(&K) -> bool,
        who: Who,
        nanos: u64,
    ) -> Option<Taken<K, R>> {
        self.tick = self.tick.wrapping_add(1);
        let now = self.now(nanos);
        // What has expired goes before.
        self.reap(now, None);
        self.settle(now);
        if self.queue.is_shut_for(None) && !self.holds(who) {
            return None;
        }
        let key = self.find(hash, is)?;
        let taken = self.take_known(key, who, now);
        match taken {
            Some(_) => self.queue.overtake(None),
            // What can't be handed out has gone, perhaps.
            None => self.settle(now),
        }
        taken
    }

    /// Leases the warm resource of a known key that is to go out next, if there is one.
    pub(super) fn take_known(&mut self, key: KeyId, who: Who, now: Now) -> Option<Taken<K, R>> {
        match self.share {
            None => self.take_idle(|keys| Some((key, &mut keys[key])), who, now),
            Some(share) => self.take_shared(key, share, who, now),
        }
    }

    #[inline(always)]
    fn take_idle(
        &mut self,
        find: impl FnOnce(&mut Keys<K>) -> Option<(KeyId, &mut KeyRecord<K>)>,
        who: Who,
        now: Now,
    ) -> Option<Taken<K, R>> {
        // Key equality first, then the books, which can't panic, then the policy: nothing is ever half done.
        let Self { entries, keys, usage, counters, eviction, effects, .. } = self;
        let (key, record) = effects.contain(|| find(keys)).flatten()?;
        let id = record.newest()?;
        let entry = &mut entries[id];
        let (name, resource) = entry.resource.take()?;
        entry.leases = 1;
        entry.holder = who.into();
        entry.opened_at = None;
        count(&mut counters.taken);
        add(&mut counters.taken_nanos, entry.cost_nanos);
        usage.idle_to_leased(entry.weight);
        counters.peaks.note_leased(usage);
        record.idle -= 1;
        if !record.warm.remove_only(&mut entry.link) {
            record.warm.remove(entries, id.index() as u32);
        }
        effects.contain(|| eviction.on_acquire(id, key, now));
        Some(Taken { lease: LeaseId::exclusive(id), key: name, resource })
    }

    fn take_shared(&mut self, key: KeyId, share: fn(&R) -> R, who: Who, now: Now) -> Option<Taken<K, R>> {
        let Self { entries, keys, usage, counters, eviction, effects, shared_leases, .. } = self;
        let id = keys[key].newest()?;
        let (own_key, own) = entries[id].resource.as_ref()?;
        let name = effects.contain(|| own_key.clone())?;
        let Some(resource) = effects.contain(|| share(own)) else {
            effects.get().keys.push(name);
            // What panicked when it was asked for a handle is not offered again.
            self.withdraw(id, DropReason::Panicked);
            return None;
        };
        let entry = &mut entries[id];
        entry.leases += 1;
        count(&mut counters.taken);
        add(&mut counters.taken_nanos, entry.cost_nanos);
        if entry.leases == 1 {
            usage.idle_to_leased(entry.weight);
            counters.peaks.note_leased(usage);
            keys[key].idle -= 1;
        }
        let lease = LeaseId::shared(id, shared_leases.insert(who));
        effects.contain(|| eviction.on_acquire(id, key, now));
        Some(Taken { lease, key: name, resource })
    }

    /// Serves no further acquire: goes now if it is idle, else with its last lease.
    pub(super) fn withdraw(&mut self, id: EntryId, reason: DropReason) {
        if self.entries[id].is_idle() {
            self.evict(id, reason);
        } else {
            self.leave_with_last_lease(id, reason);
        }
    }

    /// Whether `who` holds a lease, as far as is known: one that went to another thread or task counts for the one that
    /// acquired it. Who is in the middle of an open, or of dropping a victim, holds a place.
    pub(super) fn holds(&self, who: Who) -> bool {
        self.threads.work_of(who).count() > 0
            || self.shared_leases.iter().any(|(_, &holder)| holder == who)
            || self.entries.iter().any(|(_, entry)| !entry.is_idle() && entry.holder == who.into())
    }
}
