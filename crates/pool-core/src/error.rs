//! Why an acquire gave no lease.

use std::fmt;
use std::sync::Arc;

use crate::process_memory::ProcessMemoryError;
use crate::usage::Usage;

/// Why an acquire gave no lease. `E` is the resource's own [`Error`](crate::Resource::Error).
///
/// Each says what the pool held: boxed, so that a [`Result`] of a lease stays small. After any of them the pool is as it was, but that idle resources stay dropped which made room for an open that then
/// failed, or for one that was exhausted after all because the eviction policy gave up some and then no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError<E> {
    /// The open itself failed. The next acquire of that key tries again.
    #[error("the open failed: {error}")]
    Open {
        /// What the open returned: the same for all who waited for it.
        #[source]
        error: Arc<E>,
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// There is no room now: all that the limit allows is in use, or idle and not given up by the eviction policy. End a lease, or
    /// raise the limit.
    #[error(
        "the pool is exhausted: {by} allows no further open now ({usage}); end a lease or raise the limit"
    )]
    Exhausted {
        /// The limit, by the name of its policy.
        by: &'static str,
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// No end of a lease will make room: a budget is spent, or memory is not the pool's to give back. Resources that are
    /// idle can still be had.
    #[error(
        "the pool refuses to open: {by} rules it out, whatever leases end ({usage}); keys that are idle can still be \
         acquired, for others raise the limit or make a new pool"
    )]
    Refused {
        /// The limit, by the name of its policy.
        by: &'static str,
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// The time given was over. What the pool holds now is in `usage`.
    #[error(
        "timed out while it had to {step} ({usage}); give it more time, end leases sooner or raise the limit"
    )]
    TimedOut {
        /// What it was at.
        step: Step,
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// The acquire's [token](crate::sync::CancellationToken) was cancelled.
    #[error("cancelled while it had to {step} ({usage})")]
    Cancelled {
        /// What it was at.
        step: Step,
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// The pool [is closed](crate::pool::Pool::close): it gives no further lease. Make a new one.
    #[error("the pool is closed ({usage}); make a new one")]
    Closed {
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// This thread would wait for itself for ever: it asks from inside an open, or the destructor of a victim, that holds what it
    /// would wait for; or from inside an open for what another thread opens that waits for this one.
    #[error(
        "this thread would wait for itself: it asks from inside an open or a destructor, and what it asks for can't be had          before that ends ({usage}); acquire it before or after"
    )]
    Deadlock {
        /// What the pool held.
        usage: Box<Usage>,
    },

    /// The capacity policy limits the memory of the process, and that could not be measured. Nothing was opened or
    /// evicted.
    #[error("nothing was opened, because the limit on memory can't be kept: {error}")]
    Memory {
        /// Why it could not be measured.
        #[source]
        error: ProcessMemoryError,
        /// What the pool held.
        usage: Box<Usage>,
    },
}

/// What an acquire was at when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It waited for a resource, for room, or for the open of another.
    Wait,
    /// Its own open ran. That is never broken off: what came of it is in the pool, for others. (One whose time was over meanwhile
    /// gets it all the same: see [`was_late`](crate::pool::LeaseOf::was_late).)
    Open,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "wait",
            Self::Open => "open",
        })
    }
}

impl<E> AcquireError<E> {
    /// What the pool held when it happened.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        match self {
            Self::Open { usage, .. }
            | Self::Exhausted { usage, .. }
            | Self::Refused { usage, .. }
            | Self::TimedOut { usage, .. }
            | Self::Cancelled { usage, .. }
            | Self::Closed { usage }
            | Self::Deadlock { usage }
            | Self::Memory { usage, .. } => usage,
        }
    }

    /// The error of the open, if that is what failed.
    #[must_use]
    pub fn into_open(self) -> Option<Arc<E>> {
        match self {
            Self::Open { error, .. } => Some(error),
            _ => None,
        }
    }
}
