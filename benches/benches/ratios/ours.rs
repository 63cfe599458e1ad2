//! What is done to our own pool, the one for one thread: hits, misses with evictions, drains.

use std::fmt::Debug;
use std::hash::Hash;
use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::order::Cycle;
use benches::rounds::Subject;
use benches::{Free, used};
use pool_core::local::Pool;
use pool_core::{Capacity, Eviction, Own, Query};

/// Hits on `queries`, in that order.
pub(crate) fn hits<K, Q, C, E>(
    name: impl Into<String>,
    pool: Pool<K, Free, Own, C, E>,
    queries: Vec<Q>,
    mut order: Cycle,
) -> Subject<'static>
where
    K: Clone + Debug + 'static,
    Q: 'static,
    for<'a> &'a Q: Query<K>,
    C: Capacity + 'static,
    E: Eviction<K> + 'static,
{
    fill(&pool, &queries);
    Subject::new(name, move || {
        used(pool.acquire(black_box(&queries[order.turn()]), |_| unreachable!()).unwrap());
    })
}

/// Hits in a pool whose `count` entries are all of one key.
pub(crate) fn hits_of_one<C, E>(
    name: impl Into<String>,
    pool: Pool<u64, Free, Own, C, E>,
    count: usize,
) -> Subject<'static>
where
    C: Capacity + 'static,
    E: Eviction<u64> + 'static,
{
    fill_with_one(&pool, count);
    Subject::new(name, move || used(pool.acquire(black_box(&0), |_| unreachable!()).unwrap()))
}

/// Misses in a pool that is full of other keys, never seen before: each evicts one.
pub(crate) fn misses<K, C, E>(
    name: impl Into<String>,
    pool: Pool<K, Free, Own, C, E>,
    full: &[K],
    mut next: impl FnMut() -> K + 'static,
) -> Subject<'static>
where
    K: Hash + Eq + Clone + Debug + 'static,
    C: Capacity + 'static,
    E: Eviction<K> + 'static,
{
    fill(&pool, full);
    Subject::new(name, move || {
        used(pool.acquire(black_box(&next()), |_| Ok(Free(0))).unwrap());
    })
}

/// Drains of a pool that holds an entry of each key, in nanoseconds for an entry. Filling it is not measured.
pub(crate) fn drains(name: impl Into<String>, count: usize) -> Subject<'static> {
    let pool = Pool::with_max_idle(count as u64);
    let keys: Vec<u64> = (0..count as u64).collect();
    drained(name, count, move || {
        fill(&pool, &keys);
        let start = Instant::now();
        pool.drain();
        start.elapsed()
    })
}

/// The same where all are of one key.
pub(crate) fn drains_of_one(name: impl Into<String>, count: usize) -> Subject<'static> {
    let pool = Pool::with_max_idle(count as u64);
    drained(name, count, move || {
        fill_with_one(&pool, count);
        let start = Instant::now();
        pool.drain();
        start.elapsed()
    })
}

/// Something that is filled and drained, and says how long draining took.
pub(crate) fn drained(
    name: impl Into<String>,
    count: usize,
    mut drain: impl FnMut() -> Duration + 'static,
) -> Subject<'static> {
    Subject::timed(name, move |times| (0..times).map(|_| drain()).sum()).units(count)
}

fn fill<K, Q, C, E>(pool: &Pool<K, Free, Own, C, E>, queries: &[Q])
where
    K: Clone + Debug,
    for<'a> &'a Q: Query<K>,
    C: Capacity,
    E: Eviction<K>,
{
    queries.iter().for_each(|query| drop(pool.acquire(query, |_| Ok(Free(0)))));
    assert_eq!(pool.len(), queries.len());
}

fn fill_with_one<C: Capacity, E: Eviction<u64>>(pool: &Pool<u64, Free, Own, C, E>, count: usize) {
    let leases: Vec<_> = (0..count).map(|_| pool.acquire(&0, |_| Ok(Free(0)))).collect();
    drop(leases);
    assert_eq!(pool.len(), count);
}
