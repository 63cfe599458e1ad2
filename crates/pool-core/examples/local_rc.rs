//! One thread, resources that are not `Send`, leases that own their share of the pool: they can be kept anywhere.
//!
//! `cargo run -p pool-core --example local_rc`

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;

use pool_core::Resource;
use pool_core::local::{Lease, Pool};

/// A thing of this thread.
struct Document {
    words: Rc<Cell<usize>>,
}

impl Resource for Document {
    type Error = Infallible;
}

/// A window keeps its lease for as long as it is there.
struct Window {
    document: Lease<&'static str, Document>,
}

fn open(pool: &Pool<&'static str, Document>, name: &'static str) -> Window {
    let document = pool.acquire(&name, |_| Ok(Document { words: Rc::default() }));
    Window { document: document.expect("a pool for one thread never waits, and there is room") }
}

fn main() {
    let windows: Vec<Window> = {
        let pool = Pool::new(8);
        ["letter", "diary"].map(|name| open(&pool, name)).into()
    }; // the handle is gone, the pool lives on with the leases
    for window in &windows {
        window.document.words.set(window.document.words.get() + 1);
    }
    let pool = Lease::pool(&windows[0].document).clone();
    drop(windows);
    assert!(Lease::was_hit(&open(&pool, "diary").document));
    println!("{}", pool.usage());
}
