//! Risk: a comparison does not say what its numbers rest on, counts work twice, or compares what was not finished.

#[path = "support/traces.rs"]
mod traces;

use std::ops::ControlFlow;
use std::process::{Command, Output};

use leanpool::compare::{Capacity, Comparison, Optimum, Options, OptionsError, compare, compare_until};
use leanpool::policy::Policy;
use leanpool::pool_core::eviction::Lru;
use leanpool::replay::{self, replay};
use leanpool::synthetic::Synthetic;
use leanpool::trace::{ReadOptions, Trace};
use traces::{TRACES, path};

fn named(names: &[&str]) -> Vec<Policy> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leanpool")).args(args).output().unwrap()
}

fn synthetic(text: &str) -> Trace {
    text.parse::<Synthetic>().unwrap().trace()
}

#[test]
fn replay_and_compare_do_the_same_under_every_name_that_the_default_has() {
    for (names, hold) in [(&TRACES[..], 0), (&["pfr"][..], 4)] {
        let traces: Vec<Trace> = names.iter().map(|name| Trace::read(&path(name)).unwrap()).collect();
        let policies = named(&["default", "Recall", "Lru"]);
        let capacities = vec![Capacity::Count(8)];
        let grid = compare(
            &traces,
            &Options { hold, policies, capacities, optimum: Optimum::None, ..Options::default() },
        );
        for row in &grid.rows {
            let trace = traces.iter().find(|trace| trace.name.contains(&*row.trace)).unwrap();
            let (eviction, capacity) = (row.policy.parse().unwrap(), row.capacity);
            let report = replay(trace, &replay::Options { eviction, capacity, hold, ..Default::default() });
            let here = (report.requests, report.misses, report.open_seconds, Some(report.assumed_opens));
            assert_eq!((row.requests, row.misses, row.open_seconds, row.assumed_opens), here, "{row:?}");
        }
        let (one, other) = (grid.mean("default").unwrap(), grid.mean("Recall").unwrap());
        assert_eq!(one.relative_to_lru, other.relative_to_lru);
    }
}

#[test]
fn a_workload_that_is_given_twice_is_refused_and_both_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.tsv");
    std::fs::copy(path("pfr"), &copy).unwrap();
    let (pfr, copy) = (path("pfr"), copy.to_str().unwrap().to_owned());
    let pfr = pfr.to_str().unwrap();
    for (args, names) in [
        (vec![pfr, pfr], [pfr, pfr]),
        (vec![pfr, &copy], [pfr, &*copy]),
        (
            vec!["--synthetic", "zipf:0.9:n=50", "--synthetic", "zipf:0.9:seed=1:n=50"],
            ["zipf:0.9:keys=500:n=50:seed=1"; 2],
        ),
    ] {
        let output = run(&[&["compare"], &args[..]].concat());
        let says = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{says}");
        assert!(says.contains(&format!("{} and {} have the same requests", names[0], names[1])), "{says}");
    }
    let same = Options {
        policies: vec![Policy::new("Lru", Lru::new), "lru".parse().unwrap()],
        ..Options::default()
    };
    let name = "Lru".to_owned();
    assert_eq!(same.check(&[synthetic("zipf:0.9:n=5")]), Err(OptionsError::SamePolicy { name }));
}

#[test]
fn assumed_opens_are_counted_in_each_row_in_all_and_by_trace() {
    let text = "0\tInit\n1\tInit Unknown\n2\tInit\n3\tInit Unknown\n4\tInit Lean\n";
    let trace = Trace::parse("mixed", text).unwrap();
    let policies = named(&["Lru", "RejectIncoming"]);
    let grid =
        compare(&[trace], &Options { capacities: vec![1.into(), 2.into()], policies, ..Options::default() });
    let counts: Vec<_> = grid.rows.iter().map(|row| (&*row.policy, row.misses, row.assumed_opens)).collect();
    let expected = [
        ("Lru", 5, Some(2)),
        ("RejectIncoming", 4, Some(2)),
        ("optimum", 4, None),
        ("Lru", 3, Some(1)),
        ("RejectIncoming", 3, Some(1)),
        ("optimum", 3, None),
    ];
    assert_eq!(counts, expected);
    assert_eq!((grid.opens, grid.assumed_opens), (15, 6));
    assert_eq!((grid.traces[0].requests, grid.traces[0].assumed_requests), (5, 2));
    assert!(grid.rows.iter().all(|row| row.requests == 5));
    let table = grid.to_string();
    for part in [
        "measured where measured, assumed else: 6 of 15 opens, 40.0 %",
        "mixed: 5 requests, 3 distinct keys, hold 0, 40.0 % of costs assumed",
        "geometric means of misses",
    ] {
        assert!(table.contains(part), "no '{part}' in\n{table}");
    }
    for old in ["rebuild", "opened_seconds"] {
        assert!(!table.contains(old) && !serde_json::to_string(&grid).unwrap().contains(old), "{old}");
    }
}

