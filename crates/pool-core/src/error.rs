//! Why an acquire gave no lease.

use crate::process_memory::ProcessMemoryError;
use crate::usage::Usage;

/// Why an acquire gave no lease. `E` is the resource's own [`Error`](crate::Resource::Error).
///
/// After any of them the pool is as it was, but that idle resources stay dropped which made room for an open that then
/// failed, or for one that was exhausted after all because the eviction policy gave up some and then no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError<E> {
    /// The open itself failed. The next acquire of that key tries again.
    #[error("the open failed: {0}")]
    Open(#[source] E),

    /// There is no room now: all that the limit allows is in use. End a lease, or raise the limit.
    #[error(
        "the pool is exhausted: {by} allows no further open now ({usage}); end a lease or raise the limit"
    )]
    Exhausted {
        /// The limit, by the name of its policy.
        by: &'static str,
        /// What the pool held.
        usage: Usage,
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
        usage: Usage,
    },

    /// The capacity policy limits the memory of the process, and that could not be measured. Nothing was opened or
    /// evicted.
    #[error("nothing was opened, because the limit on memory can't be kept: {0}")]
    Memory(#[source] ProcessMemoryError),
}

impl<E> AcquireError<E> {
    /// The error of the open, if that is what failed.
    pub fn into_open(self) -> Option<E> {
        match self {
            Self::Open(error) => Some(error),
            _ => None,
        }
    }
}
