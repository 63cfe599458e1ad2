//! What came of a comparison: its cells while they come, then rows and means.

use serde::Serialize;

use super::{BEST_OFFLINE, LOWER_BOUND, LRU, Line, OPTIMUM, Options, REJECT_INCOMING, Spent, Subject};
use super::{Cell, assumed};

/// What one policy does on one trace at one capacity. As CSV it has these columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The trace: its file's name without the ending, where that tells it from the others.
    pub trace: String,
    /// The capacity: idle environments, or bytes.
    pub capacity: u64,
    /// The policy's name, [`DEFAULT`](super::DEFAULT), [`OPTIMUM`], [`LOWER_BOUND`] or [`BEST_OFFLINE`].
    pub policy: String,
    /// Requests that counted.
    pub requests: u64,
    /// Requests that opened. Of the optimum: the fewest, whatever they cost.
    pub misses: u64,
    /// How many of those opens have a cost that is an assumption. None for an optimum, which is no run.
    pub assumed_opens: Option<u64>,
    /// Seconds spent opening. Of the optimum: the least, however many opens that takes.
    pub open_seconds: f64,
    /// Its misses over those of `Lru`, if that was compared.
    pub misses_relative_to_lru: Option<f64>,
    /// Its open seconds over those of `Lru`.
    pub relative_to_lru: Option<f64>,
    /// Its open seconds over those of the optimum, where that is exact.
    pub relative_to_optimum: Option<f64>,
    /// Its open seconds over a lower bound of the optimum, where that is what was computed.
    pub relative_to_lower_bound: Option<f64>,
}

/// What a trace is, and how much of it rests on assumptions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TraceSummary {
    /// Its name in the rows.
    pub trace: String,
    /// Requests that count.
    pub requests: u64,
    /// Different keys, of all requests.
    pub distinct_keys: usize,
    /// How many of the requests that count ask for what has an assumed cost.
    pub assumed_requests: u64,
    /// The share of keys that it was sampled down to, if it was. Capacities are those before.
    pub sample: Option<f64>,
}

/// What came of a comparison. As text it is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Whether capacities are bytes.
    pub by_weight: bool,
    /// For how many further requests leases were held.
    pub hold: usize,
    /// How many requests of each trace came first and were not counted.
    pub warm_up: u64,
    /// Whether it was broken off: then the rows are those that were done.
    pub interrupted: bool,
    /// The traces.
    pub traces: Vec<TraceSummary>,
    /// Opens of all rows together, and how many of them have an assumed cost.
    pub opens: u64,
    /// How many of them have an assumed cost.
    pub assumed_opens: u64,
    /// By trace, capacity and policy.
    pub rows: Vec<Row>,
    /// Over the cells that every policy has finished.
    pub geometric_means: Means,
}

/// Geometric means over traces and capacities.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Means {
    /// How many pairs of a trace and a capacity every policy has finished: the means are over these. Where there are none, there are no
    /// means.
    pub cells: usize,
    /// How many there are in all.
    pub of_cells: usize,
    /// By policy.
    pub policies: Vec<Mean>,
}

/// Geometric means of a policy: of its open seconds, and of its misses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Mean {
    /// The policy.
    pub policy: String,
    /// Of its open seconds over those of `Lru`, if that was compared.
    pub relative_to_lru: Option<f64>,
    /// Of its open seconds over those of `RejectIncoming`, if that was compared.
    pub relative_to_reject_incoming: Option<f64>,
    /// Of its open seconds over those of the optimum, if all are exact.
    pub relative_to_optimum: Option<f64>,
    /// Of its open seconds over the optimum or a lower bound of it, if there is one for all cells and not all are exact.
    pub relative_to_lower_bound: Option<f64>,
    /// Of its misses over those of `Lru`.
    pub misses_relative_to_lru: Option<f64>,
    /// Of its misses over those of `RejectIncoming`.
    pub misses_relative_to_reject_incoming: Option<f64>,
    /// Of its misses over the fewest: exactly for idle environments, over a lower bound for bytes.
    pub misses_relative_to_least: Option<f64>,
}

impl Comparison {
    /// The mean of that policy, if there is one.
    #[must_use]
    pub fn mean(&self, policy: &str) -> Option<&Mean> {
        self.geometric_means.policies.iter().find(|mean| mean.policy == policy)
    }
}

/// The cells of a comparison, by trace, capacity and policy, as far as they are done.
pub(super) struct Grid<'a> {
    subjects: &'a [Subject<'a>],
    options: &'a Options,
    lines: Vec<Line<'a>>,
    cells: Vec<Vec<Vec<Option<Spent>>>>,
    done: usize,
}

