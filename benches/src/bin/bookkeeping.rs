//! How many bytes of bookkeeping an idle entry and a known key cost: `bookkeeping COUNT…`. (And with `--drained COUNT` what a drain leaves.) Prints a line for each, by tabs: what,
//! how many, bytes for each, bytes for each at the peak.
#![forbid(unsafe_code)]

use allocation_counter::measure;
use benches::{Free, ReferencePool, imports, names};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::{Capacity, Eviction, Names as Imports, Own, local, sync};

fn main() {
    if let Some(count) = std::env::args().skip_while(|arg| arg != "--drained").nth(1) {
        drained(count.parse().expect("usage: bookkeeping --drained COUNT"));
        return;
    }
    for count in std::env::args().skip(1) {
        let count = count.parse().expect("usage: bookkeeping COUNT…");
        of(count);
    }
}

/// Prints the bytes that a pool of so many idle entries has, and those that it keeps when it was drained.
fn drained(count: u64) {
    let pool = local::Pool::with_max_idle(count);
    let held = |work: &dyn Fn()| measure(work).bytes_current;
    let before = held(&|| (0..count).for_each(|key| drop(pool.acquire(&key, |_| Ok(Free(0))))));
    let freed = held(&|| {
        pool.drain();
    });
    println!("{before} {}", before + freed);
}

fn of(count: usize) {
    let keys: Vec<Imports> = (0..count).map(|salt| imports(4, salt)).collect();
    let one = vec![imports(4, 0); count];
    let max = count as u64;

    idle("idle entry, a key each", max, &keys, &|| local::Pool::with_max_idle(max));
    let inline = || local::Pool::builder().static_policies(MaxIdle(max), Lru::new()).build();
    idle("idle entry, a key each, static Lru", max, &keys, &inline);
    let of_names = || local::Pool::names_builder().capacity(MaxIdle(max)).build();
    idle("idle entry, a key each, Recall::of_names", max, &keys, &of_names);
    idle("idle entry, all of one key", max, &one, &|| local::Pool::with_max_idle(max));
    print("idle entry, a key each, sync", max, || {
        let pool = sync::Pool::with_max_idle(max);
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
        pool
    });

    let forgetful = || local::Pool::builder().capacity(MaxIdle(0)).remembered_keys(count).build();
    print("known key without entries", max, || {
        let pool = forgetful();
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
        pool
    });
    let forgetful =
        || local::Pool::builder().static_policies(MaxIdle(0), Lru::new()).remembered_keys(count).build();
    print("known key without entries, static Lru", max, || {
        let pool = forgetful();
        keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
        pool
    });

    let texts: Vec<Vec<String>> = (0..count).map(|salt| names(4, salt)).collect();
    let slices: Vec<Vec<&str>> =
        texts.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
    print("idle entry, a key each, reference design (with the key's text)", max, || {
        let pool = ReferencePool::new(count);
        slices.iter().for_each(|names| drop(pool.acquire(names, || Free(0))));
        pool
    });
}

/// All leased at once, then released: entries of one key are not hits of each other then.
fn idle<C: Capacity, E: Eviction<Imports>>(
    what: &str,
    count: u64,
    keys: &[Imports],
    make: &dyn Fn() -> local::Pool<Imports, Free, Own, C, E>,
) {
    let pool = make();
    let mut leases = Vec::with_capacity(keys.len());
    let info = measure(|| {
        leases.extend(keys.iter().map(|key| pool.acquire(key, |_| Ok(Free(0)))));
        leases.clear();
    });
    assert_eq!(pool.len(), keys.len());
    line(what, count, info);
}

fn print<T>(what: &str, count: u64, make: impl FnOnce() -> T) {
    let mut made = None;
    let info = measure(|| made = Some(make()));
    line(what, count, info);
    drop(made);
}

fn line(what: &str, count: u64, info: allocation_counter::AllocationInfo) {
    let each = |bytes: f64| bytes / count as f64;
    println!("{what}\t{count}\t{:.0}\t{:.0}", each(info.bytes_current as f64), each(info.bytes_max as f64));
}
