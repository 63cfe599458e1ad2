use pool_core::Resource;
use pool_core::sync::Pool;

struct Solver;
impl Resource for Solver {
    type Error = ();
}

fn main() {
    let lease = {
        let pool: Pool<u32, Solver> = Pool::with_max_idle(1);
        pool.acquire(&1, |_| Ok(Solver)).unwrap()
    };
    drop(lease);
}
