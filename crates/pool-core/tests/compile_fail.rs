//! Risk: a lease outlives its pool, or a local pool crosses threads. The types forbid it; the programs in
//! `compile_fail/` must not compile, for the reason that stands beside each.

use pool_core::Resource;
use pool_core::capacity::Unbounded;
use pool_core::eviction::Lru;
use pool_core::local::{Lease, Pool};

struct Solver;

impl Resource for Solver {
    type Error = ();
}

// Even of things that are both, with policies that are both.
static_assertions::assert_not_impl_any!(Pool<u32, Solver, Unbounded, Lru>: Send, Sync);
static_assertions::assert_not_impl_any!(Lease<'static, u32, Solver, Unbounded, Lru>: Send, Sync);

#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of Rust 1.95")]
#[test]
fn a_lease_cannot_outlive_its_pool_and_a_local_pool_cannot_cross_threads() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
