//! Imported Lean 4 environments as resources for a pool.
//!
//! Opening one (`Lean.importModules`) costs 0.1–5 seconds and up to 1.5 GB; this crate opens them through the Lake
//! package in `lean/`, which shares what was read of each module between imports, and hands them to `pool-core`. It
//! is the only crate of the workspace with `unsafe` code.
//!
//! # Layers, lowest first
//!
//! - `ffi`: the only `extern` block, the package's exports, and by name each runtime symbol used from `lean-sys`.
//! - `object`: [`Owned`] and [`Borrowed`], one owner type a pointer; a call that consumes takes `Owned` by value.
//! - `error`: [`LeanError`], what can go wrong, its messages cut to [`MESSAGE_LIMIT`].
//! - `runtime`, `thread`: [`LeanRuntime`], started once a process, and [`LeanThread`], the `!Send` token that proves
//!   that this thread may call Lean. Everything that comes from Lean borrows from the token.
//! - `options`, `environment`: [`ImportOptions`], and [`Environment`], whose clone is a reference count. `memory`
//!   reads what an import took.
//! - `resource`: `pool_core::Resource` for [`Environment`]; the only file that knows the pool.
//!
//! # Example
//!
//! ```no_run
//! use lean_backend::{Environment, ImportOptions, LeanRuntime, Sysroot};
//!
//! # fn main() -> Result<(), lean_backend::LeanError> {
//! let thread = LeanRuntime::init()?.attach();
//! let options = ImportOptions::new(Sysroot::find()?);
//! let environment = Environment::import(&thread, &options, &["public Init", "public Lean"])?;
//! println!("{} modules, {} constants", environment.modules(), environment.constants());
//! # Ok(())
//! # }
//! ```
//!
//! # What is here, and what is not yet
//!
//! Here: the runtime, threads, importing, counting what an environment holds, staleness, and the resource. Not yet:
//! sessions (declarations, checking source text), headers, cancelling a running check, an environment shared between
//! threads, and the full ABI model. The package in `lean/` has the exports for them; this crate does not call them.
//! `tests/abi_model_string.rs` runs one string's life against a model in small.
//!
//! # Building
//!
//! Needed: Lean as `lean/lean-toolchain` pins it. With the environment variable `DOCS_RS=1` nothing is linked and the
//! crate type-checks, lints and tests with no Lean on the machine. `build.rs` says how Lean is found, and what a
//! binary must do to find the runtime when it starts.
//!
//! Tried: Lean 4.27.0 on x86-64 Linux. Nothing else in the process may start a Lean runtime.

#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

mod environment;
mod error;
mod ffi;
mod memory;
mod object;
mod options;
mod resource;
mod runtime;
mod thread;

pub use environment::Environment;
pub use error::{LeanError, LeanExceptionKind, MESSAGE_LIMIT};
pub use object::{Borrowed, Owned};
pub use options::{ImportOptions, Regions, Sysroot};
pub use runtime::LeanRuntime;
pub use thread::{LeanThread, STACK_BYTES};
