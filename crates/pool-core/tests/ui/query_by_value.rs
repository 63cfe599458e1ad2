use pool_core::Resource;
use pool_core::sync::Pool;

struct Solver;
impl Resource for Solver {
    type Error = ();
}

fn main() {
    let pool: Pool<u32, Solver> = Pool::new(1);
    let _ = pool.acquire(7, |_| Ok(Solver));
}
