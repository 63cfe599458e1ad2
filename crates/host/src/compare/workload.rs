//! A trace as numbers: which key at which request, and what each key costs.

use std::collections::HashMap;

use mock_backend::CostModel;
use pool_core::Names as Imports;

use crate::trace::Trace;

/// A trace as numbers.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// The keys asked for, by their place in `costs`.
    pub(super) requests: Vec<usize>,
    /// Nanoseconds that opening each key takes.
    pub(super) costs: Vec<u64>,
    /// Bytes of each key.
    pub(super) weights: Vec<u64>,
    /// A lease ends when so many further requests have been served.
    pub(super) hold: usize,
}

/// What happens to a pool, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Acquire(usize),
    Release(usize),
}

impl Workload {
    pub(super) fn new(trace: &Trace, costs: &CostModel, hold: usize) -> Self {
        let mut places: HashMap<&Imports, usize> = HashMap::new();
        let mut workload = Self { requests: Vec::new(), costs: Vec::new(), weights: Vec::new(), hold };
        for request in &trace.requests {
            let place = *places.entry(&request.imports).or_insert_with(|| {
                let cost = costs.cost(&request.imports);
                workload.costs.push(cost.nanos);
                workload.weights.push(cost.weight);
                workload.costs.len() - 1
            });
            workload.requests.push(place);
        }
        workload
    }

    /// Nanoseconds that opening for each request takes.
    pub(super) fn all_costs(&self) -> u64 {
        self.requests.iter().map(|&key| self.costs[key]).sum()
    }

    /// The weight that half of the keys don't exceed.
    pub(super) fn median_weight(&self) -> u64 {
        let mut weights = self.weights.clone();
        weights.sort_unstable();
        weights[(weights.len() - 1) / 2]
    }

    /// Acquires and releases, as a replay does them: a lease ends after the acquire of the request that ends its time.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.requests.iter().enumerate().flat_map(|(place, &key)| {
            let ends = place.checked_sub(self.hold).map(|before| Step::Release(self.requests[before]));
            [Some(Step::Acquire(key)), ends].into_iter().flatten()
        })
    }
}
