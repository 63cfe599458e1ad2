use pool_core::Own;
use pool_core::capacity::Unbounded;
use pool_core::eviction::Lru;
use pool_core::local::Pool;
use pool_core::Resource;

struct Solver;
impl Resource for Solver {
    type Error = ();
}

fn is_sync<T: Sync>() {}

fn main() {
    is_sync::<Pool<u32, Solver, Own, Unbounded, Lru>>();
}
