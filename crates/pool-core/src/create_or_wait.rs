//! Open another resource, or wait for one that is leased?

use std::fmt;

/// For exclusive resources: open another one, or wait for one that is leased?
///
/// Asked inside the pool's borrow or lock, when an acquire finds all resources of its key leased or being opened. Only where
/// resources are not shared: a key that is shared is waited for in any case. Answer in O(1) and call nothing of the pool's.
pub trait CreateOrWait: Send + Sync {
    /// For how many nanoseconds at most to wait for a lease of the key to end, before one is opened; `None` to open now.
    fn wait(&self, queue: &Queue) -> Option<u64>;

    /// Whether [`Queue::mean_hold_nanos`] is wanted. Asked once, when the pool is built: if so, leases on what was just opened are
    /// timed. Those on what was warm are not, so that a hit needs no clock.
    fn needs_hold_times(&self) -> bool {
        false
    }
}

/// What one who might wait for a key would wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queue {
    /// Which of those who wait for the key it would be: 1 for the first.
    pub place: u64,
    /// Resources of the key that are leased or being opened.
    pub busy: u64,
    /// Nanoseconds that the last open of the key took; for a key not opened yet, the upper
    /// quartile of the last 64 opens.
    pub cost_nanos: u64,
    /// Nanoseconds that leases of the key took on average, of those that began with an open; where none of the key has ended, of
    /// all keys; if any has.
    pub mean_hold_nanos: Option<u64>,
}

/// Never waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenNow;

impl CreateOrWait for OpenNow {
    fn wait(&self, _: &Queue) -> Option<u64> {
        None
    }
}

/// The default: waits if that is expected to take less time than opening: the mean time of a lease × the place in the queue ÷ the
/// resources that serve it, against what the last open cost.
///
/// And never for longer than that cost, should the lease take longer than expected: so whoever waits is served after
/// twice the cost of opening at most (the argument of renting or buying skis; Karlin et al., "Competitive snoopy
/// caching", Algorithmica 1988), where the limits let it open. Where no lease of the key has ended yet, it opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitIfCheaper;

impl CreateOrWait for WaitIfCheaper {
    fn wait(&self, queue: &Queue) -> Option<u64> {
        let hold = queue.mean_hold_nanos?;
        let expected = hold.saturating_mul(queue.place) / queue.busy.max(1);
        (expected < queue.cost_nanos).then_some(queue.cost_nanos)
    }

    fn needs_hold_times(&self) -> bool {
        true
    }
}

impl<T: CreateOrWait + ?Sized> CreateOrWait for Box<T> {
    fn wait(&self, queue: &Queue) -> Option<u64> {
        (**self).wait(queue)
    }

    fn needs_hold_times(&self) -> bool {
        (**self).needs_hold_times()
    }
}

impl fmt::Debug for dyn CreateOrWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CreateOrWait")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_worth_it_while_the_queue_is_shorter_than_an_open() {
        let queue = |place, busy, hold| Queue { place, busy, cost_nanos: 100, mean_hold_nanos: hold };
        assert_eq!(WaitIfCheaper.wait(&queue(1, 1, Some(99))), Some(100));
        assert_eq!(WaitIfCheaper.wait(&queue(1, 1, Some(100))), None, "no cheaper");
        assert_eq!(WaitIfCheaper.wait(&queue(3, 1, Some(40))), None, "120: two are before it");
        assert_eq!(WaitIfCheaper.wait(&queue(3, 2, Some(40))), Some(100), "60: two serve it");
        assert_eq!(WaitIfCheaper.wait(&queue(1, 1, None)), None, "not known");
        assert_eq!(WaitIfCheaper.wait(&queue(u64::MAX, 1, Some(u64::MAX))), None);
        assert_eq!(OpenNow.wait(&queue(1, 1, Some(1))), None);
    }

    #[test]
    fn a_box_answers_as_what_is_in_it() {
        let queue = Queue { place: 1, busy: 1, cost_nanos: 100, mean_hold_nanos: Some(99) };
        let policies: [Box<dyn CreateOrWait>; 2] = [Box::new(WaitIfCheaper), Box::new(OpenNow)];
        fn answer(policy: &impl CreateOrWait, queue: &Queue) -> (Option<u64>, bool) {
            (policy.wait(queue), policy.needs_hold_times())
        }
        assert_eq!(policies.map(|policy| answer(&policy, &queue)), [(Some(100), true), (None, false)]);
    }
}
