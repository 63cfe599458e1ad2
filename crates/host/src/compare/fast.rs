//! What could be saved at most, in O(n log n) for n requests.
//!
//! A *stay* is the time between a release of a key and the acquire that could use it: of those that are left the latest release is used by
//! the next acquire, so that stays of one key are nested and none is longer than it need be. A pool saves an open for each stay
//! that it keeps, and what it keeps at a time has to fit.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::workload::{Step, Workload};

/// The stays that save something: those that end at a request that counts.
pub(super) struct Stays<'a> {
    workload: &'a Workload<'a>,
    /// By the request whose lease's end begins it: the request that ends it, or `NONE`.
    ends: Vec<u32>,
}

const NONE: u32 = u32::MAX;
/// How often to look whether to stop.
const LOOK: usize = 4096;

impl<'a> Stays<'a> {
    /// `None` if it was told to stop.
    pub(super) fn new(workload: &'a Workload<'a>, stop: &AtomicBool) -> Option<Self> {
        let mut ends = vec![NONE; workload.requests.len()];
        // By key, the releases that no acquire has used, the latest first: a list linked through `before`.
        let mut latest = vec![NONE; workload.costs.len()];
        let mut before = vec![NONE; if workload.hold == 0 { 0 } else { workload.requests.len() }];
        for step in workload.steps() {
            match step {
                Step::Acquire(request) if request % LOOK == 0 && stop.load(Ordering::Relaxed) => return None,
                // What does not count is best not kept for: it opens.
                Step::Acquire(request) if request < workload.warm_up => {}
                Step::Acquire(request) => {
                    let release = &mut latest[workload.key(request)];
                    if *release != NONE {
                        let begins = *release as usize;
                        *release = before.get(begins).copied().unwrap_or(NONE);
                        ends[begins] = request as u32;
                    }
                }
                Step::Release(request) => {
                    let release = &mut latest[workload.key(request)];
                    if let Some(before) = before.get_mut(request) {
                        *before = *release;
                    }
                    *release = request as u32;
                }
            }
        }
        Some(Self { workload, ends })
    }

    /// The most stays that fit into `slots` at a time: when there is one too many, the one that ends last goes. This is Belady's MIN (IBM
    /// Systems Journal, 1966), as the choice of most intervals of which no more than `slots` overlap (Faigle, Nawijn, "Note on
    /// scheduling intervals on-line", Discrete Applied Mathematics, 1995), which is why it is exact for leases that overlap too. `None` if it was
    /// told to stop.
    pub(super) fn most_kept(&self, slots: u64, stop: &AtomicBool) -> Option<u128> {
        self.most_kept_of(slots, |_| true, stop)
    }

    /// The same of the keys of which `is_wanted`.
    fn most_kept_of(&self, slots: u64, is_wanted: impl Fn(usize) -> bool, stop: &AtomicBool) -> Option<u128> {
        let Self { workload, ends } = self;
        // By the request that ends it, whether a stay is kept.
        let mut is_kept = vec![false; ends.len()];
        let (mut now, mut kept) = (0_u64, 0_u128);
        // The ends of stays that are kept; those that are over lie at the bottom.
        let mut last = BinaryHeap::new();
        for step in workload.steps() {
            match step {
                Step::Acquire(request) => {
                    if request % LOOK == 0 && stop.load(Ordering::Relaxed) {
                        return None;
                    }
                    if is_kept[request] {
                        (now, kept) = (now - 1, kept + 1);
                        if now == 0 {
                            last.clear();
                        }
                    }
                }
                Step::Release(request) => {
                    let end = ends[request];
                    if end == NONE || !is_wanted(workload.key(request)) {
                        continue;
                    }
                    last.push(end);
                    is_kept[end as usize] = true;
                    now += 1;
                    if now > slots {
                        if let Some(end) = last.pop() {
                            is_kept[end as usize] = false;
                            now -= 1;
                        }
                    }
                }
            }
        }
        Some(kept)
    }

