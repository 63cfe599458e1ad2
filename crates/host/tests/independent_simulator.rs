//! Risk: a policy is not the published one.
//!
//! `independent/misses.tsv` holds what libCacheSim 0.3.5 (the simulator of the authors of S3-FIFO and Sieve, from PyPI) misses
//! on the same traces, with objects of size 1, its default settings, and for S3-FIFO those of the paper. It has S3-FIFO at
//! 32 only: below, its small queue has one slot or none, and it keeps nothing at all.

use leanpool::replay::{Options, replay};
use leanpool::trace::Trace;

#[test]
fn misses_are_within_two_percent_of_an_independent_simulator() {
    let table = include_str!("independent/misses.tsv");
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let (mut cells, mut traces) = (0, std::collections::HashMap::new());
    for line in lines {
        let trace = traces.entry(line[0]).or_insert_with(|| {
            let path = format!("{}/../../benches/traces/{}.tsv", env!("CARGO_MANIFEST_DIR"), line[0]);
            Trace::read(path.as_ref()).unwrap()
        });
        let capacity = line[1].parse().unwrap();
        for (&eviction, theirs) in header.iter().zip(&line).skip(2).filter(|(_, theirs)| **theirs != "-") {
            let eviction = pool_core::eviction::published_name(eviction).unwrap();
            let ours = replay(
                trace,
                &Options { capacity, eviction: eviction.parse().unwrap(), ..Options::default() },
            )
            .misses as f64;
            let theirs: f64 = theirs.parse().unwrap();
            let off = (ours / theirs - 1.0).abs();
            println!("{} {capacity} {eviction}: {ours} here, {theirs} there", line[0]);
            assert!(off <= 0.02, "{} at {capacity}, {eviction}: {ours} here, {theirs} there", line[0]);
            // These two leave nothing to interpretation.
            assert!(
                eviction == "S3Fifo" || off == 0.0,
                "{} {capacity} {eviction}: {ours}, {theirs}",
                line[0]
            );
            cells += 1;
        }
    }
    assert_eq!(cells, 28 * 2 + 4);
}
