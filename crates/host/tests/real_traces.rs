//! Risk: the pool replays real work differently from what its policies are defined to do.
//!
//! Every cell is also computed here, by a cache simulator of a few lines that shares no code with the pool; some cells
//! have numbers that were computed elsewhere.

use std::collections::HashMap;
use std::path::Path;

use leanpool::replay::{Options, Report, replay};
use leanpool::trace::Trace;

const TRACES: [&str; 4] = ["batteries", "flt", "formal-conjectures", "pfr"];

fn trace(name: &str) -> Trace {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/traces");
    Trace::read(&folder.join(name).with_extension("tsv")).unwrap()
}

fn report(trace: &Trace, eviction: &str, capacity: u64) -> Report {
    replay(trace, &Options { eviction: eviction.parse().unwrap(), capacity, ..Options::default() })
}

#[test]
fn misses_equal_the_numbers_that_were_computed_independently() {
    for (name, eviction, capacity, misses) in [
        ("batteries", "Lru", 8, 3024),
        ("formal-conjectures", "RejectIncoming", 8, 6767),
        ("formal-conjectures", "Lru", 8, 1092),
        ("flt", "Lru", 16, 2516),
        ("pfr", "Lru", 32, 1365),
    ] {
        assert_eq!(report(&trace(name), eviction, capacity).misses, misses, "{name} {eviction} {capacity}");
    }
}

/// Misses of a cache of `capacity` places, by the textbook.
fn textbook(keys: &[usize], eviction: &str, capacity: usize) -> u64 {
    let mut cache: Vec<usize> = Vec::new(); // what goes first stands first
    let mut misses = 0;
    for key in keys {
        let found = cache.iter().position(|cached| cached == key);
        match (found, eviction) {
            (Some(at), "Lru") => {
                cache.remove(at);
                cache.push(*key);
            }
            (Some(_), _) => {}
            (None, _) => {
                misses += 1;
                if cache.len() < capacity {
                    cache.push(*key);
                } else if eviction != "RejectIncoming" && capacity > 0 {
                    cache.remove(0);
                    cache.push(*key);
                }
            }
        }
    }
    misses
}

#[test]
fn every_cell_agrees_with_a_textbook_simulator() {
    for name in TRACES {
        let trace = trace(name);
        let mut numbers = HashMap::new();
        let keys: Vec<usize> = trace
            .iter()
            .map(|request| {
                let next = numbers.len();
                *numbers.entry(request.imports.to_string()).or_insert(next)
            })
            .collect();
        for eviction in ["Lru", "Fifo", "RejectIncoming"] {
            for capacity in [0, 1, 2, 4, 8, 16, 32, 10_000] {
                let report = report(&trace, eviction, capacity);
                let misses = textbook(&keys, eviction, capacity as usize);
                assert_eq!(report.misses, misses, "{name} {eviction} {capacity}");
                assert_eq!(report.hits + report.misses, keys.len() as u64);
                assert_eq!(report.misses_by_reason.total(), misses);
            }
        }
    }
}

#[test]
fn time_saved_and_time_spent_add_up_to_opening_every_time() {
    let trace = trace("batteries");
    let never = report(&trace, "Lru", 0);
    assert_eq!((never.hits, never.saved_seconds), (0, 0.0));
    for capacity in [1, 8, 32] {
        let report = report(&trace, "Lru", capacity);
        let all = report.open_seconds + report.saved_seconds;
        assert!((all - never.open_seconds).abs() < 1e-6, "{all} is not {}", never.open_seconds);
    }
}

#[test]
fn leases_that_overlap_miss_because_the_key_is_busy_unless_they_share() {
    let trace = trace("formal-conjectures");
    let held = Options { hold: 16, eviction: "Lru".parse().unwrap(), ..Options::default() };
    let exclusive = replay(&trace, &held);
    let shared = replay(&trace, &Options { share: true, ..held });
    let busy = |report: &Report| report.misses_by_reason.get(leanpool::pool_core::MissReason::Busy);
    assert!(busy(&exclusive) > 400, "{exclusive}");
    assert_eq!(busy(&shared), 0, "{shared}");
    assert!(shared.misses < exclusive.misses);
}

#[test]
fn environments_expire_in_the_traces_time() {
    use leanpool::pool_core::DropReason;
    use std::time::Duration;
    let trace = Trace::parse("t", "0\tA\n5\tA\n20\tA\n24\tA\n28\tA\n32\tA\n").unwrap();
    let run = |idle_timeout: Option<u64>, max_age: Option<u64>| {
        let limit = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let options =
            Options { idle_timeout: limit(idle_timeout), max_age: limit(max_age), ..Options::default() };
        let report = replay(&trace, &options);
        (report.misses, report.evictions_by_reason.get(DropReason::Expired))
    };
    assert_eq!(run(None, None), (1, 0));
    assert_eq!(run(Some(10), None), (2, 1), "the gap of 15 seconds");
    assert_eq!(run(None, Some(10)), (3, 2), "opened at 0 and at 20, too old at 20 and at 32");
    assert_eq!(run(Some(10), Some(10)), (3, 2));
}
