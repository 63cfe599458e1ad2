//! Growth: the same operations with ever more idle entries.

use std::hint::black_box;
use std::time::Instant;

use benches::options::Options;
use benches::order::Cycle;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use benches::{Free, ReferencePool, imports, names, used};
use pool_core::Names as Imports;
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::local::Pool;

use crate::ours::{drained, drains, drains_of_one, hits, hits_of_one, misses};

const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// It is linear: more would take minutes to fill.
const REFERENCE_MAX: usize = 10_000;
const NAMES: usize = 4;

const DEFAULT: &str = "local, interned key";
const STATIC: &str = "local, interned key, static Lru";
const NUMBERS: &str = "local, u64 key";
const NUMBERS_STATIC: &str = "local, u64 key, static Lru";
const REFERENCE: &str = "reference design";
const VEC: &str = "Vec of 8-byte numbers";
const RECORDS: &str = "Vec of 256-byte records";
const KEYS: &str = "Vec of interned keys, looked into";

pub(crate) fn measure(options: &Options, report: &mut Report) {
    let sizes = if options.is_smoke() { &SIZES[..3] } else { &SIZES[..] };
    let growth = Growth { options, sizes };
    report.section("Growth: 10 to 100 000 idle entries");
    report.note(
        "Nanoseconds, and in brackets how many times those at 10 entries. Interned keys have 4 names. At random: a fixed shuffle \
         of all entries; a turn goes over all of them once unmeasured, and once measured. The reference design is measured up to 10 000; it searches from the end, so it finds a hot key at once, and never \
         evicts: a miss drops what comes back. A drain is in nanoseconds for an entry. A miss with all entries of one key \
         would not stay that, so it has no row.",
    );

    let hot = growth.table(report, "hit on one hot key", |size, subjects| {
        let order = || Cycle::over(size / 2..size / 2 + 1);
        ours(size, subjects, &order);
        subjects.extend(reference_hits(size, order()));
    });
    let random = growth.table(report, "hits at random", |size, subjects| {
        ours(size, subjects, &|| Cycle::shuffled(size));
        subjects.extend(reference_hits(size, Cycle::shuffled(size)));
        bare(size, subjects);
    });
    growth.table(report, "miss with an eviction", |size, subjects| {
        let full: Vec<u64> = (0..size as u64).collect();
        let new = || {
            let mut key = size as u64;
            move || {
                key += 1;
                key
            }
        };
        let (max, inline) = (size as u64, Pool::builder().static_policies(MaxIdle(size as u64), Lru::new()));
        subjects.push(misses(named(NUMBERS, size), Pool::with_max_idle(max), &full, new()).pass(size));
        subjects.push(misses(named(NUMBERS_STATIC, size), inline.build(), &full, new()).pass(size));
        subjects.extend(reference_misses(size));
    });
    growth.table(report, "drain", |size, subjects| {
        subjects.push(drains(named(NUMBERS, size), size));
        subjects.push(cleared(size));
    });
    growth.table(report, "all of one key: hit", |size, subjects| {
        let inline = Pool::builder().static_policies(MaxIdle(size as u64), Lru::new()).build();
        subjects.push(hits_of_one(named(NUMBERS, size), Pool::with_max_idle(size as u64), size));
        subjects.push(hits_of_one(named(NUMBERS_STATIC, size), inline, size));
    });
    growth.table(report, "all of one key: drain", |size, subjects| {
        subjects.push(drains_of_one(named(NUMBERS, size), size));
    });

    let most = *sizes.last().expect("there are sizes");
    for name in [DEFAULT, STATIC, NUMBERS, NUMBERS_STATIC] {
        let what = format!("growth of a hot key's hit, 10 to {most}, {name}");
        report.at_most(&what, grown(&hot, name, most), 1.1);
    }
    for (names, baselines) in
        [([DEFAULT, STATIC], [KEYS, VEC, RECORDS].as_slice()), ([NUMBERS, NUMBERS_STATIC], &[VEC, RECORDS])]
    {
        for name in names {
            for baseline in baselines {
                let what = format!("growth of hits at random, 10 to {most}, {name} / {baseline}");
                report.at_most(&what, grown(&random, name, most) / grown(&random, baseline, most), 2.0);
            }
        }
    }
    let linear = most.min(REFERENCE_MAX);
    let what = format!("growth of hits at random of the reference design, 10 to {linear} (must show)");
    report.at_least(&what, grown(&random, REFERENCE, linear), linear as f64 / 100.0);
}

/// How many times those at 10 entries.
fn grown(medians: &Medians, name: &str, size: usize) -> f64 {
    medians.get(&named(name, size)) / medians.get(&named(name, SIZES[0]))
}

fn named(name: &str, size: usize) -> String {
    format!("{name} @{size}")
}

