//! What a pool holds at a moment, as capacity policies and errors see it.

use std::fmt;

/// What a pool holds at a moment. Counts are of resources, weights are bytes.
///
/// A shared resource counts once, however many leases it has. *Live* is idle + leased + opening + being dropped. Weights of
/// all that is live add up to `u64::MAX` at most: what would go beyond is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Usage {
    /// Resources in the pool with no lease.
    pub idle: u64,
    /// Resources with at least one lease. One whose lease was leaked (`mem::forget`) counts for ever.
    pub leased: u64,
    /// Opens that are running.
    pub opening: u64,
    /// Resources that have left the pool and whose destructors have not ended yet. They hold their places until then.
    pub dropping: u64,
    /// Bytes of the idle resources.
    pub idle_weight: u64,
    /// Bytes of the leased resources, as measured at their last open or release.
    pub leased_weight: u64,
    /// Estimated bytes of the opens that are running.
    pub opening_weight: u64,
    /// Bytes of the resources that are being dropped.
    pub dropping_weight: u64,
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
    /// Private dirty bytes of the process as measured on this miss, less the weights of victims that will be gone before it opens.
    /// `None` but while a miss asks to be admitted, by a policy that
    /// [wants it](crate::Capacity::needs_process_memory).
    pub process_bytes: Option<u64>,
}

impl Usage {
    /// Idle, leased, opening and dropping resources together.
    #[must_use]
    pub fn live(&self) -> u64 {
        let Self { idle, leased, opening, dropping, .. } = self;
        idle.saturating_add(*leased).saturating_add(*opening).saturating_add(*dropping)
    }

    /// Bytes of the idle, leased, opening and dropping resources together.
    #[must_use]
    pub fn live_weight(&self) -> u64 {
        let Self { idle_weight, leased_weight, opening_weight, dropping_weight, .. } = self;
        idle_weight
            .saturating_add(*leased_weight)
            .saturating_add(*opening_weight)
            .saturating_add(*dropping_weight)
    }

    /// Bytes that can be added to what is live without an overflow.
    pub(crate) fn weight_left(&self) -> u64 {
        u64::MAX - self.live_weight()
    }

    /// One idle resource of `weight` bytes is leased.
    #[inline]
    pub(crate) fn idle_to_leased(&mut self, weight: u64) {
        self.idle -= 1;
        self.leased += 1;
        self.idle_weight -= weight;
        self.leased_weight += weight;
    }

    /// A leased resource, of `before` bytes at its last measurement and of `weight` bytes now, becomes idle.
    #[inline]
    pub(crate) fn leased_to_idle(&mut self, before: u64, weight: u64) {
        self.leased -= 1;
        self.idle += 1;
        self.leased_weight -= before;
        self.idle_weight += weight;
    }

    /// The same with `idle` idle resources of `weight` bytes, all of the key in question.
    pub(crate) fn with_idle(&self, idle: u64, weight: u64) -> Self {
        let evicted = self.idle_weight.saturating_sub(weight);
        let process_bytes = self.process_bytes.map(|bytes| bytes.saturating_sub(evicted));
        Self { idle, idle_weight: weight, idle_of_key: idle, process_bytes, ..*self }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { idle, leased, opening, opens, .. } = self;
        write!(f, "{idle} idle, {leased} leased, {opening} opening, {opens} opened so far")?;
        if self.dropping > 0 {
            write!(f, ", {} being dropped", self.dropping)?;
        }
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
