//! What came of a replay, for people and for machines.

use std::fmt::{self, Display, Formatter};

use indicatif::{HumanBytes, HumanCount};
use mock_backend::{Cost, Regions};
use pool_core::{Counts, DropReason, MissReason, Reason, Stats};
use serde::{Serialize, Serializer};

use super::{DEFAULT_POLICY, Options, Progress};
use crate::policy::DEFAULT;
use crate::trace::Trace;

/// What came of a replay. As JSON it has these fields; as text it is a short table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The trace's name.
    pub trace: String,
    /// Most idle environments.
    pub capacity: u64,
    /// The policy's published name.
    pub eviction: String,
    /// `shared` or `isolated`: what an import costs.
    pub regions: &'static str,
    /// Whether leases of a key shared one environment.
    pub share: bool,
    /// How many further requests each lease was held for.
    pub hold: usize,
    /// How often the trace was to be run.
    pub repeat: u32,
    /// Seconds after which idle environments were dropped, if they were.
    pub idle_timeout_seconds: Option<u64>,
    /// Seconds after which old environments were dropped, if they were.
    pub max_age_seconds: Option<u64>,
    /// Whether the replay was broken off before its end.
    pub interrupted: bool,
    /// Requests before those that are counted, if there were any; all counts but peaks and residue are without them.
    pub warm_up: Option<WarmUp>,
    /// The share of keys that the trace was sampled down to, if it was. A capacity then stands for one that is so much larger.
    pub sample: Option<f64>,
    /// Requests served.
    pub requests: u64,
    /// Different keys in the trace.
    pub distinct_keys: usize,
    /// Requests served without opening.
    pub hits: u64,
    /// Requests that opened.
    pub misses: u64,
    /// The same by reason.
    pub misses_by_reason: ByReason<MissReason>,
    /// Environments that the pool dropped, by reason.
    pub evictions_by_reason: ByReason<DropReason>,
    /// Open seconds: spent opening.
    pub open_seconds: f64,
    /// Open seconds that opening for each request would have taken more.
    pub saved_seconds: f64,
    /// Most bytes of idle environments at once.
    pub peak_idle_weight_bytes: u64,
    /// Most bytes of live environments at once.
    pub peak_live_weight_bytes: u64,
    /// Bytes that opens left for good, dropped or not.
    pub residue_bytes: u64,
    /// Opens whose cost is an assumption, because they name modules that were not measured, or the trace says no cost.
    pub assumed_opens: u64,
    #[serde(skip)]
    open_nanos: u64,
    #[serde(skip)]
    lists: bool,
    #[serde(skip)]
    changed_sizes: u64,
}

/// What a warm-up took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WarmUp {
    /// Requests served.
    pub requests: u64,
    /// Requests that opened.
    pub misses: u64,
    /// Seconds spent opening.
    pub open_seconds: f64,
    /// Opens whose cost is an assumption.
    pub assumed_opens: u64,
}

/// Counts by reason. As JSON an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ByReason<T>(Vec<(T, u64)>);

impl<T: Reason> Default for ByReason<T> {
    fn default() -> Self {
        Self(T::ALL.iter().map(|&reason| (reason, 0)).collect())
    }
}

impl<T: Reason> From<&Counts<T>> for ByReason<T> {
    fn from(counts: &Counts<T>) -> Self {
        Self(counts.iter().collect())
    }
}

impl<T: Reason> ByReason<T> {
    pub(super) fn count(&mut self, reason: T) {
        self.0[reason.index()].1 += 1;
    }

    fn since(self, before: &Self) -> Self {
        Self(self.0.into_iter().map(|(reason, count)| (reason, count - before.get(reason))).collect())
    }

    /// The count of a reason.
    #[must_use]
    pub fn get(&self, reason: T) -> u64 {
        self.iter().find(|(of, _)| *of == reason).map_or(0, |(_, count)| count)
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Each reason with its count, in the order in which they are reported.
    pub fn iter(&self) -> impl Iterator<Item = (T, u64)> + '_ {
        self.0.iter().copied()
    }
}

