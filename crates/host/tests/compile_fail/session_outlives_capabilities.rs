//! A session borrows from its capabilities, as in lean-rs-host.

use leanpool::{LeanHost, LeanRuntime, LeanSession};

fn main() {
    let runtime = LeanRuntime::init().unwrap();
    let lean = LeanHost::from_toolchain(runtime);
    let session: LeanSession<'_, '_>;
    {
        let capabilities = lean.load_shims_only().unwrap();
        session = capabilities.session(&[], None, None).unwrap();
    }
    drop(session);
}
