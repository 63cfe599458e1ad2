//! How the default policy does on work that nobody tuned it on: its settings are chosen anew on all traces but one, and measured on
//! that one, each in turn.
//!
//! `leave_one_out TRACES...` prints the table; `leave_one_out --parts TRACES...` what each part of the policy brings instead. The
//! traces of one project should be in one file. Every request goes through the real pool, with the costs that `leanpool compare` has;
//! ratios are of open seconds to those of `Lru`, geometric means over 2, 4, 8, 16 and 32 idle environments.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use leanpool::trace::Trace;
use mock_backend::{CostModel, Regions};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::{Lru, Recall, RecallSettings};
use pool_core::local::Pool;
use pool_core::{Eviction, Names as Imports, Resource};

const CAPACITIES: [u64; 5] = [2, 4, 8, 16, 32];

struct Free;

impl Resource for Free {
    type Error = ();
}

/// A trace, with what each list costs in nanoseconds.
struct Subject {
    name: String,
    requests: Vec<(Imports, u64)>,
    lru: [f64; 5],
}

impl Subject {
    fn new(trace: &Trace) -> Self {
        let model = CostModel::measured(Regions::Shared);
        let mut costs: HashMap<Imports, u64> = HashMap::new();
        let request = |request: leanpool::trace::Request<'_>| {
            let imports = request.imports.clone();
            let nanos = *costs.entry(imports.clone()).or_insert_with(|| model.cost(&imports).nanos);
            (imports, nanos)
        };
        let requests = trace.iter().map(request).collect();
        let stem = Path::new(&trace.name).file_stem().unwrap_or_default();
        let mut new = Self { name: stem.to_string_lossy().into_owned(), requests, lru: [0.0; 5] };
        new.lru = CAPACITIES.map(|capacity| new.open_nanos(capacity, Lru::new()));
        new
    }

    fn open_nanos(&self, capacity: u64, policy: impl Eviction<Imports> + 'static) -> f64 {
        let time = Rc::new(Cell::new(0));
        let clock = Rc::clone(&time);
        let pool: Pool<Imports, Free> =
            Pool::builder().capacity(MaxIdle(capacity)).eviction(policy).clock(move || clock.get()).build();
        for (imports, nanos) in &self.requests {
            let open = |_: &Imports| {
                time.set(time.get() + nanos);
                Ok(Free)
            };
            drop(pool.acquire(imports, open));
        }
        time.get() as f64
    }

    /// The logarithm of each capacity's ratio to `Lru`.
    fn logs(&self, settings: RecallSettings) -> [f64; 5] {
        std::array::from_fn(|place| {
            let policy = Recall::of_names().settings(settings);
            (self.open_nanos(CAPACITIES[place], policy) / self.lru[place]).ln()
        })
    }
}

/// By trace.
type Logs = Vec<[f64; 5]>;

struct Lab {
    subjects: Vec<Subject>,
    known: Vec<(RecallSettings, Logs)>,
}

impl Lab {
    fn logs(&mut self, settings: RecallSettings) -> Logs {
        if let Some((_, logs)) = self.known.iter().find(|(known, _)| *known == settings) {
            return logs.clone();
        }
        let logs = std::thread::scope(|scope| {
            let each = self.subjects.iter().map(|subject| scope.spawn(move || subject.logs(settings)));
            let each: Vec<_> = each.collect();
            each.into_iter().map(|one| one.join().expect("a run does not panic")).collect::<Logs>()
        });
        self.known.push((settings, logs.clone()));
        logs
    }

    /// The best settings for all traces but one: coordinate descent, from a policy that has no part but one fading count.
    fn descend(&mut self, except: Option<usize>) -> (RecallSettings, f64) {
        let score = |logs: &Logs| {
            let rest = logs.iter().enumerate().filter(|(place, _)| Some(*place) != except);
            mean(rest.map(|(_, logs)| mean(logs.iter().copied())))
        };
        let mut best = plain();
        let mut least = score(&self.logs(best));
        loop {
            let before = least;
            for (set, values) in AXES {
                for &value in *values {
                    let mut tried = best;
                    set(&mut tried, value);
                    let now = score(&self.logs(tried));
                    if now < least - 1e-9 {
                        (best, least) = (tried, now);
                    }
                }
            }
            if least >= before - 1e-6 {
                return (best, least.exp());
            }
        }
    }
}

