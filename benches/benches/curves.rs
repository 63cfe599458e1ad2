//! Curves over the number of idle entries, with the reference design in the same plot: `cargo bench -p benches --bench curves`.
//!
//! Criterion draws them: `target/criterion/*/report/lines.svg`, on logarithmic axes. [`ratios`](../ratios) has the same as a table.

use std::fmt::Debug;
use std::hash::Hash;
use std::hint::black_box;

use benches::order::Cycle;
use benches::{Free, ReferencePool, imports, names, used};
use criterion::{
    AxisScale, BenchmarkGroup, BenchmarkId, Criterion, PlotConfiguration, criterion_group, criterion_main,
    measurement::WallTime,
};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::local::{Builder, Pool};
use pool_core::{Capacity, Eviction, Names as Imports, Own};

const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// It is linear: more would take minutes to fill.
const REFERENCE_MAX: usize = 10_000;
const NAMES: usize = 4;

fn hot_key(c: &mut Criterion) {
    hits(c, "hit on one hot key", |size| Cycle::over(size / 2..size / 2 + 1));
}

fn at_random(c: &mut Criterion) {
    hits(c, "hits at random", Cycle::shuffled);
}

fn hits(c: &mut Criterion, title: &str, order: impl Fn(usize) -> Cycle) {
    let mut group = group(c, title);
    for size in sizes() {
        let keys: Vec<Imports> = (0..size).map(|salt| imports(NAMES, salt)).collect();
        hit(&mut group, "local", size, &full(boxed(size), &keys), &keys, order(size));
        hit(&mut group, "local, static Lru", size, &full(inline(size), &keys), &keys, order(size));
        if size > REFERENCE_MAX {
            continue;
        }
        let texts: Vec<Vec<String>> = (0..size).map(|salt| names(NAMES, salt)).collect();
        let queries: Vec<Vec<&str>> =
            texts.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
        let reference = ReferencePool::new(size);
        queries.iter().for_each(|query| drop(reference.acquire(query, || Free(0))));
        let mut order = order(size);
        group.bench_function(BenchmarkId::new("reference design", size), |b| {
            b.iter(|| used(reference.acquire(black_box(&queries[order.turn()]), || unreachable!())));
        });
    }
}

fn hit<C: Capacity, E: Eviction<Imports>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    size: usize,
    pool: &Pool<Imports, Free, Own, C, E>,
    keys: &[Imports],
    mut order: Cycle,
) {
    group.bench_function(BenchmarkId::new(name, size), |b| {
        b.iter(|| used(pool.acquire(black_box(&keys[order.turn()]), |_| unreachable!()).unwrap()));
    });
}

fn miss_with_an_eviction(c: &mut Criterion) {
    let mut group = group(c, "miss with an eviction");
    for size in sizes() {
        let keys: Vec<u64> = (0..size as u64).collect();
        miss(&mut group, "local", size, &full(boxed(size), &keys));
        miss(&mut group, "local, static Lru", size, &full(inline(size), &keys));
    }
}

fn miss<C: Capacity, E: Eviction<u64>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    size: usize,
    pool: &Pool<u64, Free, Own, C, E>,
) {
    let mut key = size as u64;
    group.bench_function(BenchmarkId::new(name, size), |b| {
        b.iter(|| {
            key += 1;
            used(pool.acquire(black_box(&key), |_| Ok(Free(0))).unwrap());
        });
    });
}

fn group<'c>(c: &'c mut Criterion, title: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(title);
    group.plot_config(PlotConfiguration::default().summary_scale(AxisScale::Logarithmic));
    group
}

/// All sizes; small ones only where it is tried whether this runs.
fn sizes() -> impl Iterator<Item = usize> {
    let smoke = std::env::args().any(|arg| arg == "--test");
    SIZES.into_iter().filter(move |&size| !smoke || size <= 1_000)
}

fn boxed<K: Clone + Debug>(size: usize) -> Pool<K, Free> {
    Pool::with_max_idle(size as u64)
}

fn inline<K: Clone + Debug>(size: usize) -> Pool<K, Free, Own, MaxIdle, Lru> {
    let builder: Builder<K, Free> = Pool::builder();
    builder.static_policies(MaxIdle(size as u64), Lru::new()).build()
}

fn full<K, C, E>(pool: Pool<K, Free, Own, C, E>, keys: &[K]) -> Pool<K, Free, Own, C, E>
where
    K: Hash + Eq + Clone + Debug,
    C: Capacity,
    E: Eviction<K>,
{
    keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
    pool
}

criterion_group!(curves, hot_key, at_random, miss_with_an_eviction);
criterion_main!(curves);
