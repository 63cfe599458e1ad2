use pool_core::Own;
use pool_core::capacity::Unbounded;
use pool_core::eviction::Lru;
use pool_core::local::Lease;
use pool_core::Resource;

struct Solver;
impl Resource for Solver {
    type Error = ();
}

fn is_send<T: Send>() {}

fn main() {
    is_send::<Lease<u32, Solver, Own, Unbounded, Lru>>();
}
