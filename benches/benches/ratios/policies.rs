//! Policies: what a decision costs with each, at 32 and at 10 000 entries.

use benches::options::Options;
use benches::order::Cycle;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use benches::{Free, imports};
use pool_core::Names as Imports;
use pool_core::capacity::MaxIdle;
use pool_core::eviction::{self, Lru};
use pool_core::local::Pool;

use crate::ours::{hits, misses};

const SIZES: [usize; 2] = [32, 10_000];
const BASELINE: &str = "Lru, static";
const OF_IMPORTS: &str = "Recall::of_names";

pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section("Policies: what a decision costs");
    report.note(
        "Local pool, `u64` keys, all distinct; policies boxed, as `leanpool` and the default have them. Hits at random; misses with a key \
         never seen before, in a full pool: each opens (two reads of the clock) and evicts. In brackets: beside `Lru` as a static \
         policy. `Recall` is the default; `Recall::of_names` (keys of 4 names, most of which all keys share: its worst case) the default of \
         `names_builder`, which looks at similar lists when an unknown one is opened.",
    );
    let sizes = if options.is_smoke() { &SIZES[..1] } else { &SIZES[..] };
    let mut subjects = Vec::new();
    for &size in sizes {
        subjects.extend(of_size(size));
    }
    let medians = Medians::of(options.effort.at_most(11), subjects);
    let mut rows = Vec::new();
    for name in eviction::NAMES.iter().copied().chain([OF_IMPORTS, BASELINE]) {
        let mut row = vec![name.to_owned()];
        for &size in sizes {
            for operation in [HIT, MISS] {
                let nanos = medians.get(&named(operation, name, size));
                let baseline = medians.get(&named(operation, BASELINE, size));
                row.push(format!("{} ({})", number(nanos), ratio(nanos / baseline)));
            }
        }
        rows.push(row);
    }
    let mut columns = vec![String::new()];
    for size in sizes {
        columns.extend([HIT, MISS].map(|operation| format!("{operation}, {size}")));
    }
    report.table(&columns.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
}

const HIT: &str = "hit";
const MISS: &str = "miss";

fn named(operation: &str, policy: &str, size: usize) -> String {
    format!("{operation} {policy} @{size}")
}

fn of_size(size: usize) -> Vec<Subject<'static>> {
    let keys: Vec<u64> = (0..size as u64).collect();
    let max = MaxIdle(size as u64);
    let new = || {
        let mut key = size as u64;
        move || {
            key += 1;
            key
        }
    };
    let mut subjects = Vec::new();
    for name in eviction::NAMES {
        let pool = || -> Pool<u64, Free> {
            Pool::builder().capacity(max).eviction(eviction::named(name).expect("it is one of them")).build()
        };
        subjects.push(hits(named(HIT, name, size), pool(), keys.clone(), Cycle::shuffled(size)).pass(size));
        subjects.push(misses(named(MISS, name, size), pool(), &keys, new()).pass(size));
    }
    let inline = || Pool::builder().static_policies(max, Lru::new()).build();
    subjects.push(hits(named(HIT, BASELINE, size), inline(), keys.clone(), Cycle::shuffled(size)).pass(size));
    subjects.push(misses(named(MISS, BASELINE, size), inline(), &keys, new()).pass(size));

    // More than are kept and remembered, so that each is new when its turn comes again.
    let ring: Vec<Imports> = (0..size + 8192).map(|salt| imports(4, size + salt)).collect();
    let mut order = Cycle::over(0..ring.len());
    let lists: Vec<Imports> = (0..size).map(|salt| imports(4, salt)).collect();
    let pool = || Pool::names_builder().capacity(max).build();
    let random = Cycle::shuffled(size);
    subjects.push(hits(named(HIT, OF_IMPORTS, size), pool(), lists.clone(), random).pass(size));
    let next = move || ring[order.turn()].clone();
    subjects.push(misses(named(MISS, OF_IMPORTS, size), pool(), &lists, next));
    subjects
}
