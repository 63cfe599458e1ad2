//! Millions of acquires and releases by eight threads, with faults of every kind; then nothing may be left over.
//!
//! `cargo run --release -p benches --example soak -- [OPERATIONS] [THREADS] [SEED]` (10 000 000, 8, 1). Half of the operations go to a
//! pool of exclusive resources, half to one whose resources are shared. Ends with 1 and a message if a resource was dropped
//! twice or never, if something is still live, or if the pool's books are wrong.

use std::io::{IsTerminal as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, Lease, Pool, WaitIfCheaper};
use pool_core::{AcquireError, Health, Resource};

const KEYS: u64 = 12;
const MAX_LIVE: u64 = 6;

/// What happened to each resource: 1 once it was opened, 2 once it was dropped.
#[derive(Default)]
struct Ledger {
    fates: Mutex<Vec<Arc<AtomicU8>>>,
    dropped_twice: AtomicBool,
    in_use_twice: AtomicBool,
    live: AtomicU64,
    panics: AtomicU64,
}

struct Core {
    fate: Arc<AtomicU8>,
    ledger: Arc<Ledger>,
    in_use: AtomicBool,
    bad: AtomicBool,
    panics: bool,
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.fate.swap(2, Relaxed) != 1 {
            self.ledger.dropped_twice.store(true, Relaxed);
        }
        self.ledger.live.fetch_sub(1, Relaxed);
        if self.panics {
            self.ledger.panic();
        }
    }
}

impl Ledger {
    fn panic(&self) -> ! {
        self.panics.fetch_add(1, Relaxed);
        // Without the message that `panic!` prints.
        resume_unwind(Box::new(Expected))
    }

    fn open<const SHARED: bool>(self: &Arc<Self>, dice: &mut Dice) -> Result<Thing<SHARED>, &'static str> {
        let luck = dice.roll(1000);
        match luck {
            0..10 => return Err("no"),
            10..15 => self.panic(),
            15..100 => std::thread::yield_now(),
            _ => {}
        }
        let fate = Arc::new(AtomicU8::new(1));
        self.fates.lock().expect("nothing panics under this lock").push(Arc::clone(&fate));
        self.live.fetch_add(1, Relaxed);
        let (in_use, bad) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Thing(Arc::new(Core { fate, ledger: Arc::clone(self), in_use, bad, panics: luck == 999 })))
    }
}

struct Expected;

#[derive(Clone)]
struct Thing<const SHARED: bool>(Arc<Core>);

impl<const SHARED: bool> Resource for Thing<SHARED> {
    type Error = &'static str;

    fn health(&mut self) -> Health {
        if self.0.bad.load(Relaxed) { Health::Broken } else { Health::Reusable }
    }
}

/// SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

type Things<const SHARED: bool> = Arc<Pool<u32, Thing<SHARED>>>;
type Handed<const SHARED: bool> = Mutex<Vec<Lease<u32, Thing<SHARED>>>>;

/// One acquire and what becomes of it; the panics of user code are caught.
fn operation<const SHARED: bool>(
    pool: &Things<SHARED>,
    ledger: &Arc<Ledger>,
    token: &CancellationToken,
    handed: &Handed<SHARED>,
    dice: &mut Dice,
) {
    let key = (dice.roll(KEYS) * dice.roll(KEYS) / KEYS) as u32;
    let (way, end) = (dice.roll(10), dice.roll(200));
    let mut own_dice = Dice(dice.roll(u64::MAX));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let open = |_: &u32| ledger.open(&mut own_dice);
        let lease = match way {
            0 => pool.try_acquire(&key, open),
            1 => pool.acquire_timeout(&key, Duration::from_micros(20), open),
            2 | 3 => pool.acquire_cancellable(&key, token, open),
            _ => pool.acquire(&key, open),
        };
        let Ok(lease) = lease else { return };
        if !SHARED && lease.0.in_use.swap(true, Relaxed) {
            ledger.in_use_twice.store(true, Relaxed);
        }
        if end < 20 {
            std::thread::yield_now();
        }
        lease.0.in_use.store(false, Relaxed);
        match end {
            0 => drop(LeaseOf::into_inner(lease)),
            1 => LeaseOf::discard(lease),
            2 | 3 => lease.0.bad.store(true, Relaxed),
            4 => {
                let _held = lease;
                ledger.panic();
            }
            5 => handed.lock().expect("nothing panics under this lock").push(lease),
            6 if way == 0 => {
                drop(lease);
                pool.drain();
            }
            _ => drop(lease),
        }
    }));
    if let Err(payload) = outcome {
        if !payload.is::<Expected>() {
            resume_unwind(payload);
        }
    }
    // What another thread handed over ends here.
    let others = std::mem::take(&mut *handed.lock().expect("nothing panics under this lock"));
    for lease in others {
        drop(catch_unwind(AssertUnwindSafe(|| drop(lease))));
    }
}

