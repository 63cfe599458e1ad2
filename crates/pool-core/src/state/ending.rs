//! What becomes of a resource when its lease ends?

use super::{Place, State};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id};
use crate::resource::Resource;
use crate::stats::{DropReason, MissReason, add};
use crate::victims::Victims;

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

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Ends a lease that carries `value`.
    pub(crate) fn end(
        &mut self,
        id: EntryId,
        value: (K, R),
        ending: Ending,
        nanos: u64,
        victims: &mut Victims<K, R>,
    ) {
        let entry = &mut self.entries[id];
        entry.leases -= 1;
        if let Ending::Unfit(_) = ending {
            add(&mut self.counters.unfit, 1);
            add(&mut self.counters.unfit_nanos, entry.cost_nanos);
        }
        let last = entry.leases == 0;
        let dropped = match (entry.shared, ending) {
            (false, Ending::Return { weight }) => {
                entry.resource = Some(value);
                self.reweigh(id, weight);
                self.become_idle(id, nanos, victims)
            }
            (false, Ending::Drop(reason) | Ending::Unfit(reason)) => {
                self.remove(id, Place::Leased, reason.into(), victims);
                victims.push(value, reason);
                Some(reason)
            }
            (true, _) => {
                if let Ending::Drop(reason) | Ending::Unfit(reason) = ending {
                    self.doom(id, reason, victims);
                }
                self.end_shared(id, value, last, ending, nanos, victims)
            }
        };
        match (ending, dropped) {
            (Ending::Unfit(_), Some(reason)) if last => self.counters.idle_dropped.count(reason),
            (Ending::Unfit(_), _) => {}
            (_, Some(reason)) => self.counters.releases_dropped.count(reason),
            (_, None) => add(&mut self.counters.released_to_pool, 1),
        }
    }

    /// Ends a lease whose caller keeps the resource (or, of a shared one, a handle).
    pub(crate) fn detach(&mut self, id: EntryId, nanos: u64, victims: &mut Victims<K, R>) {
        add(&mut self.counters.detached, 1);
        let entry = &mut self.entries[id];
        entry.leases -= 1;
        match (entry.shared, entry.leases, entry.doomed) {
            (false, ..) => {
                self.remove(id, Place::Leased, MissReason::Detached, victims);
            }
            (true, 0, Some(reason)) => {
                self.remove(id, Place::Leased, reason.into(), victims);
            }
            (true, 0, None) => {
                if let Some(reason) = self.become_idle(id, nanos, victims) {
                    self.counters.idle_dropped.count(reason);
                }
            }
            (true, ..) => {}
        }
    }

    /// Ends a lease on a shared entry; says whether, to this lease, the resource was kept or dropped.
    fn end_shared(
        &mut self,
        id: EntryId,
        value: (K, R),
        last: bool,
        ending: Ending,
        nanos: u64,
        victims: &mut Victims<K, R>,
    ) -> Option<DropReason> {
        let doomed = self.entries[id].doomed;
        match doomed {
            Some(reason) if last => {
                self.remove(id, Place::Leased, reason.into(), victims);
                victims.push(value, reason);
                return doomed;
            }
            _ => victims.push_handle(Some(value.0), value.1),
        }
        if let Ending::Return { weight } = ending {
            self.reweigh(id, weight);
        }
        if last { self.become_idle(id, nanos, victims) } else { doomed }
    }

    /// A shared entry serves no further acquire, and goes with its last lease.
    fn doom(&mut self, id: EntryId, reason: DropReason, victims: &mut Victims<K, R>) {
        let entry = &mut self.entries[id];
        if entry.doomed.is_some() {
            return;
        }
        entry.doomed = Some(reason);
        let (key, prototype) = (entry.key, entry.resource.take());
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        self.keys[key].gone = reason.into();
        if let Some((name, handle)) = prototype {
            victims.push_handle(Some(name), handle);
        }
    }

    /// Sets the weight of a leased entry.
    fn reweigh(&mut self, id: EntryId, weight: u64) {
        let old = std::mem::replace(&mut self.entries[id].weight, weight);
        if old != weight {
            self.usage.leased_weight = self.usage.leased_weight.saturating_sub(old).saturating_add(weight);
        }
    }

    /// An entry whose last lease ended, and which holds its resource again, goes to the idle ones if there is room.
    /// Returns why it was dropped otherwise.
    fn become_idle(&mut self, id: EntryId, nanos: u64, victims: &mut Victims<K, R>) -> Option<DropReason> {
        let (key, weight) = (self.entries[id].key, self.entries[id].weight);
        let chain = &mut self.keys[key].warm;
        chain.remove(&mut self.entries, id.index() as u32);
        chain.push_front(&mut self.entries, id.index() as u32);
        self.move_weight(key, weight, Place::Leased, Place::Idle);
        let now = self.now(nanos);
        if self.panics.contain(|| self.eviction.on_release(id, key, weight, now)).is_none() {
            // The policy may not know it now, and then could never name it.
            self.drop_idle(id, DropReason::Panicked, victims);
            return Some(DropReason::Panicked);
        }
        let dropped = if self.reap(now, Some(id), victims) {
            Some(DropReason::Expired)
        } else {
            self.make_room(Some(key), Some(id), now, victims)
        };
        self.counters.peaks.note_idle(&self.usage);
        dropped
    }
}