    /// The most nanoseconds that can be saved in `slots`, at most.
    ///
    /// For each threshold `t` let `m(t)` be the most stays that fit of keys whose open costs more than `t`. Any pool that keeps a set `S` of
    /// stays keeps no more than `m(t)` of those keys, for what it keeps of them fits by itself. A stay saves its key's cost `c`,
    /// which is the length of all `t` from 0 to `c`. So `S` saves the sum over its stays of that length, which is the integral over `t` of how
    /// many stays in `S` are of keys that cost more than `t`, which is at most the integral of `m`. As `m` only falls, it is
    /// at most `m` at the beginning of each piece times its length, for whatever pieces. Here there are at most 32, which end at costs that
    /// there are; where there are no more different costs than that, the integral is exact.
    fn most_nanos(&self, slots: u64, stop: &AtomicBool) -> Option<u128> {
        const PIECES: usize = 32;
        let nanos = |key: usize| self.workload.costs[key].nanos;
        let begun = (0..).zip(&self.ends).filter(|(_, end)| **end != NONE);
        let mut costs: Vec<u64> = begun.map(|(request, _)| nanos(self.workload.key(request))).collect();
        costs.sort_unstable();
        let (mut saved, mut from) = (0_u128, 0);
        for to in ends_of_pieces(&costs, PIECES) {
            let kept = self.most_kept_of(slots, |key| nanos(key) > from, stop)?;
            saved += kept * u128::from(to - from);
            from = to;
        }
        Some(saved)
    }

    /// The most that stays can save in `room`, at most, each saving `value(key)` and taking `size(key)` of it.
    ///
    /// From its beginning to its end a stay takes its size at every step, so it takes `w` = size × steps of the `W` = room × all steps that there
    /// are. Whatever set is kept, for each price `p ≥ 0` its value is the sum of `v = p w + (v - p w)`, at most `p W` and the sum over *all* stays of
    /// `v - p w` where that is positive. This holds for every price; the best is about where stays, taken by value for what they take, fill
    /// all the room. (That is PFOO-L of Berger, Beckmann, Harchol-Balter, SIGMETRICS 2018, written as its dual, so that nothing depends on
    /// how the price was rounded.) Stays larger than the room are never kept.
    fn most_worth(
        &self,
        room: u64,
        size: impl Fn(usize) -> u64,
        value: impl Fn(usize) -> u64,
        stop: &AtomicBool,
    ) -> Option<u128> {
        let Self { workload, ends } = self;
        // A step for each request: a lease that ends does so at the request that ends it.
        let steps = |begins: usize, end: u32| u64::from(end) - (begins + workload.hold) as u64;
        let fits = |(begins, &end): (usize, &u32)| {
            let key = workload.key(begins);
            let takes = || u128::from(size(key)) * u128::from(steps(begins, end));
            (end != NONE && size(key) <= room).then(|| (value(key), takes()))
        };
        let is_told = |begins: usize| begins % LOOK == 0 && stop.load(Ordering::Relaxed);
        let all = u128::from(room).saturating_mul(ends.len() as u128);
        // What stays take, by their value for it: the exponent of that and the first six bits after the point.
        const REST: u32 = 52 - 6;
        let mut taken = vec![0_u128; 1 << (63 - REST)];
        for stay in ends.iter().enumerate() {
            if is_told(stay.0) {
                return None;
            }
            if let Some((value, takes)) = fits(stay) {
                let taken = &mut taken[((value as f64 / takes as f64).to_bits() >> REST) as usize];
                *taken = taken.saturating_add(takes);
            }
        }
        let mut sum = 0_u128;
        let last = (0..taken.len()).rev().find(|&bucket| {
            sum = sum.saturating_add(taken[bucket]);
            sum > all
        });
        // In units of 2⁻⁴⁰ for each byte and step; none where all fits.
        const UNIT: u32 = 40;
        let price = last.map_or(0.0, |bucket| f64::from_bits((bucket as u64) << REST));
        let price = (price * (1_u64 << UNIT) as f64) as u128;
        let mut saved = price.saturating_mul(all);
        for stay in ends.iter().enumerate() {
            if is_told(stay.0) {
                return None;
            }
            if let Some((value, takes)) = fits(stay) {
                let above = (u128::from(value) << UNIT).saturating_sub(price.saturating_mul(takes));
                saved = saved.saturating_add(above);
            }
        }
        Some(saved.div_ceil(1 << UNIT))
    }
}

