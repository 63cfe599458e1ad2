//! Risk: a hit allocates with what users have: the default policies, either pool, either kind of query.
//!
//! `crates/pool-core/tests/allocations.rs` has each policy by name. Tracing that is switched off can't allocate here either: pool-core calls none of
//! `tracing`'s macros, an observer is how events leave it, and there is none unless one is given.

use allocation_counter::measure;
use benches::{Free, imports, names};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::{Names as Imports, local, sync};

const SLOTS: usize = 8;

/// Hits by `interned` keys and by slices, with and without a look at the statistics in between; then asserts that
/// nothing was allocated and that they were hits.
macro_rules! assert_hits_allocate_nothing {
    ($pool:expr, $count:expr) => {{
        let (pool, count) = ($pool, $count);
        let keys: Vec<Imports> = (0..SLOTS).map(|salt| imports(count, salt)).collect();
        let texts: Vec<Vec<String>> = (0..SLOTS).map(|salt| names(count, salt)).collect();
        let slices: Vec<Vec<&str>> =
            texts.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0))).unwrap()));

        let interned = measure(|| keys.iter().for_each(|key| drop(pool.acquire(key, |_| unreachable!()))));
        assert_eq!(interned.count_total, 0, "interned, {count} names");

        let borrowed = measure(|| {
            slices.iter().for_each(|names| drop(pool.acquire(names.as_slice(), |_| unreachable!())));
        });
        assert_eq!(borrowed.count_total, 0, "&[&str], {count} names");

        let mut reused = 0;
        let looked_at = measure(|| {
            for (key, names) in keys.iter().zip(&slices) {
                let lease = pool.acquire(key, |_| unreachable!()).unwrap();
                assert_eq!(pool.stats().usage.leased, 1);
                drop(lease);
                drop(pool.acquire(names.as_slice(), |_| unreachable!()));
                reused = pool.stats().reused;
            }
        });
        assert_eq!(looked_at.count_total, 0, "with statistics, {count} names");
        assert_eq!(reused, 4 * SLOTS as u64);
    }};
}

#[test]
fn local_pool_with_default_policies() {
    for count in [1, 4, 20] {
        assert_hits_allocate_nothing!(local::Pool::<Imports, Free>::with_max_idle(SLOTS as u64), count);
        let of_names = local::Pool::<Imports, Free>::names_builder().build();
        assert_hits_allocate_nothing!(of_names, count);
    }
}

#[test]
fn sync_pool_with_default_policies() {
    for count in [1, 4, 20] {
        assert_hits_allocate_nothing!(sync::Pool::<Imports, Free>::with_max_idle(SLOTS as u64), count);
        let of_names = sync::Pool::<Imports, Free>::names_builder().build();
        assert_hits_allocate_nothing!(of_names, count);
    }
}

#[test]
fn either_pool_with_static_policies() {
    let policies = || (MaxIdle(SLOTS as u64), Lru::new());
    for count in [1, 4, 20] {
        let (capacity, eviction) = policies();
        let local = local::Pool::<Imports, Free>::builder().static_policies(capacity, eviction).build();
        assert_hits_allocate_nothing!(local, count);
        let (capacity, eviction) = policies();
        let sync = sync::Pool::<Imports, Free>::builder().static_policies(capacity, eviction).build();
        assert_hits_allocate_nothing!(sync, count);
    }
}

#[test]
fn an_allocation_would_be_seen() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(1_u32)))).count_total, 1);
}