fn plain() -> RecallSettings {
    let mut plain = RecallSettings::default();
    (plain.half_lives, plain.longest) = (1, 4.0);
    (plain.similar, plain.inherited, plain.expected, plain.by_cost) = (2.0, 0.0, 0.0, false);
    plain
}

type Axis = (fn(&mut RecallSettings, f64), &'static [f64]);

/// What is chosen, and from what.
const AXES: &[Axis] = &[
    (|settings, value| settings.half_lives = value as usize, &[1.0, 2.0, 3.0, 4.0, 5.0]),
    (|settings, value| settings.longest = value, &[2.0, 4.0, 16.0, 64.0, 256.0]),
    (|settings, value| settings.sharpness = value, &[0.0, 10.0, 20.0, 40.0, 80.0]),
    (|settings, value| settings.charge_half_life = value, &[50.0, 100.0, 200.0, 400.0]),
    (|settings, value| settings.longer_counts = value, &[0.25, 0.35, 0.5, 0.7, 1.0]),
    (|settings, value| settings.similar = value, &[0.2, 0.3, 0.4, 0.5, 0.6, 2.0]),
    (|settings, value| settings.inherited = value, &[0.0, 0.25, 0.5, 0.75]),
    (|settings, value| settings.most_inherited = value, &[1.0, 2.0, 3.0, 5.0, 1e9]),
    (|settings, value| settings.learning_rate = value, &[0.0005, 0.001, 0.002, 0.004]),
    (|settings, value| settings.successors = value as u64, &[2.0, 4.0, 8.0, 16.0]),
    (|settings, value| settings.expected = value, &[0.0, 0.1, 0.25, 0.5]),
    (|settings, value| settings.by_cost = value > 0.0, &[0.0, 1.0]),
];

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

fn ratio(logs: &[f64]) -> f64 {
    mean(logs.iter().copied()).exp()
}

fn line(name: &str, logs: &Logs) {
    let ratios: Vec<f64> = logs.iter().map(|logs| ratio(logs)).collect();
    let all = mean(logs.iter().map(|logs| mean(logs.iter().copied()))).exp();
    let worst = ratios.iter().copied().fold(f64::MIN, f64::max);
    let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    println!("| {name} | {all:.4} | {worst:.4} | {} |", each.join(" | "));
}

fn main() -> ExitCode {
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    let parts = files.first().is_some_and(|first| first == "--parts");
    files.drain(..usize::from(parts));
    let traces: Result<Vec<Trace>, _> = files.iter().map(|file| Trace::read(Path::new(file))).collect();
    let traces = match traces {
        Ok(traces) if traces.len() > 1 => traces,
        Ok(_) => {
            eprintln!("usage: leave_one_out [--parts] TRACES..., at least two: benches/traces/*.tsv");
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lab = Lab { subjects: traces.iter().map(Subject::new).collect(), known: Vec::new() };
    let names: Vec<String> = lab.subjects.iter().map(|subject| subject.name.clone()).collect();
    println!("| open seconds / Lru | all | worst trace | {} |", names.join(" | "));
    println!("|{}", " --- |".repeat(names.len() + 3));
    let default = RecallSettings::default();
    line("Recall as it is", &lab.logs(default));
    if parts {
        let mut without = |name: &str, change: fn(&mut RecallSettings)| {
            let mut settings = default;
            change(&mut settings);
            line(name, &lab.logs(settings));
        };
        without("… all half-lives alike, no simulation", |settings| settings.sharpness = 0.0);
        without("… one half-life", |settings| settings.half_lives = 1);
        without("… no similarity", |settings| settings.similar = 2.0);
        without("… no inheritance", |settings| settings.inherited = 0.0);
        without("… no successors", |settings| settings.expected = 0.0);
        without("… no cost", |settings| settings.by_cost = false);
        return ExitCode::SUCCESS;
    }
    let mut left_out: Logs = Vec::new();
    let mut chosen = Vec::new();
    for place in 0..names.len() {
        let (settings, on_rest) = lab.descend(Some(place));
        left_out.push(lab.logs(settings)[place]);
        chosen.push((on_rest, settings));
    }
    line("each trace left out when its settings were chosen", &left_out);
    println!();
    for ((name, logs), (on_rest, settings)) in names.iter().zip(&left_out).zip(chosen) {
        println!("{name}: {:.4} left out, {on_rest:.4} on the rest, with {settings:?}", ratio(logs));
    }
    ExitCode::SUCCESS
}
