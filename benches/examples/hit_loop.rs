//! One hit, a million times: for callgrind and perf.

use benches::{Free, imports};
use pool_core::local::Pool;

fn main() {
    let pool: Pool<_, Free> = Pool::with_max_idle(8);
    let keys: Vec<_> = (0..8).map(|salt| imports(20, salt)).collect();
    keys.iter().for_each(|key| drop(pool.acquire(key, |_| Ok(Free(0)))));
    for _ in 0..1_000_000 {
        drop(std::hint::black_box(pool.acquire(std::hint::black_box(&keys[4]), |_| unreachable!())));
    }
}
