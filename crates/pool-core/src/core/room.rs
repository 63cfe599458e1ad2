//! Which idle resources go, and why; and when a victim is gone.

use super::effects::Victim as Gone;
use super::{Core, Who};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::{Eviction, Victim};
use crate::id::{EntryId, KeyId};
use crate::reason::DropReason;
use crate::stats::add;
use crate::time::Now;
use crate::usage::Usage;

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// A victim of so many bytes is gone: `who` has dropped it.
    pub(crate) fn dropped(&mut self, weight: u64, who: Who, nanos: u64) {
        self.usage.dropping -= 1;
        self.usage.dropping_weight -= weight;
        self.threads.dropped(who, weight);
        self.freed = true;
        self.settle(self.now(nanos));
    }

    /// Drops everything idle and returns how many that were. Memory that the pool itself no longer needs is given back.
    pub(crate) fn drain(&mut self, nanos: u64) -> usize {
        let count = self.drop_all_idle();
        add(&mut self.counters.drains, 1);
        self.settle(self.now(nanos));
        self.entries.shrink_to_fit();
        self.keys.shrink_to_fit();
        let Self { effects, eviction, .. } = self;
        effects.contain(|| eviction.shrink_to_fit());
        count
    }

    pub(super) fn drop_all_idle(&mut self) -> usize {
        // From the highest id: what is remembered of the keys, of the last to go, then needs no more room than it must.
        let idle: Vec<EntryId> =
            self.entries.iter().rev().filter(|(_, entry)| entry.is_idle()).map(|(id, _)| id).collect();
        for &id in &idle {
            self.evict(id, DropReason::Drained);
        }
        idle.len()
    }

    /// Drops everything idle and forgets all keys: the pool ends.
    pub(crate) fn clear(&mut self) {
        self.drop_all_idle();
        let keys = self.keys.take();
        self.effects.get().keys.extend(keys);
    }

    /// Drops what is idle and, as `is_stale` says, stale, and returns how many that were. What it panics at stays.
    pub(crate) fn drop_stale(&mut self, mut is_stale: impl FnMut(&K, &mut R) -> bool, nanos: u64) -> usize {
        let Self { entries, effects, .. } = &mut *self;
        let mut found = Vec::new();
        for (id, entry) in entries.iter_mut().filter(|(_, entry)| entry.is_idle()) {
            if let Some((key, resource)) = &mut entry.resource {
                let stale = effects.contain(|| is_stale(key, resource));
                found.extend((stale == Some(true)).then_some(id));
            }
        }
        for &id in &found {
            self.evict(id, DropReason::Stale);
        }
        self.settle(self.now(nanos));
        found.len()
    }

    /// Drops what the eviction policy says has expired and returns how many that were.
    pub(crate) fn evict_expired(&mut self, nanos: u64) -> u64 {
        let before = self.usage.idle;
        let now = self.now(nanos);
        self.reap(now, None);
        let expired = before - self.usage.idle;
        self.settle(now);
        expired
    }

    /// Drops what has expired; true if `incoming` was among it, which the caller counts.
    pub(super) fn reap(&mut self, now: Now, incoming: Option<EntryId>) -> bool {
        let mut incoming_expired = false;
        while self.needs_clock {
            let Self { effects, eviction, .. } = &mut *self;
            match effects.contain(|| eviction.expired(now)).flatten() {
                Some(id) if !self.is_idle(id) => break,
                Some(id) if Some(id) == incoming => {
                    self.drop_idle(id, DropReason::Expired);
                    incoming_expired = true;
                }
                Some(id) => self.evict(id, DropReason::Expired),
                None => break,
            }
        }
        incoming_expired
    }

    /// Evicts until the capacity policy lets what is idle stay. `incoming`, a resource of `key` that has just become
    /// idle, is dropped if it doesn't fit even alone, before anything else is; it is returned why, and the caller
    /// counts it.
    pub(super) fn make_room(
        &mut self,
        mut key: Option<KeyId>,
        mut incoming: Option<EntryId>,
        now: Now,
    ) -> Option<DropReason> {
        let mut could_fit = false;
        let mut rejected = None;
        loop {
            let idle_of_key = key.map_or(0, |key| u64::from(self.keys[key].idle));
            let usage = Usage { idle_of_key, ..self.once_victims_are_gone() };
            let weight = incoming.map_or(0, |id| self.entries[id].weight);
            let verdict = self.ask_keep(&usage, weight);
            let victim = match verdict {
                Verdict::Fits => return rejected,
                Verdict::Never(_) => incoming,
                _ if incoming.is_some()
                    && !could_fit
                    && self.ask_keep(&usage.with_idle(1, weight), weight) != Verdict::Fits =>
                {
                    incoming
                }
                // A limit holds whatever the policy would rather keep.
                Verdict::EvictAny(_) => self.choose(incoming, now).or_else(|| self.entries.first_idle()),
                Verdict::EvictOfKey(_) => key.and_then(|key| self.longest_idle_of(key)),
            };
            could_fit = true;
            match victim.or(incoming) {
                None => return rejected,
                gone if gone == incoming => {
                    incoming.into_iter().for_each(|id| self.drop_idle(id, DropReason::Rejected));
                    rejected = Some(DropReason::Rejected);
                    // The key may be forgotten by now.
                    (incoming, key) = (None, None);
                }
                Some(id) => self.evict(id, DropReason::Evicted),
            }
        }
    }

    fn ask_keep(&mut self, usage: &Usage, weight: u64) -> Verdict {
        let Self { capacity, effects, .. } = self;
        effects.contain(|| capacity.keep(usage, weight)).unwrap_or(Verdict::Never(super::admission::PANICKED))
    }

    /// Asks the eviction policy for a victim. If it panics or names what is not idle, the incoming entry goes, or
    /// without one any: a broken policy must not make the pool outgrow its limits.
    pub(super) fn choose(&mut self, incoming: Option<EntryId>, now: Now) -> Option<EntryId> {
        // It may have gone to one who waits by now, or for one.
        let incoming = incoming.filter(|&id| self.is_idle(id));
        let Self { effects, eviction, .. } = &mut *self;
        let named = match effects.contain(|| eviction.victim(incoming, now)) {
            Some(None) => return None,
            Some(Some(Victim::Entry(id))) => Some(id).filter(|&id| self.is_idle(id)),
            Some(Some(Victim::OldestOf(key))) if self.keys.knows(key) => self.longest_idle_of(key),
            Some(Some(Victim::OldestOf(_))) | None => None,
        };
        named.or(incoming).or_else(|| self.entries.first_idle())
    }

    /// The entry of `key` that has been idle for longest.
    pub(super) fn longest_idle_of(&self, key: KeyId) -> Option<EntryId> {
        let mut next = self.keys[key].oldest();
        while let Some(id) = next {
            if self.entries[id].is_idle() {
                break;
            }
            next = self.entries.newer(id);
        }
        next
    }

    /// Drops an idle entry and counts it.
    pub(super) fn evict(&mut self, id: EntryId, reason: DropReason) {
        self.drop_idle(id, reason);
        self.counters.idle_dropped.count(reason);
    }

    /// Drops an idle entry.
    pub(super) fn drop_idle(&mut self, id: EntryId, reason: DropReason) {
        let entry = self.remove(id, reason.into());
        if let Some(value) = entry.resource {
            self.drop_later(value, reason, entry.weight);
        }
    }

    /// A resource that was just removed is a victim: the shell drops it once the borrow or lock is over.
    pub(super) fn drop_later(&mut self, (key, resource): (K, R), reason: DropReason, weight: u64) {
        self.usage.dropping += 1;
        self.usage.dropping_weight += weight;
        self.effects.get().victims.push(Gone { key, resource, reason, weight });
    }

    fn is_idle(&self, id: EntryId) -> bool {
        self.entries.get(id).is_some_and(super::entries::Entry::is_idle)
    }
}
