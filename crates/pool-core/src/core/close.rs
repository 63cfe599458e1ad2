//! The pool is closed, and somebody waits for it to be empty.

use std::task::Waker;

use super::Core;
use super::queue::{Grant, WaiterId};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::EntryId;
use crate::reason::DropReason;
use crate::stats::add;

/// Names one who waits for a closed pool to be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CloserId(u64);

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// No further lease is given, all who wait are told so, and what is idle is dropped: returned is how much that was. What is
    /// leased goes with its last lease.
    pub(crate) fn close(&mut self) -> usize {
        self.closed = true;
        self.plain = false;
        let waiting: Vec<WaiterId> =
            self.queue.iter().filter(|(_, waiter)| waiter.given.is_none()).map(|(id, _)| id).collect();
        for waiter in waiting {
            self.give(waiter, Grant::Closed);
        }
        let dropped = self.drop_all_idle();
        add(&mut self.counters.drains, 1);
        let shared: Vec<EntryId> =
            self.entries.iter().filter(|(_, entry)| entry.resource.is_some()).map(|(id, _)| id).collect();
        for id in shared {
            self.leave_with_last_lease(id, DropReason::Drained);
        }
        self.freed = true;
        self.settle(self.now(0));
        dropped
    }

    /// Whether nothing is live.
    pub(crate) fn is_empty(&self) -> bool {
        self.usage.live() == 0
    }

    /// Has `waker` woken when a closed pool is empty.
    pub(crate) fn wake_when_empty(&mut self, waker: Waker) -> CloserId {
        self.next_closer += 1;
        self.closers.push((self.next_closer, waker));
        CloserId(self.next_closer)
    }

    /// Forgets one who was to be woken when the pool is empty; its waker is returned, if that has not happened yet.
    pub(crate) fn forget_closer(&mut self, closer: CloserId) -> Option<Waker> {
        let place = self.closers.iter().position(|(id, _)| *id == closer.0)?;
        Some(self.closers.swap_remove(place).1)
    }

    pub(super) fn tell_closers(&mut self) {
        if self.closed && self.is_empty() && !self.closers.is_empty() {
            let wakers = std::mem::take(&mut self.closers).into_iter().map(|(_, waker)| waker);
            self.effects.get().wakes.extend(wakers);
        }
    }
}
