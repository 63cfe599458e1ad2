//! What one acquire + release costs on a hit, beside baselines in the same run.
//!
//! `cargo bench -p benches --bench lease_overhead`

use std::cell::RefCell;
use std::collections::HashMap;
use std::hint::black_box;

use benches::order::Cycle;
use benches::{Free, ReferencePool, imports, names, used};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use parking_lot::Mutex;
use pool_core::Names as Imports;
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::local::Pool;

const SLOTS: u64 = 8;

fn hit(c: &mut Criterion) {
    let mut group = c.benchmark_group("hit");
    let cell = RefCell::new(vec![Free(0)]);
    group.bench_function("RefCell<Vec>", |b| {
        b.iter(|| {
            let value = cell.borrow_mut().pop().unwrap();
            cell.borrow_mut().push(black_box(value));
        });
    });
    let mutex = Mutex::new(vec![Free(0)]);
    group.bench_function("parking_lot::Mutex<Vec>", |b| {
        b.iter(|| {
            let value = mutex.lock().pop().unwrap();
            mutex.lock().push(black_box(value));
        });
    });
    for count in [1, 4, 20] {
        let keys: Vec<Imports> = (0..SLOTS as usize).map(|salt| imports(count, salt)).collect();
        let texts: Vec<Vec<String>> = (0..SLOTS as usize).map(|salt| names(count, salt)).collect();
        let slices: Vec<Vec<&str>> =
            texts.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
        let middle = SLOTS as usize / 2;

        // What any keyed pool has to do: one probe, and a pop and push.
        let mut floor: HashMap<Imports, usize, foldhash::fast::RandomState> = HashMap::default();
        floor.extend(keys.iter().enumerate().map(|(at, key)| (key.clone(), at)));
        let stacks: Vec<RefCell<Vec<Free>>> = keys.iter().map(|_| RefCell::new(vec![Free(0)])).collect();
        group.bench_function(BenchmarkId::new("keyed floor", count), |b| {
            b.iter(|| {
                let stack = &stacks[floor[black_box(&keys[middle])]];
                let value = stack.borrow_mut().pop().unwrap();
                stack.borrow_mut().push(black_box(value));
            });
        });

        let reference = ReferencePool::new(SLOTS as usize);
        slices.iter().for_each(|slice| drop(reference.acquire(slice, || Free(0))));
        // Each hit moves its entry to the end, so those of the upper half, in turn, are always in the middle.
        let mut order = Cycle::over(middle..slices.len());
        group.bench_function(BenchmarkId::new("reference design", count), |b| {
            b.iter(|| {
                let query = black_box(&slices[order.turn()]);
                used(reference.acquire(query, || unreachable!()));
            });
        });

        let boxed: Pool<Imports, Free> = Pool::with_max_idle(SLOTS);
        keys.iter().for_each(|key| drop(boxed.acquire(key, |_| Ok(Free(0)))));
        group.bench_function(BenchmarkId::new("local, interned key", count), |b| {
            b.iter(|| used(boxed.acquire(black_box(&keys[middle]), |_| unreachable!()).unwrap()));
        });
        group.bench_function(BenchmarkId::new("local, &[&str]", count), |b| {
            b.iter(|| used(boxed.acquire(black_box(&slices[middle][..]), |_| unreachable!()).unwrap()));
        });
        let inline = Pool::<Imports, Free>::builder().static_policies(MaxIdle(SLOTS), Lru::new()).build();
        keys.iter().for_each(|key| drop(inline.acquire(key, |_| Ok(Free(0)))));
        group.bench_function(BenchmarkId::new("local, interned key, static policies", count), |b| {
            b.iter(|| used(inline.acquire(black_box(&keys[middle]), |_| unreachable!()).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, hit);
criterion_main!(benches);
