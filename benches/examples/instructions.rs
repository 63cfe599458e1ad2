//! One scenario, so many times: for callgrind, by `benches/instructions`.
//!
//! `instructions SCENARIO default|static N`; without arguments it prints the scenarios.

use std::cell::Cell;
use std::hint::black_box;

use benches::order::Cycle;
use benches::{Free, imports, names, used};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::{Capacity, Eviction, Imports, local, sync};

const SCENARIOS: [&str; 4] = ["local-hit-interned", "local-hit-slices", "sync-hit", "miss-evict"];
const SLOTS: u64 = 8;
const NAMES: usize = 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, policies, times] = args.as_slice() else {
        SCENARIOS.iter().for_each(|scenario| println!("{scenario}"));
        return;
    };
    let times = times.parse().expect("N is a number");
    match (scenario.as_str(), policies.as_str()) {
        ("sync-hit", "default") => sync_hit(&sync::Pool::with_max_idle(SLOTS), times),
        ("sync-hit", "static") => {
            let builder = sync::Pool::builder().static_policies(MaxIdle(SLOTS), Lru::new());
            sync_hit(&builder.build(), times);
        }
        (_, "default") => run(scenario, builder().capacity(MaxIdle(SLOTS)).build(), times),
        (_, "static") => {
            run(scenario, builder().static_policies(MaxIdle(SLOTS), Lru::new()).build(), times);
        }
        _ => panic!("the policies are `default` or `static`"),
    }
}

/// With a clock that is not the machine's, so that costs, and with them the victims, are the same each time.
fn builder() -> local::Builder<Imports, Free> {
    let time = Cell::new(0);
    local::Pool::builder().clock(move || {
        time.set(time.get() + 1000);
        time.get()
    })
}

fn run<C: Capacity, E: Eviction<Imports>>(
    scenario: &str,
    pool: local::Pool<Imports, Free, C, E>,
    times: u64,
) {
    let keys = keys();
    keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
    match scenario {
        "local-hit-interned" => {
            for _ in 0..times {
                used(pool.acquire(black_box(&keys[4]), |_| unreachable!()).unwrap());
            }
        }
        "local-hit-slices" => {
            let texts = names(NAMES, 4);
            let query: Vec<&str> = texts.iter().map(String::as_str).collect();
            for _ in 0..times {
                used(pool.acquire(black_box(query.as_slice()), |_| unreachable!()).unwrap());
            }
        }
        "miss-evict" => {
            // Keys that are forgotten before their turn comes again.
            let pool = pool;
            let ring: Vec<Imports> = (0..6000).map(|salt| imports(NAMES, 100 + salt)).collect();
            let mut order = Cycle::over(0..ring.len());
            // Past the first 4096, which are remembered without another being forgotten.
            let mut miss = || used(pool.acquire(&ring[order.turn()], |_| Ok(Free(0))).unwrap());
            (0..6000).for_each(|_| miss());
            (0..times).for_each(|_| miss());
        }
        _ => panic!("the scenarios are {SCENARIOS:?}"),
    }
}

fn sync_hit<C: Capacity, E: Eviction<Imports>>(pool: &sync::Pool<Imports, Free, C, E>, times: u64) {
    let keys = keys();
    keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
    for _ in 0..times {
        used(pool.acquire(black_box(&keys[4]), |_| unreachable!()).unwrap());
    }
}

fn keys() -> Vec<Imports> {
    (0..SLOTS as usize).map(|salt| imports(NAMES, salt)).collect()
}
