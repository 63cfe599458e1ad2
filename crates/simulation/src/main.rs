//! `cargo simulate`: the pool under thousands of schedules of virtual threads, by seed.
//!
//! - `script.rs`: what the threads of a schedule do; `thing.rs`, `policies.rs`: the user's code, which goes wrong.
//! - `world.rs`, `mode.rs`: virtual threads and time, and the pool's shell on them; `choices.rs`: who goes on, what fails.
//! - `schedule.rs`: one schedule, and what is looked at after each of its steps and at its end.
//! - `config.rs`: what it is run with; `run.rs`: many of them; `shrink.rs`: a short one that fails.
//!
//! It is in the manner of FoundationDB's and TigerBeetle's simulators: all that is not decided by the code under test is decided by a
//! seed, so the same seed fails again.
#![forbid(unsafe_code)]

mod choices;
mod config;
mod mode;
mod policies;
mod run;
mod schedule;
mod script;
mod shrink;
mod thing;
mod umpire;
mod world;

use std::cell::RefCell;
use std::process::ExitCode;

use clap::Parser;

use config::Fixed;

/// Runs the pool under schedules of virtual threads with faults, and checks after each step what must always hold.
///
/// Each schedule draws its configuration (capacity policy, eviction policy, waiting rule, shared or exclusive, faults), what its
/// threads do, and in which order they go on, from a seed. A failure prints that seed, the configuration and the
/// shortest schedule found; with the seed it fails again.
#[derive(Debug, Parser)]
#[command(
    name = "cargo simulate",
    after_help = "\
Examples:
  cargo simulate                                  20 000 schedules from a new seed
  cargo simulate --seed 7 --schedules 200000      what CI runs
  cargo simulate --config capacity=MaxLive(1),eviction=Lru,shared=true

Exit codes: 0 none failed, 1 one failed, 2 wrong usage"
)]
struct Args {
    /// How many schedules to run.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    schedules: u64,
    /// What decides everything; without it, a new one. The first schedule of a seed is that seed's own.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What of each configuration is fixed, as name=value,name=value: capacity, eviction, waiting, shared, faults, threads, keys,
    /// remembered, exact_weights, leaks, sticky.
    #[arg(long, default_value = "", value_name = "CONFIG")]
    config: Fixed,
    /// How many real threads to run on; without it, as many as there are processors.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Prints what came of it as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Loses so many of a thousand wake-ups, to see that a mistake is found.
    #[arg(long, default_value_t = 0, hide = true)]
    lose_wake_ups: u16,
}

thread_local! {
    static LAST_PANIC: RefCell<String> = RefCell::default();
}

/// What this thread panicked with last, and where.
fn last_panic() -> String {
    LAST_PANIC.take()
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Nothing is printed in the middle of a schedule. What a schedule injects does not come here.
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
        let place = info.location().map(|place| format!(", at {place}")).unwrap_or_default();
        LAST_PANIC.set(format!("{text}{place}"));
    }));
    world::lose_wake_ups(args.lose_wake_ups);
    run::run(&args)
}
