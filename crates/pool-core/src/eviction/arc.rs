use super::dense::Dense;
use super::room::Room;
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// ARC: two lists by recency, of what was asked for once and of what was asked for more often, and ghosts of both. A ghost that is
/// asked for makes its list's share of the pool larger.
///
/// Megiddo and Modha, "ARC: a self-tuning, low overhead replacement cache" (FAST 2003), figure 4. Adapted for a pool: lists are of
/// entries, ghosts are keys, and recency is that of the release. A leased entry is in neither list. As in the paper, room is made
/// before a new one joins its list: what was just opened goes only if nothing else is idle.
///
/// Every operation is O(1). There are as many ghosts as the pool has room for.
#[derive(Clone, Debug, Default)]
pub struct Arc {
    /// Asked for once, and more often; the latest at the front. `t1` and `t2` in the paper, `b1` and `b2` the ghosts.
    once: Order<EntryId>,
    often: Order<EntryId>,
    once_ghosts: Order<KeyId>,
    often_ghosts: Order<KeyId>,
    /// How many of the entries are to be in `once`: `p`.
    target: f64,
    /// The latest to come back that was just opened. It joins when the next one comes, or the next eviction.
    newcomer: Option<EntryId>,
    marks: Dense<EntryId, Mark>,
    room: Room,
    idle: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mark {
    idle: bool,
    /// Asked for more often than once.
    often: bool,
    /// It was opened as a ghost, of `often` or at all.
    often_ghost: bool,
    ghost: bool,
    /// It leaves no ghost.
    forgotten: bool,
}

impl Arc {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn admit_newcomer(&mut self) {
        if let Some(entry) = self.newcomer.take() {
            let list = if self.marks.get(entry).often { &mut self.often } else { &mut self.once };
            list.push_front(entry);
        }
    }

    fn forget(&mut self, entry: EntryId) {
        self.take(entry);
        *self.marks.at(entry) = Mark::default();
    }

    fn take(&mut self, entry: EntryId) {
        self.once.remove(entry);
        self.often.remove(entry);
        self.newcomer = self.newcomer.filter(|&newcomer| newcomer != entry);
        self.idle -= usize::from(std::mem::take(&mut self.marks.at(entry).idle));
    }

    /// How much a ghost that is asked for moves the target, where `own` ghosts are of its list.
    fn step(own: &Order<KeyId>, other: &Order<KeyId>) -> f64 {
        (other.len() as f64 / own.len().max(1) as f64).max(1.0)
    }

    /// `REPLACE`, for a newcomer with these marks.
    fn replace(&self, newcomer: Mark) -> Option<EntryId> {
        let once = self.once.len() as f64;
        if once > self.target || (newcomer.often_ghost && once == self.target) {
            self.once.back().or(self.often.back())
        } else {
            self.often.back().or(self.once.back())
        }
    }
}

fn pop(ghosts: &mut Order<KeyId>) {
    if let Some(oldest) = ghosts.back() {
        ghosts.remove(oldest);
    }
}

impl<K: ?Sized> Eviction<K> for Arc {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
    }

    fn on_key(&mut self, key: KeyId, _: &K) {
        self.once_ghosts.remove(key);
        self.often_ghosts.remove(key);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.once_ghosts.remove(key);
        self.often_ghosts.remove(key);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, _: &Opened, _: Now) {
        self.forget(entry);
        self.once.make_room_for(entry);
        self.often.make_room_for(entry);
        let room = self.room.entries() as f64;
        let mut mark = Mark::default();
        if self.once_ghosts.contains(key) {
            self.target = (self.target + Self::step(&self.once_ghosts, &self.often_ghosts)).min(room);
            (mark.ghost, mark.often) = (true, true);
        } else if self.often_ghosts.contains(key) {
            self.target = (self.target - Self::step(&self.often_ghosts, &self.once_ghosts)).max(0.0);
            (mark.ghost, mark.often, mark.often_ghost) = (true, true, true);
        }
        self.once_ghosts.remove(key);
        self.often_ghosts.remove(key);
        *self.marks.at(entry) = mark;
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        if self.newcomer == Some(entry) {
            self.admit_newcomer();
        }
        self.take(entry);
        self.marks.at(entry).often = true;
        self.marks.at(entry).ghost = true;
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.take(entry);
        self.admit_newcomer();
        self.newcomer = Some(entry);
        self.marks.at(entry).idle = true;
        self.idle += 1;
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        let mark = self.marks.get(entry);
        self.forget(entry);
        if why == Removal::Evicted && !mark.forgotten {
            let ghosts = if mark.often { &mut self.often_ghosts } else { &mut self.once_ghosts };
            ghosts.push_front(key);
        }
        // What the paper's sizes keep to by themselves, a pool may not: its limit may be in bytes, and change.
        let room = self.room.entries();
        while self.once_ghosts.len() > room {
            pop(&mut self.once_ghosts);
        }
        while self.often_ghosts.len() + self.once_ghosts.len() > 2 * room {
            pop(&mut self.often_ghosts);
        }
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        self.room.is_exceeded_by(self.idle);
        if self.newcomer != incoming {
            self.admit_newcomer();
        }
        let newcomer = self.newcomer.map(|entry| self.marks.get(entry)).unwrap_or_default();
        let room = self.room.entries();
        if self.newcomer.is_some() && !newcomer.ghost {
            // A new one, so one list of entries and ghosts has to become shorter.
            if self.once.len() + self.once_ghosts.len() >= room {
                if self.once.len() < room {
                    pop(&mut self.once_ghosts);
                } else if let Some(oldest) = self.once.back() {
                    self.marks.at(oldest).forgotten = true;
                    return Some(Victim::Entry(oldest));
                }
            } else if self.idle - 1 + self.once_ghosts.len() + self.often_ghosts.len() >= 2 * room {
                pop(&mut self.often_ghosts);
            }
        }
        self.replace(newcomer).or(self.newcomer).map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.once.shrink_to_fit();
        self.often.shrink_to_fit();
        self.once_ghosts.shrink_to_fit();
        self.often_ghosts.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    /// Asks for each key in a pool with room for four, and says what goes.
    fn victims(pool: &mut Drive, keys: &[usize]) -> Vec<usize> {
        let ask = |&key: &usize| {
            pool.ask(key);
            if pool.idle() > 4 { pool.evict_for(key) } else { None }
        };
        keys.iter().filter_map(ask).collect()
    }

    #[test]
    fn what_was_asked_for_twice_outlives_a_scan_and_ghosts_move_the_target() {
        let mut pool = Drive::new(Arc::new());
        pool.bounds(4);
        assert_eq!(victims(&mut pool, &[1, 2, 1, 2]), []);
        // A scan goes through the other two places, and leaves ghosts of two.
        assert_eq!(victims(&mut pool, &[3, 4, 5, 6]), [3, 4]);
        // 4 is a ghost of `once`: its target is 1 now, and 4 is among what was asked for more often.
        assert_eq!(victims(&mut pool, &[4]), [5]);
        // Now `once` is at its target, so the oldest of `often` goes. It is a ghost of `often` then.
        assert_eq!(victims(&mut pool, &[5, 1]), [1, 6]);
    }

    #[test]
    fn a_scan_alone_leaves_no_more_ghosts_than_the_paper_has() {
        let mut pool = Drive::new(Arc::new());
        pool.bounds(4);
        let scan: Vec<usize> = (1..=12).collect();
        assert_eq!(victims(&mut pool, &scan), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(victims(&mut pool, &[8]), [9], "8 left no ghost: `once` alone fills the pool");
    }
}