impl<T: Reason> Serialize for ByReason<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(reason, count)| (reason.name(), count)))
    }
}

/// What a pool's own books say at the end.
#[derive(Clone, Default)]
pub(super) struct Books {
    pub(super) misses: ByReason<MissReason>,
    pub(super) dropped: ByReason<DropReason>,
    /// Bytes, as the next ones.
    pub(super) peak_idle_weight: u64,
    pub(super) peak_live_weight: u64,
    pub(super) residue: u64,
}

impl From<&Stats> for Books {
    fn from(stats: &Stats) -> Self {
        Self {
            misses: (&stats.misses).into(),
            dropped: (&stats.dropped()).into(),
            peak_idle_weight: stats.peaks.idle_weight,
            peak_live_weight: stats.peaks.live_weight,
            residue: stats.usage.residue,
        }
    }
}

/// What is counted of each request.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    hits: u64,
    misses: u64,
    assumed: u64,
    open_nanos: u64,
    saved_nanos: u64,
}

impl Counted {
    pub(super) fn hit(&mut self, nanos: u64) {
        self.hits += 1;
        self.saved_nanos = self.saved_nanos.saturating_add(nanos);
    }

    pub(super) fn miss(&mut self, cost: &Cost) {
        self.misses += 1;
        self.open_nanos = self.open_nanos.saturating_add(cost.nanos);
        self.assumed += u64::from(cost.assumed);
    }

    fn since(self, before: Self) -> Self {
        Self {
            hits: self.hits - before.hits,
            misses: self.misses - before.misses,
            assumed: self.assumed - before.assumed,
            open_nanos: self.open_nanos - before.open_nanos,
            saved_nanos: self.saved_nanos - before.saved_nanos,
        }
    }
}

impl Report {
    /// `warm_up` is what was counted before the requests that count, and what the pool had done.
    pub(super) fn new(
        trace: &Trace,
        options: &Options,
        books: Books,
        progress: Progress,
        counted: Counted,
        warm_up: Option<(Counted, Books)>,
    ) -> Self {
        let warmed_up = warm_up.is_some();
        let (before, then) = warm_up.unwrap_or_default();
        let of = counted.since(before);
        let name = options.eviction.name();
        Self {
            trace: trace.name.clone(),
            capacity: options.capacity,
            eviction: if name == DEFAULT { DEFAULT_POLICY } else { name }.to_owned(),
            regions: match options.regions {
                Regions::Shared => "shared",
                Regions::Isolated => "isolated",
            },
            share: options.share,
            hold: options.hold,
            repeat: options.repeat,
            idle_timeout_seconds: options.idle_timeout.map(|limit| limit.as_secs()),
            max_age_seconds: options.max_age.map(|limit| limit.as_secs()),
            interrupted: progress.done < progress.total,
            warm_up: warmed_up.then(|| WarmUp {
                requests: before.hits + before.misses,
                misses: before.misses,
                open_seconds: seconds(before.open_nanos),
                assumed_opens: before.assumed,
            }),
            sample: trace.sample(),
            requests: of.hits + of.misses,
            distinct_keys: trace.distinct_keys(),
            hits: of.hits,
            misses: of.misses,
            misses_by_reason: books.misses.since(&then.misses),
            evictions_by_reason: books.dropped.since(&then.dropped),
            open_seconds: seconds(of.open_nanos),
            saved_seconds: seconds(of.saved_nanos),
            peak_idle_weight_bytes: books.peak_idle_weight,
            peak_live_weight_bytes: books.peak_live_weight,
            residue_bytes: books.residue,
            assumed_opens: of.assumed,
            open_nanos: of.open_nanos,
            lists: trace.has_lists(),
            changed_sizes: trace.changed_sizes(),
        }
    }

    /// Nanoseconds spent opening.
    #[must_use]
    pub fn open_nanos(&self) -> u64 {
        self.open_nanos
    }

