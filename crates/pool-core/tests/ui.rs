//! Risk: a local pool crosses threads, a lease is used after its end, or a mistake gets a message that does not say what to write.
//! The programs in `ui/` must not compile, for the reason that stands beside each.

use pool_core::capacity::Unbounded;
use pool_core::eviction::Lru;
use pool_core::local::{Lease, Pool};
use pool_core::{Own, Resource, sync};

struct Solver;

impl Resource for Solver {
    type Error = ();
}

// Even of things that are both, with policies that are both.
static_assertions::assert_not_impl_any!(Pool<u32, Solver, Own, Unbounded, Lru>: Send, Sync);
static_assertions::assert_not_impl_any!(Lease<u32, Solver, Own, Unbounded, Lru>: Send, Sync);
static_assertions::assert_impl_all!(
    sync::Pool<u32, Solver>: Clone, Send, Sync, std::panic::UnwindSafe, std::panic::RefUnwindSafe
);
static_assertions::assert_impl_all!(sync::Lease<u32, Solver>: Send, Sync);
static_assertions::assert_impl_all!(sync::Place<u32, Solver>: Send);

#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of Rust 1.95")]
#[test]
fn mistakes_do_not_compile_and_the_message_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