struct Growth<'a> {
    options: &'a Options,
    sizes: &'a [usize],
}

impl Growth<'_> {
    /// Measures what `add` makes for each size, all in turn, and prints a row for each name.
    fn table(
        &self,
        report: &mut Report,
        title: &str,
        add: impl Fn(usize, &mut Vec<Subject<'static>>),
    ) -> Medians {
        let mut subjects = Vec::new();
        self.sizes.iter().for_each(|&size| add(size, &mut subjects));
        // Passes over 100 000 entries take long.
        let medians = Medians::of(self.options.effort.at_most(11), subjects);
        let mut rows = Vec::new();
        for (name, _) in medians.iter() {
            let Some(name) = name.strip_suffix(&named("", SIZES[0])) else { continue };
            let mut row = vec![name.to_owned()];
            row.extend(self.sizes.iter().map(|&size| match medians.find(&named(name, size)) {
                Some(nanos) => format!("{} ({})", number(nanos), ratio(grown(&medians, name, size))),
                None => "–".to_owned(),
            }));
            rows.push(row);
        }
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        let columns: Vec<&str> = [title].into_iter().chain(sizes.iter().map(String::as_str)).collect();
        report.table(&columns, &rows);
        medians
    }
}

fn ours(size: usize, subjects: &mut Vec<Subject<'static>>, order: &dyn Fn() -> Cycle) {
    let keys: Vec<Imports> = (0..size).map(|salt| imports(NAMES, salt)).collect();
    let numbers: Vec<u64> = (0..size as u64).collect();
    let max = size as u64;
    let inline = Pool::builder().static_policies(MaxIdle(max), Lru::new()).build();
    let inline_numbers = Pool::builder().static_policies(MaxIdle(max), Lru::new()).build();
    let all = [
        hits(named(DEFAULT, size), Pool::with_max_idle(max), keys.clone(), order()),
        hits(named(STATIC, size), inline, keys, order()),
        hits(named(NUMBERS, size), Pool::with_max_idle(max), numbers.clone(), order()),
        hits(named(NUMBERS_STATIC, size), inline_numbers, numbers, order()),
    ];
    subjects.extend(all.map(|subject| subject.pass(size)));
}

fn reference(size: usize) -> Option<(ReferencePool<Free>, Vec<Vec<&'static str>>)> {
    if size > REFERENCE_MAX {
        return None;
    }
    let leak = |name: String| &*name.leak();
    let query = |salt| names(NAMES, salt).into_iter().map(leak).collect();
    let queries: Vec<Vec<&str>> = (0..size).map(query).collect();
    let pool = ReferencePool::new(size);
    queries.iter().for_each(|query| drop(pool.acquire(query, || Free(0))));
    Some((pool, queries))
}

fn reference_hits(size: usize, mut order: Cycle) -> Option<Subject<'static>> {
    let (pool, queries) = reference(size)?;
    Some(Subject::new(named(REFERENCE, size), move || {
        used(pool.acquire(black_box(&queries[order.turn()]), || unreachable!()));
    }))
}

fn reference_misses(size: usize) -> Option<Subject<'static>> {
    let (pool, _) = reference(size)?;
    let absent = names(NAMES, size + 1);
    Some(Subject::new(named(REFERENCE, size), move || {
        let query: Vec<&str> = absent.iter().map(String::as_str).collect();
        used(pool.acquire(black_box(&query), || Free(0)));
    }))
}

/// What touching that much memory at random costs, without a pool.
fn bare(size: usize, subjects: &mut Vec<Subject<'static>>) {
    let mut numbers: Vec<u64> = (0..size as u64).collect();
    let mut order = Cycle::shuffled(size);
    subjects.push(
        Subject::new(named(VEC, size), move || {
            let number = &mut numbers[order.turn()];
            *number = black_box(*number + 1);
        })
        .pass(size),
    );
    let mut records = vec![[0_u64; 32]; size];
    let mut order = Cycle::shuffled(size);
    subjects.push(
        Subject::new(named(RECORDS, size), move || {
            let record = &mut records[order.turn()];
            record[0] = black_box(record[0] + 1);
        })
        .pass(size),
    );
    let keys: Vec<Imports> = (0..size).map(|salt| imports(NAMES, salt)).collect();
    let mut order = Cycle::shuffled(size);
    subjects.push(Subject::new(named(KEYS, size), move || keys[order.turn()].carried_hash()).pass(size));
}

fn cleared(size: usize) -> Subject<'static> {
    let mut boxes = Vec::new();
    drained(named("Vec of boxes, cleared", size), size, move || {
        boxes.extend((0..size as u64).map(|number| Box::new(Free(number))));
        let start = Instant::now();
        black_box(&mut boxes).clear();
        start.elapsed()
    })
}
