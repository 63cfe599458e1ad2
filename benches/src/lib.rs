//! Baselines that the benches compare with, and what they have in common.
//!
//! - [`rounds`]: subjects measured in turn, so that their ratios hold.
//! - [`report`]: the tables and targets that come of it.
//! - [`machine`]: where and when it was measured; [`results`]: the file for that, which several benches write.
//! - [`options`], [`order`]: the command line, and the order in which keys are asked for.
#![forbid(unsafe_code)]

pub mod machine;
pub mod options;
pub mod order;
mod reference;
pub mod report;
pub mod results;
pub mod rounds;

pub use reference::ReferencePool;

use std::convert::Infallible;

use pool_core::{Names as Imports, Resource};

/// A resource that costs nothing, so that only the pool is measured.
#[derive(Clone, Copy, Debug)]
pub struct Free(pub u64);

impl Resource for Free {
    type Error = Infallible;
}

/// `count` names like those of real import lists; `salt` tells lists apart in their middle.
#[must_use]
pub fn names(count: usize, salt: usize) -> Vec<String> {
    (0..count)
        .map(|place| {
            format!("Mathlib.Algebra.Group.Module{place}.Part{}", if place == count / 2 { salt } else { 0 })
        })
        .collect()
}

/// The same as an interned key.
#[must_use]
pub fn imports(count: usize, salt: usize) -> Imports {
    Imports::new(names(count, salt))
}

/// Looks at what a lease holds, which the optimiser can't leave out, and gives it back. (`black_box(lease)` would have the lease
/// itself copied to and fro, which users don't.)
#[inline]
pub fn used<T>(lease: impl std::ops::Deref<Target = T>) {
    std::hint::black_box(&*lease);
}
