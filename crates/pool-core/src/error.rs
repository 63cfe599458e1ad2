//! Why an acquire gave no lease.

use std::fmt;
use std::sync::Arc;

use crate::capacity::Bounds;
use crate::contain::{contain, dispose};
use crate::process_memory::ProcessMemoryError;
use crate::usage::Usage;

/// Why an acquire gave no lease. `E` is what an open fails with.
///
/// Each is one line: what happened, for which key, under which limit, what the pool held, and what to do. What caused it is
/// [`source`](std::error::Error::source) alone. After any of them the pool is as it was, but that idle resources stay dropped which made room for an
/// open that then failed, or for one that was exhausted after all because the eviction policy gave up some and then no more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError<E> {
    /// The open itself failed. The next acquire of that key tries again.
    #[error("the open failed ({at}); the next acquire of the key tries again")]
    #[non_exhaustive]
    Open {
        /// What the open returned: the same for all who waited for it.
        #[source]
        error: Arc<E>,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// There is no room now: all that the limit allows is in use, or idle and not given up by the eviction policy. End a lease, or
    /// raise the limit.
    #[error("the pool is exhausted: {by} allows no further open now ({at}); end a lease or raise the limit")]
    #[non_exhaustive]
    Exhausted {
        /// The limit, by the name of its policy.
        by: &'static str,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// No end of a lease will make room: a budget is spent, or memory is not the pool's to give back. Resources that are
    /// idle can still be had.
    #[error(
        "the pool refuses to open: {by} rules it out, whatever leases end ({at}); keys that are idle can still be \
         acquired, for others raise the limit or make a new pool"
    )]
    #[non_exhaustive]
    Refused {
        /// The limit, by the name of its policy.
        by: &'static str,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// The time given was over.
    #[error(
        "timed out while it had to {step} ({at}); give it more time, end leases sooner or raise the limit"
    )]
    #[non_exhaustive]
    TimedOut {
        /// What it was at.
        step: Step,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// The acquire's [token](crate::sync::CancellationToken) was cancelled.
    #[error("cancelled while it had to {step} ({at})")]
    #[non_exhaustive]
    Cancelled {
        /// What it was at.
        step: Step,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// The pool [is closed](crate::pool::Pool::close): it gives no further lease. Make a new one.
    #[error("the pool is closed ({at}); make a new one")]
    #[non_exhaustive]
    Closed {
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// This thread would wait for itself for ever: it asks from inside an open, or the destructor of a victim, that holds what it
    /// would wait for; or from inside an open for what another thread opens that waits for this one.
    #[error(
        "this thread would wait for itself: it asks from inside an open or a destructor, and what it asks for can't be had \
         before that ends ({at}); acquire it before or after"
    )]
    #[non_exhaustive]
    Deadlock {
        /// For what, and what the pool held.
        at: Box<Situation>,
    },

    /// The capacity policy limits the memory of the process, and that could not be measured. Nothing was opened or
    /// evicted.
    #[error("nothing was opened, because the limit on memory can't be kept: it could not be measured ({at})")]
    #[non_exhaustive]
    Memory {
        /// Why it could not be measured.
        #[source]
        error: ProcessMemoryError,
        /// For what, and what the pool held.
        at: Box<Situation>,
    },
}

/// Whatever an open fails with: its error is shared.
impl<E> Clone for AcquireError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Open { error, at } => Self::Open { error: Arc::clone(error), at: at.clone() },
            Self::Exhausted { by, at } => Self::Exhausted { by, at: at.clone() },
            Self::Refused { by, at } => Self::Refused { by, at: at.clone() },
            Self::TimedOut { step, at } => Self::TimedOut { step: *step, at: at.clone() },
            Self::Cancelled { step, at } => Self::Cancelled { step: *step, at: at.clone() },
            Self::Closed { at } => Self::Closed { at: at.clone() },
            Self::Deadlock { at } => Self::Deadlock { at: at.clone() },
            Self::Memory { error, at } => Self::Memory { error: error.clone(), at: at.clone() },
        }
    }
}

/// For what an acquire failed, and what the pool held. Boxed, so that a [`Result`] of a lease stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Situation {
    /// The key, as its `Debug` has it, and no more than 200 bytes of that. `None` if there was no key: the pool was closed.
    pub key: Option<String>,
    /// What the pool held.
    pub usage: Usage,
    /// How much may be idle at most.
    pub bounds: Bounds,
}

impl Situation {
    /// Of the text of a key, what an error has room for.
    pub(crate) fn text_of(key: &dyn fmt::Debug) -> String {
        const MOST: usize = 200;
        // An error is told all the same.
        let mut text = contain(|| format!("{key:?}")).unwrap_or_else(|payload| {
            dispose(payload);
            "whose `Debug` panics".to_owned()
        });
        if text.len() > MOST {
            let end = (0..=MOST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "key {key}; ")?;
        }
        write!(f, "{}", self.usage)?;
        if let Some(entries) = self.bounds.entries {
            write!(f, "; at most {entries}")?;
        }
        if let Some(bytes) = self.bounds.bytes {
            write!(f, "; at most {bytes} bytes")?;
        }
        Ok(())
    }
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
    /// For what it failed, and what the pool held then.
    #[must_use]
    pub fn situation(&self) -> &Situation {
        match self {
            Self::Open { at, .. }
            | Self::Exhausted { at, .. }
            | Self::Refused { at, .. }
            | Self::TimedOut { at, .. }
            | Self::Cancelled { at, .. }
            | Self::Closed { at }
            | Self::Deadlock { at }
            | Self::Memory { at, .. } => at,
        }
    }

    /// What the pool held when it happened.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.situation().usage
    }

    /// The error of the open, if that is what failed.
    #[must_use]
    pub fn open_error(&self) -> Option<&E> {
        match self {
            Self::Open { error, .. } => Some(error),
            _ => None,
        }
    }

    /// [`open_error`](Self::open_error), by value.
    #[must_use]
    pub fn into_open(self) -> Option<Arc<E>> {
        match self {
            Self::Open { error, .. } => Some(error),
            _ => None,
        }
    }
}
