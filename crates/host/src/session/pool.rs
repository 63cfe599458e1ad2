//! Sessions from a pool.

use std::cell::Cell;
use std::fmt;

use lean_backend::{
    EnvironmentKey, EnvironmentQuery, LeanCancellationToken, LeanError, LeanProgressSink, LeanResult,
    LeanRuntime, SharedEnvironment,
};
use pool_core::eviction::Recall;
use pool_core::local::Pool;
use pool_core::pool::LeaseOf;
use pool_core::{AcquireError, DropReason, Health, ProcessMemoryError, Resource as _, Stats};
use process_memory::private_dirty_bytes;

use super::capabilities::profile;
use super::pool_stats::{Misses, PoolStats, SessionPoolKeyMissReason};
use super::{LeanCapabilities, PooledSession, SessionPoolConfig, SessionPoolMemoryPolicy};

/// Keeps imported environments for the next session on the same imports.
///
/// One pool serves any number of capabilities. Its keys are the import list, in order, and all that the capabilities say of
/// how it is imported. At most `capacity` environments are idle; beyond that the one that is worth least goes
/// ([`Recall`]). A hit calls no Lean and allocates nothing; see [`pool_core`] for what can be configured with a pool of one's
/// own over [`EnvironmentKey`] and [`SharedEnvironment`], and for the one that many threads use at once.
///
/// Neither `Send` nor `Sync`, as in lean-rs-host.
pub struct SessionPool<'lean> {
    runtime: &'lean LeanRuntime,
    pool: Pool<EnvironmentKey, SharedEnvironment>,
    capacity: usize,
    memory_policy: SessionPoolMemoryPolicy,
    sharing: bool,
    misses: Cell<Misses>,
    /// Environments dropped because they were stale, and the epoch of the last import, when that was looked at last.
    stale: Cell<u64>,
    epoch: Cell<u64>,
}

impl<'lean> SessionPool<'lean> {
    /// A pool that keeps at most `capacity` idle environments; 0 disables reuse. One session at a time on each: two sessions on
    /// the same imports at the same time import twice.
    #[must_use]
    pub fn with_capacity(runtime: &'lean LeanRuntime, capacity: usize) -> Self {
        Self::with_config(runtime, SessionPoolConfig::new(capacity))
    }

    /// As [`with_capacity`](SessionPool::with_capacity), but any number of sessions share one import. Environments are values
    /// that nothing changes, so sessions can't tell.
    #[must_use]
    pub fn shared(runtime: &'lean LeanRuntime, capacity: usize) -> Self {
        Self::with_config(runtime, SessionPoolConfig::new(capacity).sharing(true))
    }

    /// A pool that refuses to import when `policy` says so.
    #[must_use]
    pub fn with_memory_policy(
        runtime: &'lean LeanRuntime,
        capacity: usize,
        policy: SessionPoolMemoryPolicy,
    ) -> Self {
        Self::with_config(runtime, SessionPoolConfig::new(capacity).memory_policy(policy))
    }

    /// A pool made as `config` says.
    #[must_use]
    pub fn with_config(runtime: &'lean LeanRuntime, config: SessionPoolConfig) -> Self {
        let SessionPoolConfig { capacity, memory_policy, sharing } = config;
        let names = |key: &EnvironmentKey, each: &mut dyn FnMut(&str)| key.imports.iter().for_each(each);
        let private =
            || private_dirty_bytes().map_err(|error| ProcessMemoryError::Unknown(error.to_string()));
        let pool = Pool::builder()
            .capacity(memory_policy.capacity(capacity))
            .eviction(Recall::with_names(names))
            .process_memory(private);
        let pool = if sharing { pool.shared() } else { pool }.build();
        let (misses, stale, epoch) = (Cell::default(), Cell::new(0), Cell::new(0));
        Self { runtime, pool, capacity, memory_policy, sharing, misses, stale, epoch }
    }

