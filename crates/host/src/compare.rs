//! Every policy at every capacity, beside the best that could be done.
//!
//! The policies run in the real pool, through [`replay`](mod@crate::replay): there is no second implementation of them here.
//!
//! ```
//! use leanpool::compare::{Options, compare};
//! use leanpool::trace::Trace;
//!
//! let trace = Trace::parse("small", "0\tInit\n1\tInit Lean\n2\tInit\n3\tInit Lean\n4\tInit\n")?;
//! let options = Options { capacities: vec![1], policies: vec!["default", "Lru"], ..Options::default() };
//! let comparison = compare(&[trace], &options);
//! let misses: Vec<_> = comparison.rows.iter().map(|row| (row.policy.as_str(), row.misses)).collect();
//! assert_eq!(misses, [("default", 4), ("Lru", 5), ("optimum", 3)]);
//! # Ok::<(), leanpool::trace::TraceError>(())
//! ```

pub mod chart;
mod clairvoyant;
mod flow;
mod optimum;
mod table;
mod workload;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use mock_backend::{Cost, CostModel, Regions};
use pool_core::{Names as Imports, eviction};
use serde::Serialize;

use crate::replay::{self, DEFAULT_POLICY, policy_named, replay_with};
use crate::trace::Trace;

use clairvoyant::{Clairvoyant, Foresight};
use workload::Workload;

/// The name under which the pool's default policy is compared.
pub const DEFAULT: &str = "default";
/// The name of the offline optimum. For capacities in bytes it is a lower bound.
pub const OPTIMUM: &str = "optimum";
/// The name of the best that was found which a pool can do that knows the future, for capacities in bytes.
pub const BEST_OFFLINE: &str = "best-offline";
/// What others are compared with.
const LRU: &str = "Lru";

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// Capacities: idle environments at most, or multiples of the median weight.
    pub capacities: Vec<u64>,
    /// Whether capacities are in bytes: multiples of the weight that half of a trace's keys don't exceed.
    pub by_weight: bool,
    /// Policies, by name: [`DEFAULT`] or one of [`eviction::NAMES`].
    pub policies: Vec<&'static str>,
    /// Each lease is held while so many further requests are served.
    pub hold: usize,
    /// What an import costs.
    pub regions: Regions,
}

impl Default for Options {
    /// Every policy at 2, 4, 8, 16 and 32 idle environments, shared regions, leases that don't overlap.
    fn default() -> Self {
        Self {
            capacities: vec![2, 4, 8, 16, 32],
            by_weight: false,
            policies: all_policies(),
            hold: 0,
            regions: Regions::Shared,
        }
    }
}

/// The names of all policies that can be compared, [`DEFAULT`] first.
#[must_use]
pub fn all_policies() -> Vec<&'static str> {
    let others = eviction::NAMES.iter().copied().filter(|&name| name != DEFAULT_POLICY);
    [DEFAULT].into_iter().chain(others).collect()
}

/// What one policy does on one trace at one capacity. As CSV it has these columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The trace: its file's name without the ending, where that tells it from the others.
    pub trace: String,
    /// The capacity: idle environments, or bytes.
    pub capacity: u64,
    /// The policy's published name, [`DEFAULT`], [`OPTIMUM`] or [`BEST_OFFLINE`].
    pub policy: String,
    /// Requests that opened. Of the optimum: the fewest, whatever they cost.
    pub misses: u64,
    /// Seconds spent opening. Of the optimum: the least, however many opens that takes.
    pub rebuild_seconds: f64,
    /// The same over those of `Lru`, if that was compared.
    pub relative_to_lru: Option<f64>,
    /// The same over those of the optimum.
    pub relative_to_optimum: Option<f64>,
}

/// What came of a comparison. As text it is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Whether capacities are bytes.
    pub by_weight: bool,
    /// For how many further requests leases were held.
    pub hold: usize,
    /// Whether it was broken off: then the rows are those that were done.
    pub interrupted: bool,
    /// By trace, capacity and policy.
    pub rows: Vec<Row>,
    /// Over all traces and capacities, by policy.
    pub geometric_means: Vec<Mean>,
}

