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

use std::sync::atomic::{AtomicBool, Ordering};

use super::fast::{self, Stays};
use super::flow::{Network, UNBOUNDED};
use super::workload::{Step, Workload};
use super::{Optimum, Spent};

/// What the most valuable stays save, each stay that ends at an acquire of a key saving `value(key)`, if that request counts.
///
/// `room` is the most slots, and each key takes `size(key)` of them. With sizes other than 1 this is an upper bound of what can be
/// saved, hence gives a lower bound of what must be spent: a unit of flow is then a part of an entry, as if an entry could
/// be kept and used in parts, each part saving its part of the value. What a real pool does, whole entries, is
/// among these flows, so the best of them saves no less than the best real pool. (This is the bound FOO-L of Berger,
/// Beckmann, Harchol-Balter, "Practical bounds on optimal caching with variable object sizes", SIGMETRICS 2018.) `value` is
/// that of one unit of the key then. A key larger than the room never stays. `None` if it was told to stop.
fn most_saved(
    workload: &Workload<'_>,
    room: u64,
    size: impl Fn(usize) -> u64,
    value: impl Fn(usize) -> u64,
    stop: &AtomicBool,
) -> Option<u128> {
    let units = |amount: u64| i64::try_from(amount).unwrap_or(UNBOUNDED).min(UNBOUNDED);
    let keys = workload.costs.len();
    // Each key's line: the node where it stands now, and how many releases it has seen that no acquire could use yet.
    let mut line: Vec<Option<usize>> = vec![None; keys];
    let mut waiting = vec![0_u64; keys];
    let mut remaining = vec![0_u64; keys];
    for &key in workload.requests {
        remaining[key as usize] += 1;
    }
    let (mut edges, mut time, mut nodes) = (Vec::new(), 0, 1);
    for step in workload.steps() {
        match step {
            Step::Acquire(request) => {
                if request % 4096 == 0 && stop.load(Ordering::Relaxed) {
                    return None;
                }
                let key = workload.key(request);
                remaining[key] -= 1;
                let Some(from) = line[key] else { continue };
                let saves = if request < workload.warm_up { 0 } else { value(key) };
                // A node of the line, and one of time after it.
                edges.push((time, nodes, UNBOUNDED, 0));
                edges.push((from, nodes, units(size(key)), units(saves)));
                time = nodes;
                nodes += 1;
                waiting[key] -= 1;
                if waiting[key] == 0 {
                    line[key] = None;
                }
            }
            Step::Release(request) => {
                let key = workload.key(request);
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
    Some(u128::try_from(network.most_valuable(units(room), stop)?).unwrap_or(0))
}

/// The least that a pool could spend which knew the future: exactly for idle environments, where that was asked for or takes about a
/// second; else at least. `None` if it was told to stop.
pub(super) fn least(
    workload: &Workload<'_>,
    room: u64,
    by_weight: bool,
    optimum: Optimum,
    stop: &AtomicBool,
) -> Option<Spent> {
    let is_exact = match optimum {
        Optimum::Auto => takes_a_second(workload, room, by_weight),
        optimum => optimum == Optimum::Exact,
    };
    let (misses_saved, nanos_saved) = match (by_weight, is_exact) {
        (false, true) => of_slots(workload, room, stop)?,
        (true, true) => of_bytes(workload, room, stop)?,
        (false, false) => fast::of_slots(workload, room, stop)?,
        (true, false) => fast::of_bytes(workload, room, stop)?,
    };
    let left = |all: u64, saved: u128| all.saturating_sub(u64::try_from(saved).unwrap_or(u64::MAX));
    Some(Spent {
        misses: left(workload.counted().len() as u64, misses_saved),
        nanos: left(workload.all_nanos(), nanos_saved),
        assumed: None,
        // Where leases overlap, a pool may have to hand out in the warm-up what it would rather keep; these need not.
        exact: is_exact && !by_weight && (workload.hold == 0 || workload.warm_up == 0),
    })
}

/// Whether the flow for one capacity takes a second or less, as was measured: it grows with the requests times the units that flow.
fn takes_a_second(workload: &Workload<'_>, room: u64, by_weight: bool) -> bool {
    const MOST: u128 = 1_200_000;
    let entries = if by_weight { 2 * room.div_ceil(workload.median_weight().max(1)) } else { room };
    let entries = entries.min(workload.costs.len() as u64);
    (workload.requests.len() as u128) * u128::from(entries) <= MOST
}

/// Misses and nanoseconds that are saved at most, exactly, in a pool of so many idle entries.
fn of_slots(workload: &Workload<'_>, slots: u64, stop: &AtomicBool) -> Option<(u128, u128)> {
    // For misses alone, Belady's MIN is as good.
    let misses = Stays::new(workload, stop)?.most_kept(slots, stop)?;
    Some((misses, most_saved(workload, slots, |_| 1, |key| workload.costs[key].nanos, stop)?))
}

/// The same at most, in a pool of so many idle bytes.
///
/// In integers: what a byte of a key saves is rounded up, in units of 2⁻²⁴, so the sum can only be too large, and what is left
/// too small, as a lower bound may be.
fn of_bytes(workload: &Workload<'_>, bytes: u64, stop: &AtomicBool) -> Option<(u128, u128)> {
    const UNIT: u128 = 1 << 24;
    let size = |key: usize| workload.costs[key].weight.max(1);
    let of_byte = |key: usize, value: u64| {
        u64::try_from((u128::from(value) * UNIT).div_ceil(u128::from(size(key)))).unwrap_or(u64::MAX)
    };
    let saved = |value: &dyn Fn(usize) -> u64| {
        most_saved(workload, bytes, size, |key| of_byte(key, value(key)), stop).map(|saved| saved / UNIT)
    };
    // An open is worth little for each of its bytes: counted in 2⁻³⁰ opens, rounding up does no harm.
    Some((saved(&|_| 1 << 30)? >> 30, saved(&|key| workload.costs[key].nanos)?))
}

#[cfg(test)]
mod tests;
