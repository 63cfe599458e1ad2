use super::dense::Dense;
use super::room::Room;
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// LIRS: keys that come back soon (of low inter-reference recency) have nearly all of the pool; the others pass through a short
/// queue, and become such keys if they are asked for again while a stack of the latest keys still knows them.
///
/// Jiang and Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to improve buffer cache performance"
/// (SIGMETRICS 2002), with its share of a hundredth of the pool for the queue, at least one key. The stack has twice as many
/// keys as the pool has room for: past that, keys without entries are forgotten, the one that left first first. Adapted for a
/// pool: blocks are keys, which have one or more entries; what is leased keeps its place, and is stepped over.
///
/// A request is O(1) amortised, an eviction as well, but for leased keys that it steps over.
#[derive(Clone, Debug, Default)]
pub struct Lirs {
    /// `S` in the paper: keys by their last request, the latest at the front. The last is of low recency.
    stack: Order<KeyId>,
    /// `Q`: keys of high recency that have entries, the next to go at the back.
    queue: Order<KeyId>,
    /// Keys of the stack that have no entry, the first to leave at the back.
    gone: Order<KeyId>,
    keys: Dense<KeyId, State>,
    /// How many keys are of low recency.
    low: usize,
    /// Whose each idle entry is.
    owners: Dense<EntryId, Option<KeyId>>,
    idle: usize,
    room: Room,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct State {
    low: bool,
    /// How many of its entries are idle, and how many there are.
    idle: u32,
    live: u32,
}

/// One part in so many of the pool is for keys of high recency.
const QUEUE_SHARE: usize = 100;

impl Lirs {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn most_low(&self) -> usize {
        self.room.entries() - (self.room.entries() / QUEUE_SHARE).max(1)
    }

    /// The stack ends with a key of low recency.
    fn prune(&mut self) {
        while let Some(last) = self.stack.back().filter(|&last| !self.keys.get(last).low) {
            self.stack.remove(last);
            self.gone.remove(last);
        }
    }

    /// A key becomes one of low recency, and the last of them one of high recency in its place.
    fn lower(&mut self, key: KeyId) {
        self.queue.remove(key);
        self.gone.remove(key);
        self.keys.at(key).low = true;
        self.low += 1;
        self.stack.push_front(key);
        while self.low > self.most_low() {
            let Some(last) = self.stack.back() else { break };
            self.stack.remove(last);
            if std::mem::take(&mut self.keys.at(last).low) {
                self.low -= 1;
                self.queue.push_front(last);
            }
            self.prune();
        }
    }

    /// A request for a key, which has entries or is about to.
    fn request(&mut self, key: KeyId, has_entries: bool) {
        if self.keys.get(key).low {
            self.stack.push_front(key);
            self.prune();
        } else if self.most_low() > 0 && self.stack.contains(key)
            || !has_entries && self.low < self.most_low()
        {
            self.lower(key);
        } else {
            self.stack.push_front(key);
            self.queue.push_front(key);
        }
        while self.stack.len() > 2 * self.room.entries() {
            let Some(first) = self.gone.back() else { break };
            self.gone.remove(first);
            self.stack.remove(first);
        }
    }

    fn take(&mut self, entry: EntryId) {
        if let Some(key) = self.owners.at(entry).take() {
            self.idle -= 1;
            self.keys.at(key).idle -= 1;
        }
    }

    /// Nothing is left of a key but, perhaps, a place in the stack.
    fn leave(&mut self, key: KeyId) {
        self.queue.remove(key);
        if std::mem::take(&mut self.keys.at(key).low) {
            // It did not go through the queue: nothing else was idle, or it was taken out.
            self.low -= 1;
            self.stack.remove(key);
            self.prune();
        } else if self.stack.contains(key) {
            self.gone.push_front(key);
        }
    }
}

impl<K: ?Sized> Eviction<K> for Lirs {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.leave(key);
        self.stack.remove(key);
        self.gone.remove(key);
        self.prune();
        *self.keys.at(key) = State { idle: self.keys.get(key).idle, ..State::default() };
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, _: &Opened, _: Now) {
        let has_entries = self.keys.get(key).live > 0;
        self.keys.at(key).live += 1;
        self.request(key, has_entries);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.take(entry);
        self.request(key, true);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, _: &Returned, _: Now) {
        self.take(entry);
        *self.owners.at(entry) = Some(key);
        self.idle += 1;
        self.keys.at(key).idle += 1;
        if !self.keys.get(key).low && !self.queue.contains(key) {
            // Its open was missed.
            self.queue.push_front(key);
        }
        self.room.holds(self.idle);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, _: Removal) {
        self.take(entry);
        let state = self.keys.at(key);
        state.live = state.live.saturating_sub(1);
        if state.live == 0 && state.idle == 0 {
            self.leave(key);
        }
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        if self.idle == 0 {
            return None;
        }
        self.room.is_exceeded_by(self.idle);
        let is_idle = |key: &KeyId| self.keys.get(*key).idle > 0;
        let named = self.queue.iter_from_back().find(is_idle);
        named.or_else(|| self.stack.iter_from_back().find(is_idle)).map(Victim::OldestOf)
    }

    fn shrink_to_fit(&mut self) {
        self.stack.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.gone.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.owners.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    /// Asks for each key in a pool with room for three, and says what goes.
    fn victims(pool: &mut Drive, keys: &[usize]) -> Vec<usize> {
        let ask = |&key: &usize| {
            pool.ask(key);
            if pool.idle() > 3 { pool.evict_for(key) } else { None }
        };
        keys.iter().filter_map(ask).collect()
    }

    #[test]
    fn new_keys_pass_through_the_queue_until_they_come_back_in_time() {
        let mut pool = Drive::new(Lirs::new());
        pool.bounds(3);
        // 1 and 2 are of low recency; the others pass through the one place that is left.
        assert_eq!(victims(&mut pool, &[1, 2, 3, 4, 5]), [3, 4]);
        // 4 is still in the stack: it takes the place of 1, which was asked for first and goes into the queue.
        assert_eq!(victims(&mut pool, &[4]), [5]);
        assert_eq!(victims(&mut pool, &[6]), [1]);
        assert_eq!(victims(&mut pool, &[2, 4, 7]), [6], "2 and 4 stay");
    }

    #[test]
    fn keys_without_entries_leave_the_stack_past_twice_the_room() {
        let mut pool = Drive::new(Lirs::new());
        pool.bounds(3);
        victims(&mut pool, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        // 3 was forgotten when 9 came, so it passes through again.
        assert_eq!(victims(&mut pool, &[3, 10]), [9, 3]);
    }
}
