//! Risk: two runs of the same work differ, and results can't be compared.

use std::path::Path;

use leanpool::mock_backend::Regions;
use leanpool::pool_core::eviction::NAMES;
use leanpool::replay::{Options, replay_journaled};
use leanpool::trace::Trace;

#[test]
fn two_runs_of_a_trace_give_byte_identical_journals() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/traces");
    let trace = Trace::read(&folder.join("batteries.tsv")).unwrap();
    for eviction in NAMES {
        for (hold, share) in [(0, false), (4, false), (4, true)] {
            let options = Options {
                eviction: eviction.parse().unwrap(),
                hold,
                share,
                regions: Regions::Isolated,
                ..Options::default()
            };
            let (report, journal) = replay_journaled(&trace, &options);
            let (again, second) = replay_journaled(&trace, &options);
            assert!(journal == second, "{eviction} hold {hold} share {share}");
            assert_eq!(report, again);
            // It says everything: each open and each drop, by the backend and by the pool.
            let count = |word: &str| journal.matches(word).count() as u64;
            assert_eq!(count("\topen #"), report.misses);
            assert_eq!(count("\tpool opened "), report.misses);
            assert_eq!(count("\tdrop #"), report.misses, "at the end all are dropped");
        }
    }
}
