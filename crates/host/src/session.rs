//! Sessions on Lean environments, from a pool: lean-rs-host's API under its names. (Feature `lean`.)
//!
//! ```no_run
//! use leanpool::session::{LeanHost, LeanRuntime, SessionPool};
//!
//! # fn main() -> leanpool::session::LeanResult<()> {
//! let runtime = LeanRuntime::init()?;
//! let lean = LeanHost::from_lake_project(runtime, "my-project")?;
//! let capabilities = lean.load_shims_only()?;
//! let pool = SessionPool::with_capacity(runtime, 8);
//! for source in ["example : 1 + 1 = 2 := rfl", "theorem t : 1 = 2 := by decide"] {
//!     let session = pool.acquire(&capabilities, &["Lean"], None, None)?; // imports once
//!     for diagnostic in session.check(source)?.diagnostics {
//!         println!("{}: {}", diagnostic.severity(), diagnostic.message());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Moving over from lean-rs-host
//!
//! For the pool it is a change of the lines with `use`: `lean_rs::LeanRuntime` and what comes from `lean_rs_host` come from
//! here. What each item of lean-rs-host 0.6 is here:
//!
//! | lean-rs-host | here |
//! | --- | --- |
//! | `LeanRuntime::init` | the same; Lean runs on threads of its own from then on, with a large stack, whichever thread calls |
//! | `LeanThreadGuard::attach` | not needed; [`LeanRuntime::attach`] for threads that ask much |
//! | `LeanHost::from_lake_project` | the same; a folder that is no Lake project is an error. [`LeanHost::from_toolchain`] without a project |
//! | `LeanHost::load_shims_only` | the same; nothing is compiled or loaded (25 s the first time there) |
//! | `LeanHost::load_capabilities` | the same arguments; looks whether the library is built, and does not load its compiled code |
//! | `LeanCapabilities::session` | the same |
//! | `session_with_profile`, `LeanSessionImportProfile` | part of the import list: a first `module`, and `public`, `meta`, `all` before a name, as in a file's header ([`header`]) |
//! | `profiling_session`, `bracketed_import_query` | not here |
//! | `SessionPool::with_capacity`, `with_config`, `with_memory_policy` | the same, exclusive as there. Full, it drops what is worth least and not what comes back |
//! | – | [`SessionPool::shared`]: one import, many sessions at once |
//! | `SessionPool::acquire` | the same. `acquire_with_profile`: see above |
//! | `SessionPool::stats`, `len`, `is_empty`, `capacity`, `memory_policy`, `drain` | the same |
//! | `PoolStats` | the same counters, but for `rss_samples` and `rss_samples_unavailable` (a measurement that fails refuses the import); `distinct_keys_seen` forgets after some thousands. [`SessionPool::pool_stats`] has reasons, seconds and high-water marks |
//! | `SessionPoolConfig`, `SessionPoolKeyMissReason` | the same |
//! | `SessionPoolMemoryPolicy` | the same; `max_rss_kib` is about private dirty memory |
//! | `PooledSession` | the same, and [`was_hit`](PooledSession::was_hit) |
//! | `LeanSession::declaration_kind` | the same; [`kind`](LeanSession::kind) as a type |
//! | `declaration_type` | the same, as text instead of a `LeanExpr` |
//! | `list_declarations`, `list_declarations_filtered`, `list_declarations_strings` | [`declarations`](LeanSession::declarations), below a prefix |
//! | `elaborate`, `kernel_check`, `process_module_query` and its batches | [`check`](LeanSession::check), of a whole source |
//! | `extension_registry_epoch`, `live_extension_registry_epoch` | the same; [`is_current`](LeanSession::is_current) compares |
//! | `LeanSession::stats`, `import_stats`, `*_bulk`, `declaration_name`, `name_to_string`, `expr_to_string_raw`, `declaration_source_range`, `query_declaration`, `inspect_declaration`, `search_declarations`, `run_meta`, `attempt_proof`, `verify_declaration*`, `clear_module_snapshot_cache`, evidence | not here |
//! | – | [`contains`](LeanSession::contains), [`modules`](LeanSession::modules), [`constants`](LeanSession::constants) |
//! | `LeanElabOptions` | [`CheckOptions`], with a deadline |
//! | `LeanSeverity` | the same |
//! | `LeanDiagnostic`, `LeanPosition` | the same names; every diagnostic has a position, numbers are `u64`, columns count from 0, as Lean counts them, messages are not cut, and there is no `file_label` |
//! | `LeanCancellationToken` | the same; it also interrupts a check that runs |
//! | `LeanProgressSink`, `LeanProgressEvent` | the same; start and end are reported, and closures are sinks |
//! | `LeanError` | an enum of [`Cancelled`](LeanError::Cancelled), [`LeanException`](LeanError::LeanException), [`ResourceExhausted`](LeanError::ResourceExhausted), [`Toolchain`](LeanError::Toolchain) (for `Host`), [`Stale`](LeanError::Stale), [`NoExtensions`](LeanError::NoExtensions); messages of at most 4 KiB |
//! | spans `lean_rs.runtime.init`, `lean_rs.host.pool.acquire`, `lean_rs.host.session.import`, `…declaration_kind`, `…declaration_type`, `…list_declarations` | the same names, levels and fields, target `lean_rs`; `profile` is `private`, or `exported-public` for a list that begins with `module`. `…list_declarations` has a field `prefix`; `lean_rs.host.session.check` is new |
//! | events `lean_rs.host.pool.acquire.result`, `.release`, `.drain`, `.stale_eviction` | the same; all that is idle is looked at after an import that registered an extension, not at each acquire |
//!
//! # Where things are
//! - [`LeanHost`], [`LeanCapabilities`]: what sessions are opened over, and how.
//! - [`LeanSession`]: what can be asked.
//! - [`SessionPool`], [`PooledSession`], [`PoolStats`].
//! - from [`lean_backend`]: the runtime, environments for many threads, errors.

mod capabilities;
mod lean_host;
mod lean_session;
mod pool;
mod pool_config;
mod pool_stats;
mod pooled_session;

pub use capabilities::LeanCapabilities;
pub use lean_backend::{
    self, CheckOptions, Checked, DeclarationKind, Ended, LeanCancellationToken, LeanDiagnostic, LeanError,
    LeanExceptionKind, LeanPosition, LeanProgressEvent, LeanProgressSink, LeanResult, LeanRuntime,
    LeanSeverity, Regions, header,
};
pub use lean_host::LeanHost;
pub use lean_session::LeanSession;
pub use pool::SessionPool;
pub use pool_config::{SessionPoolConfig, SessionPoolMemoryPolicy};
pub use pool_stats::{PoolStats, SessionPoolKeyMissReason};
pub use pooled_session::PooledSession;
