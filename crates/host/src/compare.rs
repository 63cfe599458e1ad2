//! Every policy at every capacity, beside the best that could be done.
//!
//! There is no second implementation of a policy here: each is replayed ([`replay`](mod@crate::replay)). What `Lru` and `RejectIncoming` do at all
//! capacities is counted in one pass where leases don't overlap (`curve.rs`). The tests compare it with the pool.
//!
//! ```
//! use leanpool::compare::{Options, compare};
//! use leanpool::trace::Trace;
//!
//! let trace = Trace::parse("small", "0\tInit\n1\tInit Lean\n2\tInit\n3\tInit Lean\n4\tInit\n")?;
//! let policies = ["default", "Lru"].map(|name| name.parse().unwrap()).into();
//! let comparison = compare(&[trace], &Options { capacities: vec![1.into()], policies, ..Options::default() });
//! let misses: Vec<_> = comparison.rows.iter().map(|row| (row.policy.as_str(), row.misses)).collect();
//! assert_eq!(misses, [("default", 4), ("Lru", 5), ("optimum", 3)]);
//! # Ok::<(), leanpool::trace::TraceError>(())
//! ```

mod capacity;
pub mod chart;
mod clairvoyant;
mod curve;
mod fast;
mod flow;
mod optimum;
mod options;
mod report;
mod table;
mod workload;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use mock_backend::Cost;
use pool_core::Names as Imports;

pub use capacity::{Capacities, Capacity};
pub use options::{Optimum, Options, OptionsError};
pub use report::{Comparison, Mean, Means, Row, TraceSummary};
pub use table::Drawing;

use crate::policy::{Circumstances, Policy, Stack};
use crate::replay::{self, replay_with};
use crate::trace::Trace;

use clairvoyant::{Clairvoyant, Foresight};
use workload::Workload;

pub use crate::policy::DEFAULT;
/// The name of the offline optimum, where it is exact.
pub const OPTIMUM: &str = "optimum";
/// The name of what no policy can do better than, where that is not known to be reached: for capacities in bytes, and where the fast
/// bound was computed. Its misses for idle environments are exact.
pub const LOWER_BOUND: &str = "lower-bound";
/// The name of the best that was found which a pool can do that knows the future, for capacities in bytes.
pub const BEST_OFFLINE: &str = "best-offline";
/// What others are compared with.
const LRU: &str = "Lru";
const REJECT_INCOMING: &str = "RejectIncoming";

/// How far a comparison is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Cells done.
    pub done: usize,
    /// Cells in all.
    pub total: usize,
    /// The rows of a trace at a capacity that has just been done, if one has.
    pub rows: &'a [Row],
}

/// Compares.
///
/// # Panics
/// If [`Options::check`] finds an error.
#[must_use]
pub fn compare(traces: &[Trace], options: &Options) -> Comparison {
    compare_until(traces, options, |_| ControlFlow::Continue(()))
}

/// How often `progress` is asked at least.
const TICK: Duration = Duration::from_millis(20);

/// Compares on all processors until `progress`, called on this thread at the beginning, after each cell and fifty times a second, breaks it off: what is
/// being computed is then broken off too.
///
/// # Panics
/// As [`compare`].
pub fn compare_until(
    traces: &[Trace],
    options: &Options,
    mut progress: impl FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Comparison {
    if let Err(error) = options.check(traces) {
        panic!("{error}");
    }
    let subjects = subjects(traces, options);
    let mut grid = report::Grid::new(&subjects, options);
    let jobs = jobs(&subjects, options);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    if progress(Progress { done: 0, total: grid.total(), rows: &[] }).is_break() {
        return grid.comparison();
    }
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        let (send, done) = mpsc::channel();
        for _ in 0..workers {
            let (send, next, stop, jobs) = (send.clone(), &next, &stop, &jobs);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let Some(cells) = job.run(options, stop) else { break };
                    if send.send(cells).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let total = grid.total();
        loop {
            let cells = match done.recv_timeout(TICK) {
                Ok(cells) => cells,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut tell = |done, rows: &[Row]| {
                if progress(Progress { done, total, rows }).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            };
            if cells.is_empty() {
                tell(grid.done(), &[]);
            }
            for (cell, spent) in cells {
                let rows = grid.put(cell, spent);
                tell(grid.done(), &rows);
            }
        }
    });
    grid.comparison()
}

/// One trace, prepared.
struct Subject<'a> {
    name: String,
    trace: &'a Trace,
    workload: Workload<'a>,
    points: Vec<capacity::Point>,
}

/// A place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    subject: usize,
    point: usize,
    /// Of the policies and what comes after them.
    line: usize,
}

/// What came of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spent {
    misses: u64,
    nanos: u64,
    /// Unknown of an optimum, which is no run.
    assumed: Option<u64>,
    /// Whether an optimum is known to be reached.
    exact: bool,
}

/// What is in each line of the grid.
#[derive(Clone, Copy)]
enum Line<'a> {
    Policy(&'a Policy),
    BestOffline,
    Optimum,
}

