//! Starting Lean, once a process.

use std::sync::OnceLock;

use crate::allocator;
use crate::error::LeanError;
use crate::exclusion;
use crate::ffi;
use crate::object::Owned;
use crate::thread::{LeanThread, Started};
use crate::workers::Workers;

/// The version of Lean that this crate was built with; any other that runs is refused. Where it was built without Lean, the one that
/// `lean/lean-toolchain` pins.
pub const BUILT_FOR: &str = match option_env!("LEANPOOL_LEAN_VERSION") {
    Some(version) => version,
    None => PINNED_VERSION,
};

/// The version of Lean that `lean/lean-toolchain` pins, with which the package in `lean/` was tried.
pub const PINNED_VERSION: &str = "4.27.0";

static RUNTIME: OnceLock<Result<LeanRuntime, LeanError>> = OnceLock::new();

/// The Lean runtime of this process, started. There is no stopping it.
#[derive(Debug)]
pub struct LeanRuntime {
    workers: Workers,
}

impl LeanRuntime {
    /// Starts Lean, or returns the runtime that was started before. May be called on any thread; others wait.
    ///
    /// Starting takes about 50 ms and happens on a thread of its own, with a large stack, that lives as long as the
    /// process and does Lean's work from then on. Lean's own worker threads start too. Nothing else in the process may
    /// start Lean, before or after.
    ///
    /// # Errors
    ///
    /// [`LeanError::Toolchain`] naming both versions, if the Lean that runs is not [`BUILT_FOR`];
    /// [`LeanError::ResourceExhausted`] if the system gives no thread; what the initialisers of the package in `lean/`
    /// threw. Every later call returns the same.
    pub fn init() -> Result<&'static LeanRuntime, LeanError> {
        let _span = tracing::info_span!(target: "lean_rs", "lean_rs.runtime.init").entered();
        let start = || Workers::begin(start).map(|workers| LeanRuntime { workers });
        let started = RUNTIME.get_or_init(start).as_ref();
        match started {
            Ok(_) => {
                tracing::debug!(target: "lean_rs", version = BUILT_FOR, "Lean runtime initialized");
            }
            Err(error) => {
                tracing::error!(target: "lean_rs", %error, "Lean runtime initialization failed");
            }
        }
        started.map_err(Clone::clone)
    }

    /// The runtime, where there is an object of Lean's.
    pub(crate) fn of_objects() -> &'static LeanRuntime {
        let started = RUNTIME.get().and_then(|started| started.as_ref().ok());
        started.expect("there is an object of Lean's, so Lean is started")
    }

    /// Attaches this thread to Lean, until the token is dropped. See [`LeanThread`].
    ///
    /// An attached thread asks small questions itself. What may recurse deeply (imports, checks, printing types) still goes
    /// to a thread with a large stack, unless this is one.
    #[must_use]
    pub fn attach(&self) -> LeanThread {
        self.workers.started().attach()
    }

    /// Runs `f` on an attached thread with a stack of [`STACK_BYTES`](crate::STACK_BYTES), and waits for it. Inside, Lean
    /// is called directly: for a program that asks much, this is the place for its main loop.
    ///
    /// Such threads are made as they are needed and kept. Where this thread is one already, it is used. A panic of `f` goes
    /// on here.
    ///
    /// # Errors
    ///
    /// [`LeanError::ResourceExhausted`] if the system gives no further thread; `f` was not called then.
    pub fn run<T: Send>(&self, f: impl FnOnce(&LeanThread) -> T + Send) -> Result<T, LeanError> {
        if Workers::is_current() {
            return Ok(f(&self.attach()));
        }
        self.workers.run(f, None)
    }

    /// How many modules this process keeps read for imports with [`Regions::Shared`](crate::Regions::Shared): the union of all
    /// that such imports have read.
    ///
    /// # Errors
    ///
    /// [`LeanError::ResourceExhausted`] if the system gives no thread.
    pub fn shared_modules(&self) -> Result<u64, LeanError> {
        self.run(|thread| {
            let _shared = exclusion::question();
            // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
            let modules =
                unsafe { Owned::from_io_result(thread, ffi::leanpool_shared_modules(ffi::world())) }?;
            // SAFETY: the function is an `IO UInt64`, so the value of its result is a boxed `UInt64`.
            Ok(unsafe { modules.as_borrowed().unbox_u64() })
        })?
    }

    /// Whether imports with [`Regions::Shared`](crate::Regions::Shared) share what they read. The walk over modules that this needs is
    /// written for Lean before 4.32; with later ones such an import is a plain one.
    ///
    /// # Errors
    ///
    /// [`LeanError::ResourceExhausted`] if the system gives no thread.
    pub fn shares_regions(&self) -> Result<bool, LeanError> {
        self.run(shares_regions)?
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }
}

