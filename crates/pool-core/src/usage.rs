//! What a pool holds at a moment, as capacity policies and errors see it.

use std::fmt;

/// The largest weight one resource is counted with, in bytes (256 TiB): sums of weights can't overflow before memory
/// does.
pub const MAX_WEIGHT: u64 = 1 << 48;

/// What a pool holds at a moment. Counts are of resources, weights are bytes.
///
/// A shared resource counts once, however many leases it has. *Live* is idle + leased + opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Resources in the pool with no lease.
    pub idle: u64,
    /// Resources with at least one lease. One whose lease was leaked (`mem::forget`) counts for ever.
    pub leased: u64,
    /// Opens that are running.
    pub opening: u64,
    /// Bytes of the idle resources.
    pub idle_weight: u64,
    /// Bytes of the leased resources, as measured at their last open or release.
    pub leased_weight: u64,
    /// Estimated bytes of the opens that are running.
    pub opening_weight: u64,
    /// Opens that succeeded, ever.
    pub opens: u64,
    /// Bytes that those opens left for good.
    pub residue: u64,
    /// Estimated bytes that the opens which are running will leave for good.
    pub opening_residue: u64,
    /// Idle resources of the key in question; 0 where there is none in question.
    pub idle_of_key: u64,
    /// Acquires that wait, in a [`sync::Pool`](crate::sync::Pool).
    pub waiting: u64,
    /// Private dirty bytes of the process as measured on this miss, less the weights that were evicted for it since.
    /// `None` but while a miss asks to be admitted, by a policy that
    /// [wants it](crate::Capacity::needs_process_memory).
    pub process_bytes: Option<u64>,
}

impl Usage {
    /// Idle, leased and opening resources together.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.idle.saturating_add(self.leased).saturating_add(self.opening)
    }

    /// Bytes of the idle, leased and opening resources together.
    #[must_use]
    pub fn live_weight(&self) -> u64 {
        self.idle_weight.saturating_add(self.leased_weight).saturating_add(self.opening_weight)
    }

    // Sums of weights wrap where they would overflow, which honest ones can't (see `MAX_WEIGHT`): so what is added and taken away
    // again leaves no trace.

    /// One idle resource of `weight` bytes is leased.
    #[inline]
    pub(crate) fn idle_to_leased(&mut self, weight: u64) {
        self.idle -= 1;
        self.leased += 1;
        self.idle_weight = self.idle_weight.wrapping_sub(weight);
        self.leased_weight = self.leased_weight.wrapping_add(weight);
    }

    /// A leased resource, of `before` bytes at its last measurement and of `weight` bytes now, becomes idle.
    #[inline]
    pub(crate) fn leased_to_idle(&mut self, before: u64, weight: u64) {
        self.leased -= 1;
        self.idle += 1;
        self.leased_weight = self.leased_weight.wrapping_sub(before);
        self.idle_weight = self.idle_weight.wrapping_add(weight);
    }

    /// The same with `idle` idle resources of `weight` bytes, all of the key in question.
    pub(crate) fn with_idle(&self, idle: u64, weight: u64) -> Self {
        let evicted = self.idle_weight.saturating_sub(weight);
        let mut usage = Self { idle, idle_weight: weight, idle_of_key: idle, ..*self };
        usage.note_evicted(evicted);
        usage
    }

    /// An idle resource of `weight` bytes goes.
    pub(crate) fn note_evicted(&mut self, weight: u64) {
        self.process_bytes = self.process_bytes.map(|bytes| bytes.saturating_sub(weight));
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, leased, opening, opens, .. } = self;
        write!(f, "{idle} idle, {leased} leased, {opening} opening, {opens} opened so far")?;
        if self.waiting > 0 {
            write!(f, ", {} waiting", self.waiting)?;
        }
        match self.process_bytes {
            Some(bytes) => write!(f, ", {bytes} private dirty bytes in the process"),
            None => Ok(()),
        }
    }
}

/// What opening a resource took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Nanoseconds that the open took.
    pub cost_nanos: u64,
    /// Bytes that dropping it gives back.
    pub weight: u64,
    /// Bytes that it leaves for good.
    pub residue: u64,
}

/// A resource that has just become idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// Bytes that dropping it gives back, as measured now.
    pub weight: u64,
    /// How many resources of its key are idle, itself among them.
    pub idle_of_key: u64,
}
