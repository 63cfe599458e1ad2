//! Eight threads import, ask, check, interrupt, discard and drop at random over one pool, on the ABI model, which ends the process at
//! whatever would corrupt Lean's heap; at the end everything must have been given back.
//!
//! `DOCS_RS=1 cargo run --release -p lean-backend --features abi-model --example soak -- 45` (seconds)

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lean_backend::{
    CheckOptions, Checked, Ended, EnvironmentKey, EnvironmentQuery, ImportOptions, InternedOptions,
    LeanCancellationToken, LeanError, LeanRuntime, SharedEnvironment, Sysroot, Watch, abi_model,
};
use pool_core::capacity::MaxIdle;
use pool_core::pool::LeaseOf;
use pool_core::sync::{Lease, Pool};

const THREADS: u64 = 8;
/// What a thread does with an environment.
const DEEDS: [&str; 7] =
    ["asked here", "timed out", "cancelled", "checked", "printed", "kept longer", "discarded"];

fn main() -> Result<(), LeanError> {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    let runtime = LeanRuntime::init()?;
    let settled = abi_model::settled();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (done, refused) = (DEEDS.map(|_| AtomicU64::new(0)), AtomicU64::new(0));
    {
        let options = InternedOptions::from(ImportOptions::new(Sysroot::at("/model")));
        let pool = Pool::builder().capacity(MaxIdle(3)).shared().build();
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (pool, options, done, refused) = (&pool, &options, &done, &refused);
                scope.spawn(move || {
                    let mut random = Random(seed * 7919 + 1);
                    for round in 0.. {
                        if Instant::now() >= end {
                            break;
                        }
                        let list = list(&mut random, seed, round);
                        let query = EnvironmentQuery { options, imports: &[&list] };
                        let open = |key: &EnvironmentKey| {
                            SharedEnvironment::import(runtime, &key.options, &key.words(), &Watch::default())
                        };
                        match pool.acquire(query, open) {
                            Ok(lease) => {
                                let deed = random.below(DEEDS.len() as u64) as usize;
                                perform(deed, lease, runtime, &mut random);
                                done[deed].fetch_add(1, Ordering::Relaxed);
                            }
                            Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                        }
                    }
                });
            }
        });
        println!(
            "{} imports, {} checks; {:?}",
            abi_model::imports(),
            abi_model::checks(),
            pool.stats().misses
        );
    }
    let done =
        DEEDS.iter().zip(&done).map(|(deed, count)| format!("{} {deed}", count.load(Ordering::Relaxed)));
    println!("{}, {} imports failed", done.collect::<Vec<_>>().join(", "), refused.load(Ordering::Relaxed));
    drop(settled);
    println!("all was given back");
    Ok(())
}

/// Mostly one of a few modules; now and then one that is missing, or that makes all others stale.
fn list(random: &mut Random, seed: u64, round: u64) -> String {
    match random.below(30) {
        0 => format!("Model.Extends.S{}", round % 50 + seed * 100),
        1 => "Nope".to_owned(),
        2 => "Init".to_owned(),
        _ => format!("Model.M{}", random.below(6)),
    }
}

fn perform(
    deed: usize,
    lease: Lease<EnvironmentKey, SharedEnvironment>,
    runtime: &LeanRuntime,
    random: &mut Random,
) {
    match deed {
        0 => {
            let thread = runtime.attach();
            let mine = lease.on(&thread);
            assert!(mine.modules() > 0);
        }
        1 => {
            let options = CheckOptions::new().timeout(Duration::from_millis(random.below(3)));
            ended(lease.check("#check Nat\n-- until cancelled", &options), Ended::TimedOut);
        }
        2 => {
            let token = LeanCancellationToken::new();
            let options = CheckOptions::new().cancellation(&token);
            let checked = thread::scope(|scope| {
                let check = scope.spawn(|| lease.check("-- until cancelled", &options));
                if random.below(2) == 0 {
                    thread::yield_now();
                }
                token.cancel();
                check.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            });
            ended(checked, Ended::Cancelled);
        }
        3 => ended(lease.check("example := oops", &CheckOptions::new()), Ended::Complete),
        4 => {
            let printed = runtime.run(|thread| lease.on(thread).declaration_type("Nat.add_comm"));
            // A module of the model declares names, and has no type for them.
            assert!(printed.is_ok());
        }
        5 => {
            let kept = (*lease).clone();
            drop(lease);
            assert!(kept.ask(|environment| Ok(environment.contains("Nat"))).is_ok());
        }
        _ => LeaseOf::discard(lease),
    }
}

/// A check either ends so, or was never begun.
fn ended(checked: Result<Checked, LeanError>, expected: Ended) {
    match checked {
        Ok(checked) => assert_eq!(checked.ended, expected),
        Err(error) => assert!(matches!(error, LeanError::Cancelled | LeanError::Stale { .. }), "{error}"),
    }
}

/// Marsaglia's xorshift: the same deeds each time, if not in the same order.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