/// Where at most `count` pieces of the range of `costs`, which are in order, end: so that the sum of what each cost is below the end of its piece
/// is small. The piece with the largest sum is cut at its mean, again and again.
fn ends_of_pieces(costs: &[u64], count: usize) -> Vec<u64> {
    let sums: Vec<u128> = (0..=costs.len())
        .scan(0, |sum, place| {
            let before = *sum;
            *sum += costs.get(place).copied().map_or(0, u128::from);
            Some(before)
        })
        .collect();
    let below = |from: usize, to: usize| {
        let all = u128::from(costs[to - 1]) * (to - from) as u128;
        (all - (sums[to] - sums[from]), from, to)
    };
    let mut pieces = BinaryHeap::new();
    if !costs.is_empty() {
        pieces.push(below(0, costs.len()));
    }
    while pieces.len() < count {
        match pieces.peek() {
            Some(&(sum, from, to)) if sum > 0 => {
                pieces.pop();
                let mean = ((sums[to] - sums[from]) / (to - from) as u128) as u64;
                // Not all are the same, so some are at most the mean, and some above it.
                let cut = from + costs[from..to].partition_point(|&cost| cost <= mean);
                pieces.extend([below(from, cut), below(cut, to)]);
            }
            _ => break,
        }
    }
    let mut ends: Vec<u64> = pieces.into_iter().map(|(_, _, to)| costs[to - 1]).collect();
    ends.sort_unstable();
    ends
}

/// Misses and nanoseconds that are saved in a pool of so many idle entries: the first exactly, the second at most. `None` if it was told to
/// stop.
pub(super) fn of_slots(workload: &Workload<'_>, slots: u64, stop: &AtomicBool) -> Option<(u128, u128)> {
    let stays = Stays::new(workload, stop)?;
    let misses = stays.most_kept(slots, stop)?;
    let by_price = stays.most_worth(slots, |_| 1, |key| workload.costs[key].nanos, stop)?;
    Some((misses, stays.most_nanos(slots, stop)?.min(by_price)))
}

/// The same in a pool of so many idle bytes, both at most.
pub(super) fn of_bytes(workload: &Workload<'_>, bytes: u64, stop: &AtomicBool) -> Option<(u128, u128)> {
    let stays = Stays::new(workload, stop)?;
    let size = |key: usize| workload.costs[key].weight.max(1);
    // An open is counted in 2⁻³⁰, so that its price is not rounded to nothing.
    let misses = stays.most_worth(bytes, size, |_| 1 << 30, stop)? >> 30;
    Some((misses, stays.most_worth(bytes, size, |key| workload.costs[key].nanos, stop)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_costs_and_are_cut_where_costs_lie() {
        assert_eq!(ends_of_pieces(&[], 4), [0_u64; 0]);
        assert_eq!(ends_of_pieces(&[5, 5, 5], 4), [5]);
        assert_eq!(ends_of_pieces(&[1, 1, 2, 9], 4), [1, 2, 9], "each cost where there are few");
        assert_eq!(ends_of_pieces(&[1, 2, 3, 100, 101, 102], 2), [3, 102]);
        assert_eq!(ends_of_pieces(&(1..=1000).collect::<Vec<_>>(), 8).len(), 8);
    }
}
