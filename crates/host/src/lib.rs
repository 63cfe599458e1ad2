//! What an application uses: environments from a pool, and replaying real work through one.
//!
//! Today this is the pool over the mock backend, and [`replay`] of session traces; sessions on real Lean come with
//! the feature `lean`.
//!
//! ```
//! use host::mock_backend::Regions;
//! use host::replay::{Options, replay};
//! use host::trace::Trace;
//!
//! let trace = Trace::parse("small", "0\tInit\n5\tInit Lean\n9\tInit\n")?;
//! let report = replay(&trace, &Options { capacity: 1, regions: Regions::Shared, ..Options::default() });
//! assert_eq!((report.requests, report.hits, report.misses), (3, 0, 3));
//! # Ok::<(), host::trace::TraceError>(())
//! ```
//!
//! # Where things are
//! - [`trace`]: reading session traces. [`synthetic`]: making them up.
//! - [`doctor`]: whether what Lean sessions need is there.
//! - [`replay`]: a trace through one pool, and the report of it.
//! - [`pool_core`], [`mock_backend`]: the pool and the backend, for users of this crate.
#![forbid(unsafe_code)]

pub mod compare;
pub mod doctor;
pub mod replay;
pub mod synthetic;
pub mod trace;

pub use mock_backend;
pub use pool_core;

/// The README's code blocks compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
