//! Time, passed in.

use std::time::Instant;

/// When something happened, as policies are told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Logical time: how often the pool has looked for a warm resource. Once an acquire, and once more for each unfit
    /// resource that it met.
    pub tick: u64,
    /// Nanoseconds of the pool's [`Clock`]; 0 unless the policy says that it
    /// [needs a clock](crate::Eviction::needs_clock).
    pub nanos: u64,
}

/// Where a pool's nanoseconds come from.
///
/// Read twice around each open, to measure its cost, and by acquires that wait. Only if the eviction policy
/// [needs it](crate::Eviction::needs_clock), also at each acquire and release, twice more on a miss, and once for each victim that is
/// gone. Called outside the pool's borrow or lock. Time that runs backwards does
/// no harm: differences are cut off at 0.
pub trait Clock {
    /// Nanoseconds since a moment of the clock's own choice.
    fn nanos(&self) -> u64;
}

impl<F: Fn() -> u64> Clock for F {
    fn nanos(&self) -> u64 {
        self()
    }
}

/// Nanoseconds of monotonic real time since it was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that starts at 0 now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn nanos(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
