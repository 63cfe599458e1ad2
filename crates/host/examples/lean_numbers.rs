//! What a pool of Lean environments saves, measured on this machine's Lean.
//!
//! `cargo run --release -p leanpool --features lean --example lean_numbers`, with the modules to import as arguments (`Lean` without any).
//! Prints times, ratios and private memory; see `lean-backend` for what Lean has to be there.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use leanpool::session::Regions;
use leanpool::{LeanCapabilities, LeanHost, LeanRuntime, SessionPool};
use process_memory::private_dirty_bytes;

/// In full on real Lean; on the model there is nothing to measure, and a few rounds show that this runs.
const ROUNDS: u32 = if cfg!(feature = "abi-model") { 10 } else { 1000 };
const CYCLES: u32 = if cfg!(feature = "abi-model") { 5 } else { 200 };
const CHECKS: u32 = if cfg!(feature = "abi-model") { 5 } else { 100 };

fn main() -> Result<(), Box<dyn Error>> {
    let modules: Vec<String> = std::env::args().skip(1).collect();
    let mut imports: Vec<&str> = modules.iter().map(String::as_str).collect();
    if imports.is_empty() {
        imports.push("Lean");
    }
    println!("imports: {}", imports.join(" "));

    let (runtime, starting) = timed(LeanRuntime::init)?;
    println!("start of Lean                     {:>12}", millis(starting));
    let lean = LeanHost::from_toolchain(runtime);
    let capabilities = lean.load_shims_only()?;

    let (first, first_time) = import("first import", &capabilities, &imports)?;
    let (second, second_time) = import("second, overlapping, shared", &capabilities, &imports)?;
    let isolated = capabilities.with_regions(Regions::Isolated);
    let (plain, plain_time) = import("third, overlapping, plain", &isolated, &imports)?;
    println!(
        "second / plain                    {:>12.3}",
        second_time.as_secs_f64() / plain_time.as_secs_f64()
    );
    drop((first, second, plain));

    let pool = SessionPool::with_capacity(runtime, 8);
    drop(pool.acquire(&capabilities, &imports, None, None)?);
    let rounds = ROUNDS * 1000;
    let ((), hits) = timed(|| {
        (0..rounds).try_for_each(|_| {
            pool.acquire(&capabilities, black_box(&imports), None, None)
                .map(|session| drop(black_box(session)))
        })
    })?;
    let hit = hits.as_secs_f64() / f64::from(rounds);
    println!("hit: acquire and drop             {:>9.1} ns", hit * 1e9);
    println!("first import / hit                {:>12.0}", first_time.as_secs_f64() / hit);

    let before = private_dirty_bytes()?;
    for _ in 0..ROUNDS {
        drop(pool.acquire(&capabilities, &imports, None, None)?);
    }
    println!("growth over {ROUNDS:>4} hits             {:>12}", mebibytes(before, private_dirty_bytes()?));

    pool.drain();
    let nothing = SessionPool::with_capacity(runtime, 0);
    // The first fill what the allocator keeps.
    let (warm_up, rest) = (CYCLES / 10, CYCLES);
    let cycle = || nothing.acquire(&capabilities, &imports, None, None).map(drop);
    (0..warm_up).try_for_each(|_| cycle())?;
    let before = private_dirty_bytes()?;
    let ((), cycles) = timed(|| (0..rest).try_for_each(|_| cycle()))?;
    println!("growth over {rest:>4} imports and drops {:>12}", mebibytes(before, private_dirty_bytes()?));
    println!("an import and drop                {:>12}", millis(cycles / rest));

    let session = pool.acquire(&capabilities, &imports, None, None)?;
    let source = "theorem t (a b : Nat) : a + b = b + a := Nat.add_comm a b\n#check t\n";
    session.check(source)?;
    let before = private_dirty_bytes()?;
    let ((), checks) = timed(|| (0..CHECKS).try_for_each(|_| session.check(source).map(drop)))?;
    println!("a check of two commands           {:>12}", millis(checks / CHECKS));
    println!("growth over {CHECKS:>4} checks           {:>12}", mebibytes(before, private_dirty_bytes()?));
    Ok(())
}

fn import<'c>(
    what: &str,
    capabilities: &'c LeanCapabilities<'static, 'c>,
    imports: &[&str],
) -> Result<(leanpool::LeanSession<'static, 'c>, Duration), Box<dyn Error>> {
    let before = private_dirty_bytes()?;
    let (session, time) = timed(|| capabilities.session(imports, None, None))?;
    let memory = mebibytes(before, private_dirty_bytes()?);
    println!("{what:<33} {:>12} {memory:>12}", millis(time));
    Ok((session, time))
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let start = Instant::now();
    let value = work()?;
    Ok((value, start.elapsed()))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn mebibytes(before: u64, after: u64) -> String {
    format!("{:+.1} MiB", (after as f64 - before as f64) / f64::from(1 << 20))
}
