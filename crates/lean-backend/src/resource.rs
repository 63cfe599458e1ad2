//! An environment in a pool. The only file that knows `pool-core`.

use pool_core::{Health, Resource};

use crate::environment::Environment;
use crate::error::LeanError;
use crate::options::Regions;

/// Shared between leases, for a `local` pool: it stays on its thread.
///
/// Where the bytes of an import are counted, once, depends on its regions:
///
/// - [`Regions::Shared`]: as weight. The import took heap for its tables and no regions of its own; dropped, that
///   heap serves the next import. (Measured: drop and import of `Lean` again did not grow the process at all.) The
///   mapped regions are the process's, not the environment's, and are file pages, not private memory.
/// - [`Regions::Isolated`]: as residue. The import copied its regions into private memory that nobody frees.
///   (Measured: dropping every environment gave back 40–60 MB of 1.9 GB.) That small part counts as residue too, and
///   so does all of a first import, whose regions were mapped and not copied: nothing tells them apart.
///
/// Both are the estimate of [`Environment::bytes_taken`], and 0 where it is.
impl Resource for Environment<'_> {
    type Error = LeanError;

    const SHAREABLE: bool = true;

    fn weight(&self) -> u64 {
        match self.regions() {
            Regions::Shared => self.bytes_taken(),
            Regions::Isolated => 0,
        }
    }

    fn residue(&self) -> u64 {
        match self.regions() {
            Regions::Shared => 0,
            Regions::Isolated => self.bytes_taken(),
        }
    }

    /// Stale once an import has registered an extension since; one call into Lean, 80 ns.
    fn health(&self) -> Health {
        match self.is_current() {
            Ok(true) => Health::Reusable,
            Ok(false) => Health::Stale,
            Err(_) => Health::Broken,
        }
    }

    /// One more reference to the same environment; calls no Lean code.
    fn share(&self) -> Option<Self> {
        Some(self.clone())
    }

    /// An environment is a value that nothing changes, so a lease cannot leave it half-changed.
    fn survives_panic(&self) -> bool {
        true
    }
}
