//! The offline optimum: what a pool could do that knew the future.
//!
//! A pool saves an open when an entry lies idle from a release of its key to a later acquire of it. All that a pool
//! decides is which entries lie idle when; so the best it can do is to pack such stays into the room that it has, as
//! much saving as there is. For equal slots that is a flow: `N` units run through time, one for each slot. At a release of
//! a key a unit may enter the key's own line, which at most one does (one entry came back), and at an acquire of
//! the key one may leave it, which saves what opening costs. A unit on no key's line is an empty slot. Every flow of integers is
//! something a pool can do, and everything a pool can do is such a flow; and among the most valuable flows there is one
//! of integers, because capacities are. So for slots the most valuable flow is the optimum, exactly.
//!
//! (With leases that don't overlap a stay is an interval between two requests for a key, and this is the packing of
//! weighted intervals by minimum-cost flow of Arkin and Silverberg, Discrete Applied Mathematics, 1987. For misses alone,
//! Belady's MIN, IBM Systems Journal, 1966, is as good; the tests compare the two.)

use super::flow::{Network, UNBOUNDED};
use super::workload::{Step, Workload};

/// What the most valuable stays save, each stay that ends at an acquire of a key saving `value(key)`.
///
/// `room` is the most slots, and each key takes `size(key)` of them. With sizes other than 1 this is an upper bound of what can be
/// saved, hence gives a lower bound of what must be spent: a unit of flow is then a part of an entry, as if an entry could
/// be kept and used in parts, each part saving its part of the value. What a real pool does, whole entries, is
/// among these flows, so the best of them saves no less than the best real pool. (This is the bound FOO-L of Berger,
/// Beckmann, Harchol-Balter, "Practical bounds on optimal caching with variable object sizes", SIGMETRICS 2018.) `value` is
/// that of one unit of the key then. A key larger than the room never stays.
fn most_saved(
    workload: &Workload,
    room: u64,
    size: impl Fn(usize) -> u64,
    value: impl Fn(usize) -> u64,
) -> u128 {
    let units = |amount: u64| i64::try_from(amount).unwrap_or(UNBOUNDED).min(UNBOUNDED);
    let keys = workload.costs.len();
    // Each key's line: the node where it stands now, and how many releases it has seen that no acquire could use yet.
    let mut line: Vec<Option<usize>> = vec![None; keys];
    let mut waiting = vec![0_u64; keys];
    let mut remaining = vec![0_u64; keys];
    for &key in &workload.requests {
        remaining[key] += 1;
    }
    let (mut edges, mut time, mut nodes) = (Vec::new(), 0, 1);
    for step in workload.steps() {
        match step {
            Step::Acquire(key) => {
                remaining[key] -= 1;
                let Some(from) = line[key] else { continue };
                // A node of the line, and one of time after it.
                edges.push((time, nodes, UNBOUNDED, 0));
                edges.push((from, nodes, units(size(key)), units(value(key))));
                time = nodes;
                nodes += 1;
                waiting[key] -= 1;
                if waiting[key] == 0 {
                    line[key] = None;
                }
            }
            Step::Release(key) => {
                if remaining[key] == 0 || size(key) > room {
                    continue;
                }
                let enters = nodes;
                edges.push((time, enters, units(size(key)), 0));
                if let Some(before) = line[key] {
                    edges.push((before, enters, UNBOUNDED, 0));
                }
                line[key] = Some(enters);
                waiting[key] += 1;
                nodes += 1;
            }
        }
    }
    let mut network = Network::new(nodes.max(2));
    // Time ends at the last node; lines that nobody leaves end in nothing.
    let last = nodes.max(2) - 1;
    if time < last {
        edges.push((time, last, UNBOUNDED, 0));
    }
    for (from, to, capacity, value) in edges {
        network.add(from, to, capacity, value);
    }
    u128::try_from(network.most_valuable(units(room))).unwrap_or(0)
}

/// The least that a pool could spend which knew the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Optimum {
    /// Opens, if it saves as many as it can.
    pub(super) misses: u64,
    /// Nanoseconds spent opening, if it saves as much time as it can.
    pub(super) nanos: u64,
}

/// Exactly, for a pool of so many idle entries.
pub(super) fn of_slots(workload: &Workload, slots: u64) -> Optimum {
    let saved = |value: &dyn Fn(usize) -> u64| most_saved(workload, slots, |_| 1, value);
    Optimum::left(workload, saved(&|_| 1), saved(&|key| workload.costs[key]))
}