#[test]
fn a_lower_bound_is_called_one_in_rows_charts_json_and_the_table() {
    let trace = || vec![synthetic("burst:10:keys=60:n=900")];
    let policies = || named(&["Lru"]);
    let by_weight = Options { by_weight: true, policies: policies(), ..Options::default() };
    let fast = Options { optimum: Optimum::Fast, policies: policies(), ..Options::default() };
    for options in [by_weight, fast] {
        let grid = compare(&trace(), &options);
        let svg: String = grid.charts().unwrap().into_iter().map(|drawing| drawing.svg).collect();
        let json = serde_json::to_value(&grid).unwrap();
        let bound =
            json["rows"].as_array().unwrap().iter().find(|row| row["policy"] == "lower-bound").unwrap();
        assert!(bound["relative_to_optimum"].is_null() && bound["relative_to_lower_bound"] == 1.0);
        for text in [&svg, &grid.to_string()] {
            assert!(text.contains("lower-bound"));
        }
        assert!(!svg.contains("optimum"), "nothing is called what it is not");
        let mean = grid.mean("Lru").unwrap();
        assert!(mean.relative_to_optimum.is_none() && mean.relative_to_lower_bound.unwrap() >= 1.0);
    }
    let none =
        compare(&trace(), &Options { optimum: Optimum::None, policies: policies(), ..Options::default() });
    assert!(none.rows.iter().all(|row| row.policy == "Lru" && row.relative_to_optimum.is_none()));
}

