//! Many schedules, on all processors, and what is said of them.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::Args;
use crate::choices::Choices;
use crate::config::{Config, Fixed};
use crate::schedule::{Tally, play};
use crate::script::Script;
use crate::shrink::{Failing, shrink};
use crate::world::Stage;

/// What came of all schedules.
#[derive(Debug, Default, Serialize)]
struct Totals {
    seed: u64,
    schedules: u64,
    steps: u64,
    leases: u64,
    hits: u64,
    took_time: u64,
    errors: u64,
    deadlocks_refused: u64,
    panics: u64,
    combinations: usize,
    combinations_tried: usize,
    fewest_of_a_combination: u64,
    seconds: f64,
}

/// One that fails, with the seed that it is the first schedule of.
struct Failure {
    index: u64,
    seed: u64,
    failing: Failing,
}

/// The seed of a schedule. The first one has the seed itself, so that any can be run alone.
fn seed_of(seed: u64, index: u64) -> u64 {
    if index == 0 {
        seed
    } else {
        Rng::with_seed(seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15))).u64(..)
    }
}

/// All that a seed decides.
fn drawn(seed: u64, fixed: &Fixed) -> (Config, Script, Choices) {
    let mut rng = Rng::with_seed(seed);
    let config = Config::drawn(&mut rng).with(fixed);
    let script = Script::drawn(&mut rng, &config);
    (config, script, Choices::drawn(rng.u64(..)))
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let seed = args.seed.unwrap_or_else(|| Rng::new().u64(..));
    let jobs =
        args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1).max(1);
    let next = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    let totals = Mutex::new(Totals { seed, combinations: Config::combinations(), ..Totals::default() });
    let tried = Mutex::new(vec![0_u64; Config::combinations()]);
    let bar = progress(args.schedules);
    let watched: Vec<Watched> = (0..jobs).map(|_| Watched::default()).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let (alive, ended) = mpsc::channel::<()>();
        scope.spawn(|| watch(&watched, &args.config, ended));
        for watched in &watched {
            let alive = alive.clone();
            let (next, failed, failure, totals, tried, bar) =
                (&next, &failed, &failure, &totals, &tried, &bar);
            scope.spawn(move || {
                // The watch ends when all of these have.
                let _alive = alive;
                let mut stage = Stage::default();
                let tally = Rc::new(Tally::default());
                let mut combinations = vec![0_u64; Config::combinations()];
                let (mut schedules, mut steps) = (0, 0);
                while !failed.load(Relaxed) {
                    let index = next.fetch_add(1, Relaxed);
                    if index >= args.schedules {
                        break;
                    }
                    let seed = seed_of(seed, index);
                    let (config, script, choices) = drawn(seed, &args.config);
                    combinations[config.combination()] += 1;
                    watched.begins(seed);
                    let played = play(&mut stage, &config, &script, choices, false, &tally);
                    schedules += 1;
                    steps += played.steps;
                    if schedules % 64 == 0 {
                        bar.inc(64);
                    }
                    if let Err(what) = played.end {
                        failed.store(true, Relaxed);
                        let failing = Failing { config, script, choices: played.choices, what };
                        let mut first = failure.lock().expect("nothing panics under it");
                        if first.as_ref().is_none_or(|first| index < first.index) {
                            *first = Some(Failure { index, seed, failing });
                        }
                    }
                }
                watched.ends();
                let mut totals = totals.lock().expect("nothing panics under it");
                totals.schedules += schedules;
                totals.steps += steps;
                totals.leases += tally.leases.get();
                totals.hits += tally.hits.get();
                totals.took_time += tally.waits.get();
                totals.errors += tally.errors.get();
                totals.deadlocks_refused += tally.deadlocks.get();
                totals.panics += tally.panics.get();
                let mut tried = tried.lock().expect("nothing panics under it");
                tried.iter_mut().zip(combinations).for_each(|(sum, count)| *sum += count);
            });
        }
        drop(alive);
    });
    bar.finish_and_clear();
    let mut totals = totals.into_inner().expect("nothing panics under it");
    let tried = tried.into_inner().expect("nothing panics under it");
    totals.seconds = start.elapsed().as_secs_f64();
    totals.combinations_tried = tried.iter().filter(|count| **count > 0).count();
    totals.fewest_of_a_combination = tried.iter().copied().min().unwrap_or(0);
    let failure = failure.into_inner().expect("nothing panics under it");
    if args.json {
        println!("{}", serde_json::to_string(&totals).expect("numbers are always JSON"));
    } else {
        say(&totals);
    }
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            report(failure);
            ExitCode::FAILURE
        }
    }
}

/// What one real thread does.
#[derive(Default)]
struct Watched {
    begun: AtomicU64,
    seed: AtomicU64,
}

impl Watched {
    const DONE: u64 = u64::MAX;

    fn ends(&self) {
        self.begun.store(Self::DONE, Relaxed);
    }

    fn begins(&self, seed: u64) {
        self.seed.store(seed, Relaxed);
        self.begun.fetch_add(1, Relaxed);
    }
}

/// A schedule takes less than a millisecond. One that takes half a minute is stuck inside one event, and ends the process.
fn watch(all: &[Watched], fixed: &Fixed, ended: mpsc::Receiver<()>) {
    let mut before: Vec<u64> = Vec::new();
    while ended.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let begun: Vec<u64> = all.iter().map(|watched| watched.begun.load(Relaxed)).collect();
        let stuck =
            |place: &usize| before.get(*place) == Some(&begun[*place]) && begun[*place] != Watched::DONE;
        if let Some(place) = (0..begun.len()).find(stuck) {
            let watched = &all[place];
            let seed = watched.seed.load(Relaxed);
            let config = Config::drawn(&mut Rng::with_seed(seed)).with(fixed);
            eprintln!(
                "\nFAILED: an event does not end\nAgain: cargo simulate --schedules 1 --seed {seed} --config '{config}'"
            );
            std::process::exit(1);
        }
        before = begun;
    }
}

fn progress(schedules: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} schedules, {per_sec}, {eta} left");
    ProgressBar::new(schedules).with_style(style.expect("the template is right"))
}

fn say(totals: &Totals) {
    let Totals { seed, schedules, steps, leases, hits, took_time, errors, deadlocks_refused, panics, .. } =
        totals;
    let Totals { combinations, combinations_tried, fewest_of_a_combination, seconds, .. } = totals;
    println!("seed {seed}: {schedules} schedules, {steps} steps in {seconds:.1} s");
    println!(
        "  {leases} leases, {hits} of them hits, {took_time} after some virtual time; {errors} errors, {deadlocks_refused} of"
    );
    println!("  them because somebody would wait for itself; {panics} panics");
    println!(
        "  {combinations_tried} of {combinations} combinations of capacity, eviction, waiting and sharing, each at least \
         {fewest_of_a_combination} times"
    );
}

/// What failed, how, and how to see it again.
fn report(failure: Failure) {
    let Failure { seed, failing, .. } = failure;
    let before = (failing.script.steps(), failing.choices.len());
    eprintln!("\nFAILED: {}", failing.what);
    let shortest = shrink(failing);
    let Failing { config, script, what, .. } = &shortest;
    eprintln!(
        "\nThe shortest schedule found: {} steps of {}, {} decisions of {}.",
        script.steps(),
        before.0,
        shortest.choices.len(),
        before.1
    );
    eprint!("{script}");
    eprintln!("It fails with: {what}\n\n  time thread  what");
    for line in shortest.journal() {
        eprintln!("{line}");
    }
    eprintln!("\nAgain: cargo simulate --schedules 1 --seed {seed} --config '{config}'");
}
