//! What becomes of a resource when its lease ends?

use super::entries::Entry;
use super::{Place, State};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::resource::{Health, Resource};
use crate::stats::{DropReason, MissReason, add, count};
use crate::time::Now;
use crate::usage::{MAX_WEIGHT, Returned};

/// How a lease ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The resource is good for another lease, and weighs so many bytes now.
    Return { weight: u64 },
    /// It is not.
    Drop(DropReason),
    /// It was not even good for this lease: it was taken from the pool, and its health was bad.
    Unfit(DropReason),
}

/// How a lease on `resource` ends: asked outside the borrow or lock.
#[inline]
pub(crate) fn judge<R: Resource>(resource: &R, panicked: bool) -> Ending {
    if panicked && !resource.survives_panic() {
        return Ending::Drop(DropReason::Panicked);
    }
    match resource.health() {
        Health::Reusable => Ending::Return { weight: resource.weight().min(MAX_WEIGHT) },
        Health::Stale => Ending::Drop(DropReason::Stale),
        Health::Broken => Ending::Drop(DropReason::Broken),
    }
}

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Ends a lease whose resource is good for another one, if it is exclusive: the usual case, apart from the others to be short.
    /// Only where the policy wants no time. `Err` changed nothing.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, id: EntryId, value: (K, R), weight: u64) -> Result<(), (K, R)> {
        let entry = &self.entries[id];
        if (R::SHAREABLE && entry.shared) || entry.doomed.is_some() {
            return Err(value);
        }
        let give_back = |entry: &mut Entry<K, R>| {
            let none = entry.resource.replace(value);
            debug_assert!(none.is_none(), "the lease had it");
            // Nothing to drop, which the compiler can't know.
            std::mem::forget(none);
        };
        let dropped = self.become_idle(id, give_back, weight, false, None);
        self.count_end(dropped);
        Ok(())
    }

    /// Ends a lease that carries `value`. Returns that again if it was only a handle, for the caller to drop. If somebody `waits`
    /// for the resource, it is not asked whether it may stay idle.
    pub(crate) fn end(
        &mut self,
        id: EntryId,
        value: (K, R),
        ending: Ending,
        waits: bool,
        nanos: u64,
    ) -> Option<(K, R)> {
        let entry = &mut self.entries[id];
        entry.leases -= 1;
        let (last, shared) = (entry.leases == 0, entry.shared);
        let reason = match ending {
            Ending::Return { .. } => None,
            Ending::Drop(reason) => Some(reason),
            Ending::Unfit(reason) => {
                add(&mut self.counters.unfit, 1);
                add(&mut self.counters.unfit_nanos, entry.cost_nanos);
                Some(reason)
            }
        };
        if let Some(reason) = reason.filter(|_| shared) {
            self.doom(id, reason);
        }
        let mut handle = Some(value);
        let dropped = match self.entries[id].doomed.or(reason) {
            Some(reason) if last => {
                self.remove(id, Place::Leased, reason.into());
                handle.take().into_iter().for_each(|value| self.aftermath.push(value, reason));
                Some(reason)
            }
            doomed => {
                if !shared {
                    self.entries[id].resource = handle.take();
                }
                let weight_before = self.entries[id].weight;
                let weight = if let Ending::Return { weight } = ending { weight } else { weight_before };
                if last {
                    self.become_idle(id, |_| (), weight, waits, self.needs_clock.then_some(nanos))
                } else {
                    self.entries[id].weight = weight;
                    self.usage.leased_weight =
                        self.usage.leased_weight.wrapping_sub(weight_before).wrapping_add(weight);
                    self.counters.peaks.note_live(&self.usage);
                    doomed
                }
            }
        };
        match ending {
            Ending::Unfit(reason) if last => self.counters.idle_dropped.count(reason),
            Ending::Unfit(_) => {}
            _ if dropped.is_some() && !last => add(&mut self.counters.releases_doomed, 1),
            _ => self.count_end(dropped),
        }
        handle
    }

    #[inline]
    fn count_end(&mut self, dropped: Option<DropReason>) {
        match dropped {
            None => count(&mut self.counters.released_to_pool),
            Some(reason) => self.counters.releases_dropped.count(reason),
        }
    }

    /// Ends a lease whose caller keeps the resource (or, of a shared one, a handle).
    pub(crate) fn detach(&mut self, id: EntryId, nanos: u64) {
        add(&mut self.counters.detached, 1);
        let entry = &mut self.entries[id];
        entry.leases -= 1;
        match (entry.shared, entry.leases, entry.doomed) {
            (false, ..) => {
                self.remove(id, Place::Leased, MissReason::Detached);
            }
            (true, 0, Some(reason)) => {
                self.remove(id, Place::Leased, reason.into());
            }
            (true, 0, None) => {
                let weight = self.entries[id].weight;
                if let Some(reason) =
                    self.become_idle(id, |_| (), weight, false, self.needs_clock.then_some(nanos))
                {
                    self.counters.idle_dropped.count(reason);
                }
            }
            (true, ..) => {}
        }
    }

    /// A leased entry serves no further acquire, and goes with its last lease.
    pub(super) fn doom(&mut self, id: EntryId, reason: DropReason) {
        let entry = &mut self.entries[id];
        if entry.doomed.is_some() {
            return;
        }
        entry.doomed = Some(reason);
        let (key, prototype) = (entry.key, entry.resource.take());
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        self.keys[key].gone = reason.into();
        if let Some((name, handle)) = prototype {
            self.aftermath.push_handle(Some(name), handle);
        }
    }

    /// An entry whose last lease ended, and which weighs `weight` bytes now, goes to the idle ones if there is room.
    /// `give_back` gives it its resource, if it doesn't hold that. `nanos` is the time, if the policy wants it. Returns why it was
    /// dropped otherwise.
    #[inline(always)]
    fn become_idle(
        &mut self,
        id: EntryId,
        give_back: impl FnOnce(&mut Entry<K, R>),
        weight: u64,
        waits: bool,
        nanos: Option<u64>,
    ) -> Option<DropReason> {
        let now = self.now(nanos.unwrap_or(0));
        let Self { entries, keys, usage, counters, eviction, capacity, aftermath, .. } = self;
        let index = id.index() as u32;
        if R::SHAREABLE && entries[id].shared {
            // It was among the warm ones all the time, and is the latest to be released now.
            keys[entries[id].key].warm.remove(entries, index);
        }
        let entry = &mut entries[id];
        let key = entry.key;
        let weight_before = std::mem::replace(&mut entry.weight, weight);
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
        let fits = aftermath.contain(|| {
            eviction.on_release(id, key, &returned, now);
            // The usual case is over here, in one go. Whatever else is decided below, from the start.
            nanos.is_none() && (waits || capacity.keep(usage, weight) == Verdict::Fits)
        });
        let dropped = if fits == Some(true) { None } else { self.offer(key, id, fits, waits, now) };
        self.counters.peaks.note_idle(&self.usage);
        dropped
    }

    /// What has expired goes, and what must make room.
    #[inline(never)]
    fn offer(
        &mut self,
        key: KeyId,
        id: EntryId,
        fits: Option<bool>,
        waits: bool,
        now: Now,
    ) -> Option<DropReason> {
        if fits.is_none() {
            // The policy panicked. It may not know it now, and then could never name it.
            self.drop_idle(id, DropReason::Panicked);
            return Some(DropReason::Panicked);
        }
        if self.reap(now, Some(id)) {
            return Some(DropReason::Expired);
        }
        if waits {
            return None;
        }
        self.make_room(Some(key), Some(id), now)
    }
}
