//! What one acquire + release costs in the thread-safe pool, beside its peers in the same run: by one thread, and by two at once.
//!
//! `cargo bench -p benches --bench threads`. All are given the same trivial resource, so that nothing but the pools is measured. Rounds
//! of all candidates take turns, so that what else the machine does strikes all alike; printed are medians and ratios.

use std::hint::black_box;
use std::sync::{Barrier, Condvar, Mutex};
use std::time::Instant;

use benches::{Free, used};
use pool_core::capacity::{MaxIdle, MaxLive};
use pool_core::eviction::Lru;
use pool_core::sync::Pool;
use pool_core::{Capacity, Eviction, Own};

/// One acquire + release.
type Cycle<'a> = Box<dyn Fn(u64) + Sync + 'a>;

const KEY: u32 = 4;

/// Nothing is ever wrong with it.
struct Manager;

impl r2d2::ManageConnection for Manager {
    type Connection = Free;
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<Free, Self::Error> {
        Ok(Free(0))
    }

    fn is_valid(&self, _: &mut Free) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Free) -> bool {
        false
    }
}

impl deadpool::managed::Manager for Manager {
    type Type = Free;
    type Error = std::convert::Infallible;

    async fn create(&self) -> Result<Free, Self::Error> {
        Ok(Free(0))
    }

    async fn recycle(
        &self,
        _: &mut Free,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Self::Error> {
        Ok(())
    }
}

fn main() {
    // `cargo bench -- --test`, and `cargo test --benches`, only want to know that it runs.
    let quick = !std::env::args().any(|arg| arg == "--bench") || std::env::args().any(|arg| arg == "--test");
    let (cycles, rounds) = if quick { (100, 3) } else { (100_000, 31) };

    println!("uncontended: one thread, nanoseconds for one acquire + release (median of {rounds} rounds)");
    let one = measure(cycles, rounds, 1, |run| with_candidates(2, run));
    table(&one);
    let of = |name: &str| one.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, nanos)| *nanos);
    let pool = of(POOL);
    verdict("pool / Mutex<Vec>, at most 1.5", pool / of("Mutex<Vec>"), |ratio| ratio <= 1.5);
    verdict("r2d2 / pool, at least 2", of("r2d2") / pool, |ratio| ratio >= 2.0);
    verdict("deadpool / pool, at least 2", of("deadpool managed") / pool, |ratio| ratio >= 2.0);

    println!("\ncontended: two threads at once, enough resources for both");
    let two = measure(cycles, rounds, 2, |run| with_candidates(2, run));
    table(&two);
    let of = |name: &str| two.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, nanos)| *nanos);
    verdict("throughput, pool / r2d2, at least 2", of("r2d2") / of(POOL), |ratio| ratio >= 2.0);

    println!("\nscarce: two threads at once, one resource: half of all have to wait");
    let scarce = measure(cycles / 10, rounds.min(11), 2, |run| with_candidates(1, run));
    table(&scarce);
}

const POOL: &str = "pool";

