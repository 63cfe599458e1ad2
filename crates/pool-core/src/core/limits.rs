//! The limits change while the pool runs.

use super::Core;
use super::first_fit::Need;
use crate::capacity::Capacity;
use crate::eviction::Eviction;

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// From now on the limits are others: what is idle beyond them is evicted, and who waits may be served. Returned is what
    /// `change` returns, and whether memory has to be measured from now on.
    pub(crate) fn change_capacity<A>(&mut self, change: impl FnOnce(&mut C) -> A, nanos: u64) -> (A, bool) {
        let before = change(&mut self.capacity);
        let Self { capacity, effects, .. } = &mut *self;
        if let Some((bounds, needs)) =
            effects.contain(|| (capacity.bounds(), capacity.needs_process_memory()))
        {
            (self.bounds, self.needs_process_memory) = (bounds, needs);
        }
        let Self { eviction, effects, bounds, .. } = &mut *self;
        effects.contain(|| eviction.on_capacity(bounds));
        self.expect_anew();
        let now = self.now(nanos);
        self.make_room(None, None, now);
        self.freed = true;
        self.settle(now);
        self.look_who_is_next(now);
        (before, self.needs_process_memory)
    }

    /// Unknown keys count as no more than the limit: as the new one, also for those who wait.
    fn expect_anew(&mut self) {
        let waiting: Vec<_> =
            self.queue.iter().filter(|(_, waiter)| waiter.given.is_none()).map(|(id, _)| id).collect();
        for waiter in waiting {
            let it = &self.queue[waiter];
            let (key, declared, waits_for, need) = (it.key, it.expected_weight, it.waits_for, it.need);
            let expected = self.expected(Some(key), declared);
            self.queue.change(waiter, waits_for, Need { expected, ..need });
        }
    }
}
