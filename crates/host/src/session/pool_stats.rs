//! A pool's counters under the names that lean-rs-host gives them.

use pool_core::{DropReason, MissReason, Stats};

/// What a [`SessionPool`](super::SessionPool) has done. `imports_performed + reused == acquired`, and
/// `released_to_pool + released_dropped` sessions have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Acquires that imported.
    pub imports_performed: u64,
    /// Acquires that were served from the pool.
    pub reused: u64,
    /// Acquires that were served.
    pub acquired: u64,
    /// Sessions that ended with their environment in the pool.
    pub released_to_pool: u64,
    /// Sessions that ended with their environment dropped.
    pub released_dropped: u64,
    /// Calls of [`drain`](super::SessionPool::drain).
    pub drains: u64,
    /// Environments that those dropped.
    pub drained: u64,
    /// Acquires that the memory policy refused.
    pub fresh_import_refusals: u64,
    /// The same as `reused`.
    pub key_hits: u64,
    /// Acquires that found nothing to reuse, whatever came of them.
    pub key_misses: u64,
    /// Keys that the pool remembers: all that were asked for, until there are some thousands.
    pub distinct_keys_seen: u64,
    /// The same as `reused`.
    pub fresh_imports_avoided: u64,
    /// Imports because nothing was idle.
    pub miss_empty_pool: u64,
    /// Imports because the capacity is 0.
    pub miss_reuse_disabled: u64,
    /// Imports because what was idle had other keys.
    pub miss_no_matching_key: u64,
    /// Imports because the environment that was found had become stale.
    pub miss_stale_environment: u64,
    /// Environments dropped because they had become stale.
    pub stale_evictions: u64,
    /// Why the last import was needed.
    pub last_miss_reason: Option<SessionPoolKeyMissReason>,
}

/// Why an acquire had to import, in lean-rs-host's words. [`MissReason`] says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionPoolKeyMissReason {
    /// Nothing was idle.
    EmptyPool,
    /// The capacity is 0.
    ReuseDisabled,
    /// What was idle had other keys.
    NoMatchingKey,
    /// The environment that was found had become stale.
    StaleEnvironment,
}

impl SessionPoolKeyMissReason {
    /// Its name, `snake_case`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EmptyPool => "empty_pool",
            Self::ReuseDisabled => "reuse_disabled",
            Self::NoMatchingKey => "no_matching_key",
            Self::StaleEnvironment => "stale_environment",
        }
    }
}

/// What the pool itself doesn't count: how a miss looked in lean-rs-host's words.
#[derive(Clone, Copy, Default)]
pub(super) struct Misses {
    empty_pool: u64,
    reuse_disabled: u64,
    no_matching_key: u64,
    pub(super) last: Option<SessionPoolKeyMissReason>,
}

impl Misses {
    /// With one more import, which `stats` counts already; the pool holds at most `capacity` idle.
    pub(super) fn and(mut self, stats: &Stats, capacity: usize) -> Self {
        let stale = stats.misses.get(MissReason::Stale);
        let others = self.empty_pool + self.reuse_disabled + self.no_matching_key;
        // Each import is one of these or of the others.
        let last = if stats.opened() == others + stale {
            SessionPoolKeyMissReason::StaleEnvironment
        } else if capacity == 0 {
            self.reuse_disabled += 1;
            SessionPoolKeyMissReason::ReuseDisabled
        } else if stats.usage.idle == 0 {
            self.empty_pool += 1;
            SessionPoolKeyMissReason::EmptyPool
        } else {
            self.no_matching_key += 1;
            SessionPoolKeyMissReason::NoMatchingKey
        };
        self.last = Some(last);
        self
    }
}

impl PoolStats {
    pub(super) fn of(stats: &Stats, misses: Misses) -> Self {
        Self {
            imports_performed: stats.opened(),
            reused: stats.reused,
            acquired: stats.acquired(),
            released_to_pool: stats.released_to_pool,
            released_dropped: stats.released_dropped(),
            drains: stats.drains,
            drained: stats.idle_dropped.get(DropReason::Drained),
            fresh_import_refusals: stats.refused,
            key_hits: stats.reused,
            key_misses: stats.opened() + stats.opens_failed + stats.refused,
            distinct_keys_seen: stats.known_keys,
            fresh_imports_avoided: stats.reused,
            miss_empty_pool: misses.empty_pool,
            miss_reuse_disabled: misses.reuse_disabled,
            miss_no_matching_key: misses.no_matching_key,
            miss_stale_environment: stats.misses.get(MissReason::Stale),
            stale_evictions: stats.dropped().get(DropReason::Stale),
            last_miss_reason: misses.last,
        }
    }
}
