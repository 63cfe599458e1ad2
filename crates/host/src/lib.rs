//! What an application uses: sessions on Lean environments from a pool, and replaying real work through one.
//!
//! Sessions need the feature `lean`, and Lean 4.27.0 on the machine: see `session`. Without it this is the pool over the mock
//! backend, and [`replay`] of session traces.
//!
//! ```
//! use leanpool::mock_backend::Regions;
//! use leanpool::replay::{Options, replay};
//! use leanpool::trace::Trace;
//!
//! let trace = Trace::parse("small", "0\tInit\n5\tInit Lean\n9\tInit\n")?;
//! let report = replay(&trace, &Options { capacity: 1, regions: Regions::Shared, ..Options::default() });
//! assert_eq!((report.requests, report.hits, report.misses), (3, 0, 3));
//! # Ok::<(), leanpool::trace::TraceError>(())
//! ```
//!
//! # Where things are
//! - `session` (feature `lean`): sessions from a pool, under lean-rs-host's names. `checker` (the same): checking many
//!   files in this process. It is for files that one trusts: what a file runs can end the process, or never come back; whoever checks files of others uses [`lean_worker`].
//! - [`lean_worker`]: checking files with Lean in processes of its own, what the command `leanpool check` does.
//! - [`lake`]: where a Lake project's modules are, and what Lake says of its files. [`site`]: where a file is checked. [`source`]: reading one.
//! - [`trace`]: reading session traces. [`synthetic`]: making them up.
//! - [`doctor`]: whether what Lean sessions need is there.
//! - [`replay`]: a trace through one pool, and the report of it. [`compare`]: traces through many policies, beside the optimum.
//! - [`policy`]: eviction policies by name, and yours among them.
//! - [`pool_core`], [`mock_backend`]: the pool and the backend, for users of this crate.
#![forbid(unsafe_code)]

mod bounded;
#[cfg(feature = "lean")]
pub mod checker;
pub mod compare;
pub mod doctor;
pub mod lake;
mod nearest;
pub mod policy;
pub mod replay;
#[cfg(feature = "lean")]
pub mod session;
pub mod site;
pub mod source;
pub mod synthetic;
pub mod trace;

pub use lean_worker;
pub use mock_backend;
pub use pool_core;
#[cfg(feature = "lean")]
pub use session::{
    CheckOptions, Checked, LeanCancellationToken, LeanCapabilities, LeanDiagnostic, LeanError,
    LeanExceptionKind, LeanHost, LeanPosition, LeanProgressEvent, LeanProgressSink, LeanResult, LeanRuntime,
    LeanSession, LeanSeverity, PoolStats, PooledSession, SessionPool, SessionPoolConfig,
    SessionPoolKeyMissReason, SessionPoolMemoryPolicy,
};

/// The README's code blocks compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The book's code blocks, too: those that are not included from files that are compiled anyway.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../docs/moving-from.md")]
    struct MovingFrom;
    #[doc = include_str!("../../../docs/policies.md")]
    struct Policies;
    #[doc = include_str!("../../../docs/your-own-resource.md")]
    struct YourOwnResource;
}
