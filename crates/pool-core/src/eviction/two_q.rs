use super::dense::Dense;
use super::room::Room;
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// 2Q: new entries pass through a queue of a quarter of the pool, whatever hits they have there; what is opened again after it left
/// that queue goes into a list by recency, which has the rest.
///
/// Johnson and Shasha, "2Q: a low overhead high performance buffer management replacement algorithm" (VLDB 1994), the full version,
/// with its `Kin` of a quarter and its `Kout` of half of the pool. Adapted for a pool: queues are of entries, ghosts are keys, and
/// recency is that of the release. In the queue a leased entry keeps its place, and is stepped over. As in the paper, room is
/// made before a new one joins: what was just opened goes only if nothing else is idle.
///
/// Every operation is O(1), but for the leased entries that an eviction steps over.
#[derive(Clone, Debug, Default)]
pub struct TwoQ {
    /// `A1in`, `A1out` and `Am` in the paper; the latest at the front.
    queue: Order<EntryId>,
    ghosts: Order<KeyId>,
    recent: Order<EntryId>,
    /// The latest to come back without a place. It joins when the next one comes, or the next eviction.
    newcomer: Option<EntryId>,
    marks: Dense<EntryId, Mark>,
    idle: usize,
    room: Room,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mark {
    idle: bool,
    /// It was opened as a ghost, and so belongs into the list by recency.
    recent: bool,
}

impl TwoQ {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn admit_newcomer(&mut self) {
        if let Some(entry) = self.newcomer.take() {
            let list = if self.marks.get(entry).recent { &mut self.recent } else { &mut self.queue };
            list.push_front(entry);
        }
    }

    fn set_idle(&mut self, entry: EntryId, idle: bool) {
        let before = std::mem::replace(&mut self.marks.at(entry).idle, idle);
        self.idle = self.idle + usize::from(idle) - usize::from(before);
    }

    fn forget(&mut self, entry: EntryId) {
        self.queue.remove(entry);
        self.recent.remove(entry);
        self.newcomer = self.newcomer.filter(|&newcomer| newcomer != entry);
        self.set_idle(entry, false);
        *self.marks.at(entry) = Mark::default();
    }
}

impl<K: ?Sized> Eviction<K> for TwoQ {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
    }

    fn on_key(&mut self, key: KeyId, _: &K) {
        self.ghosts.remove(key);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.ghosts.remove(key);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, _: &Opened, _: Now) {
        self.forget(entry);
        self.queue.make_room_for(entry);
        self.recent.make_room_for(entry);
        self.marks.at(entry).recent = self.ghosts.remove(key);
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        if self.newcomer == Some(entry) {
            self.admit_newcomer();
        }
        self.recent.remove(entry);
        self.set_idle(entry, false);
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.set_idle(entry, true);
        if !self.queue.contains(entry) && !self.recent.contains(entry) && self.newcomer != Some(entry) {
            self.admit_newcomer();
            self.newcomer = Some(entry);
        }
        self.room.holds(self.idle);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        let was_new = !self.marks.get(entry).recent;
        self.forget(entry);
        if why == Removal::Evicted && was_new {
            self.ghosts.push_front(key);
            while self.ghosts.len() > (self.room.entries() / 2).max(1) {
                self.ghosts.back().map(|oldest| self.ghosts.remove(oldest));
            }
        }
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        self.room.is_exceeded_by(self.idle);
        if self.newcomer != incoming {
            self.admit_newcomer();
        }
        let is_idle = |entry: &EntryId| self.marks.get(*entry).idle;
        let from_queue = || self.queue.iter_from_back().find(is_idle);
        let from_recent = || self.recent.back();
        let named = if self.queue.len() > (self.room.entries() / 4).max(1) {
            from_queue().or_else(from_recent)
        } else {
            from_recent().or_else(from_queue)
        };
        named.or(self.newcomer).map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.queue.shrink_to_fit();
        self.ghosts.shrink_to_fit();
        self.recent.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    #[test]
    fn hits_in_the_queue_do_not_help_and_what_comes_back_after_it_stays() {
        let mut pool = Drive::new(TwoQ::new());
        pool.bounds(4);
        let mut victims = |keys: &[usize]| -> Vec<usize> {
            let ask = |&key: &usize| {
                pool.ask(key);
                if pool.idle() > 4 { pool.evict_for(key) } else { None }
            };
            keys.iter().filter_map(ask).collect()
        };
        // 1 was hit twice in the queue and goes all the same.
        assert_eq!(victims(&[1, 2, 3, 4, 1, 1, 5]), [1]);
        // It is one of two ghosts, so it stays now, while the queue goes by.
        assert_eq!(victims(&[1, 6, 7, 8]), [2, 3, 4, 5]);
        // Of 4 and 5, the last two to go, 4 comes back; 1 and 4 are the list by recency.
        assert_eq!(victims(&[4, 1, 9]), [6, 7]);
        assert_eq!(victims(&[8, 10, 11]), [8, 9]);
    }
}
