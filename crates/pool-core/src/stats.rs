//! What a pool has done: counters with reasons, gauges and high-water marks.

use crate::reason::{Counts, DropReason, MissReason};
use crate::usage::Usage;

/// Adds to a counter, which stays at its maximum rather than start again.
pub(crate) fn add(counter: &mut u64, amount: u64) {
    *counter = counter.saturating_add(amount);
}

/// Most often there is nothing to write.
#[inline]
fn raise(peak: &mut u64, now: u64) {
    if now > *peak {
        *peak = now;
    }
}

/// Adds 1 to a counter, likewise.
#[inline]
pub(crate) fn count(counter: &mut u64) {
    if let Some(next) = counter.checked_add(1) {
        *counter = next;
    }
}

/// A snapshot of what a pool has done and holds.
///
/// Counters never reset and stay at `u64::MAX` rather than overflow. Sums are computed from their parts, so
/// `opened() + reused == acquired()` and `released_to_pool + released_dropped() + detached == ended()` hold always;
/// an acquire that failed or was refused is in none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Acquires that were served with a resource from the pool: hits. While `health` is asked of a resource that was
    /// found, it counts here; it is taken back if the answer is no.
    pub reused: u64,
    /// Acquires that opened, by the reason why they had to.
    pub misses: Counts<MissReason>,
    /// Opens that came to nothing after room was made for them: they failed or panicked, or something else did before the
    /// resource was in the books.
    pub opens_failed: u64,
    /// Acquires that a capacity policy did not let open.
    pub refused: u64,
    /// Leases that ended with the resource in the pool.
    pub released_to_pool: u64,
    /// Leases that ended with the resource dropped, by the reason.
    pub releases_dropped: Counts<DropReason>,
    /// Leases on a shared resource that ended when it had been found unfit, and others were still out: it is dropped with
    /// the last of them.
    pub releases_deferred: u64,
    /// Leases that ended with [`Lease::into_inner`](crate::pool::LeaseOf::into_inner).
    pub detached: u64,
    /// Resources that were dropped while idle.
    pub idle_dropped: Counts<DropReason>,
    /// Calls of [`drain`](crate::pool::Pool::drain).
    pub drains: u64,
    /// Nanoseconds spent in opens that succeeded.
    pub opening_nanos: u64,
    /// Nanoseconds that hits saved: for each, what opening its resource had taken.
    pub saved_nanos: u64,
    /// Those who waited, in a [`sync::Pool`](crate::sync::Pool).
    pub waits: Waits,
    /// What the pool holds now.
    pub usage: Usage,
    /// Keys that the pool remembers, with entries or without.
    pub known_keys: u64,
    /// The most there ever was.
    pub peaks: Peaks,
}

impl Stats {
    /// Acquires that opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.misses.total()
    }

    /// Acquires that were served.
    #[must_use]
    pub fn acquired(&self) -> u64 {
        self.opened().saturating_add(self.reused)
    }

    /// Leases that ended with the resource dropped, or to be dropped with the last lease on it.
    #[must_use]
    pub fn released_dropped(&self) -> u64 {
        self.releases_dropped.total().saturating_add(self.releases_deferred)
    }

    /// Leases that ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.released_to_pool.saturating_add(self.released_dropped()).saturating_add(self.detached)
    }

    /// Resources that the pool dropped, idle or returned, by reason: each once.
    #[must_use]
    pub fn dropped(&self) -> Counts<DropReason> {
        self.idle_dropped.plus(&self.releases_dropped)
    }
}

/// What waiting came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Waits {
    /// Acquires that had to wait, however it ended. One that evicts waits until its victim has been dropped, even where it drops it itself.
    pub waited: u64,
    /// Nanoseconds that they waited, all together; those who wait now are not in it.
    pub waiting_nanos: u64,
    /// Acquires that were served with a handle of what another one opened meanwhile.
    pub opens_shared: u64,
    /// Resources that went straight from one who gave them back to one who waited.
    pub hand_offs: u64,
    /// Acquires whose time was over while they waited.
    pub timed_out_waiting: u64,
    /// Acquires whose time was over when their open ended: they got what it gave, late.
    pub timed_out_opening: u64,
    /// Acquires that were cancelled while they waited.
    pub cancelled_waiting: u64,
    /// Acquires that were cancelled when their open ended.
    pub cancelled_opening: u64,
    /// The most who ever waited at once.
    pub peak_waiting: u64,
}

/// High-water marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Peaks {
    /// Most idle resources, after each release had made room.
    pub idle: u64,
    /// Most bytes of idle resources, after each release had made room.
    pub idle_weight: u64,
    /// Most leased resources, with those that were taken and then found unfit.
    pub leased: u64,
    /// Most live resources.
    pub live: u64,
    /// Most bytes of live resources, those being opened at their estimate.
    pub live_weight: u64,
}

impl Peaks {
    #[inline]
    pub(crate) fn note_idle(&mut self, usage: &Usage) {
        raise(&mut self.idle, usage.idle);
        raise(&mut self.idle_weight, usage.idle_weight);
    }

    #[inline]
    pub(crate) fn note_leased(&mut self, usage: &Usage) {
        raise(&mut self.leased, usage.leased);
    }

    pub(crate) fn note_live(&mut self, usage: &Usage) {
        self.note_leased(usage);
        raise(&mut self.live, usage.live());
        raise(&mut self.live_weight, usage.live_weight());
    }
}

/// What is counted one by one; [`Stats`] is computed from it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    /// Resources handed out from the pool, and those of them that `health` then refused.
    pub(crate) taken: u64,
    pub(crate) unfit: u64,
    pub(crate) taken_nanos: u64,
    pub(crate) unfit_nanos: u64,
    pub(crate) misses: Counts<MissReason>,
    pub(crate) opens_failed: u64,
    pub(crate) refused: u64,
    pub(crate) released_to_pool: u64,
    pub(crate) releases_dropped: Counts<DropReason>,
    pub(crate) releases_deferred: u64,
    pub(crate) detached: u64,
    pub(crate) idle_dropped: Counts<DropReason>,
    pub(crate) drains: u64,
    pub(crate) opening_nanos: u64,
    pub(crate) peaks: Peaks,
}

impl Counters {
    pub(crate) fn snapshot(&self, usage: Usage, waits: Waits, known_keys: u64) -> Stats {
        Stats {
            reused: self.taken.saturating_sub(self.unfit),
            misses: self.misses,
            opens_failed: self.opens_failed,
            refused: self.refused,
            released_to_pool: self.released_to_pool,
            releases_dropped: self.releases_dropped,
            releases_deferred: self.releases_deferred,
            detached: self.detached,
            idle_dropped: self.idle_dropped,
            drains: self.drains,
            opening_nanos: self.opening_nanos,
            saved_nanos: self.taken_nanos.saturating_sub(self.unfit_nanos),
            waits,
            usage,
            known_keys,
            peaks: self.peaks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_saturate_and_never_reset() {
        let mut counters = Counters { taken: u64::MAX, ..Counters::default() };
        add(&mut counters.taken, 1);
        let stats = counters.snapshot(Usage::default(), Waits::default(), 0);
        assert_eq!((stats.reused, stats.acquired()), (u64::MAX, u64::MAX));
    }
}
