use std::collections::HashSet;

use super::*;

fn parse(text: &str) -> Synthetic {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn keys(text: &str) -> Vec<u64> {
    let workload = parse(text);
    let mut keys = Vec::new();
    workload.each_key(&mut SplitMix64(workload.seed), |key| keys.push(key));
    keys
}

#[test]
fn a_text_gives_the_same_requests_for_ever() {
    for (text, expected) in [
        ("zipf:0.9:n=10", [44, 130, 432, 19, 19, 143, 267, 33, 5, 170]),
        ("scan:3:every=4:n=10", [44, 130, 432, 19, 500, 501, 502, 19, 143, 267]),
        ("burst:4:overlap=2:n=10", [372, 283, 372, 283, 283, 283, 283, 372, 372, 322]),
        ("shift:3:skew=1.1:n=10", [14, 54, 378, 5, 5, 61, 160, 8, 0, 77]),
    ] {
        assert_eq!(keys(text), expected, "{text}");
    }
    let trace = parse("zipf:0:keys=5000:n=3:seed=7").trace();
    let lists: Vec<String> = trace.iter().map(|request| request.imports.to_string()).collect();
    assert_eq!(
        lists,
        [
            "Init Lean.ReservedNameAction Lean.ToLevel",
            "Init Lean.Elab.Tactic.BVDecide.Frontend.Normalize.ApplyControlFlow",
            "Init Std.Time.Date.PlainDate"
        ]
    );
    assert_eq!(
        trace.iter().map(|request| request.nanos).collect::<Vec<_>>(),
        [0, 1_000_000_000, 2_000_000_000]
    );
}

#[test]
fn another_seed_gives_other_requests_and_other_costs() {
    assert_ne!(keys("zipf:0.9:seed=1"), keys("zipf:0.9:seed=2"));
    let only = |text| parse(text).trace().keys()[0].clone();
    assert_ne!(only("zipf:0:keys=1:n=1:seed=1"), only("zipf:0:keys=1:n=1:seed=2"));
}

#[test]
fn scanned_keys_are_asked_for_once_and_hot_ones_in_between() {
    let keys = keys("scan:30:every=70:keys=50:n=1000");
    let (hot, scanned): (Vec<u64>, Vec<u64>) = keys.iter().partition(|&&key| key < 50);
    assert_eq!((hot.len(), scanned.len()), (700, 300));
    assert_eq!(scanned.iter().collect::<HashSet<_>>().len(), 300);
    assert!(keys.chunks(100).all(|round| round[..70].iter().all(|&key| key < 50)));
}

#[test]
fn bursts_are_as_long_as_asked_on_average() {
    let keys = keys("burst:20:overlap=1:keys=1000000:n=100000");
    let bursts = 1 + keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((4_700..5_300).contains(&bursts), "{bursts}");
}

#[test]
fn after_each_period_all_keys_go_down_a_rank() {
    let plain = keys("zipf:0.9:keys=10:n=100");
    let shifted = keys("shift:4:keys=10:n=100");
    for (at, (rank, key)) in plain.into_iter().zip(shifted).enumerate() {
        assert_eq!((key + at as u64 / 4) % 10, rank);
    }
}

#[test]
fn keys_are_counted_differ_and_cost_what_was_measured() {
    for (text, expected) in [
        ("zipf:0:keys=300", 300),
        ("zipf:10:keys=1", 1),
        ("scan:30:every=70:keys=5:n=1000", 305),
        ("zipf:0:keys=3000:n=50000", 3000),
    ] {
        let trace = parse(text).trace();
        let lists: HashSet<&Imports> = trace.iter().map(|request| request.imports).collect();
        assert_eq!((trace.distinct_keys(), lists.len()), (expected, expected), "{text}");
        let graph = ModuleGraph::lean_4_27();
        let modules: HashSet<u64> = lists.iter().map(|list| graph.closure(list).modules).collect();
        assert!(modules.len() >= expected.min(50), "{text}: {} costs", modules.len());
        assert!(lists.iter().all(|list| !graph.closure(list).assumed));
    }
}

#[test]
fn the_canonical_text_names_the_same_workload() {
    for (text, canonical) in [
        ("zipf:0", "zipf:0:keys=500:n=20000:seed=1"),
        ("zipf:.90:seed=0:n=5:keys=010", "zipf:0.9:keys=10:n=5:seed=0"),
        ("scan:9:n=7", "scan:9:every=1000:keys=500:n=7:seed=1"),
        ("burst:2:overlap=3", "burst:2:overlap=3:keys=500:n=20000:seed=1"),
        ("shift:5:skew=10", "shift:5:skew=10:keys=500:n=20000:seed=1"),
        ("zipf:1:seed=18446744073709551615", "zipf:1:keys=500:n=20000:seed=18446744073709551615"),
    ] {
        let workload = parse(text);
        assert_eq!(workload.to_string(), canonical);
        assert_eq!(parse(canonical), workload);
    }
}

#[test]
fn the_help_names_every_parameter_and_its_examples_are_right() {
    let words: Vec<&str> = HELP.split_whitespace().collect();
    let examples = words.iter().filter(|word| word.contains(':') && word.contains('='));
    let examples: Vec<Synthetic> = examples.map(|example| parse(example)).collect();
    assert_eq!(examples.len(), 4);
    for text in ["zipf:0", "scan:1", "burst:1", "shift:1"] {
        for default in parse(text).to_string().split(':').skip(2) {
            assert!(words.contains(&default), "{default}");
        }
    }
}

#[test]
fn each_wrong_text_is_answered_with_the_part_what_was_expected_and_an_example() {
    let zipf = "'zipf:0.9:keys=500:n=20000'";
    let whole = "expected a whole number from 1 to 10000000, as in";
    let exponent = "expected an exponent, a number from 0 to 10, as in";
    let kinds = "expected one of the kinds zipf, scan, burst and shift, as in 'zipf:0.9'";
    for (text, says) in [
        ("", format!("'': {kinds}")),
        ("Zipf:1", format!("'Zipf': {kinds}")),
        ("lru\n", format!("'lru\\n': {kinds}")),
        ("zipf", format!("'zipf': expected a number after the kind, as in {zipf}")),
        ("scan", "'scan': expected a number after the kind, as in 'scan:100:every=400'".to_owned()),
        ("zipf:", format!("'': {exponent} {zipf}")),
        ("zipf:keys=5", format!("'keys=5': {exponent} {zipf}")),
        ("zipf:-1", format!("'-1': {exponent} {zipf}")),
        ("zipf:1.2.3", format!("'1.2.3': {exponent} {zipf}")),
        ("zipf:10.1", format!("'10.1': {exponent} {zipf}")),
        ("zipf:nan", format!("'nan': {exponent} {zipf}")),
        ("zipf:inf", format!("'inf': {exponent} {zipf}")),
        ("zipf:1e1", format!("'1e1': {exponent} {zipf}")),
        ("zipf:1:", format!("'': expected one of the parameters keys=, n=, seed=, as in {zipf}")),
        ("zipf:1:n", format!("'n': expected one of the parameters keys=, n=, seed=, as in {zipf}")),
        (
            "zipf:1:every=5",
            format!("'every=5': expected one of the parameters keys=, n=, seed=, as in {zipf}"),
        ),
        ("zipf:1:n=5:n=5", format!("'n=5': expected n= only once, as in {zipf}")),
        ("zipf:1:n=", format!("'n=': {whole} {zipf}")),
        ("zipf:1:n=0", format!("'n=0': {whole} {zipf}")),
        ("zipf:1:n=+5", format!("'n=+5': {whole} {zipf}")),
        ("zipf:1:n=1e3", format!("'n=1e3': {whole} {zipf}")),
        ("zipf:1:n=10000001", format!("'n=10000001': {whole} {zipf}")),
        ("zipf:1:keys=-1", format!("'keys=-1': {whole} {zipf}")),
        ("zipf:1:keys=99999999999999999999", format!("'keys=99999999999999999999': {whole} {zipf}")),
        (
            "zipf:1:seed=x",
            format!("'seed=x': expected a whole number from 0 to 18446744073709551615, as in {zipf}"),
        ),
        ("scan:0", format!("'0': {whole} 'scan:100:every=400'")),
        ("scan:1:every=0", format!("'every=0': {whole} 'scan:100:every=400'")),
        ("burst:1.5", format!("'1.5': {whole} 'burst:20:overlap=8'")),
        ("burst:2:overlap=0", format!("'overlap=0': {whole} 'burst:20:overlap=8'")),
        ("shift:0", format!("'0': {whole} 'shift:200:skew=1.1'")),
        ("shift:9:skew=11", format!("'skew=11': {exponent} 'shift:200:skew=1.1'")),
    ] {
        assert_eq!(text.parse::<Synthetic>().unwrap_err().to_string(), says, "{text}");
    }
}