impl<'a> Grid<'a> {
    pub(super) fn new(subjects: &'a [Subject<'a>], options: &'a Options) -> Self {
        let lines = Line::all(options);
        let cells =
            subjects.iter().map(|subject| vec![vec![None; lines.len()]; subject.points.len()]).collect();
        Self { subjects, options, lines, cells, done: 0 }
    }

    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn total(&self) -> usize {
        self.cells.iter().flatten().map(Vec::len).sum()
    }

    /// Takes what came of a cell; and gives the rows of its trace at its capacity if they are all there now.
    pub(super) fn put(&mut self, cell: Cell, spent: Spent) -> Vec<Row> {
        let Cell { subject, point, line } = cell;
        self.cells[subject][point][line] = Some(spent);
        self.done += 1;
        if self.cells[subject][point].contains(&None) { Vec::new() } else { self.rows(subject, point) }
    }

    fn name(&self, line: usize, spent: &Spent) -> &'a str {
        match self.lines[line] {
            Line::Policy(policy) => policy.name(),
            Line::BestOffline => BEST_OFFLINE,
            Line::Optimum if spent.exact => OPTIMUM,
            Line::Optimum => LOWER_BOUND,
        }
    }

    /// What the policy of that name, or the optimum, spent.
    fn of(&self, cells: &[Option<Spent>], name: &str) -> Option<Spent> {
        let is_it = |line: &Line<'_>| match line {
            Line::Policy(policy) => policy.name() == name,
            Line::Optimum => name == OPTIMUM,
            Line::BestOffline => false,
        };
        cells[self.lines.iter().position(is_it)?]
    }

    fn rows(&self, subject: usize, point: usize) -> Vec<Row> {
        let cells = &self.cells[subject][point];
        let (lru, least) = (self.of(cells, LRU), self.of(cells, OPTIMUM));
        let row = |(line, spent): (usize, &Option<Spent>)| {
            let spent = (*spent)?;
            let to = |other: Option<Spent>| ratio(spent.nanos, other?.nanos);
            Some(Row {
                trace: self.subjects[subject].name.clone(),
                capacity: self.subjects[subject].points[point].shown,
                policy: self.name(line, &spent).to_owned(),
                requests: self.subjects[subject].workload.counted().len() as u64,
                misses: spent.misses,
                assumed_opens: spent.assumed,
                open_seconds: spent.nanos as f64 / 1e9,
                misses_relative_to_lru: lru.and_then(|lru| ratio(spent.misses, lru.misses)),
                relative_to_lru: to(lru),
                relative_to_optimum: to(least.filter(|least| least.exact)),
                relative_to_lower_bound: to(least.filter(|least| !least.exact)),
            })
        };
        cells.iter().enumerate().filter_map(row).collect()
    }

    pub(super) fn comparison(&self) -> Comparison {
        let places = |subject: usize| (0..self.cells[subject].len()).map(move |point| (subject, point));
        let all: Vec<(usize, usize)> = (0..self.cells.len()).flat_map(places).collect();
        let rows: Vec<Row> = all.iter().flat_map(|&(subject, point)| self.rows(subject, point)).collect();
        let summary = |subject: &Subject<'_>| {
            let costs = &subject.workload.costs;
            let counted = subject.workload.counted();
            TraceSummary {
                trace: subject.name.clone(),
                requests: counted.len() as u64,
                distinct_keys: subject.trace.distinct_keys(),
                assumed_requests: counted.iter().map(|&key| assumed(&costs[key as usize])).sum(),
                sample: subject.trace.sample(),
            }
        };
        // Of an optimum it is not known which opens these are.
        let runs = || rows.iter().filter_map(|row| Some((row.misses, row.assumed_opens?)));
        Comparison {
            by_weight: self.options.by_weight,
            hold: self.options.hold,
            warm_up: self.options.warm_up,
            interrupted: self.done < self.total(),
            traces: self.subjects.iter().map(summary).collect(),
            opens: runs().map(|(misses, _)| misses).sum(),
            assumed_opens: runs().map(|(_, assumed)| assumed).sum(),
            geometric_means: self.means(&all),
            rows,
        }
    }

    fn means(&self, all: &[(usize, usize)]) -> Means {
        let cells = |&(subject, point): &(usize, usize)| &self.cells[subject][point];
        let finished: Vec<Vec<Spent>> =
            all.iter().filter_map(|place| cells(place).iter().copied().collect()).collect();
        let mut means = Means { cells: finished.len(), of_cells: all.len(), policies: Vec::new() };
        if finished.is_empty() {
            return means;
        }
        let options: Vec<Vec<Option<Spent>>> =
            finished.iter().map(|cells| cells.iter().copied().map(Some).collect()).collect();
        // What every cell is compared with, where it has it.
        let base =
            |name: &str| -> Vec<Option<Spent>> { options.iter().map(|cells| self.of(cells, name)).collect() };
        let (lru, reject, least) = (base(LRU), base(REJECT_INCOMING), base(OPTIMUM));
        let is_exact = least.iter().flatten().all(|least| least.exact);
        for line in 0..self.lines.len() {
            let mean = |to: &[Option<Spent>], of: fn(&Spent) -> u64| {
                let ratios =
                    finished.iter().zip(to).map(|(cells, to)| ratio(of(&cells[line]), of(to.as_ref()?)));
                geometric_mean(&ratios.collect::<Vec<_>>())
            };
            let nanos = |spent: &Spent| spent.nanos;
            let misses = |spent: &Spent| spent.misses;
            let name = match self.lines[line] {
                Line::Optimum if is_exact => OPTIMUM,
                Line::Optimum => LOWER_BOUND,
                _ => self.name(line, &finished[0][line]),
            };
            let to_least = mean(&least, nanos);
            means.policies.push(Mean {
                policy: name.to_owned(),
                relative_to_lru: mean(&lru, nanos),
                relative_to_reject_incoming: mean(&reject, nanos),
                relative_to_optimum: to_least.filter(|_| is_exact),
                relative_to_lower_bound: to_least.filter(|_| !is_exact),
                misses_relative_to_lru: mean(&lru, misses),
                misses_relative_to_reject_incoming: mean(&reject, misses),
                misses_relative_to_least: mean(&least, misses),
            });
        }
        means
    }
}

fn ratio(amount: u64, to: u64) -> Option<f64> {
    (to > 0).then(|| amount as f64 / to as f64)
}

/// `None` if there is none, or one of them is not known.
fn geometric_mean(ratios: &[Option<f64>]) -> Option<f64> {
    let logs: Option<Vec<f64>> = ratios.iter().map(|ratio| ratio.map(f64::ln)).collect();
    let logs = logs.filter(|logs| !logs.is_empty())?;
    Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
}
