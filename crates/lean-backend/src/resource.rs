//! Environments in a pool. This file and its child are the only ones that know a pool.

mod key;

use pool_core::{Health, Resource};

pub use key::{EnvironmentKey, EnvironmentQuery};

use crate::environment::{Environment, Facts, SharedEnvironment, Stays};
use crate::error::LeanError;
use crate::exclusion;
use crate::options::Regions;

/// Where the bytes of an import are counted, once, depends on its regions and on whether it is ever freed.
impl Facts {
    /// Of an import with [`Regions::Shared`], all: it took heap for its tables and no regions of its own, and dropped, that
    /// heap serves the next import. (Measured: drop and import of `Lean` again did not grow the process at all.) The mapped
    /// regions are the process's, not the environment's, and are file pages, not private memory.
    fn weight(self) -> u64 {
        if self.is_given_back() { self.taken } else { 0 }
    }

    /// All that is not weight: of an import with [`Regions::Isolated`], which copied its regions into private memory that nobody
    /// frees (measured: dropping every environment gave back 40–60 MB of 1.9 GB; that small part counts as residue, too, and so does
    /// all of a first import, whose regions were mapped and not copied); of a pinned one; and of one that initialisers keep.
    fn residue(self) -> u64 {
        if self.is_given_back() { 0 } else { self.taken }
    }

    fn is_given_back(self) -> bool {
        self.regions == Regions::Shared && self.stays == Stays::No
    }

    /// Compares the epoch with the latest that Lean was asked for, after each import and check: no call into Lean. A check
    /// asks Lean itself once more, where no import can come in between. Without extensions none can be missing.
    fn health(self) -> Health {
        let is_sound = !self.extensions || self.epoch == exclusion::latest_epoch();
        if is_sound { Health::Reusable } else { Health::Stale }
    }
}

/// What both kinds of environment are to a pool.
macro_rules! as_resource {
    () => {
        type Error = LeanError;

        fn weight(&self) -> u64 {
            self.facts().weight()
        }

        fn residue(&self) -> u64 {
            self.facts().residue()
        }

        fn health(&mut self) -> Health {
            self.facts().health()
        }

        /// An environment is a value that nothing changes, so a lease cannot leave it half-changed.
        fn survives_panic(&self) -> bool {
            true
        }
    };
}

/// For a `local` pool: it stays on its thread. In a pool that is built as `shared` all leases of a key share one import: a clone
/// is one more reference to the same environment, and calls no Lean code.
///
/// Its weight is what its import took if dropping it gives that back, else that is its residue: where regions were not shared, where it
/// is pinned, and where its import was the first to run some module's initialisers, whose values keep it. Stale once an import has
/// registered an extension since.
impl Resource for Environment<'_> {
    as_resource!();
}

/// For a `sync` pool, or a `local` one whose threads are not attached. Where leases share one import, several threads may
/// check in it at once. Otherwise as [`Environment`].
impl Resource for SharedEnvironment {
    as_resource!();
}
