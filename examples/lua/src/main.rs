//! Asks a script that takes long to load which numbers are prime: from threads, and from tasks of one thread.
//!
//! `cargo run -p lua-pool-example`
#![forbid(unsafe_code)]

use std::path::Path;

use lua_pool_example::{Compiled, Error, Key, States, compiled, load, states};
use mlua::{Function, Lua};
use tokio::task::{LocalSet, spawn_local};

fn is_prime(lua: &Lua, number: u32) -> Result<bool, Error> {
    Ok(lua.globals().get::<Function>("is_prime")?.call(number)?)
}

// ANCHOR: threads
fn count_primes(compiled: &Compiled, script: &Path, numbers: std::ops::Range<u32>) -> Result<usize, Error> {
    let states = states(2, 64 << 20); // of this thread; the bytecode is of all
    let mut primes = 0;
    for number in numbers {
        let lua = states.acquire(script, |path| load(compiled, path))?; // loaded once, then a hit
        primes += usize::from(is_prime(&lua, number)?);
    } // its globals are again what they were
    Ok(primes)
}
// ANCHOR_END: threads

// ANCHOR: tasks
async fn is_prime_from_a_task(
    states: States,
    compiled: Compiled,
    script: &'static Path,
    number: u32,
) -> Result<bool, Error> {
    let open = async |path: &Key| load(&compiled, path);
    let lua = states.acquire_async(script, open).await?; // waits for other tasks of this thread
    tokio::task::yield_now().await; // others have their turn; this state is ours
    is_prime(&lua, number)
}
// ANCHOR_END: tasks

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/primes.lua"));
    let compiled = compiled(8);

    let primes = std::thread::scope(|scope| {
        let halves = [0..50, 50..100].map(|numbers| scope.spawn(|| count_primes(&compiled, script, numbers)));
        halves.into_iter().map(|half| half.join().expect("no panic")).sum::<Result<usize, Error>>()
    })?;
    assert_eq!(primes, 25);

    let states = states(2, 64 << 20);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let found = LocalSet::new().block_on(&runtime, async {
        let ask = |number| is_prime_from_a_task(states.clone(), compiled.clone(), script, number);
        let tasks: Vec<_> = (0..20).map(|number| spawn_local(ask(number))).collect();
        let mut found = 0;
        for task in tasks {
            found += usize::from(task.await.expect("no panic")?);
        }
        Ok::<_, Error>(found)
    })?;
    assert_eq!(found, 8);

    let stats = states.stats();
    println!(
        "{} acquires, {} loads; compiled {} time(s)",
        stats.acquired(),
        stats.opened(),
        compiled.stats().opened()
    );
    Ok(())
}
