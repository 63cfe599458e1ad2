//! Risk: the default policy is no better than others on real work, the optimum is none, or the outputs say something
//! else than was found.

use std::path::PathBuf;
use std::process::{Command, Output};

use leanpool::compare::{Capacity, Comparison, Options, compare};
use leanpool::policy::Policy;
use leanpool::synthetic::Synthetic;
use leanpool::trace::Trace;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../benches/traces/{name}.tsv"))
}

fn traces() -> Vec<Trace> {
    ["batteries", "flt", "formal-conjectures", "pfr"].map(|name| Trace::read(&path(name)).unwrap()).into()
}

fn seconds(comparison: &Comparison, trace: &str, capacity: u64, policy: &str) -> (u64, f64) {
    let is = |row: &&leanpool::compare::Row| {
        (row.trace.as_str(), row.capacity, row.policy.as_str()) == (trace, capacity, policy)
    };
    let row = comparison.rows.iter().find(is).unwrap();
    (row.misses, row.open_seconds)
}

#[test]
fn default_policy_reaches_what_it_must_on_real_traces_and_nothing_beats_the_optimum() {
    let grid = compare(&traces(), &Options::default());
    let mean = grid.mean("default").unwrap();
    assert!(mean.relative_to_lru.unwrap() <= 0.95, "{mean:?}");
    assert!(mean.relative_to_reject_incoming.unwrap() <= 0.545, "{mean:?}");
    assert!(mean.relative_to_optimum.unwrap() <= 1.23, "{mean:?}");
    for row in &grid.rows {
        let (misses, least) = seconds(&grid, &row.trace, row.capacity, "optimum");
        assert!(row.misses >= misses && row.open_seconds >= least, "{row:?}: the optimum is no optimum");
    }
    // Known from computations of others.
    assert_eq!(seconds(&grid, "formal-conjectures", 8, "RejectIncoming").0, 6767);
    assert_eq!(seconds(&grid, "formal-conjectures", 8, "Lru").0, 1092);
    assert_eq!(seconds(&grid, "formal-conjectures", 8, "optimum").0, 886);
}

#[test]
fn default_policy_is_better_than_lru_on_both_halves_of_the_traces_and_when_leases_overlap() {
    let halves = |second: bool| -> Vec<Trace> {
        let half = |trace: Trace| {
            let middle = trace.len() / 2;
            if second { trace.part(middle, trace.len()) } else { trace.part(0, middle) }
        };
        traces().into_iter().map(half).collect()
    };
    let policies: Vec<Policy> = ["default", "Lru"].map(|name| name.parse().unwrap()).into();
    for (what, traces, hold, most) in [
        ("first halves", halves(false), 0, 0.96),
        ("second halves", halves(true), 0, 0.96),
        ("held for 4", traces(), 4, 0.96),
        ("held for 16", traces(), 16, 0.96),
    ] {
        let options = Options { hold, policies: policies.clone(), ..Options::default() };
        let ratio = compare(&traces, &options).mean("default").unwrap().relative_to_lru.unwrap();
        println!("{what}: {ratio:.4}");
        assert!(ratio <= most, "{what}: {ratio}");
    }
}

#[test]
fn pools_bounded_in_bytes_stay_above_the_bound_and_the_best_offline_close_to_it() {
    let options =
        Options { by_weight: true, capacities: [2, 4, 8].map(Capacity::from).into(), ..Options::default() };
    let traces = vec![Trace::read(&path("pfr")).unwrap(), Trace::read(&path("formal-conjectures")).unwrap()];
    let grid = compare(&traces, &options);
    for row in &grid.rows {
        assert!(row.relative_to_lower_bound.unwrap() >= 1.0, "{row:?}: the bound is no lower bound");
    }
    let mean = |policy: &str| grid.mean(policy).unwrap();
    assert!(mean("best-offline").relative_to_lower_bound.unwrap() < 1.06, "{:?}", mean("best-offline"));
    assert!(mean("default").relative_to_lru.unwrap() < 1.0, "{:?}", mean("default"));
}

#[test]
fn recency_wins_nothing_on_scans_where_frequency_does() {
    let workload: Synthetic = "scan:50:every=100:keys=100:n=5000".parse().unwrap();
    let options = Options { capacities: vec![Capacity::Count(20)], ..Options::default() };
    let grid = compare(&[workload.trace()], &options);
    let name = &grid.rows[0].trace;
    assert!(seconds(&grid, name, 20, "default").1 < seconds(&grid, name, 20, "Lru").1);
}

fn leanpool(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leanpool")).args(args).output().unwrap()
}

#[test]
fn csv_and_charts_are_written_and_agree_with_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let (csv, plots) = (directory.path().join("grid.csv"), directory.path().join("plots"));
    let trace = path("pfr");
    let args =
        ["compare", trace.to_str().unwrap(), "--capacity", "2,8", "--csv", csv.to_str().unwrap(), "--plot"];
    let output = leanpool(&[&args[..], &[plots.to_str().unwrap(), "--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(csv).unwrap();
    let header = "trace,capacity,policy,requests,misses,assumed_opens,open_seconds,misses_relative_to_lru,relative_to_lru,\
                  relative_to_optimum,relative_to_lower_bound";
    assert_eq!(text.lines().next(), Some(header));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(text.lines().count(), 1 + rows.len());
    for (line, row) in text.lines().skip(1).zip(rows) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(
            (cells[0], cells[1], cells[2]),
            ("pfr", &*row["capacity"].to_string(), row["policy"].as_str().unwrap())
        );
        assert_eq!(
            (cells[3], cells[4], cells[6].parse().ok()),
            ("2957", &*row["misses"].to_string(), row["open_seconds"].as_f64())
        );
    }
    for (file, what) in [("pfr.svg", "open seconds"), ("pfr-misses.svg", "misses")] {
        let svg = std::fs::read_to_string(plots.join(file)).unwrap();
        let subtitle = "2,957 requests, 661 distinct keys, hold 0, 99.6 % of costs assumed";
        for part in [what, subtitle, "logarithmic scale", "optimum", "default"] {
            assert!(svg.contains(part), "no {part} in {file}");
        }
    }
}

#[test]
fn wrong_usage_says_what_is_wrong_and_what_would_be_right() {
    for (args, code, says) in [
        (&["compare"][..], 2, "required"),
        (&["compare", "--synthetic", "zipf"], 2, "zipf:0.9:keys=500:n=20000"),
        (&["compare", "--synthetic", "zipf:0.9", "--policy", "best"], 2, "choose one of default"),
        (&["compare", "--synthetic", "zipf:0.9", "--capacity", "0"], 2, "0"),
        (&["compare", "no-such.tsv"], 1, "no-such.tsv: there is no such file"),
        (&["compare", "--synthetic", "zipf:0.9:n=10", "--csv", "/no/such/place.csv"], 1, "can't be written"),
    ] {
        let output = leanpool(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
}
