//! A trace through one pool, on virtual time.
//!
//! Where leases don't overlap and only their number is bounded, the policy is told what the pool would tell it, without a pool
//! (`drive.rs`): the report is the same, several times as fast. The tests compare both.

mod drive;
mod pooled;
mod report;

use std::ops::ControlFlow;
use std::time::Duration;

use mock_backend::{Cost, Regions};
use pool_core::eviction::{IdleTimeout, MaxAge};
use pool_core::{Eviction, Names as Imports};

pub use pooled::replay_journaled;
pub use report::{ByReason, Report, WarmUp};

use crate::policy::{Circumstances, Policy};
use crate::trace::Trace;
use drive::Driver;
use pooled::replay_in_pool;
use report::{Books, Counted};

/// The type of the policy that a pool of environments uses when it is told no other.
pub const DEFAULT_POLICY: &str = "Recall";

/// How a trace is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most idle environments; 0 disables reuse.
    pub capacity: u64,
    /// Most bytes of idle environments, if they are bounded too.
    pub max_idle_weight: Option<u64>,
    /// Which idle environment goes first.
    pub eviction: Policy,
    /// What an import costs.
    pub regions: Regions,
    /// Whether leases of a key share one environment.
    pub share: bool,
    /// Each lease is held while so many further requests are served.
    pub hold: usize,
    /// How often the trace is run, one run after the other, through the same pool.
    pub repeat: u32,
    /// So many requests are counted apart, first.
    pub warm_up: u64,
    /// Environments idle for so long, in the trace's time, are dropped.
    pub idle_timeout: Option<Duration>,
    /// Environments that old, in the trace's time, are dropped.
    pub max_age: Option<Duration>,
    /// How many keys without environments the pool remembers, if not as many as it does by itself.
    pub remembered_keys: Option<usize>,
}

impl Default for Options {
    /// 8 environments, the default policy, shared regions, exclusive leases that don't overlap, once.
    fn default() -> Self {
        Self {
            capacity: 8,
            max_idle_weight: None,
            eviction: Policy::default_policy(),
            regions: Regions::Shared,
            share: false,
            hold: 0,
            repeat: 1,
            warm_up: 0,
            idle_timeout: None,
            max_age: None,
            remembered_keys: None,
        }
    }
}

impl Options {
    /// Whether these options make sense with `trace`.
    ///
    /// # Errors
    /// If time has to pass, for a limit on it, and there is more of it than virtual time has; or if nothing is left to count after
    /// the warm-up.
    pub fn check(&self, trace: &Trace) -> Result<(), OptionsError> {
        let span = last_nanos(trace).div_ceil(1_000_000_000).max(1);
        let most = MOST_SECONDS / span;
        if self.is_timed() && u64::from(self.repeat) > most {
            return Err(OptionsError::TooMuchTime { repeat: self.repeat, most });
        }
        let requests = self.total(trace);
        if self.warm_up >= requests {
            return Err(OptionsError::AllWarmUp { warm_up: self.warm_up, requests });
        }
        Ok(())
    }

    fn total(&self, trace: &Trace) -> u64 {
        trace.len() as u64 * u64::from(self.repeat)
    }

    /// Whether anything depends on the trace's time. If not it does not pass, so that it can't end.
    fn is_timed(&self) -> bool {
        self.idle_timeout.is_some() || self.max_age.is_some()
    }

    /// The policy, with its filters.
    fn policy(&self, trace: &Trace) -> Box<dyn Eviction<Imports>> {
        let circumstances =
            Circumstances { by_weight: self.max_idle_weight.is_some(), lists: trace.has_lists() };
        let mut policy = self.eviction.make(circumstances);
        if let Some(limit) = self.idle_timeout {
            policy = Box::new(IdleTimeout::new(limit, policy));
        }
        if let Some(limit) = self.max_age {
            policy = Box::new(MaxAge::new(limit, policy));
        }
        policy
    }
}

fn last_nanos(trace: &Trace) -> u64 {
    trace.len().checked_sub(1).map_or(0, |last| trace.nanos(last))
}

/// Half of what a clock of nanoseconds can show; the other half is for opening.
const MOST_SECONDS: u64 = u64::MAX / 2 / 1_000_000_000;

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Time would run out.
    #[error(
        "repeating the trace {repeat} times takes more than the 292 years that virtual time has; with a limit on \
         time, repeat it at most {most} times"
    )]
    TooMuchTime {
        /// As asked.
        repeat: u32,
        /// As often as it can be.
        most: u64,
    },
    /// No request is left.
    #[error("a warm-up of {warm_up} requests leaves none of the {requests} to count; warm up with fewer")]
    AllWarmUp {
        /// As asked.
        warm_up: u64,
        /// How many there are.
        requests: u64,
    },
}

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Requests served.
    pub done: u64,
    /// Requests in all.
    pub total: u64,
    /// How many of those served were hits.
    pub hits: u64,
}

/// Replays `trace`.
///
/// # Panics
/// If [`Options::check`] finds an error.
#[must_use]
pub fn replay(trace: &Trace, options: &Options) -> Report {
    replay_until(trace, options, |_| ControlFlow::Continue(()))
}

/// Replays `trace` until `progress`, called after each request, breaks it off: the report is then of what was done.
///
/// # Panics
/// As [`replay`].
pub fn replay_until(
    trace: &Trace,
    options: &Options,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    replay_with(trace, options, options.policy(trace), &trace.costs(options.regions), progress)
}

/// Replays `trace` with a policy that has no name, and costs that are known already, by key.
pub(crate) fn replay_with(
    trace: &Trace,
    options: &Options,
    policy: Box<dyn Eviction<Imports>>,
    costs: &[Cost],
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    if drive::is_enough_for(options, &*policy, costs, options.total(trace)) {
        return run(trace, options, costs, Driver::new(trace, options, policy, costs), progress);
    }
    replay_in_pool(trace, options, policy, costs, progress)
}

/// What serves the requests of a trace, for its keys by their numbers.
trait Served {
    /// A request, at `nanos` if time passes. Whether it is a hit.
    fn request(&mut self, number: u32, nanos: Option<u64>) -> bool;

    /// What is in the books so far.
    fn books(&self) -> Books;

    /// What is in the books when all leases have ended.
    fn finish(self) -> Books
    where
        Self: Sized,
    {
        self.books()
    }
}

fn run(
    trace: &Trace,
    options: &Options,
    costs: &[Cost],
    mut served: impl Served,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    if let Err(error) = options.check(trace) {
        panic!("{error}");
    }
    let mut now = Progress { done: 0, total: options.total(trace), hits: 0 };
    let mut counted = Counted::default();
    let mut warm_up = None;
    // Close together, for most requests want no more of a cost.
    let nanos: Vec<u64> = costs.iter().map(|cost| cost.nanos).collect();
    'runs: for run in 0..u64::from(options.repeat) {
        for (place, &number) in trace.requests().iter().enumerate() {
            if now.done == options.warm_up && options.warm_up > 0 {
                warm_up = Some((counted, served.books()));
            }
            let time = options.is_timed().then(|| run * last_nanos(trace) + trace.nanos(place));
            let was_hit = served.request(number, time);
            if was_hit {
                counted.hit(nanos[number as usize]);
            } else {
                counted.miss(&costs[number as usize]);
            }
            now.done += 1;
            now.hits += u64::from(was_hit);
            if progress(now).is_break() {
                break 'runs;
            }
        }
    }
    Report::new(trace, options, served.finish(), now, counted, warm_up)
}
