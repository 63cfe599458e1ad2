use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use mock_backend::Cost;

use super::super::clairvoyant::{Clairvoyant, Foresight};
use super::*;
use crate::replay::{Options, replay_with};
use crate::synthetic::Synthetic;
use crate::trace::Trace;

/// The least cost by trying every eviction, for pools of `slots` idle entries.
fn brute(workload: &Workload<'_>, slots: usize) -> (u64, u64) {
    fn go(
        workload: &Workload<'_>,
        steps: &[Step],
        idle: &[usize],
        slots: usize,
        cost: &dyn Fn(usize) -> u64,
    ) -> u64 {
        let Some((step, rest)) = steps.split_first() else { return 0 };
        match *step {
            Step::Acquire(request) => match idle.iter().position(|&of| of == workload.key(request)) {
                Some(place) => {
                    let mut idle = idle.to_vec();
                    idle.remove(place);
                    go(workload, rest, &idle, slots, cost)
                }
                None => {
                    let cost_now = if request < workload.warm_up { 0 } else { cost(workload.key(request)) };
                    cost_now + go(workload, rest, idle, slots, cost)
                }
            },
            Step::Release(request) => {
                let mut idle = idle.to_vec();
                idle.push(workload.key(request));
                if idle.len() <= slots {
                    return go(workload, rest, &idle, slots, cost);
                }
                let without = |place: usize| {
                    let mut idle = idle.clone();
                    idle.remove(place);
                    go(workload, rest, &idle, slots, cost)
                };
                (0..idle.len()).map(without).min().unwrap_or(0)
            }
        }
    }
    let steps: Vec<Step> = workload.steps().collect();
    let least = |cost: &dyn Fn(usize) -> u64| go(workload, &steps, &[], slots, cost);
    (least(&|_| 1), least(&|key| workload.costs[key].nanos))
}

fn running() -> AtomicBool {
    AtomicBool::new(false)
}

fn found(workload: &Workload<'_>, room: u64, by_weight: bool, optimum: Optimum) -> (u64, u64, bool) {
    let spent = least(workload, room, by_weight, optimum, &running()).unwrap();
    (spent.misses, spent.nanos, spent.exact)
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
    for case in 0..400 {
        let requests: Vec<u32> = (0..13).map(|_| random(5) as u32).collect();
        let cost = |nanos| Cost { nanos, weight: 1, residue: 0, assumed: false };
        let costs = (0..5).map(|_| cost(1 + random(9))).collect();
        let warm_up = [0, 0, 5][case % 3];
        let workload = Workload::new(&requests, costs, case % 4, warm_up);
        for slots in 1..3 {
            let (misses, nanos) = brute(&workload, slots);
            let slots = slots as u64;
            if workload.hold > 0 && workload.warm_up > 0 {
                for optimum in [Optimum::Exact, Optimum::Fast] {
                    let bound = found(&workload, slots, false, optimum);
                    assert!(bound.0 <= misses && bound.1 <= nanos && !bound.2, "{workload:?}: {bound:?}");
                }
                continue;
            }
            let exact = (misses, nanos, true);
            assert_eq!(found(&workload, slots, false, Optimum::Exact), exact, "{workload:?} {slots}");
            assert_eq!(found(&workload, slots, false, Optimum::Auto), exact, "a small one is exact");
            let fast = found(&workload, slots, false, Optimum::Fast);
            assert_eq!(
                (fast.0, fast.2),
                (misses, false),
                "the misses of the fast one are exact: {workload:?}"
            );
            assert!(fast.1 <= nanos, "{workload:?} {slots}: {fast:?} is no lower bound of {nanos}");
            let bound = found(&workload, slots, true, Optimum::Exact);
            assert!(bound.0 <= misses && bound.1 <= nanos && !bound.2, "{workload:?}: {bound:?}");
            assert!(bound.1 + 1 >= nanos, "with equal weights the bound is all but exact: {bound:?}");
            let fast = found(&workload, slots, true, Optimum::Fast);
            assert!(fast.0 <= bound.0 && fast.1 <= bound.1, "{workload:?} {slots}: {fast:?} above {bound:?}");
        }
    }
}

#[test]
fn beladys_min_in_the_pool_misses_as_often_as_the_intervals_and_the_flow_say() {
    let trace: Trace = "zipf:0.8:keys=60:n=2000".parse::<Synthetic>().unwrap().trace();
    let costs = vec![Cost { nanos: 7, weight: 1, residue: 0, assumed: false }; trace.distinct_keys()];
    let workload = Workload::new(trace.requests(), costs, 0, 0);
    for capacity in [1, 3, 10, 30] {
        let options = Options { capacity, ..Options::default() };
        let min = Box::new(Clairvoyant::new(&trace, Foresight::Furthest));
        let report = replay_with(&trace, &options, min, &workload.costs, |_| ControlFlow::Continue(()));
        let optimum = found(&workload, capacity, false, Optimum::Exact);
        assert_eq!((report.misses, 7 * report.misses, true), optimum, "{capacity} slots");
        let fast = found(&workload, capacity, false, Optimum::Fast);
        assert_eq!((fast.0, fast.1), (optimum.0, optimum.1), "of equal costs the fast bound is exact");
    }
}

#[test]
fn the_fast_bound_is_close_to_the_exact_least_on_work_of_several_costs() {
    for workload in ["zipf:0.9:keys=80:n=2500", "scan:20:every=60:keys=40:n=2500", "burst:10:keys=60:n=2500"]
    {
        let trace: Trace = workload.parse::<Synthetic>().unwrap().trace();
        let costs = trace.costs(mock_backend::Regions::Shared);
        for hold in [0, 3] {
            let workload = Workload::new(trace.requests(), costs.clone(), hold, 100);
            for room in [2, 8, 32] {
                let exact = found(&workload, room, false, Optimum::Exact).1 as f64;
                let fast = found(&workload, room, false, Optimum::Fast).1 as f64;
                assert!(
                    fast <= exact && fast >= 0.8 * exact,
                    "{room} places of {}: {fast}, {exact}",
                    trace.name
                );
            }
        }
    }
}

#[test]
fn an_optimum_that_is_told_to_stop_ends() {
    let trace: Trace = "zipf:0.5:keys=3000:n=50000".parse::<Synthetic>().unwrap().trace();
    let workload = Workload::new(trace.requests(), trace.costs(mock_backend::Regions::Shared), 0, 0);
    let told = AtomicBool::new(true);
    for optimum in [Optimum::Exact, Optimum::Fast] {
        for by_weight in [false, true] {
            assert_eq!(least(&workload, 1 << 33, by_weight, optimum, &told), None);
        }
    }
}

#[test]
fn large_work_is_not_computed_exactly_unless_it_is_asked_for() {
    let trace: Trace = "zipf:0.9:keys=3000:n=50000".parse::<Synthetic>().unwrap().trace();
    let workload = Workload::new(trace.requests(), trace.costs(mock_backend::Regions::Shared), 0, 0);
    assert!(!least(&workload, 1000, false, Optimum::Auto, &running()).unwrap().exact);
    assert!(least(&workload, 2, false, Optimum::Auto, &running()).unwrap().exact);
}
