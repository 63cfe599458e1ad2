//! How a pool of sessions is made, and when it refuses to import.

use pool_core::Capacity;
use pool_core::capacity::{Both, MaxIdle, MaxOpens, ProcessMemory};

/// When a pool refuses to import, to be checked on a miss only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPoolMemoryPolicy {
    max_fresh_imports: Option<u64>,
    max_private_kib: Option<u64>,
}

impl SessionPoolMemoryPolicy {
    /// Never.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }

    /// When the pool has imported `limit` times, at least once.
    #[must_use]
    pub fn max_fresh_imports(mut self, limit: u64) -> Self {
        self.max_fresh_imports = Some(limit.max(1));
        self
    }

    /// When the private dirty memory of the process is at `limit_kib` KiB or would come to it, at least 1. (lean-rs-host looks
    /// at the resident size; the files that Lean maps are in that, and it says little.)
    #[must_use]
    pub fn max_rss_kib(mut self, limit_kib: u64) -> Self {
        self.max_private_kib = Some(limit_kib.max(1));
        self
    }

    /// The limit of imports.
    #[must_use]
    pub fn max_fresh_imports_limit(&self) -> Option<u64> {
        self.max_fresh_imports
    }

    /// The limit of memory, in KiB.
    #[must_use]
    pub fn max_rss_kib_limit(&self) -> Option<u64> {
        self.max_private_kib
    }

    pub(super) fn capacity(&self, max_idle: usize) -> Box<dyn Capacity> {
        let mut capacity: Box<dyn Capacity> = Box::new(MaxIdle(max_idle as u64));
        if let Some(limit) = self.max_fresh_imports {
            capacity = Box::new(Both(capacity, MaxOpens(limit)));
        }
        if let Some(kib) = self.max_private_kib {
            capacity = Box::new(Both(capacity, ProcessMemory::refuse_above(kib.saturating_mul(1024))));
        }
        capacity
    }
}

/// How a pool is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPoolConfig {
    pub(super) capacity: usize,
    pub(super) memory_policy: SessionPoolMemoryPolicy,
    pub(super) sharing: bool,
}

impl SessionPoolConfig {
    /// At most `capacity` idle environments, one session at a time on each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, memory_policy: SessionPoolMemoryPolicy::disabled(), sharing: false }
    }

    /// When it refuses to import.
    #[must_use]
    pub fn memory_policy(self, memory_policy: SessionPoolMemoryPolicy) -> Self {
        Self { memory_policy, ..self }
    }

    /// Whether sessions on the same imports share one environment at the same time.
    #[must_use]
    pub fn sharing(self, sharing: bool) -> Self {
        Self { sharing, ..self }
    }

    /// The most idle environments.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// When it refuses to import.
    #[must_use]
    pub fn memory_policy_ref(&self) -> &SessionPoolMemoryPolicy {
        &self.memory_policy
    }
}
