//! Which idle entries go, and why?

use super::entries::Entry;
use super::{Place, State};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::{Eviction, Victim};
use crate::id::{EntryId, KeyId};
use crate::resource::Resource;
use crate::stats::{DropReason, add};
use crate::time::Now;
use crate::usage::Usage;

impl<K, R, C, E> State<K, R, C, E>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Drops everything idle and returns how many that were.
    pub(crate) fn drain(&mut self) -> usize {
        let idle: Vec<EntryId> =
            self.entries.iter().filter(|(_, entry)| entry.is_idle()).map(|(id, _)| id).collect();
        for &id in &idle {
            self.evict(id, DropReason::Drained);
        }
        self.aftermath.contain(|| self.eviction.shrink_to_fit());
        add(&mut self.counters.drains, 1);
        idle.len()
    }

    /// Drops everything idle and forgets all keys: the pool ends.
    pub(crate) fn clear(&mut self) {
        self.drain();
        let keys = self.keys.take();
        self.aftermath.push_keys(keys);
    }

    /// Drops what is idle and, as `is_stale` says, stale, and returns how many that were. What it panics at stays.
    pub(crate) fn drop_stale(&mut self, mut is_stale: impl FnMut(&K, &R) -> bool) -> usize {
        let aftermath = &mut self.aftermath;
        let mut found = Vec::new();
        for (id, entry) in self.entries.iter().filter(|(_, entry)| entry.is_idle()) {
            if let Some((key, resource)) = &entry.resource {
                found
                    .extend(aftermath.contain(|| is_stale(key, resource)).filter(|&stale| stale).map(|_| id));
            }
        }
        for &id in &found {
            self.evict(id, DropReason::Stale);
        }
        found.len()
    }

    /// Drops what the eviction policy says has expired and returns how many that were.
    pub(crate) fn evict_expired(&mut self, nanos: u64) -> u64 {
        let before = self.usage.idle;
        self.reap(self.now(nanos), None);
        before - self.usage.idle
    }

    /// Drops what has expired; true if `incoming` was among it, which the caller counts.
    pub(super) fn reap(&mut self, now: Now, incoming: Option<EntryId>) -> bool {
        let mut incoming_expired = false;
        while self.needs_clock {
            match self.aftermath.contain(|| self.eviction.expired(now)).flatten() {
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
            let usage = Usage { idle_of_key, ..self.usage };
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
                Verdict::EvictAny(_) => self.choose(incoming, now),
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
        let verdict = self.aftermath.contain(|| self.capacity.keep(usage, weight));
        verdict.unwrap_or(Verdict::Never("a panic in the capacity policy"))
    }

    /// Asks the eviction policy for a victim. If it panics or names what is not idle, the incoming entry goes, or
    /// without one any: a broken policy must not make the pool outgrow its limits.
    pub(super) fn choose(&mut self, incoming: Option<EntryId>, now: Now) -> Option<EntryId> {
        let named = match self.aftermath.contain(|| self.eviction.victim(incoming, now)) {
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
        if let Some(value) = self.remove(id, Place::Idle, reason.into()) {
            self.aftermath.push(value, reason);
        }
    }

    fn is_idle(&self, id: EntryId) -> bool {
        self.entries.get(id).is_some_and(Entry::is_idle)
    }
}
