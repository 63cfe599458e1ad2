//! A lease ends: what becomes of its resource?

use super::entries::Entry;
use super::{Core, LeaseId};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::Eviction;
use crate::id::{EntryId, Id};
use crate::reason::{DropReason, MissReason};
use crate::stats::{add, count};
use crate::time::Now;
use crate::usage::Returned;

/// How a lease ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The resource is good for another lease, and weighs so many bytes now.
    Return { weight: u64 },
    /// It is not.
    Drop(DropReason),
    /// It was not even good for this lease: it was taken from the pool, and its health was bad.
    Unfit(DropReason),
    /// Its user keeps it (or, of a shared one, a handle).
    Detach,
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// Ends a lease whose resource is good for another one, where that is [plain](Core::is_plain): the usual case, apart from
    /// the others to be short.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, lease: LeaseId, value: (K, R), weight: u64) {
        debug_assert!(self.plain, "others are concerned");
        let give_back = |entry: &mut Entry<K, R>| {
            // The lease had it, so there is nothing to drop, which the compiler can't know.
            std::mem::forget(entry.resource.replace(value));
        };
        let dropped = self.become_idle(lease.entry(), give_back, weight, None);
        self.count_end(dropped);
    }

    /// Ends a lease. `value` is what an exclusive one carried, unless its user keeps that. The handle of a shared resource has been
    /// dropped before: so the pool's own is the last, and the place is taken until that is gone.
    pub(crate) fn ended(&mut self, lease: LeaseId, value: Option<(K, R)>, ending: Ending, nanos: u64) {
        let now = self.now(nanos);
        let (id, shared) = (lease.entry(), self.share.is_some());
        if shared {
            self.shared_leases.remove(lease.place());
        } else {
            self.note_hold(id, ending, nanos);
        }
        let entry = &self.entries[id];
        let (key, last, cost_nanos) = (entry.key, entry.leases == 1, entry.cost_nanos);
        let reason = match ending {
            Ending::Return { .. } if self.closed => Some(DropReason::Drained),
            Ending::Return { .. } | Ending::Detach => None,
            Ending::Drop(reason) => Some(reason),
            Ending::Unfit(reason) => {
                add(&mut self.counters.unfit, 1);
                add(&mut self.counters.unfit_nanos, cost_nanos);
                Some(reason)
            }
        };
        if let (Some(reason), true) = (reason, shared) {
            self.leave_with_last_lease(id, reason);
        }
        let leaves = self.entries[id].leaving.or(reason);
        let dropped = match (leaves, ending) {
            (_, Ending::Detach) if !shared => {
                self.remove(id, MissReason::Detached);
                None
            }
            (Some(reason), _) if last => {
                let Entry { resource, weight, .. } = self.remove(id, reason.into());
                if let Some(value) = value.or(resource) {
                    self.drop_later(value, reason, weight);
                }
                Some(reason)
            }
            (_, Ending::Return { weight }) if last => {
                let give_back = |entry: &mut Entry<K, R>| {
                    if value.is_some() {
                        entry.resource = value;
                    }
                };
                self.become_idle(id, give_back, weight, Some(now))
            }
            (_, Ending::Detach) if last => {
                let weight = self.entries[id].weight;
                let dropped = self.become_idle(id, |_| (), weight, Some(now));
                if let Some(reason) = dropped {
                    self.counters.idle_dropped.count(reason);
                }
                dropped
            }
            (leaves, _) => {
                // Others have leases on it.
                self.entries[id].leases -= 1;
                if let Ending::Return { weight } = ending {
                    self.weigh_leased(id, weight);
                    // What has grown may leave too little for what is idle.
                    self.make_room(Some(key), None, now);
                }
                leaves
            }
        };
        match ending {
            Ending::Detach => add(&mut self.counters.detached, 1),
            Ending::Unfit(reason) if last => self.counters.idle_dropped.count(reason),
            Ending::Unfit(_) => {}
            _ if dropped.is_some() && !last => add(&mut self.counters.releases_deferred, 1),
            _ => self.count_end(dropped),
        }
        if self.keys.knows(key) {
            self.touch(key);
        }
        self.freed = true;
        self.settle(now);
    }

    #[inline]
    fn count_end(&mut self, dropped: Option<DropReason>) {
        match dropped {
            None => count(&mut self.counters.released_to_pool),
            Some(reason) => self.counters.releases_dropped.count(reason),
        }
    }

    /// An exclusive lease ends. How long it took counts, if it was the first after an open, unless its end was an accident.
    fn note_hold(&mut self, id: EntryId, ending: Ending, nanos: u64) {
        let entry = &mut self.entries[id];
        let Some(opened_at) = entry.opened_at.take() else { return };
        if nanos == 0 || ending == Ending::Drop(DropReason::Panicked) {
            return;
        }
        let hold = nanos.saturating_sub(opened_at.get());
        let record = &mut self.keys[entry.key];
        add(&mut record.holds, 1);
        add(&mut record.hold_nanos, hold);
        add(&mut self.holds, 1);
        add(&mut self.hold_nanos, hold);
    }

    /// A shared resource was weighed when one of its leases ended, and others go on.
    fn weigh_leased(&mut self, id: EntryId, weight: u64) {
        let before = self.entries[id].weight;
        let weight = weight.min(self.usage.weight_left() + before);
        self.entries[id].weight = weight;
        self.usage.leased_weight = self.usage.leased_weight - before + weight;
        self.counters.peaks.note_live(&self.usage);
    }

    /// A leased entry serves no further acquire, and goes with its last lease.
    pub(super) fn leave_with_last_lease(&mut self, id: EntryId, reason: DropReason) {
        let entry = &mut self.entries[id];
        if entry.leaving.is_some() {
            return;
        }
        entry.leaving = Some(reason);
        if self.share.is_none() {
            self.leaving += 1;
            self.plain = false;
        }
        let key = entry.key;
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        self.keys[key].gone = reason.into();
    }

    /// An entry whose last lease ends, and which weighs `weight` bytes now, becomes idle if there is room. `give_back` gives it
    /// its resource, if it doesn't hold that. `now` is the time, unless nobody waits and the policy wants none. Returned is why it was
    /// dropped otherwise.
    #[inline(always)]
    fn become_idle(
        &mut self,
        id: EntryId,
        give_back: impl FnOnce(&mut Entry<K, R>),
        weight: u64,
        now: Option<Now>,
    ) -> Option<DropReason> {
        let time = now.unwrap_or(self.now(0));
        let Self { entries, keys, usage, counters, eviction, capacity, effects, share, .. } = self;
        let index = id.index() as u32;
        if now.is_some() && share.is_some() {
            // It was among the warm ones all the time, and is the latest to be released now.
            keys[entries[id].key].warm.remove(entries, index);
        }
        let entry = &mut entries[id];
        let (key, weight_before) = (entry.key, entry.weight);
        let weight =
            if weight > weight_before { weight.min(usage.weight_left() + weight_before) } else { weight };
        entry.weight = weight;
        entry.leases = 0;
        give_back(entry);
        let record = &mut keys[key];
        if !record.warm.push_only(&mut entry.link, index) {
            record.warm.push_front(entries, index);
        }
        record.idle += 1;
        usage.leased_to_idle(weight_before, weight);
        if weight > weight_before {
            counters.peaks.note_live(usage);
        }
        usage.idle_of_key = record.idle.into();
        let returned = Returned { weight, idle_of_key: usage.idle_of_key };
        let fits = effects.contain(|| {
            eviction.on_release(id, key, &returned, time);
            // The usual case is over here, in one go. Whatever else is decided below, from the start.
            now.is_none() && capacity.keep(usage, weight) == Verdict::Fits
        });
        let dropped = if fits == Some(true) { None } else { self.offer(id, fits, time) };
        self.counters.peaks.note_idle(&self.usage);
        dropped
    }

    /// What has just become idle goes to one who waits, or stays if there is room.
    #[inline(never)]
    fn offer(&mut self, id: EntryId, fits: Option<bool>, now: Now) -> Option<DropReason> {
        let dropped = self.keep_or_drop(id, fits, now);
        if self.queue.is_empty() {
            // There is nobody to offer anything to.
            self.freed = false;
        }
        dropped
    }

    fn keep_or_drop(&mut self, id: EntryId, fits: Option<bool>, now: Now) -> Option<DropReason> {
        let key = self.entries[id].key;
        if fits.is_none() {
            // The policy panicked. It may not know it now, and then could never name it.
            self.drop_idle(id, DropReason::Panicked);
            return Some(DropReason::Panicked);
        }
        if self.reap(now, Some(id)) {
            return Some(DropReason::Expired);
        }
        if !self.queue.is_empty() {
            self.touch(key);
            self.serve(Some(id), now);
        }
        // It may have gone to one who waits, or have made room for one.
        let is_idle = self.entries.get(id).is_some_and(Entry::is_idle);
        // If so, it may have grown, and leave too little for others that are idle. The key may be forgotten then.
        if is_idle { self.make_room(Some(key), Some(id), now) } else { self.make_room(None, None, now) }
    }
}
