//! What comes from a runtime lives no longer than the borrow of it that it was made with.

use leanpool::{LeanHost, LeanRuntime, SessionPool};

/// A runtime as good as any, for no longer than the anchor.
fn shortened<'a>(runtime: &'a LeanRuntime, _anchor: &'a ()) -> &'a LeanRuntime {
    runtime
}

fn main() {
    let lean: LeanHost<'_>;
    let pool: SessionPool<'_>;
    {
        let anchor = ();
        let runtime = shortened(LeanRuntime::init().unwrap(), &anchor);
        lean = LeanHost::from_toolchain(runtime);
        pool = SessionPool::with_capacity(runtime, 2);
    }
    drop((lean, pool));
}
