//! A trace through one pool, on virtual time.

mod report;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use mock_backend::{CostModel, Journal, MockBackend, MockEnvironment, Regions};
use pool_core::capacity::{Both, MaxIdle, MaxIdleWeight};
use pool_core::eviction::{self, IdleTimeout, MaxAge, Recall, Worth};
use pool_core::local::{Builder, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{Eviction, Names as Imports};

pub use report::Report;

use crate::trace::Trace;

/// The type of the policy that a pool of environments uses when it is told no other.
pub const DEFAULT_POLICY: &str = "Recall";

/// How a trace is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most idle environments; 0 disables reuse.
    pub capacity: u64,
    /// Most bytes of idle environments, if they are bounded too.
    pub max_idle_weight: Option<u64>,
    /// One of [`eviction::NAMES`].
    pub eviction: &'static str,
    /// What an import costs.
    pub regions: Regions,
    /// Whether leases of a key share one environment.
    pub share: bool,
    /// Each lease is held while so many further requests are served.
    pub hold: usize,
    /// How often the trace is run, one run after the other, through the same pool.
    pub repeat: u32,
    /// Environments idle for so long, in the trace's time, are dropped.
    pub idle_timeout: Option<Duration>,
    /// Environments that old, in the trace's time, are dropped.
    pub max_age: Option<Duration>,
}

impl Default for Options {
    /// 8 environments, the default policy, shared regions, exclusive leases that don't overlap, once.
    fn default() -> Self {
        Self {
            capacity: 8,
            max_idle_weight: None,
            eviction: DEFAULT_POLICY,
            regions: Regions::Shared,
            share: false,
            hold: 0,
            repeat: 1,
            idle_timeout: None,
            max_age: None,
        }
    }
}

impl Options {
    /// Whether these options make sense with `trace`.
    ///
    /// # Errors
    /// If time has to pass, for a limit on it, and there is more of it than virtual time has.
    pub fn check(&self, trace: &Trace) -> Result<(), OptionsError> {
        let span = trace.requests.last().map_or(0, |request| request.seconds).max(1);
        let most = MOST_SECONDS / span;
        if self.is_timed() && u64::from(self.repeat) > most {
            return Err(OptionsError::TooMuchTime { repeat: self.repeat, most });
        }
        Ok(())
    }

    /// Whether anything depends on the trace's time. If not it does not pass, so that it can't end.
    fn is_timed(&self) -> bool {
        self.idle_timeout.is_some() || self.max_age.is_some()
    }

    /// The policy, with its filters.
    fn policy(&self) -> Box<dyn Eviction<Imports>> {
        let mut policy = policy_named(self.eviction, self.max_idle_weight.is_some());
        if let Some(limit) = self.idle_timeout {
            policy = Box::new(IdleTimeout::new(limit, policy));
        }
        if let Some(limit) = self.max_age {
            policy = Box::new(MaxAge::new(limit, policy));
        }
        policy
    }
}

/// The policy of that name, as it is best for environments.
pub(crate) fn policy_named(name: &str, bounded_in_bytes: bool) -> Box<dyn Eviction<Imports>> {
    match (name, bounded_in_bytes) {
        ("Recall", true) => Box::new(Recall::of_names().per_byte()),
        ("Worth", true) => Box::new(Worth::of_names().per_byte()),
        _ => eviction::named_for_imports(name).expect("`name` is one of `pool_core::eviction::NAMES`"),
    }
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
/// If `options.eviction` is no policy's name, or [`Options::check`] finds an error.
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
    run(trace, options, options.policy(), &backend(options), Pool::builder(), progress)
}

/// Replays `trace`, and returns also the journal of all that the backend and the pool did: the same each time.
///
/// # Panics
/// As [`replay`].
#[must_use]
pub fn replay_journaled(trace: &Trace, options: &Options) -> (Report, String) {
    let backend = backend(options);
    let journal = Journal::new(backend.clock());
    let backend = backend.with_journal(journal.clone());
    let builder = Pool::builder().observer(journal.clone());
    let report = run(trace, options, options.policy(), &backend, builder, |_| ControlFlow::Continue(()));
    (report, journal.text())
}

/// Replays `trace` with a policy that has no name, and costs that are known already.
pub(crate) fn replay_with(
    trace: &Trace,
    options: &Options,
    policy: Box<dyn Eviction<Imports>>,
    costs: CostModel,
    progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    let backend = MockBackend::new(costs);
    run(trace, options, policy, &backend, Pool::builder(), progress)
}

fn backend(options: &Options) -> MockBackend {
    MockBackend::new(CostModel::measured(options.regions))
}

fn run(
    trace: &Trace,
    options: &Options,
    policy: Box<dyn Eviction<Imports>>,
    backend: &MockBackend,
    builder: Builder<Imports, MockEnvironment>,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Report {
    if let Err(error) = options.check(trace) {
        panic!("{error}");
    }
    let clock = backend.clock();
    let builder = match options.max_idle_weight {
        Some(bytes) => builder.capacity(Both(MaxIdle(options.capacity), MaxIdleWeight(bytes))),
        None => builder.capacity(MaxIdle(options.capacity)),
    };
    let builder = if options.share { builder.shared() } else { builder };
    let pool = builder.eviction(policy).clock(clock.clone()).build();
    let total = trace.requests.len() as u64 * u64::from(options.repeat);
    let last_second = trace.requests.last().map_or(0, |request| request.seconds);
    let mut now = Progress { done: 0, total, hits: 0 };
    let mut assumed_opens = 0;
    let mut held = VecDeque::new();
    let runs = (0..options.repeat).flat_map(|run| trace.requests.iter().map(move |request| (run, request)));
    for (run, request) in runs {
        if options.is_timed() {
            clock.advance_to((u64::from(run) * last_second + request.seconds) * 1_000_000_000);
        }
        let lease = pool
            .acquire(&request.imports, |imports| backend.open(imports))
            .expect("MaxIdle refuses no open, and without a script none fails");
        now.done += 1;
        now.hits += u64::from(LeaseOf::was_hit(&lease));
        assumed_opens += u64::from(!LeaseOf::was_hit(&lease) && lease.cost().assumed);
        held.push_back(lease);
        if held.len() > options.hold {
            held.pop_front();
        }
        if progress(now).is_break() {
            break;
        }
    }
    drop(held);
    Report::new(trace, options, &pool.stats(), now, assumed_opens)
}
