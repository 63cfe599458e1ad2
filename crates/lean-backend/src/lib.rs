//! Imported Lean 4 environments as resources for a pool.
//!
//! Opening one (`Lean.importModules`) costs 0.1–5 seconds and up to 1.5 GB; this crate opens them through the Lake
//! package in `lean/`, which shares what was read of each module between imports, and hands them to `pool-core`. It
//! is the only crate of the workspace with `unsafe` code.
//!
//! # Example
//!
//! Many threads, one import; any thread may ask, attached to Lean or not:
//!
//! ```no_run
//! use lean_backend::{CheckOptions, EnvironmentQuery, ImportOptions, InternedOptions, LeanRuntime};
//! use lean_backend::{EnvironmentKey, LeanError, SharedEnvironment, Sysroot, Watch};
//! use pool_core::{capacity::MaxIdle, sync::Pool};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = LeanRuntime::init()?;
//! let options = InternedOptions::from(ImportOptions::new(Sysroot::find()?));
//! let pool: Pool<EnvironmentKey, SharedEnvironment> = Pool::builder().capacity(MaxIdle(8)).shared().build();
//! let query = EnvironmentQuery { options: &options, imports: &["public Init", "public Lean"] };
//! let environment = pool.acquire(query, |key| {
//!     SharedEnvironment::import(runtime, &key.options, &key.words(), &Watch::default())
//! })?;
//! std::thread::scope(|scope| {
//!     for source in ["example : 1 + 1 = 2 := rfl", "#check Nat"] {
//!         let environment = &environment;
//!         scope.spawn(move || {
//!             let checked = environment.check(source, &CheckOptions::new())?;
//!             println!("{source}: {} errors", checked.errors());
//!             Ok::<(), LeanError>(())
//!         });
//!     }
//! });
//! # Ok(())
//! # }
//! ```
//!
//! One thread that is attached for its whole life needs no marking, and its objects borrow from its token:
//!
//! ```no_run
//! use lean_backend::{Environment, ImportOptions, LeanRuntime, Sysroot};
//!
//! # fn main() -> Result<(), lean_backend::LeanError> {
//! LeanRuntime::init()?.run(|thread| {
//!     let options = ImportOptions::new(Sysroot::find()?);
//!     let environment = Environment::import(thread, &options, &["public Init", "public Lean"])?;
//!     println!("{} modules, {} constants", environment.modules(), environment.constants());
//!     Ok(())
//! })?
//! # }
//! ```
//!
//! # Layers, lowest first
//!
//! - `ffi`: the only `extern` block, the package's exports, and by name each runtime symbol used from `lean-sys`.
//! - `object`: [`Owned`] and [`Borrowed`], one owner type a pointer; a call that consumes takes `Owned` by value.
//! - `error`: [`LeanError`], what can go wrong, its messages cut to [`MESSAGE_LIMIT`].
//! - `runtime`, `thread`, `workers`: [`LeanRuntime`], started once a process; [`LeanThread`], the `!Send` token that proves
//!   that this thread may call Lean; and the threads with a large stack on which Lean runs.
//! - `exclusion`: imports exclude everything else. `cancel`, `progress`: breaking off, and hearing how far it has come.
//! - `options`, `environment`: [`ImportOptions`]; [`Environment`], whose clone is a reference count, and
//!   [`SharedEnvironment`] for any thread.
//! - `ending`: how the process ends where Lean can end it.
//! - `declarations`, `check`, `header`: what is asked of an environment, and what a file asks for.
//! - `resource`: `pool_core::Resource` for environments, and [`EnvironmentKey`]; the only part that knows the pool.
//! - `abi_model` (feature `abi-model`): Lean's runtime and the package as a model in Rust, for tests where there is no Lean.
//!
//! # Building
//!
//! Needed: Lean as `lean/lean-toolchain` pins it, found as `LEAN_SYSROOT` or by `lean --print-prefix`. The build script builds the
//! Lake package, links it statically, and Lean's library dynamically. With the environment variable `DOCS_RS=1` nothing is linked
//! and the crate type-checks, lints and, with the feature `abi-model`, tests with no Lean on the machine.
//!
//! A crate that depends on this one has to do two things, because cargo does not pass them on:
//!
//! - Let its programs find Lean's library when they start, by a build script of its own:
//!
//!   ```no_run
//!   fn main() {
//!       if let Ok(folder) = std::env::var("DEP_LEANPOOL_RUNTIME_DIR") {
//!           println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
//!       }
//!   }
//!   ```
//! - Keep lean-sys' build script from looking for a Lean of its own (it wants `lean` on `PATH`, and under elan asks for 4.23), in its
//!   `.cargo/config.toml`, for each target that it is built for:
//!
//!   ```toml
//!   [target.x86_64-unknown-linux-gnu.leanshared]
//!   rustc-link-search = []
//!   ```
//!
//! One build can't have two crates that link Lean: lean-sys, which this crate uses, claims `links = "leanshared"`, as lean-rs-sys does.
//!
//! `LEANPOOL_OBJCOPY` names the `objcopy` with which the build script changes two names in the package (see there); without it, the first
//! that can be run of binutils', LLVM's and Rust's. Where there is none, a program whose global allocator is mimalloc gets an error from
//! [`LeanRuntime::init`].
//!
//! Tried: Lean 4.27.0 on x86-64 Linux, with its library; 4.35.0 without (`tests/official-lean`). Nothing else in the process may start a
//! Lean runtime.
//!
//! # What one process can't do
//!
//! Lean keeps much in tables of the process, and ends it where it can't go on. Whoever checks files of others does so in processes of their
//! own.
//!
//! - **What an import registers reaches every later environment**, also those that do not import it: options, attributes, simp sets,
//!   deriving handlers, parser aliases. Linters are the exception: each runs only in environments that have the module of its declaration.
//! - **A name stands for one file.** Initialisers run once a process for each module name, and their values are found by name. An import
//!   with extensions is refused if one of its modules was imported from another file, or from another state of it, and has initialisers in
//!   either; or if its initialisers failed before. What helps is a new process.
//! - **The first import that runs a library's initialisers stays for good**: what they leave in the tables refers to it. Its bytes are
//!   *residue* for a pool. So are those of an environment that is [pinned](ImportOptions::pinned).
//! - **What a file runs can end the process**: `#eval IO.Process.exit 0`, a stack overflow, an exception that nothing catches, no memory.
//!   [`Unfinished`] tells the first from a good end.
//! - **What a file runs can go on for ever**: compiled and interpreted code looks at no token. [`CheckOptions::overdue`] tells of it.
//! - **No `fork`** once Lean is started: a child has none of its threads, and locks that these held stay locked. (`Command` is no such
//!   fork: the child runs another program at once.)
//! - **Lean's library is not to be loaded with `RTLD_LOCAL`**, by a plugin of another program say: its interpreter finds compiled functions by
//!   name among all that is global, and code that was loaded after it would not be bound to it. Link it, as the build script does.
//! - Lean starts libuv, which has the kernel start a thread that polls a ring (`io_uring`). With the environment variable
//!   `UV_USE_IO_URING=0`, set before the process starts, there is none.
//!
//! # Trust
//!
//! An `.olean` file is mapped into memory and believed: whoever can write one can run code here. So is a source: `#eval`, `initialize`, macros
//! and tactics run as this process, with its rights, and can do what it can. Nothing here confines them. Check what you do not trust in a
//! process that may do nothing.

