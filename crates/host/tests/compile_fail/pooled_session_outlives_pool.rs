//! A pooled session gives its environment back to the pool when it is dropped, so it can't outlive the pool.

use leanpool::{LeanHost, LeanRuntime, PooledSession, SessionPool};

fn main() {
    let runtime = LeanRuntime::init().unwrap();
    let lean = LeanHost::from_toolchain(runtime);
    let capabilities = lean.load_shims_only().unwrap();
    let session: PooledSession<'_, '_, '_>;
    {
        let pool = SessionPool::with_capacity(runtime, 2);
        session = pool.acquire(&capabilities, &[], None, None).unwrap();
    }
    drop(session);
}