/// At least, for a pool of so many idle bytes.
///
/// In integers: what a byte of a key saves is rounded up, in units of 2⁻²⁴, so the sum can only be too large, and what is left
/// too small, as a lower bound may be.
pub(super) fn of_bytes(workload: &Workload, bytes: u64) -> Optimum {
    const UNIT: u128 = 1 << 24;
    let size = |key: usize| workload.weights[key].max(1);
    let of_byte = |key: usize, value: u64| {
        u64::try_from((u128::from(value) * UNIT).div_ceil(u128::from(size(key)))).unwrap_or(u64::MAX)
    };
    let saved = |value: &dyn Fn(usize) -> u64| {
        most_saved(workload, bytes, size, |key| of_byte(key, value(key))) / UNIT
    };
    // An open is worth little for each of its bytes: counted in 2⁻³⁰ opens, rounding up does no harm.
    Optimum::left(workload, saved(&|_| 1 << 30) >> 30, saved(&|key| workload.costs[key]))
}

impl Optimum {
    fn left(workload: &Workload, misses_saved: u128, nanos_saved: u128) -> Self {
        let left = |all: u64, saved: u128| all.saturating_sub(u64::try_from(saved).unwrap_or(u64::MAX));
        Self {
            misses: left(workload.requests.len() as u64, misses_saved),
            nanos: left(workload.all_costs(), nanos_saved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clairvoyant::{Clairvoyant, Foresight};
    use super::*;
    use crate::replay::{Options, replay_with};
    use crate::synthetic::Synthetic;
    use crate::trace::Trace;
    use mock_backend::{Cost, CostModel};

    /// The least cost by trying every eviction, for pools of `slots` idle entries.
    fn brute(workload: &Workload, slots: usize) -> (u64, u64) {
        fn go(steps: &[Step], idle: Vec<usize>, slots: usize, cost: &dyn Fn(usize) -> u64) -> u64 {
            let Some((step, rest)) = steps.split_first() else { return 0 };
            match *step {
                Step::Acquire(key) => match idle.iter().position(|&of| of == key) {
                    Some(place) => {
                        let mut idle = idle;
                        idle.remove(place);
                        go(rest, idle, slots, cost)
                    }
                    None => cost(key) + go(rest, idle, slots, cost),
                },
                Step::Release(key) => {
                    let mut idle = idle;
                    idle.push(key);
                    if idle.len() <= slots {
                        return go(rest, idle, slots, cost);
                    }
                    let without = |place: usize| {
                        let mut idle = idle.clone();
                        idle.remove(place);
                        go(rest, idle, slots, cost)
                    };
                    (0..idle.len()).map(without).min().unwrap_or(0)
                }
            }
        }
        let steps: Vec<Step> = workload.steps().collect();
        (go(&steps, Vec::new(), slots, &|_| 1), go(&steps, Vec::new(), slots, &|key| workload.costs[key]))
    }

    #[test]
    fn small_workloads_cost_what_trying_every_eviction_finds() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut random = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        for case in 0..300 {
            let workload = Workload {
                requests: (0..13).map(|_| random(5) as usize).collect(),
                costs: (0..5).map(|_| 1 + random(9)).collect(),
                weights: vec![1; 5],
                hold: (case % 4) as usize,
            };
            for slots in 1..3 {
                let (misses, nanos) = brute(&workload, slots);
                let slots = slots as u64;
                assert_eq!(of_slots(&workload, slots), Optimum { misses, nanos }, "{workload:?} {slots}");
                let bound = of_bytes(&workload, slots);
                assert!(bound.misses <= misses && bound.nanos <= nanos, "{workload:?}: {bound:?}");
                assert!(bound.nanos + 1 >= nanos, "with equal weights the bound is all but exact: {bound:?}");
            }
        }
    }

    #[test]
    fn beladys_min_in_the_pool_misses_as_often_as_the_flow_says() {
        let trace: Trace = "zipf:0.8:keys=60:n=2000".parse::<Synthetic>().unwrap().trace();
        let model = CostModel::Constant(Cost { nanos: 7, weight: 1, residue: 0, assumed: false });
        let workload = Workload::new(&trace, &model, 0);
        for capacity in [1, 3, 10, 30] {
            let options = Options { capacity, ..Options::default() };
            let min = Box::new(Clairvoyant::new(&trace, Foresight::Furthest));
            let report =
                replay_with(&trace, &options, min, model.clone(), |_| std::ops::ControlFlow::Continue(()));
            let optimum = of_slots(&workload, capacity);
            assert_eq!(
                (report.misses, 7 * report.misses),
                (optimum.misses, optimum.nanos),
                "{capacity} slots"
            );
        }
    }
}
