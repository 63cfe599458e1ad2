//! A pool's counters under the names that lean-rs-host gives them.

use pool_core::{DropReason, Stats};

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
    /// Acquires that found nothing to reuse, whatever came of them: the sum of the four reasons below.
    pub key_misses: u64,
    /// Keys that the pool remembers: all that were asked for, until there are some thousands.
    pub distinct_keys_seen: u64,
    /// The same as `reused`.
    pub fresh_imports_avoided: u64,
    /// Because nothing was idle.
    pub miss_empty_pool: u64,
    /// Because the capacity is 0.
    pub miss_reuse_disabled: u64,
    /// Because what was idle had other keys.
    pub miss_no_matching_key: u64,
    /// Because the environment that was found had become stale.
    pub miss_stale_environment: u64,
    /// Environments dropped because they had become stale.
    pub stale_evictions: u64,
    /// Why the last acquire found nothing to reuse; `None` after one that did.
    pub last_miss_reason: Option<SessionPoolKeyMissReason>,
}

/// Why an acquire found nothing to reuse, in lean-rs-host's words. [`MissReason`](pool_core::MissReason) says more.
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

/// What the pool itself doesn't count: why acquires found nothing to reuse, in lean-rs-host's words.
#[derive(Clone, Copy, Default)]
pub(super) struct Misses {
    empty_pool: u64,
    reuse_disabled: u64,
    no_matching_key: u64,
    stale_environment: u64,
    last: Option<SessionPoolKeyMissReason>,
}

impl Misses {
    pub(super) fn count(&mut self, reason: SessionPoolKeyMissReason) {
        let counter = match reason {
            SessionPoolKeyMissReason::EmptyPool => &mut self.empty_pool,
            SessionPoolKeyMissReason::ReuseDisabled => &mut self.reuse_disabled,
            SessionPoolKeyMissReason::NoMatchingKey => &mut self.no_matching_key,
            SessionPoolKeyMissReason::StaleEnvironment => &mut self.stale_environment,
        };
        *counter = counter.saturating_add(1);
        self.last = Some(reason);
    }

    pub(super) fn but_hit(self) -> Self {
        Self { last: None, ..self }
    }

    fn total(&self) -> u64 {
        let Self { empty_pool, reuse_disabled, no_matching_key, stale_environment, .. } = self;
        [empty_pool, reuse_disabled, no_matching_key, stale_environment]
            .into_iter()
            .fold(0, |a, b| a.saturating_add(*b))
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
            key_misses: misses.total(),
            distinct_keys_seen: stats.known_keys,
            fresh_imports_avoided: stats.reused,
            miss_empty_pool: misses.empty_pool,
            miss_reuse_disabled: misses.reuse_disabled,
            miss_no_matching_key: misses.no_matching_key,
            miss_stale_environment: misses.stale_environment,
            stale_evictions: stats.dropped().get(DropReason::Stale),
            last_miss_reason: misses.last,
        }
    }
}