fn broken_off(after: usize) -> Comparison {
    let policies = named(&["default", "Fifo", "Sieve"]);
    let traces = [synthetic("zipf:0.9:n=400:keys=50"), synthetic("scan:5:every=9:n=400:keys=20")];
    let options = Options { policies, ..Options::default() };
    compare_until(&traces, &options, |progress| {
        if progress.done >= after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

#[test]
fn means_are_over_cells_that_every_policy_has_finished_and_there_are_none_where_no_cell_is() {
    let none = broken_off(0);
    assert!(none.interrupted && none.geometric_means.policies.is_empty());
    assert!(
        none.to_string().contains("no geometric means: no capacity of a trace was finished by every policy")
    );
    let all = broken_off(usize::MAX);
    assert!(!all.interrupted && (all.geometric_means.cells, all.geometric_means.of_cells) == (10, 10));
    for after in 1..40 {
        let some = broken_off(after);
        let full = |row: &&leanpool::compare::Row| {
            let cell = |other: &&leanpool::compare::Row| {
                (&other.trace, other.capacity) == (&row.trace, row.capacity)
            };
            some.rows.iter().filter(cell).count() == 4
        };
        let cells = some.rows.iter().filter(full).count() / 4;
        assert_eq!(some.geometric_means.cells, cells, "after {after}");
        assert_eq!(some.geometric_means.policies.is_empty(), cells == 0);
        for mean in &some.geometric_means.policies {
            let rows = some.rows.iter().filter(full).filter(|row| row.policy == mean.policy);
            let logs: Vec<f64> = rows.map(|row| row.relative_to_optimum.unwrap().ln()).collect();
            let expected = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            assert!((mean.relative_to_optimum.unwrap() - expected).abs() < 1e-9, "{mean:?}");
        }
    }
}

#[test]
fn rows_are_given_as_soon_as_a_capacity_is_done_each_once() {
    let policies = named(&["Lru", "Fifo", "RejectIncoming"]);
    let mut given = Vec::new();
    let options = Options { policies, ..Options::default() };
    let grid = compare_until(&[synthetic("zipf:0.9:n=400:keys=50")], &options, |progress| {
        given.extend(progress.rows.to_vec());
        ControlFlow::Continue(())
    });
    given.sort_by_key(|row| row.capacity);
    assert_eq!(given, grid.rows);
}

#[test]
fn a_warm_up_is_counted_apart() {
    let text = "0\ta\n1\tb\n2\ta\n3\tb\n4\tc\n5\ta\n";
    let trace = Trace::parse("t", text).unwrap();
    let options =
        replay::Options { capacity: 2, eviction: "Lru".parse().unwrap(), warm_up: 3, ..Default::default() };
    let report = replay(&trace, &options);
    let warm_up = report.warm_up.unwrap();
    assert_eq!((warm_up.requests, warm_up.misses, report.requests, report.misses), (3, 2, 3, 2));
    assert_eq!(report.misses_by_reason.total(), 2);
    let grid = compare(
        std::slice::from_ref(&trace),
        &Options {
            capacities: vec![2.into()],
            policies: named(&["Lru", "Fifo"]),
            warm_up: 3,
            ..Options::default()
        },
    );
    let rows: Vec<_> = grid.rows.iter().map(|row| (&*row.policy, row.requests, row.misses)).collect();
    // Fifo drops a for c; knowing the future, b goes for c.
    assert_eq!(rows, [("Lru", 3, 2), ("Fifo", 3, 2), ("optimum", 3, 1)]);
    assert!(matches!(
        Options { warm_up: 6, ..Options::default() }.check(&[trace]),
        Err(OptionsError::AllWarmUp { .. })
    ));
}

#[test]
fn a_sample_stands_for_the_whole_and_a_pool_of_less_than_a_place_is_refused() {
    let whole = synthetic("zipf:0.9:keys=5000:n=60000");
    let sample = whole.clone().reduced(&ReadOptions { sample: Some(0.2), ..ReadOptions::default() }).unwrap();
    let options = |capacities| Options {
        capacities,
        policies: named(&["Lru"]),
        optimum: Optimum::None,
        ..Options::default()
    };
    let miss_ratio = |trace: &Trace, capacity: Capacity| {
        let row = compare(std::slice::from_ref(trace), &options(vec![capacity])).rows.remove(0);
        (row.capacity, row.misses as f64 / row.requests as f64)
    };
    let ((shown, all), (of_sample, sampled)) =
        (miss_ratio(&whole, 500.into()), miss_ratio(&sample, 500.into()));
    assert_eq!((shown, of_sample), (500, 500), "a capacity is that of the whole");
    assert!((all - sampled).abs() < 0.1, "{all} {sampled}");
    let small = options(vec![2.into()]).check(&[sample]);
    assert!(matches!(small, Err(OptionsError::TooSmall { capacity: 2, .. })), "{small:?}");
}

#[test]
fn capacities_can_be_ranges_and_shares_on_the_command_line() {
    let args = [
        "compare",
        "--synthetic",
        "zipf:0.5:keys=200:n=3000",
        "--policy",
        "lru",
        "--optimum",
        "none",
        "--json",
        "--capacity",
    ];
    let capacities = |text: &str| -> Vec<u64> {
        let output = run(&[&args[..], &[text]].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["rows"].as_array().unwrap().iter().map(|row| row["capacity"].as_u64().unwrap()).collect()
    };
    assert_eq!(capacities("2..16,3"), [2, 3, 4, 8, 16]);
    assert_eq!(capacities("1%..8%"), [2, 4, 8, 16]);
    let replay = ["replay", "--synthetic", "zipf:0.5:keys=200:n=3000", "--capacity", "10%", "--json"];
    let json: serde_json::Value = serde_json::from_slice(&run(&replay).stdout).unwrap();
    assert_eq!(json["capacity"], 20);
}

#[test]
fn policies_with_parameters_are_named_in_their_rows_and_admission_goes_over_any() {
    let args = ["compare", "--synthetic", "zipf:0.9:n=2000", "--json", "--capacity", "8"];
    let policies = ["--policy", "worth:half-life=0.3", "--policy", "tiny-lfu:window=0.1:over=arc"];
    let output = run(&[&args[..], &policies].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        json["rows"].as_array().unwrap().iter().map(|row| row["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["Lru", "Worth:half-life=0.3", "TinyLfu:window=0.1:over=Arc", "optimum"]);
    let wrong = run(&[&args[..], &["--policy", "worth:halflife=0.3"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean half-life?"), "{wrong:?}");
}
