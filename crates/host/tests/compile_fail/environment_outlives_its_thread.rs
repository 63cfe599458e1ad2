//! What belongs to an attached thread is gone before the thread is detached.

use leanpool::session::lean_backend::{Environment, ImportOptions, LeanRuntime, Sysroot};

fn main() {
    let options = ImportOptions::new(Sysroot::at("/lean"));
    let environment = {
        let thread = LeanRuntime::init().unwrap().attach();
        Environment::import(&thread, &options, &["Init"]).unwrap()
    };
    drop(environment);
}
