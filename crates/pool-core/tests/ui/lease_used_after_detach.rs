use pool_core::Resource;
use pool_core::local::{Lease, Pool};

struct Solver;
impl Resource for Solver {
    type Error = ();
}

fn main() {
    let pool: Pool<u32, Solver> = Pool::with_max_idle(1);
    let lease = pool.acquire(&1, |_| Ok(Solver)).unwrap();
    let _solver = Lease::into_inner(lease);
    Lease::discard(lease);
}
