//! What stack policies do at all capacities, in one pass over a trace whose leases don't overlap.
//!
//! Of two pools under such a policy the larger has all that the smaller has, so a request is a hit from some capacity on.
//! (Mattson, Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", IBM Systems Journal, 1970.)

use std::sync::atomic::{AtomicBool, Ordering};

use super::workload::Workload;
use super::{Spent, assumed};

/// What is spent at capacities up to each of some.
struct Tally {
    /// The capacities, in order.
    places: Vec<u64>,
    /// For each, what is a miss below it and was no miss below the one before; then what is a miss at all of them.
    below: Vec<Spent>,
}

impl Tally {
    fn new(places: &[u64]) -> Self {
        let none = Spent { misses: 0, nanos: 0, assumed: Some(0), exact: false };
        Self { places: places.to_vec(), below: vec![none; places.len() + 1] }
    }

    /// A request that counts is a hit where there are at least `needed` places; `None`: nowhere.
    fn count(&mut self, workload: &Workload<'_>, request: usize, needed: Option<u64>) {
        if request < workload.warm_up {
            return;
        }
        // The first place at which it is a hit; at all before that it is a miss.
        let hit =
            needed.map_or(self.places.len(), |needed| self.places.partition_point(|&places| places < needed));
        let (cost, spent) = (workload.cost(request), &mut self.below[hit]);
        spent.misses += 1;
        spent.nanos = spent.nanos.saturating_add(cost.nanos);
        spent.assumed = spent.assumed.map(|count| count + assumed(cost));
    }

    /// What is spent at each of the capacities.
    fn spent(self) -> Vec<Spent> {
        let mut all = self.below;
        for place in (1..all.len()).rev() {
            let after = all[place];
            let now = &mut all[place - 1];
            now.misses += after.misses;
            now.nanos = now.nanos.saturating_add(after.nanos);
            now.assumed = now.assumed.zip(after.assumed).map(|(a, b)| a + b);
        }
        // At the capacity of that place everything is a miss that needs more than it.
        all.drain(1..).collect()
    }
}

/// Least recently used: a request is a hit where as many keys fit as were asked for since its key was, itself among them. `None` if it was
/// told to stop. O(log n) a request, by a tree of Fenwick's over the last request of each key.
pub(super) fn lru(workload: &Workload<'_>, places: &[u64], stop: &AtomicBool) -> Option<Vec<Spent>> {
    let count = workload.requests.len();
    let mut tally = Tally::new(places);
    let mut last = vec![None; workload.costs.len()];
    let mut is_last = vec![0_u32; count + 1];
    let mut distinct = 0_u32;
    let mark = |place: usize, by: u32, is_last: &mut [u32]| {
        let mut node = place + 1;
        while node <= count {
            is_last[node] = is_last[node].wrapping_add(by);
            node += node & node.wrapping_neg();
        }
    };
    for request in 0..count {
        if request % 4096 == 0 && stop.load(Ordering::Relaxed) {
            return None;
        }
        let before: Option<usize> = last[workload.key(request)].replace(request);
        let needed = before.map(|before| {
            // How many keys' last request came no later.
            let (mut node, mut older) = (before + 1, 0_u32);
            while node > 0 {
                older = older.wrapping_add(is_last[node]);
                node -= node & node.wrapping_neg();
            }
            mark(before, u32::MAX, &mut is_last);
            u64::from(distinct - older) + 1
        });
        distinct += u32::from(before.is_none());
        mark(request, 1, &mut is_last);
        tally.count(workload, request, needed);
    }
    Some(tally.spent())
}

/// What comes back to a full pool goes: so the first keys that were asked for stay, as many as fit.
pub(super) fn reject_incoming(workload: &Workload<'_>, places: &[u64]) -> Vec<Spent> {
    let mut tally = Tally::new(places);
    let mut seen = 0;
    for request in 0..workload.requests.len() {
        // Keys are numbered in the order in which they are first asked for.
        let key = workload.key(request) as u64;
        let needed = (key < seen).then_some(key + 1);
        seen = seen.max(key + 1);
        tally.count(workload, request, needed);
    }
    tally.spent()
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use mock_backend::Regions;

    use super::*;
    use crate::policy::{Circumstances, Policy};
    use crate::replay::{Options, replay_with};
    use crate::synthetic::Synthetic;
    use crate::trace::Trace;

    #[test]
    fn one_pass_finds_what_the_pool_does_at_each_capacity() {
        let traces =
            ["zipf:0.8:keys=60:n=3000", "scan:20:every=50:keys=30:n=3000", "shift:40:keys=25:n=2000"];
        for (trace, warm_up) in traces.into_iter().zip([0, 700, 1]) {
            let trace: Trace = trace.parse::<Synthetic>().unwrap().trace();
            let workload = Workload::new(trace.requests(), trace.costs(Regions::Shared), 0, warm_up);
            let places = [0, 1, 2, 3, 7, 24, 25, 26, 59, 60, 61, 5000];
            let curves = [
                ("Lru", lru(&workload, &places, &AtomicBool::new(false)).unwrap()),
                ("RejectIncoming", reject_incoming(&workload, &places)),
            ];
            for (name, curve) in curves {
                for (&capacity, found) in places.iter().zip(curve) {
                    let policy: Policy = name.parse().unwrap();
                    let policy = policy.make(Circumstances { by_weight: false, lists: true });
                    let options = Options { capacity, warm_up, ..Options::default() };
                    let report =
                        replay_with(&trace, &options, policy, &workload.costs, |_| ControlFlow::Continue(()));
                    let expected = Spent {
                        misses: report.misses,
                        nanos: report.open_nanos(),
                        assumed: Some(report.assumed_opens),
                        exact: false,
                    };
                    assert_eq!(found, expected, "{name}, {capacity} places of {}", trace.name);
                }
            }
        }
    }
}
