use super::{Eviction, Removal, Victim};
use super::dense::Dense;
use crate::id::{EntryId, KeyId};
use crate::order::Order;
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// S3-FIFO: a small queue that most entries leave again at once, a main queue for those that were hit in it, and a memory
/// of what left the small one too early.
///
/// Yang, Zhang, Qiu, Yue and Rashmi, "FIFO Queues are All You Need for Cache Eviction" (SOSP 2023), with its settings:
/// a tenth of the entries in the small queue, two hits there to move on, hits counted to 3, and as many ghosts as the
/// main queue may have entries. Adapted for a pool: hits are counted by entry, ghosts are keys, and a key opened as a
/// ghost starts in the main queue. An entry keeps its place while it is leased; at the end of a queue it leaves that, and
/// joins the main one when its lease ends. As in the paper, room is made before a new one joins: what was just opened
/// goes only if nothing else is idle. What is small is a share of the entries there are, as a pool's limit may be in
/// bytes.
///
/// A hit and its return cost O(1), an eviction O(1) amortised: each step undoes a hit, a lease or a move.
#[derive(Clone, Debug, Default)]
pub struct S3Fifo {
    /// The newest at the front.
    small: Order<EntryId>,
    main: Order<EntryId>,
    /// Keys whose entry left from the small queue, the latest at the front.
    ghosts: Order<KeyId>,
    /// The latest to come back without a place in a queue. It joins when the next one comes, or the next eviction.
    newcomer: Option<EntryId>,
    marks: Dense<EntryId, Marks>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Marks {
    idle: bool,
    /// It belongs into the main queue.
    main: bool,
    hits: u8,
}

const SMALL_SHARE: usize = 10;
const MOST_HITS: u8 = 3;
const HITS_TO_MOVE_ON: u8 = 2;

impl S3Fifo {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn len(&self) -> usize {
        self.small.len() + self.main.len()
    }

    fn admit_newcomer(&mut self) {
        if let Some(entry) = self.newcomer.take() {
            let queue = if self.marks.get(entry).main { &mut self.main } else { &mut self.small };
            queue.push_front(entry);
        }
    }

    fn remember(&mut self, key: KeyId) {
        let most = (self.len() - self.len() / SMALL_SHARE).max(1);
        self.ghosts.push_front(key);
        while self.ghosts.len() > most {
            self.ghosts.back().map(|oldest| self.ghosts.remove(oldest));
        }
    }

    fn forget(&mut self, entry: EntryId) {
        self.small.remove(entry);
        self.main.remove(entry);
        self.newcomer = self.newcomer.filter(|&newcomer| newcomer != entry);
        *self.marks.at(entry) = Marks::default();
    }
}

impl<K: ?Sized> Eviction<K> for S3Fifo {
    fn on_key(&mut self, key: KeyId, _: &K) {
        self.ghosts.remove(key);
    }

    fn on_forget(&mut self, key: KeyId) {
        self.ghosts.remove(key);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, _: &Opened, _: Now) {
        self.forget(entry);
        self.marks.at(entry).main = self.ghosts.remove(key);
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        if self.newcomer == Some(entry) {
            self.admit_newcomer();
        }
        let marks = self.marks.at(entry);
        marks.idle = false;
        marks.hits = (marks.hits + 1).min(MOST_HITS);
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, _: &Returned, _: Now) {
        self.marks.at(entry).idle = true;
        if !self.small.contains(entry) && !self.main.contains(entry) && self.newcomer != Some(entry) {
            self.admit_newcomer();
            self.newcomer = Some(entry);
        }
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        // What had to go for another reason did not leave too early.
        if why == Removal::Evicted && !self.marks.get(entry).main {
            self.remember(key);
        }
        self.forget(entry);
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        if self.newcomer != incoming {
            self.admit_newcomer();
        }
        loop {
            let small_is_full = self.small.len() * SMALL_SHARE >= self.len();
            let queue = if small_is_full { &mut self.small } else { &mut self.main };
            let Some(entry) = queue.back() else {
                return self.newcomer.map(Victim::Entry);
            };
            let marks = self.marks.at(entry);
            let hits_to_stay = if marks.main { 1 } else { HITS_TO_MOVE_ON };
            if marks.idle && marks.hits < hits_to_stay {
                return Some(Victim::Entry(entry));
            }
            // In the main queue each round costs a hit; the move to it costs all.
            marks.hits = if marks.main { marks.hits.saturating_sub(1) } else { 0 };
            marks.main = true;
            let idle = marks.idle;
            queue.remove(entry);
            if idle {
                self.main.push_front(entry);
            }
        }
    }

    fn shrink_to_fit(&mut self) {
        self.small.shrink_to_fit();
        self.main.shrink_to_fit();
        self.ghosts.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;
    use crate::id::Id as _;

    /// Ten keys are idle, of which 1 was hit `hits` times; then come as many that are new.
    fn scanned(hits: usize) -> (Drive, Vec<usize>) {
        let mut pool = Drive::new(S3Fifo::new());
        (1..=10).for_each(|key| pool.ask(key));
        (0..hits).for_each(|_| pool.ask(1));
        let mut victims = Vec::new();
        for key in 11..=20 {
            pool.ask(key);
            victims.extend(pool.evict_for(key));
        }
        (pool, victims)
    }

    #[test]
    fn two_hits_in_the_small_queue_outlive_a_scan_and_one_does_not() {
        let (_, victims) = scanned(1);
        assert_eq!(victims, (1..=10).collect::<Vec<_>>());
        let (_, victims) = scanned(2);
        assert_eq!(victims, (2..=11).collect::<Vec<_>>());
    }

    #[test]
    fn what_left_too_early_starts_in_the_main_queue() {
        let (mut pool, _) = scanned(0);
        pool.ask(10); // went last, so it is a ghost
        assert_eq!(pool.evict_for(10), Some(11));
        let victims: Vec<_> = (30..39).map(|key| {
            pool.ask(key);
            pool.evict_for(key).unwrap()
        }).collect();
        assert_eq!(victims, (12..=20).collect::<Vec<_>>(), "10 is not among them");
    }

    #[test]
    fn ghosts_are_as_many_as_the_main_queue_may_hold() {
        let mut policy = S3Fifo::new();
        (0..10).for_each(|entry| policy.small.push_front(EntryId::from_index(entry)));
        (0..100).for_each(|key| policy.remember(KeyId::from_index(key)));
        assert_eq!(policy.ghosts.len(), 9);
    }
}
