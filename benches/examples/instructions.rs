//! One scenario, so many times: for callgrind, by `benches/instructions`.
//!
//! `instructions SCENARIO POLICIES N`; without arguments it prints what there is.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hint::black_box;

use benches::order::Cycle;
use benches::{Free, imports, names, used};
use parking_lot::Mutex;
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::{Capacity, Eviction, Names as Imports, Own, local, sync};

const SCENARIOS: [&str; 4] = ["local-hit-interned", "local-hit-slices", "sync-hit", "miss-evict"];
/// One probe of a table and a bare stack, alone and behind a lock: no keyed pool takes less.
const FLOORS: [&str; 2] = ["keyed-floor", "keyed-floor-locked"];
const SLOTS: u64 = 8;
const NAMES: usize = 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, policies, times] = args.as_slice() else {
        FLOORS.iter().for_each(|floor| println!("{floor} none"));
        SCENARIOS.iter().for_each(|scenario| println!("{scenario} default\n{scenario} static"));
        return;
    };
    let times = times.parse().expect("N is a number");
    match (scenario.as_str(), policies.as_str()) {
        ("keyed-floor", _) => floor(times),
        ("keyed-floor-locked", _) => floor_locked(times),
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
    pool: local::Pool<Imports, Free, Own, C, E>,
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

fn sync_hit<C: Capacity, E: Eviction<Imports>>(pool: &sync::Pool<Imports, Free, Own, C, E>, times: u64) {
    let keys = keys();
    keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
    for _ in 0..times {
        used(pool.acquire(black_box(&keys[4]), |_| unreachable!()).unwrap());
    }
}

fn floor(times: u64) {
    let keys = keys();
    let table = table(&keys);
    let stacks: Vec<RefCell<Vec<Free>>> = keys.iter().map(|_| RefCell::new(vec![Free(0)])).collect();
    for _ in 0..times {
        let stack = &stacks[table[black_box(&keys[4])]];
        let value = stack.borrow_mut().pop().unwrap();
        stack.borrow_mut().push(black_box(value));
    }
}

fn floor_locked(times: u64) {
    let keys = keys();
    let stacks: Vec<Vec<Free>> = keys.iter().map(|_| vec![Free(0)]).collect();
    let both = Mutex::new((table(&keys), stacks));
    for _ in 0..times {
        let (at, value) = {
            let (table, stacks) = &mut *both.lock();
            let at = table[black_box(&keys[4])];
            (at, stacks[at].pop().unwrap())
        };
        both.lock().1[at].push(black_box(value));
    }
}

fn table(keys: &[Imports]) -> HashMap<Imports, usize, foldhash::fast::RandomState> {
    keys.iter().enumerate().map(|(at, key)| (key.clone(), at)).collect()
}

fn keys() -> Vec<Imports> {
    (0..SLOTS as usize).map(|salt| imports(NAMES, salt)).collect()
}