#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]
#![allow(
    clippy::needless_doctest_main,
    reason = "a build script is shown whole, and `.ci/linking` takes it from here"
)]

#[cfg(feature = "abi-model")]
pub mod abi_model;
mod allocator;
mod cancel;
mod check;
mod declarations;
mod ending;
mod environment;
mod error;
mod exclusion;
mod ffi;
mod header;
mod memory;
mod object;
mod options;
mod progress;
mod resource;
mod runtime;
mod thread;
mod workers;

pub use cancel::{Ended, LeanCancellationToken};
pub use check::{CheckOptions, Checked, LeanDiagnostic, LeanPosition, LeanSeverity};
pub use declarations::DeclarationKind;
pub use ending::{UNFINISHED, Unfinished, end_process};
pub use environment::{Environment, SharedEnvironment};
pub use error::{LeanError, LeanExceptionKind, LeanResult, MESSAGE_LIMIT};
pub use header::header;
pub use object::{Borrowed, Owned};
pub use options::{ImportOptions, InternedOptions, Regions, Sysroot};
pub use progress::{LeanProgressEvent, LeanProgressSink, Watch};
pub use resource::{EnvironmentKey, EnvironmentQuery};
pub use runtime::{BUILT_FOR, LeanRuntime, PINNED_VERSION};
pub use thread::{LeanThread, STACK_BYTES};