fn soak<const SHARED: bool>(name: &str, operations: u64, threads: u64, seed: u64) -> Result<(), String> {
    let capacity = Both(MaxLive(MAX_LIVE), MaxIdle(4));
    let builder = Pool::builder().capacity(capacity).create_or_wait(WaitIfCheaper);
    let pool: Things<SHARED> = Arc::new(if SHARED { builder.shared() } else { builder }.build());
    let (ledger, handed) = (Arc::new(Ledger::default()), Mutex::new(Vec::new()));
    let (done, each) = (AtomicU64::new(0), operations / threads);
    let start = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (pool, ledger, handed, done) = (&pool, &ledger, &handed, &done);
            scope.spawn(move || {
                let mut dice = Dice(seed.wrapping_mul(1000).wrapping_add(thread));
                let mut token = CancellationToken::new();
                for number in 0..each {
                    // Another thread cancels it, at some time.
                    if number % 64 == 0 {
                        token = CancellationToken::new();
                        if number % 4096 == 0 {
                            let token = token.clone();
                            scope.spawn(move || token.cancel());
                        }
                    }
                    operation(pool, ledger, &token, handed, &mut dice);
                    if number % 1024 == 0 {
                        let sum = done.fetch_add(1024, Relaxed);
                        if terminal && thread == 0 {
                            let _ = write!(std::io::stderr(), "\r{name}: {sum} of {operations}");
                        }
                    }
                }
            });
        }
    });
    let elapsed = start.elapsed();
    drop(catch_unwind(AssertUnwindSafe(|| handed.into_inner().map(|mut leases| leases.clear()))));
    // A destructor may panic here, too.
    drop(catch_unwind(AssertUnwindSafe(|| pool.close())));
    pool.close_and_wait(Duration::ZERO).map_err(|error: AcquireError<_>| format!("{name}: {error}"))?;
    pool.assert_sound();
    let stats = pool.stats();
    drop(pool);

    let fates = ledger.fates.lock().expect("nothing panics under this lock");
    let kept = fates.iter().filter(|fate| fate.load(Relaxed) != 2).count();
    println!(
        "\r{name}: {} operations in {:.1} s ({:.0} a second)",
        each * threads,
        elapsed.as_secs_f64(),
        (each * threads) as f64 / elapsed.as_secs_f64()
    );
    println!(
        "  acquired {}, opened {}, opens that failed {}, panics {}",
        stats.acquired(),
        fates.len(),
        stats.opens_failed,
        ledger.panics.load(Relaxed)
    );
    let waits = &stats.waits;
    println!(
        "  waited {}, handed off {}, opens shared {}, most waiting {}",
        waits.waited, waits.hand_offs, waits.opens_shared, waits.peak_waiting
    );
    println!(
        "  timed out waiting {} and opening {}, cancelled waiting {} and opening {}",
        waits.timed_out_waiting, waits.timed_out_opening, waits.cancelled_waiting, waits.cancelled_opening
    );
    println!("  live at the end {}, not dropped {kept}", ledger.live.load(Relaxed));
    match () {
        () if ledger.dropped_twice.load(Relaxed) => Err(format!("{name}: a resource was dropped twice")),
        () if ledger.in_use_twice.load(Relaxed) => {
            Err(format!("{name}: a resource was leased twice at a time"))
        }
        () if kept > 0 => Err(format!("{name}: {kept} resources were never dropped")),
        () if stats.usage.live() > 0 => Err(format!("{name}: {} are still live", stats.usage.live())),
        () => Ok(()),
    }
}

fn main() -> ExitCode {
    let mut numbers = [10_000_000, 8, 1];
    for (number, arg) in numbers.iter_mut().zip(std::env::args().skip(1)) {
        match arg.replace('_', "").parse() {
            Ok(parsed) => *number = parsed,
            Err(_) => {
                eprintln!("soak: {arg:?} is no number; usage: soak [OPERATIONS] [THREADS] [SEED]");
                return ExitCode::from(2);
            }
        }
    }
    let [operations, threads, seed] = numbers;
    let outcome = soak::<false>("exclusive", operations / 2, threads.max(1), seed)
        .and_then(|()| soak::<true>("shared", operations / 2, threads.max(1), seed));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(1)
        }
    }
}
