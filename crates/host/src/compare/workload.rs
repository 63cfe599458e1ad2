//! A trace as numbers: which key at which request, and what each key costs.

use mock_backend::Cost;

/// A trace as numbers.
#[derive(Clone, Debug)]
pub(super) struct Workload<'a> {
    /// The keys asked for, by their place in `costs`.
    pub(super) requests: &'a [u32],
    /// What opening each key takes.
    pub(super) costs: Vec<Cost>,
    /// A lease ends when so many further requests have been served.
    pub(super) hold: usize,
    /// So many requests come first and don't count.
    pub(super) warm_up: usize,
}

/// What happens to a pool, in order: at the request of that number, or to what that request leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Acquire(usize),
    Release(usize),
}

impl<'a> Workload<'a> {
    pub(super) fn new(requests: &'a [u32], costs: Vec<Cost>, hold: usize, warm_up: u64) -> Self {
        Self { requests, costs, hold, warm_up: usize::try_from(warm_up).unwrap_or(usize::MAX) }
    }

    /// The key of a request.
    pub(super) fn key(&self, request: usize) -> usize {
        self.requests[request] as usize
    }

    /// What opening for a request takes.
    pub(super) fn cost(&self, request: usize) -> &Cost {
        &self.costs[self.key(request)]
    }

    /// The requests that count.
    pub(super) fn counted(&self) -> &'a [u32] {
        &self.requests[self.warm_up.min(self.requests.len())..]
    }

    /// Nanoseconds that opening for each request that counts takes.
    pub(super) fn all_nanos(&self) -> u64 {
        let nanos = |sum: u64, key: &u32| sum.saturating_add(self.costs[*key as usize].nanos);
        self.counted().iter().fold(0, nanos)
    }

    /// The weight that half of the keys don't exceed.
    pub(super) fn median_weight(&self) -> u64 {
        let mut weights: Vec<u64> = self.costs.iter().map(|cost| cost.weight).collect();
        weights.sort_unstable();
        weights[(weights.len() - 1) / 2]
    }

    /// Acquires and releases, as a replay does them: a lease ends after the acquire of the request that ends its time.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        (0..self.requests.len()).flat_map(|place| {
            let ends = place.checked_sub(self.hold).map(Step::Release);
            [Some(Step::Acquire(place)), ends].into_iter().flatten()
        })
    }
}
