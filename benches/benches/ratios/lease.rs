//! Lease overhead: acquire and release on a hit, by one thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use benches::options::Options;
use benches::order::Cycle;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use benches::{Free, ReferencePool, imports, names, used};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::{Capacity, Eviction, Names as Imports, Own, local, sync};

use crate::ours::hits;
use crate::peers::{self, SLOTS};

const FLOOR: &str = "keyed floor";
const PARKING_LOT: &str = "parking_lot::Mutex<Vec>";
const LOCKED: &str = "keyed floor, locked";
const REFERENCE: &str = "reference design";
const LOCAL: &str = "local, interned key";
const LOCAL_STATIC: &str = "local, interned key, static Lru";
const SLICES: &str = "local, &[&str]";
const SLICES_STATIC: &str = "local, &[&str], static Lru";
const SYNC: &str = "sync, interned key";
const SYNC_STATIC: &str = "sync, interned key, static Lru";

pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section("Lease overhead: acquire + release on a hit, 8 slots, one thread");
    report.note(
        "Whoever knows keys is asked in turn for those of the upper half, so that the reference design always finds the key \
         in the middle of its list. The pool: 8 keys, by default with boxed policies and `Recall`, or with \
         `static_policies(MaxIdle, Lru)`.",
    );
    report.note(peers::SETTINGS);
    let mut last = None;
    for count in [1, 4, 20] {
        let medians = Medians::of(options.effort, subjects(count));
        let column = format!("ns, {count} names");
        let over = |baseline: &str, nanos: f64| ratio(nanos / medians.get(baseline));
        let rows: Vec<Vec<String>> = medians
            .iter()
            .map(|(name, nanos)| {
                let baselines = [FLOOR, PARKING_LOT, REFERENCE].map(|baseline| over(baseline, nanos));
                [name.to_owned(), number(nanos)].into_iter().chain(baselines).collect()
            })
            .collect();
        report.table(&["", &column, "/ floor", "/ parking_lot", "/ reference"], &rows);
        last = Some(medians);
    }
    let medians = last.expect("there were rounds");
    let over = |name: &str, baseline: &str| medians.get(name) / medians.get(baseline);
    for (name, kind) in [(LOCAL, "default"), (LOCAL_STATIC, "static")] {
        let what = |than: &str| format!("local hit, interned, 20 names, {kind} policies / {than}");
        report.at_most(&what(FLOOR), over(name, FLOOR), 3.0);
        report.at_most(&what(PARKING_LOT), over(name, PARKING_LOT), 0.7);
        report.at_most(&what(REFERENCE), over(name, REFERENCE), 0.05);
    }
    for (name, kind) in [(SLICES, "default"), (SLICES_STATIC, "static")] {
        let what = format!("local hit, &[&str], 20 names, {kind} policies / {REFERENCE}");
        report.at_most(&what, over(name, REFERENCE), 0.25);
    }
    for (name, kind) in [(SYNC, "default"), (SYNC_STATIC, "static")] {
        let what = format!("sync hit, uncontended, 20 names, {kind} policies / {PARKING_LOT}");
        report.at_most(&what, over(name, PARKING_LOT), 1.5);
    }
    report.bound(&format!("{FLOOR} / {PARKING_LOT}"), over(FLOOR, PARKING_LOT), 0.7);
    report.bound(&format!("{LOCKED} / {PARKING_LOT}"), over(LOCKED, PARKING_LOT), 1.5);
    for peer in ["r2d2", "deadpool managed"] {
        for name in [LOCAL, LOCAL_STATIC, SYNC, SYNC_STATIC] {
            report.at_least(&format!("{peer} / {name}, 20 names"), over(peer, name), 2.0);
        }
    }
}

fn subjects(count: usize) -> Vec<Subject<'static>> {
    let mut subjects = unkeyed();
    subjects.extend(keyed(count));
    subjects.extend(ours(count));
    subjects.extend(pools());
    subjects
}

fn unkeyed() -> Vec<Subject<'static>> {
    let all = || (0..SLOTS as u64).map(Free).collect::<Vec<_>>();
    let (cell, std, parking_lot) =
        (RefCell::new(all()), std::sync::Mutex::new(all()), parking_lot::Mutex::new(all()));
    vec![
        Subject::new("RefCell<Vec>", move || {
            let value = cell.borrow_mut().pop().unwrap();
            cell.borrow_mut().push(black_box(value));
        }),
        Subject::new("std::sync::Mutex<Vec>", move || {
            let value = std.lock().unwrap().pop().unwrap();
            std.lock().unwrap().push(black_box(value));
        }),
        Subject::new(PARKING_LOT, move || {
            let value = parking_lot.lock().pop().unwrap();
            parking_lot.lock().push(black_box(value));
        }),
    ]
}

/// The upper half of the keys.
fn order() -> Cycle {
    Cycle::over(SLOTS / 2..SLOTS)
}

