//! A deterministic stand-in for Lean environments.
//!
//! Used by tests, by the simulator, and by `leanpool` where there is no Lean. Nothing is imported and no time passes:
//! a [`CostModel`] says what each import takes, a [`VirtualClock`] moves on by that much, a [`Script`] makes steps
//! fail, and a [`Journal`] remembers everything, so that two runs can be compared byte for byte.
//!
//! ```
//! use mock_backend::{CostModel, MockBackend, Regions};
//! use pool_core::{Clock, Names as Imports, local::Pool};
//!
//! let backend = MockBackend::new(CostModel::measured(Regions::Shared));
//! let pool = Pool::builder().clock(backend.clock()).build();
//! let imports = Imports::new(["Init", "Lean"]);
//! drop(pool.acquire(&imports, |imports| backend.open(imports)).unwrap());
//! assert_eq!(pool.stats().opening_nanos, 428_804_000); // 0.254 ms × 1826 modules − 35 ms
//! assert_eq!(backend.clock().nanos(), 428_804_000);
//! ```
//!
//! # Where things are
//! - [`MockBackend`], [`MockEnvironment`]: what opens, and what is opened.
//! - [`CostModel`], [`Cost`], [`Regions`]: what an import takes. [`ModuleGraph`], [`Line`]: from measurements.
//! - [`Script`], [`Step`], [`Outcome`]: faults on demand.
//! - [`VirtualClock`], [`Journal`]: time and memory.
#![forbid(unsafe_code)]

mod backend;
mod clock;
mod cost;
mod data;
mod journal;
mod modules;
mod script;

pub use backend::{MockBackend, MockEnvironment, MockError};
pub use clock::VirtualClock;
pub use cost::{Cost, CostModel, Line, Regions};
pub use data::DataError;
pub use journal::Journal;
pub use modules::{Closure, ModuleGraph};
pub use script::{Outcome, Script, Step};

/// The README's code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
