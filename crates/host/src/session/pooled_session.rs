//! A session of a pool, and how it gives its environment back.

use std::fmt;
use std::ops::{Deref, DerefMut};

use lean_backend::{EnvironmentKey, SharedEnvironment};
use pool_core::local::Lease;

use super::pool::SessionPool;
use super::{LeanCapabilities, LeanSession};

/// A session of a [`SessionPool`]. Dropping it gives its environment back.
///
/// Neither `Send` nor `Sync`, as in lean-rs-host.
#[must_use = "a session that is dropped at once gives its environment back at once"]
pub struct PooledSession<'lean, 'p, 'c> {
    // In this order: the session ends before the environment goes back.
    session: LeanSession<'lean, 'c>,
    lease: Release<'lean, 'p>,
}

struct Release<'lean, 'p> {
    pool: &'p SessionPool<'lean>,
    lease: Option<Lease<EnvironmentKey, SharedEnvironment>>,
}

impl<'lean, 'p, 'c> PooledSession<'lean, 'p, 'c> {
    pub(super) fn new(
        capabilities: &'c LeanCapabilities<'lean, '_>,
        pool: &'p SessionPool<'lean>,
        lease: Lease<EnvironmentKey, SharedEnvironment>,
    ) -> Self {
        let session = LeanSession::new(capabilities, SharedEnvironment::clone(&lease));
        Self { session, lease: Release { pool, lease: Some(lease) } }
    }

    /// Whether the environment came from the pool, not from an import.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        self.lease.lease.as_ref().is_some_and(Lease::was_hit)
    }
}

impl Drop for Release<'_, '_> {
    fn drop(&mut self) {
        if !tracing::enabled!(target: "lean_rs", tracing::Level::TRACE) {
            return;
        }
        let kept = || self.pool.pool_stats().released_to_pool;
        let before = kept();
        drop(self.lease.take());
        tracing::trace!(target: "lean_rs", kept = kept() > before, "lean_rs.host.pool.release");
    }
}

impl<'lean, 'c> Deref for PooledSession<'lean, '_, 'c> {
    type Target = LeanSession<'lean, 'c>;

    fn deref(&self) -> &LeanSession<'lean, 'c> {
        &self.session
    }
}

impl<'lean, 'c> DerefMut for PooledSession<'lean, '_, 'c> {
    fn deref_mut(&mut self) -> &mut LeanSession<'lean, 'c> {
        &mut self.session
    }
}

impl fmt::Debug for PooledSession<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledSession").field("session", &self.session).finish_non_exhaustive()
    }
}