/// Geometric means of a policy over all traces and capacities.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Mean {
    /// The policy.
    pub policy: String,
    /// Of its seconds over those of `Lru`, if that was compared.
    pub relative_to_lru: Option<f64>,
    /// Of its seconds over those of `RejectIncoming`, if that was compared.
    pub relative_to_reject_incoming: Option<f64>,
    /// Of its seconds over those of the optimum.
    pub relative_to_optimum: Option<f64>,
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Cells done.
    pub done: usize,
    /// Cells in all.
    pub total: usize,
}

/// Compares.
///
/// # Panics
/// If a policy of `options` has no such name.
#[must_use]
pub fn compare(traces: &[Trace], options: &Options) -> Comparison {
    compare_until(traces, options, |_| ControlFlow::Continue(()))
}

/// One trace, prepared.
struct Subject<'a> {
    name: String,
    trace: &'a Trace,
    costs: CostModel,
    workload: Workload,
}

/// One cell: a trace at a capacity through one policy.
struct Job<'a> {
    subject: &'a Subject<'a>,
    capacity: u64,
    policy: &'static str,
}

/// Misses and nanoseconds.
type Spent = (u64, f64);

/// Compares on all processors until `progress`, called on this thread after each cell, breaks it off.
///
/// # Panics
/// As [`compare`].
pub fn compare_until(
    traces: &[Trace],
    options: &Options,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Comparison {
    let subjects = subjects(traces, options);
    let jobs = jobs(&subjects, options);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut spent: Vec<Option<Spent>> = vec![None; jobs.len()];
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        let (send, done) = mpsc::channel();
        for _ in 0..workers {
            let (send, next, stop, jobs) = (send.clone(), &next, &stop, &jobs);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    let Some(spent) = job.run(options, stop) else { break };
                    if send.send((place, spent)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for (count, (place, cell)) in (1..).zip(&done) {
            spent[place] = Some(cell);
            if progress(Progress { done: count, total: jobs.len() }).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    Comparison::new(options, &jobs, &spent)
}

fn subjects<'a>(traces: &'a [Trace], options: &Options) -> Vec<Subject<'a>> {
    let model = CostModel::measured(options.regions);
    let stem = |trace: &Trace| {
        let stem = Path::new(&trace.name).file_stem().filter(|_| trace.name.ends_with(".tsv"));
        stem.map_or_else(|| trace.name.clone(), |stem| stem.to_string_lossy().into_owned())
    };
    let subject = |trace: &'a Trace| {
        // The closures of each list are looked up once, and not for each policy and open.
        let mut costs: HashMap<Imports, Cost> = HashMap::new();
        for request in &trace.requests {
            costs.entry(request.imports.clone()).or_insert_with(|| model.cost(&request.imports));
        }
        let nothing = Cost { nanos: 0, weight: 0, residue: 0, assumed: false };
        let costs = CostModel::PerKey { costs, otherwise: Box::new(CostModel::Constant(nothing)) };
        let alone = traces.iter().filter(|other| stem(other) == stem(trace)).count() == 1;
        Subject {
            name: if alone { stem(trace) } else { trace.name.clone() },
            workload: Workload::new(trace, &costs, options.hold),
            trace,
            costs,
        }
    };
    traces.iter().map(subject).collect()
}

fn jobs<'a>(subjects: &'a [Subject<'a>], options: &Options) -> Vec<Job<'a>> {
    let mut policies = options.policies.clone();
    policies.extend(options.by_weight.then_some(BEST_OFFLINE));
    policies.push(OPTIMUM);
    let mut jobs = Vec::new();
    for subject in subjects {
        let unit = if options.by_weight { subject.workload.median_weight() } else { 1 };
        for &capacity in &options.capacities {
            let capacity = capacity.saturating_mul(unit);
            jobs.extend(policies.iter().map(|&policy| Job { subject, capacity, policy }));
        }
    }
    jobs
}

impl Job<'_> {
    /// `None` if it was told to stop.
    fn run(&self, options: &Options, stop: &AtomicBool) -> Option<Spent> {
        let Subject { trace, workload, .. } = self.subject;
        match self.policy {
            OPTIMUM => {
                let of = if options.by_weight { optimum::of_bytes } else { optimum::of_slots };
                let optimum = of(workload, self.capacity);
                Some((optimum.misses, optimum.nanos as f64 / 1e9))
            }
            BEST_OFFLINE => {
                let each = |foresight| self.replay(options, Clairvoyant::new(trace, foresight), stop);
                let all: Option<Vec<Spent>> = Foresight::ALL.map(each).into_iter().collect();
                let all = all?;
                let misses = all.iter().map(|spent| spent.0).min()?;
                Some((misses, all.iter().map(|spent| spent.1).min_by(f64::total_cmp)?))
            }
            name => {
                let name = if name == DEFAULT { DEFAULT_POLICY } else { name };
                self.replay(options, policy_named(name, options.by_weight), stop)
            }
        }
    }

    fn replay(
        &self,
        options: &Options,
        policy: impl pool_core::Eviction<Imports> + 'static,
        stop: &AtomicBool,
    ) -> Option<Spent> {
        let bounds = replay::Options {
            capacity: if options.by_weight { u64::MAX } else { self.capacity },
            max_idle_weight: options.by_weight.then_some(self.capacity),
            hold: options.hold,
            regions: options.regions,
            ..replay::Options::default()
        };
        let Subject { trace, costs, .. } = self.subject;
        let report = replay_with(trace, &bounds, Box::new(policy), costs.clone(), |_| {
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (!report.interrupted).then_some((report.misses, report.opened_seconds))
    }
}

impl Comparison {
    fn new(options: &Options, jobs: &[Job<'_>], spent: &[Option<Spent>]) -> Self {
        let seconds_of = |job: &Job<'_>, policy: &str| {
            let same = |other: &Job<'_>| {
                std::ptr::eq(other.subject, job.subject)
                    && other.capacity == job.capacity
                    && other.policy == policy
            };
            let place = jobs.iter().position(same)?;
            spent[place].map(|(_, seconds)| seconds)
        };
        let ratio = |seconds: f64, to: Option<f64>| to.filter(|&to| to > 0.0).map(|to| seconds / to);
        let mut rows = Vec::new();
        let mut ratios: HashMap<&str, [Vec<Option<f64>>; 3]> = HashMap::new();
        for (job, spent) in jobs.iter().zip(spent) {
            let Some((misses, seconds)) = *spent else { continue };
            let relative = [LRU, "RejectIncoming", OPTIMUM].map(|to| ratio(seconds, seconds_of(job, to)));
            let all = ratios.entry(job.policy).or_default();
            all.iter_mut().zip(relative).for_each(|(all, one)| all.push(one));
            rows.push(Row {
                trace: job.subject.name.clone(),
                capacity: job.capacity,
                policy: job.policy.to_owned(),
                misses,
                rebuild_seconds: seconds,
                relative_to_lru: relative[0],
                relative_to_optimum: relative[2],
            });
        }
        let mut policies: Vec<&str> = Vec::new();
        for job in jobs.iter().filter(|job| ratios.contains_key(job.policy)) {
            if !policies.contains(&job.policy) {
                policies.push(job.policy);
            }
        }
        let mean = |policy: &&str| {
            let [relative_to_lru, relative_to_reject_incoming, relative_to_optimum] =
                ratios[policy].each_ref().map(|all| geometric_mean(all));
            Mean {
                policy: (*policy).to_owned(),
                relative_to_lru,
                relative_to_reject_incoming,
                relative_to_optimum,
            }
        };
        Self {
            by_weight: options.by_weight,
            hold: options.hold,
            interrupted: spent.contains(&None),
            rows,
            geometric_means: policies.iter().map(mean).collect(),
        }
    }
}

/// `None` if there is none, or one of them is not known.
fn geometric_mean(ratios: &[Option<f64>]) -> Option<f64> {
    let logs: Option<Vec<f64>> = ratios.iter().map(|ratio| ratio.map(f64::ln)).collect();
    let logs = logs.filter(|logs| !logs.is_empty())?;
    Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
}
