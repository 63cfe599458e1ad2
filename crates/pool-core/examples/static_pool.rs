//! One pool for the whole program, in a `static`.
//!
//! `cargo run -p pool-core --example static_pool`

use std::sync::LazyLock;

use pool_core::sync::{Lease, Pool};
use pool_core::{AcquireError, Resource};

struct Interpreter {
    language: String,
}

impl Resource for Interpreter {
    type Error = std::io::Error;
}

static INTERPRETERS: LazyLock<Pool<String, Interpreter>> = LazyLock::new(|| Pool::new(4));

fn interpreter(language: &str) -> Result<Lease<String, Interpreter>, AcquireError<std::io::Error>> {
    INTERPRETERS.acquire(language, |language| Ok(Interpreter { language: language.clone() }))
}

fn main() -> Result<(), AcquireError<std::io::Error>> {
    let threads: Vec<_> = ["lua", "scheme", "lua", "lua"]
        .map(|language| std::thread::spawn(move || interpreter(language).map(|it| it.language.len())))
        .into();
    for thread in threads {
        thread.join().expect("no panic")?;
    }
    assert!(Lease::was_hit(&interpreter("scheme")?));
    println!("{}", INTERPRETERS.usage());
    Ok(())
}