fn texts(count: usize) -> Vec<Vec<String>> {
    (0..SLOTS).map(|salt| names(count, salt)).collect()
}

fn slices(count: usize) -> Vec<&'static [&'static str]> {
    // They live as long as the program, as those of one who asks with literals.
    let leak = |names: Vec<String>| {
        let names: Vec<&str> = names.into_iter().map(|name| &*name.leak()).collect();
        &*names.leak()
    };
    texts(count).into_iter().map(leak).collect()
}

fn interned(count: usize) -> Vec<Imports> {
    (0..SLOTS).map(|salt| imports(count, salt)).collect()
}

fn keyed(count: usize) -> Vec<Subject<'static>> {
    let keys = interned(count);
    let mut floor: HashMap<Imports, usize, foldhash::fast::RandomState> = HashMap::default();
    floor.extend(keys.iter().enumerate().map(|(at, key)| (key.clone(), at)));
    let stacks: Vec<RefCell<Vec<Free>>> = keys.iter().map(|_| RefCell::new(vec![Free(0)])).collect();

    let (locked_keys, locked) = (keys.clone(), {
        let stacks: Vec<Vec<Free>> = keys.iter().map(|_| vec![Free(0)]).collect();
        parking_lot::Mutex::new((floor.clone(), stacks))
    });

    let reference = ReferencePool::new(SLOTS);
    let queries = slices(count);
    queries.iter().for_each(|query| drop(reference.acquire(query, || Free(0))));

    let texts = texts(count);
    let pools: HashMap<Vec<String>, object_pool::Pool<Free>, foldhash::fast::RandomState> =
        texts.iter().map(|key| (key.clone(), object_pool::Pool::new(1, || Free(0)))).collect();
    let [mut a, mut b, mut c, mut d] = [order(), order(), order(), order()];
    vec![
        Subject::new(FLOOR, move || {
            let stack = &stacks[floor[black_box(&keys[a.turn()])]];
            let value = stack.borrow_mut().pop().unwrap();
            stack.borrow_mut().push(black_box(value));
        }),
        Subject::new(LOCKED, move || {
            let (at, value) = {
                let (keys, stacks) = &mut *locked.lock();
                let at = keys[black_box(&locked_keys[d.turn()])];
                (at, stacks[at].pop().unwrap())
            };
            locked.lock().1[at].push(black_box(value));
        }),
        Subject::new(REFERENCE, move || {
            used(reference.acquire(black_box(queries[b.turn()]), || unreachable!()));
        }),
        Subject::new("HashMap of object-pools", move || {
            let pool = &pools[black_box(texts[c.turn()].as_slice())];
            used(pool.try_pull().unwrap());
        }),
    ]
}

fn ours(count: usize) -> Vec<Subject<'static>> {
    fn sync<C: Capacity + 'static, E: Eviction<Imports> + 'static>(
        name: &str,
        pool: sync::Pool<Imports, Free, Own, C, E>,
        keys: Vec<Imports>,
    ) -> Subject<'static> {
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
        let mut order = order();
        Subject::new(name, move || {
            used(pool.acquire(black_box(&keys[order.turn()]), |_| unreachable!()).unwrap());
        })
    }

    let max = SLOTS as u64;
    let boxed = || local::Pool::<Imports, Free>::with_max_idle(max);
    let inline = || local::Pool::<Imports, Free>::builder().static_policies(MaxIdle(max), Lru::new()).build();
    let inline_sync = || sync::Pool::builder().static_policies(MaxIdle(max), Lru::new()).build();
    vec![
        hits(LOCAL, boxed(), interned(count), order()),
        hits(LOCAL_STATIC, inline(), interned(count), order()),
        hits(SLICES, boxed(), slices(count), order()),
        hits(SLICES_STATIC, inline(), slices(count), order()),
        sync(SYNC, sync::Pool::with_max_idle(max), interned(count)),
        sync(SYNC_STATIC, inline_sync(), interned(count)),
    ]
}

fn pools() -> Vec<Subject<'static>> {
    let (r2d2, managed, unmanaged) = (peers::r2d2(), peers::deadpool(), peers::deadpool_unmanaged());
    let (object_pool, opool) = (peers::object_pool(), peers::opool());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bb8 = runtime.block_on(peers::bb8());
    vec![
        Subject::new("r2d2", move || used(r2d2.get().unwrap())),
        Subject::timed("bb8", move |count| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..count {
                    used(bb8.get().await.unwrap());
                }
                start.elapsed()
            })
        }),
        Subject::new("deadpool managed", move || {
            used(pollster::block_on(managed.get()).unwrap());
        }),
        Subject::new("deadpool unmanaged", move || used(unmanaged.try_get().unwrap())),
        Subject::new("object-pool", move || used(object_pool.try_pull().unwrap())),
        Subject::new("opool", move || used(opool.get())),
    ]
}