/// Hands each candidate, filled with `resources`, to `run`.
fn with_candidates(resources: u64, run: &mut dyn FnMut(&str, Cycle<'_>)) {
    let size = u32::try_from(resources).expect("few");
    let stack = Mutex::new((0..resources).map(Free).collect::<Vec<_>>());
    let not_empty = Condvar::new();
    run(
        "Mutex<Vec>",
        Box::new(|cycles| {
            for _ in 0..cycles {
                let mut held = stack.lock().unwrap();
                let value = loop {
                    match held.pop() {
                        Some(value) => break value,
                        None => held = not_empty.wait(held).unwrap(),
                    }
                };
                drop(held);
                let value = black_box(value);
                stack.lock().unwrap().push(value);
                if resources == 1 {
                    not_empty.notify_one();
                }
            }
        }),
    );

    // Other keys are there as well, but where room is scarce: an acquire would take theirs.
    let others = if resources > 1 { 6 } else { 0 };
    let boxed: Pool<u32, Free> = Pool::builder().capacity(MaxLive(others + resources)).build();
    fill(&boxed, others, resources);
    run(POOL, Box::new(|cycles| cycle(&boxed, cycles)));
    let inline =
        Pool::<u32, Free>::builder().static_policies(MaxIdle(others + resources), Lru::new()).build();
    fill(&inline, others, resources);
    if resources > 1 {
        run("pool, static policies, Lru", Box::new(|cycles| cycle(&inline, cycles)));
    }

    let r2d2 = r2d2::Pool::builder().max_size(size).test_on_check_out(false).build(Manager).unwrap();
    run("r2d2", Box::new(|cycles| (0..cycles).for_each(|_| used(r2d2.get().unwrap()))));
    let tested = r2d2::Pool::builder().max_size(size).build(Manager).unwrap();
    run(
        "r2d2, tested on check-out (its default)",
        Box::new(|cycles| (0..cycles).for_each(|_| used(tested.get().unwrap()))),
    );
    let managed: deadpool::managed::Pool<Manager> =
        deadpool::managed::Pool::builder(Manager).max_size(resources as usize).build().unwrap();
    run(
        "deadpool managed",
        Box::new(|cycles| {
            (0..cycles).for_each(|_| used(pollster::block_on(managed.get()).unwrap()));
        }),
    );
    if resources > 1 {
        // It never waits.
        let objects = object_pool::Pool::new(resources as usize, || Free(0));
        run("object-pool", Box::new(|cycles| (0..cycles).for_each(|_| used(objects.try_pull().unwrap()))));
    }
}

/// So many of `others`, and `resources` of the key that is asked for.
fn fill<C: Capacity, E: Eviction<u32>>(pool: &Pool<u32, Free, Own, C, E>, others: u64, resources: u64) {
    (10..10 + others as u32).for_each(|key| drop(pool.acquire(&key, |_| Ok(Free(0))).unwrap()));
    let leases: Vec<_> = (0..resources).map(|_| pool.acquire(&KEY, |_| Ok(Free(0))).unwrap()).collect();
    drop(leases);
}

fn cycle<C: Capacity, E: Eviction<u32>>(pool: &Pool<u32, Free, Own, C, E>, cycles: u64) {
    for _ in 0..cycles {
        used(pool.acquire(black_box(&KEY), |_| unreachable!("it is warm")).unwrap());
    }
}

/// Median nanoseconds of wall time for one cycle, for each candidate, with `threads` at once.
fn measure(
    cycles: u64,
    rounds: usize,
    threads: u64,
    mut candidates: impl FnMut(&mut dyn FnMut(&str, Cycle<'_>)),
) -> Vec<(String, f64)> {
    let mut times: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..rounds {
        candidates(&mut |name, cycle| {
            cycle(cycles / 10);
            let nanos = time(&cycle, cycles, threads) as f64 / (cycles * threads) as f64;
            match times.iter_mut().find(|(known, _)| known == name) {
                Some((_, times)) => times.push(nanos),
                None => times.push((name.to_owned(), vec![nanos])),
            }
        });
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.into_iter().map(|(name, times)| (name, median(times))).collect()
}

fn time(cycle: &Cycle<'_>, cycles: u64, threads: u64) -> u128 {
    if threads == 1 {
        let start = Instant::now();
        cycle(cycles);
        return start.elapsed().as_nanos();
    }
    let barrier = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                barrier.wait();
                cycle(cycles);
                barrier.wait();
            });
        }
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        start.elapsed().as_nanos()
    })
}

fn table(results: &[(String, f64)]) {
    let pool = results.iter().find(|(name, _)| name == POOL).map_or(f64::NAN, |(_, nanos)| *nanos);
    for (name, nanos) in results {
        println!("  {name:<42} {nanos:>9.1} ns   {:>6.2} x pool", nanos / pool);
    }
}

fn verdict(what: &str, ratio: f64, reached: impl Fn(f64) -> bool) {
    println!("  {what}: {ratio:.2} ({})", if reached(ratio) { "reached" } else { "not reached" });
}