    /// A session on `imports`: over an environment of the pool if it has one, else over one that is imported now. It goes back
    /// to the pool when the session is dropped.
    ///
    /// # Errors
    /// [`LeanError::Cancelled`] if it was cancelled before an environment was found or imported;
    /// [`LeanError::ResourceExhausted`] if the memory policy refuses; those of an import, see
    /// [`LeanCapabilities::session`].
    pub fn acquire<'p, 'c>(
        &'p self,
        caps: &'c LeanCapabilities<'lean, 'c>,
        imports: &[&str],
        cancellation: Option<&LeanCancellationToken>,
        progress: Option<&dyn LeanProgressSink>,
    ) -> LeanResult<PooledSession<'lean, 'p, 'c>> {
        let _span = tracing::debug_span!(
            target: "lean_rs",
            "lean_rs.host.pool.acquire",
            profile = profile(imports),
            imports_len = imports.len(),
            imports_first = imports.first().copied().unwrap_or("<empty>"),
        )
        .entered();
        if cancellation.is_some_and(LeanCancellationToken::is_cancelled) {
            return Err(LeanError::Cancelled);
        }
        let query = EnvironmentQuery { options: caps.options(), imports };
        let lease = self.pool.acquire(query, |_| {
            self.note_miss();
            caps.import(imports, cancellation, progress)
        });
        let lease = lease.map_err(|error| self.failed(error))?;
        let hit = LeaseOf::was_hit(&lease);
        if hit {
            self.misses.set(self.misses.get().but_hit());
        } else {
            self.sweep_stale(lease.epoch());
        }
        tracing::debug!(target: "lean_rs", hit = hit, "lean_rs.host.pool.acquire.result");
        Ok(PooledSession::new(caps, self, lease))
    }

    /// What the pool has done so far. Counters never reset.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        PoolStats::of(&self.pool.stats(), self.misses.get())
    }

    /// The same in full: reasons of misses and of drops, seconds spent importing and saved, high-water marks.
    #[must_use]
    pub fn pool_stats(&self) -> Stats {
        self.pool.stats()
    }

    /// How many environments are idle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pool.len()
    }

    /// Whether none is idle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// The most environments that may be idle.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// When it refuses to import.
    #[must_use]
    pub fn memory_policy(&self) -> &SessionPoolMemoryPolicy {
        &self.memory_policy
    }

    /// The runtime that it was made with.
    #[must_use]
    pub fn runtime(&self) -> &'lean LeanRuntime {
        self.runtime
    }

    /// Drops all idle environments and returns how many they were. Sessions go on, and come back later.
    pub fn drain(&self) -> usize {
        let drained = self.pool.drain();
        tracing::debug!(target: "lean_rs", drained = drained, "lean_rs.host.pool.drain");
        drained
    }

    /// Counts a miss, by what the pool holds before anything is imported.
    fn note_miss(&self) {
        let stats = self.pool.stats();
        // What was stale when its session ended is no matter of this acquire, and not among these.
        let stale = stats.idle_dropped.get(DropReason::Stale);
        let reason = if stale > self.stale.get() {
            self.note_stale(stale);
            SessionPoolKeyMissReason::StaleEnvironment
        } else if self.capacity == 0 {
            SessionPoolKeyMissReason::ReuseDisabled
        } else if stats.usage.idle == 0 {
            SessionPoolKeyMissReason::EmptyPool
        } else {
            SessionPoolKeyMissReason::NoMatchingKey
        };
        let mut misses = self.misses.get();
        misses.count(reason);
        self.misses.set(misses);
    }

    /// Drops all that is idle and stale, after an import at `epoch`: if that has registered an extension, it is all of it.
    fn sweep_stale(&self, epoch: u64) {
        if epoch == self.epoch.replace(epoch) {
            return;
        }
        if self.pool.drop_stale(|_, environment| environment.health() != Health::Reusable) > 0 {
            self.note_stale(self.pool.stats().idle_dropped.get(DropReason::Stale));
        }
    }

    /// So many that were idle were dropped by now because they were stale.
    fn note_stale(&self, stale: u64) {
        let count = stale - self.stale.replace(stale);
        tracing::debug!(target: "lean_rs", count = count, "lean_rs.host.pool.stale_eviction");
    }

    fn failed(&self, error: AcquireError<LeanError>) -> LeanError {
        match error {
            AcquireError::Open { error, .. } => (*error).clone(),
            refused => {
                self.note_miss();
                LeanError::resource_exhausted(&refused.to_string())
            }
        }
    }
}

impl fmt::Debug for SessionPool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pool = f.debug_struct("SessionPool");
        pool.field("capacity", &self.capacity).field("sharing", &self.sharing);
        pool.field("len", &self.len()).field("stats", &self.stats()).finish()
    }
}