/// The sequence that Lean's own programs run. Called by `RUNTIME` only, so at most once, on the thread that is to be the
/// first of the workers.
fn start() -> Result<(LeanThread, Started), LeanError> {
    // SAFETY: `OnceLock` runs this once a process and makes all others wait, so it is not called twice or from two
    // threads. It starts the runtime and sets up the compiler's modules, which the package imports.
    unsafe { ffi::lean_initialize() }
    // SAFETY: this thread has just initialised the runtime, which is what attaches it.
    let thread = unsafe { LeanThread::of_starting_thread() };
    allocator::resolve()?;
    // SAFETY: the runtime is initialised and not yet marked as such, as a module initialiser needs; 1 also runs the
    // built-in initialisers, as Lean's own programs do. The result is that of an `IO` function and is given away.
    unsafe { Owned::from_io_result(&thread, ffi::initialize_leanpool_LeanpoolBackend(1, ffi::world())) }?;
    // SAFETY: after every module initialiser and once, as both must be. The first ends the time in which extensions
    // may be registered without an import; the second starts the workers that elaboration's tasks run on.
    unsafe {
        ffi::lean_io_mark_end_initialization();
        ffi::lean_init_task_manager();
    }
    let version = version(&thread)?;
    if number(&version) == number(BUILT_FOR) {
        // SAFETY: all of the above.
        Ok((thread, unsafe { Started::declare() }))
    } else {
        Err(LeanError::toolchain(&format!(
            "the Lean that runs is {version}, and this program was built with {BUILT_FOR}: start it with the library of that Lean, or \
             build it again"
        )))
    }
}

/// The version without what a Lean that was built by hand says besides: `4.27.0, commit …`.
fn number(version: &str) -> &str {
    version.split(',').next().unwrap_or(version)
}

/// See [`LeanRuntime::shares_regions`].
pub(crate) fn shares_regions(thread: &LeanThread) -> Result<bool, LeanError> {
    // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
    let shares = unsafe { Owned::from_io_result(thread, ffi::leanpool_shares_regions(ffi::world())) }?;
    let shares = shares.as_borrowed().unbox_bool();
    shares.ok_or_else(|| LeanError::toolchain("the package in lean/ gave something else than a Bool"))
}

fn version(thread: &LeanThread) -> Result<String, LeanError> {
    // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
    let version = unsafe { Owned::from_io_result(thread, ffi::leanpool_version(ffi::world())) }?;
    version.into_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_is_what_the_package_pins_and_nothing_near_it_is_taken_for_it() {
        let pinned = include_str!("../lean/lean-toolchain").trim();
        assert_eq!(pinned, format!("leanprover/lean4:v{PINNED_VERSION}"));
        assert_eq!((number("4.27.0"), number("4.27.0, commit 1")), ("4.27.0", "4.27.0"));
        for other in ["", "4.27", "4.27.1", "4.27.0-rc1", "14.27.0", "4.270.0", "4.23.0"] {
            assert_ne!(number(other), "4.27.0", "{other}");
        }
    }
}
