//! What came of a replay, for people and for machines.

use std::fmt::{self, Display, Formatter};

use indicatif::{HumanBytes, HumanCount};
use mock_backend::Regions;
use pool_core::{Counts, DropReason, MissReason, Reason, Stats};
use serde::{Serialize, Serializer};

use super::{Options, Progress};
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
    pub eviction: &'static str,
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
    /// Requests served.
    pub requests: u64,
    /// Different lists in the trace.
    pub distinct_keys: usize,
    /// Requests served without opening.
    pub hits: u64,
    /// Requests that opened.
    pub misses: u64,
    /// The same by reason.
    #[serde(serialize_with = "by_name")]
    pub misses_by_reason: Counts<MissReason>,
    /// Environments that the pool dropped, by reason.
    #[serde(serialize_with = "by_name")]
    pub evictions_by_reason: Counts<DropReason>,
    /// Seconds spent opening.
    pub opened_seconds: f64,
    /// Seconds that opening for each request would have taken more.
    pub saved_seconds: f64,
    /// Most bytes of idle environments at once.
    pub peak_idle_weight_bytes: u64,
    /// Most bytes of live environments at once.
    pub peak_live_weight_bytes: u64,
    /// Bytes that opens left for good, dropped or not.
    pub residue_bytes: u64,
    /// Opens whose cost is an assumption, because they name modules that were not measured.
    pub assumed_opens: u64,
}

impl Report {
    pub(super) fn new(
        trace: &Trace,
        options: &Options,
        stats: &Stats,
        progress: Progress,
        assumed_opens: u64,
    ) -> Self {
        Self {
            trace: trace.name.clone(),
            capacity: options.capacity,
            eviction: options.eviction,
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
            requests: stats.acquired(),
            distinct_keys: trace.distinct_keys,
            hits: stats.reused,
            misses: stats.opened(),
            misses_by_reason: stats.misses,
            evictions_by_reason: stats.dropped(),
            opened_seconds: seconds(stats.opening_nanos),
            saved_seconds: seconds(stats.saved_nanos),
            peak_idle_weight_bytes: stats.peaks.idle_weight,
            peak_live_weight_bytes: stats.peaks.live_weight,
            residue_bytes: stats.usage.residue,
            assumed_opens,
        }
    }

    /// What has to be known to read the numbers rightly, if anything.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        (self.assumed_opens > 0).then(|| {
            format!(
                "note: {} of {} opens name modules that were not measured (Mathlib above all); their cost is an \
                 assumption: the closure of Lean and 250 modules more for each, 7 000 with Mathlib itself",
                HumanCount(self.assumed_opens),
                HumanCount(self.misses),
            )
        })
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn by_name<T: Reason, S: Serializer>(counts: &Counts<T>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(reason, count)| (reason.name(), count)))
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
        writeln!(f, "{}", if self.interrupted { " (interrupted: what was done so far)" } else { "" })?;

        row(f, "requests", self.requests, "")?;
        row(f, "hits", self.hits, share_of(self.hits, self.requests))?;
        row(f, "misses", self.misses, share_of(self.misses, self.requests))?;
        reasons(f, &self.misses_by_reason)?;
        row(f, "evictions", self.evictions_by_reason.total(), "")?;
        reasons(f, &self.evictions_by_reason)?;
        let all = self.opened_seconds + self.saved_seconds;
        line(f, "opening", format_args!("{:.1} s", self.opened_seconds), "")?;
        let of_all = if all > 0.0 { 100.0 * self.saved_seconds / all } else { 0.0 };
        let saved = format!("{of_all:.1} % of opening every time");
        line(f, "saved", format_args!("{:.1} s", self.saved_seconds), saved)?;
        line(f, "peak idle weight", HumanBytes(self.peak_idle_weight_bytes), "")?;
        if self.residue_bytes > 0 {
            line(f, "left for good", HumanBytes(self.residue_bytes), "")?;
        }
        Ok(())
    }
}

fn reasons<T: Reason>(f: &mut Formatter<'_>, counts: &Counts<T>) -> fmt::Result {
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
