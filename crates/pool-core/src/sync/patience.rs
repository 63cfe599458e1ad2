use std::time::Duration;

use super::CancellationToken;
use crate::error::{AcquireError, Step};
use crate::usage::Usage;

/// How long an acquire waits: for ever, unless something else is said.
///
/// ```
/// use pool_core::sync::{CancellationToken, Patience};
/// let token = CancellationToken::new();
/// let patience = Patience::forever().timeout(std::time::Duration::from_secs(5)).until_cancelled(&token);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Patience {
    pub(super) never: bool,
    timeout: Option<Duration>,
    token: Option<CancellationToken>,
}

impl Patience {
    /// As long as it takes.
    #[must_use]
    pub fn forever() -> Self {
        Self::default()
    }

    /// Not at all: not for a resource, nor for room, nor for the open of another. An open of its own takes as long as it takes.
    #[must_use]
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// At most so long, by the pool's clock, from the call on.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Until `token` is cancelled.
    #[must_use]
    pub fn until_cancelled(self, token: &CancellationToken) -> Self {
        Self { token: Some(token.clone()), ..self }
    }

    pub(super) fn token(&self) -> Option<&CancellationToken> {
        self.token.as_ref()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.token.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// When it ends, by a clock that says `now`; in nanoseconds.
    pub(super) fn deadline(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        self.timeout.map(|timeout| now().saturating_add(nanos(timeout)))
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Why the patience of an acquire is at an end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    TimedOut,
    Cancelled,
}

impl Over {
    pub(super) fn error<E>(self, step: Step, usage: Box<Usage>) -> AcquireError<E> {
        match self {
            Self::TimedOut => AcquireError::TimedOut { step, usage },
            Self::Cancelled => AcquireError::Cancelled { step, usage },
        }
    }
}
