//! Events, off the hot path.

use crate::reason::{DropReason, MissReason};
use crate::usage::Opened;

/// Something that happened in a pool. Hits and returns are not events: they are counted in [`Stats`](crate::Stats).
///
/// `Copy`, whatever the key is: for two who observe, `move |event: Event<'_, K>| { metrics.observe(event); log(event) }`.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event<'a, K> {
    /// A miss opened a resource, which its caller is about to get.
    Opened {
        /// Whose.
        key: &'a K,
        /// Why it was a miss.
        reason: MissReason,
        /// What it took.
        opened: Opened,
    },
    /// An open returned an error, which its caller is about to get. (A panic is no event: it speaks for itself.)
    OpenFailed {
        /// Whose.
        key: &'a K,
    },
    /// A capacity policy did not let an acquire open.
    Refused {
        /// Whose.
        key: &'a K,
        /// The limit that was met.
        by: &'static str,
    },
    /// A resource is about to be dropped.
    Dropped {
        /// Whose.
        key: &'a K,
        /// Why.
        reason: DropReason,
    },
}

impl<K> Clone for Event<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Event<'_, K> {}

/// Hears of [`Event`]s; any `Fn(Event<'_, K>)` does. Called on the thread where they happen, outside the pool's borrow or lock, when the pool is
/// consistent: it may use the pool. A panic goes on to the caller of the pool once everything else is done.
///
/// ```
/// # use pool_core::{Event, local::Pool};
/// # struct Solver;
/// # impl pool_core::Resource for Solver { type Error = std::convert::Infallible; }
/// let pool: Pool<u32, Solver> =
///     Pool::builder().observer(|event: Event<'_, u32>| eprintln!("{event:?}")).build();
/// ```
pub trait Observer<K> {
    /// Hears of one event.
    fn observe(&self, event: Event<'_, K>);
}

impl<K, F: Fn(Event<'_, K>)> Observer<K> for F {
    fn observe(&self, event: Event<'_, K>) {
        self(event);
    }
}