    /// What has to be known to read the numbers rightly, if anything.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let assumed = (self.assumed_opens > 0).then(|| {
            let why = if self.lists {
                "name modules that were not measured (Mathlib above all); their cost is an assumption: the closure of \
                 Lean and 250 modules more for each, 7 000 with Mathlib itself"
            } else {
                "have no cost in the trace; a second for each is an assumption"
            };
            format!("note: {} of {} opens {why}", HumanCount(self.assumed_opens), HumanCount(self.misses))
        });
        let changed = (self.changed_sizes > 0).then(|| {
            format!(
                "note: {} requests give a size or cost other than their key's first, which counts",
                HumanCount(self.changed_sizes)
            )
        });
        let notes: Vec<String> = [assumed, changed].into_iter().flatten().collect();
        (!notes.is_empty()).then(|| notes.join("\n"))
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { trace, capacity, eviction, regions, .. } = self;
        write!(f, "{trace} through {eviction}, {capacity} idle at most, {regions} regions")?;
        if let Some(seconds) = self.idle_timeout_seconds {
            write!(f, ", idle for {seconds} s at most")?;
        }
        if let Some(seconds) = self.max_age_seconds {
            write!(f, ", {seconds} s old at most")?;
        }
        if self.share {
            write!(f, ", shared by leases")?;
        }
        if self.hold > 0 {
            write!(f, ", held for {}", self.hold)?;
        }
        if self.repeat > 1 {
            write!(f, ", {} times", self.repeat)?;
        }
        if let Some(rate) = self.sample {
            write!(f, ", a sample of {rate} of the keys")?;
        }
        writeln!(f, "{}", if self.interrupted { " (interrupted: what was done so far)" } else { "" })?;

        if let Some(warm_up) = self.warm_up {
            let took = format!(
                "{} misses, {:.1} open seconds, counted apart",
                HumanCount(warm_up.misses),
                warm_up.open_seconds
            );
            row(f, "warm-up", warm_up.requests, took)?;
        }
        row(f, "requests", self.requests, "")?;
        row(f, "hits", self.hits, share_of(self.hits, self.requests))?;
        row(f, "misses", self.misses, share_of(self.misses, self.requests))?;
        reasons(f, &self.misses_by_reason)?;
        row(f, "assumed opens", self.assumed_opens, share_of(self.assumed_opens, self.misses))?;
        row(f, "evictions", self.evictions_by_reason.total(), "")?;
        reasons(f, &self.evictions_by_reason)?;
        let all = self.open_seconds + self.saved_seconds;
        line(f, "open seconds", format_args!("{:.1}", self.open_seconds), "")?;
        let of_all = if all > 0.0 { 100.0 * self.saved_seconds / all } else { 0.0 };
        let saved = format!("{of_all:.1} % of opening every time");
        line(f, "saved seconds", format_args!("{:.1}", self.saved_seconds), saved)?;
        line(f, "peak idle weight", HumanBytes(self.peak_idle_weight_bytes), "")?;
        if self.residue_bytes > 0 {
            line(f, "left for good", HumanBytes(self.residue_bytes), "")?;
        }
        Ok(())
    }
}

fn reasons<T: Reason>(f: &mut Formatter<'_>, counts: &ByReason<T>) -> fmt::Result {
    let present = counts.iter().filter(|(_, count)| *count > 0);
    present.into_iter().try_for_each(|(reason, count)| row(f, &format!("  {}", reason.name()), count, ""))
}

fn row(f: &mut Formatter<'_>, name: &str, count: u64, more: impl Display) -> fmt::Result {
    line(f, name, HumanCount(count), more)
}

fn line(f: &mut Formatter<'_>, name: &str, value: impl Display, more: impl Display) -> fmt::Result {
    let text = format!("  {name:<18}{:>12}   {more}", value.to_string());
    writeln!(f, "{}", text.trim_end())
}

fn share_of(part: u64, all: u64) -> String {
    if all == 0 { String::new() } else { format!("{:.1} %", 100.0 * part as f64 / all as f64) }
}
