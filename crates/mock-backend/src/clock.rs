//! Virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_core::Clock;

/// Nanoseconds that pass only when told to. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock at 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `nanos` nanoseconds pass.
    pub fn advance(&self, nanos: u64) {
        // One writer at a time in every deterministic run; with several, each `advance` still counts.
        let add = |now: u64| Some(now.saturating_add(nanos));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Lets time pass until `nanos`, if it is not later already.
    pub fn advance_to(&self, nanos: u64) {
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
