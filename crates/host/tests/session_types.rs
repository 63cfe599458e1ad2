//! Risk: a session outlives what it needs, or crosses threads. The types forbid it; the programs in `compile_fail/` must not
//! compile, for the reason that stands beside each.
#![cfg(feature = "lean")]

use leanpool::session::lean_backend::{EnvironmentKey, LeanThread, SharedEnvironment};
use leanpool::{LeanCancellationToken, LeanCapabilities, LeanHost, LeanSession, PooledSession, SessionPool};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_not_impl_any!(SessionPool<'static>: Send, Sync);
assert_not_impl_any!(PooledSession<'static, 'static, 'static>: Send, Sync);
assert_not_impl_any!(LeanSession<'static, 'static>: Send, Sync);
assert_not_impl_any!(LeanCapabilities<'static, 'static>: Send, Sync);
assert_not_impl_any!(LeanHost<'static>: Send, Sync);
assert_not_impl_any!(LeanThread: Send, Sync);

assert_impl_all!(SharedEnvironment: Send, Sync, Clone);
assert_impl_all!(LeanCancellationToken: Send, Sync, Clone);
assert_impl_all!(pool_core::sync::Pool<EnvironmentKey, SharedEnvironment>: Send, Sync);

/// The same on real Lean; it is not compiled a second time there.
#[cfg(feature = "abi-model")]
#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of Rust 1.95")]
#[test]
fn nothing_outlives_what_it_borrows_from() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