impl Line<'_> {
    fn all(options: &Options) -> Vec<Line<'_>> {
        let mut lines: Vec<Line<'_>> = options.policies.iter().map(Line::Policy).collect();
        lines.extend(options.by_weight.then_some(Line::BestOffline));
        lines.extend((options.optimum != Optimum::None).then_some(Line::Optimum));
        lines
    }
}

/// What one thread does at a time.
struct Job<'a> {
    subject: &'a Subject<'a>,
    line: Line<'a>,
    /// The cells that it gives: one, or for a stack policy those of all capacities.
    cells: Vec<Cell>,
}

fn subjects<'a>(traces: &'a [Trace], options: &Options) -> Vec<Subject<'a>> {
    let stem = |trace: &Trace| {
        let stem = Path::new(&trace.name).file_stem().filter(|_| trace.name.ends_with(".tsv"));
        stem.map_or_else(|| trace.name.clone(), |stem| stem.to_string_lossy().into_owned())
    };
    let subject = |trace: &'a Trace| {
        let alone = traces.iter().filter(|other| stem(other) == stem(trace)).count() == 1;
        let costs = trace.costs(options.regions);
        let workload = Workload::new(trace.requests(), costs, options.hold, options.warm_up);
        let points = if options.by_weight {
            capacity::in_bytes(&options.capacities, workload.median_weight())
        } else {
            capacity::points(&options.capacities, trace)
        };
        Subject { name: if alone { stem(trace) } else { trace.name.clone() }, workload, trace, points }
    };
    traces.iter().map(subject).collect()
}

fn jobs<'a>(subjects: &'a [Subject<'a>], options: &'a Options) -> Vec<Job<'a>> {
    let lines = Line::all(options);
    let in_one_pass = |line: &Line<'_>| {
        matches!(line, Line::Policy(policy) if policy.stack().is_some())
            && options.hold == 0
            && !options.by_weight
    };
    let mut jobs = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let cell = |point, line| Cell { subject: number, point, line };
        let points = 0..subject.points.len();
        for (place, &line) in lines.iter().enumerate().filter(|(_, line)| in_one_pass(line)) {
            jobs.push(Job { subject, line, cells: points.clone().map(|point| cell(point, place)).collect() });
        }
        for point in points {
            for (place, &line) in lines.iter().enumerate().filter(|(_, line)| !in_one_pass(line)) {
                jobs.push(Job { subject, line, cells: vec![cell(point, place)] });
            }
        }
    }
    jobs
}

impl Job<'_> {
    /// `None` if it was told to stop.
    fn run(&self, options: &Options, stop: &AtomicBool) -> Option<Vec<(Cell, Spent)>> {
        let Subject { trace, workload, points, .. } = self.subject;
        let places = points[self.cells[0].point].places;
        let spent = match self.line {
            Line::Policy(policy) => match policy.stack() {
                Some(stack) if options.hold == 0 && !options.by_weight => {
                    let places: Vec<u64> = self.cells.iter().map(|cell| points[cell.point].places).collect();
                    let spent = match stack {
                        Stack::Lru => curve::lru(workload, &places, stop)?,
                        Stack::RejectIncoming => curve::reject_incoming(workload, &places),
                    };
                    return Some(self.cells.iter().copied().zip(spent).collect());
                }
                _ => {
                    let circumstances =
                        Circumstances { by_weight: options.by_weight, lists: trace.has_lists() };
                    self.replay(places, options, policy.make(circumstances), stop)?
                }
            },
            Line::Optimum => optimum::least(workload, places, options.by_weight, options.optimum, stop)?,
            Line::BestOffline => {
                let each = |foresight| {
                    self.replay(places, options, Box::new(Clairvoyant::new(trace, foresight)), stop)
                };
                let all: Option<Vec<Spent>> = Foresight::ALL.map(each).into_iter().collect();
                let all = all?;
                let misses = all.iter().map(|spent| spent.misses).min()?;
                // Assumed opens are those of the run with the least open seconds.
                Spent { misses, ..*all.iter().min_by_key(|spent| spent.nanos)? }
            }
        };
        Some(vec![(self.cells[0], spent)])
    }

    fn replay(
        &self,
        places: u64,
        options: &Options,
        policy: Box<dyn pool_core::Eviction<Imports>>,
        stop: &AtomicBool,
    ) -> Option<Spent> {
        let bounds = replay::Options {
            capacity: if options.by_weight { u64::MAX } else { places },
            max_idle_weight: options.by_weight.then_some(places),
            hold: options.hold,
            regions: options.regions,
            warm_up: options.warm_up,
            remembered_keys: options.remembered_keys,
            ..replay::Options::default()
        };
        let Subject { trace, workload, .. } = self.subject;
        let report = replay_with(trace, &bounds, policy, &workload.costs, |_| {
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (!report.interrupted).then(|| Spent {
            misses: report.misses,
            nanos: report.open_nanos(),
            assumed: Some(report.assumed_opens),
            exact: false,
        })
    }
}

/// Whether a cost is an assumption, as a number to add.
fn assumed(cost: &Cost) -> u64 {
    u64::from(cost.assumed)
}
