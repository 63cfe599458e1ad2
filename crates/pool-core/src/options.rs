//! What an acquire may be told besides its key.

use std::time::Duration;

use crate::error::{AcquireError, Situation, Step};
use crate::sync::CancellationToken;

/// What an acquire may be told besides its key: how long to wait, and what to expect. Waits for as long as its pool
/// [says](crate::pool::Builder::max_wait), unless something else is said here; a pool for one thread never waits.
///
/// ```
/// use pool_core::{AcquireOptions, sync::CancellationToken};
/// let token = CancellationToken::new();
/// let options = AcquireOptions::new()
///     .timeout(std::time::Duration::from_secs(5))
///     .until_cancelled(&token)
///     .expect_weight(90 << 20);
/// ```
#[derive(Clone, Debug, Default)]
pub struct AcquireOptions {
    pub(crate) never_waits: bool,
    timeout: Timeout,
    token: Option<CancellationToken>,
    pub(crate) expected_weight: Option<u64>,
}

/// For how long to wait.
#[derive(Clone, Copy, Debug, Default)]
enum Timeout {
    #[default]
    OfThePool,
    AtMost(Duration),
    Never,
}

impl AcquireOptions {
    /// Waits for as long as its pool says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits not at all: not for a resource, nor for room, nor for the open of another. An open of its own takes as long as it
    /// takes.
    #[must_use]
    pub fn never_wait(self) -> Self {
        Self { never_waits: true, ..self }
    }

    /// Waits at most so long, by the pool's clock, from the call on.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Timeout::AtMost(timeout), ..self }
    }

    /// Waits for as long as it takes.
    #[must_use]
    pub fn wait_forever(self) -> Self {
        Self { timeout: Timeout::Never, ..self }
    }

    /// Waits until `token` is cancelled.
    #[must_use]
    pub fn until_cancelled(self, token: &CancellationToken) -> Self {
        Self { token: Some(token.clone()), ..self }
    }

    /// What is opened is expected to weigh so many bytes. Without this a key counts as what its last open weighed, and one
    /// that was never opened as the upper quartile of the last 64 opens of others.
    #[must_use]
    pub fn expect_weight(self, bytes: u64) -> Self {
        Self { expected_weight: Some(bytes), ..self }
    }

    pub(crate) fn token(&self) -> Option<&CancellationToken> {
        self.token.as_ref()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// When its time is over, by a clock that says `now`, in a pool where others wait for `max_wait`; in nanoseconds.
    pub(crate) fn deadline(&self, max_wait: Option<Duration>, now: impl FnOnce() -> u64) -> Option<u64> {
        let most = match self.timeout {
            Timeout::OfThePool => max_wait,
            Timeout::AtMost(most) => Some(most),
            Timeout::Never => None,
        };
        most.map(|most| now().saturating_add(nanos_of(most)))
    }
}

pub(crate) fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Why an acquire gives up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivesUp {
    TimedOut,
    Cancelled,
}

impl GivesUp {
    pub(crate) fn error<E>(self, step: Step, at: Box<Situation>) -> AcquireError<E> {
        match self {
            Self::TimedOut => AcquireError::TimedOut { step, at },
            Self::Cancelled => AcquireError::Cancelled { step, at },
        }
    }
}
