//! Starting Lean, once a process.

use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use crate::error::LeanError;
use crate::ffi;
use crate::object::Owned;
use crate::thread::LeanThread;

static RUNTIME: OnceLock<Result<LeanRuntime, LeanError>> = OnceLock::new();

/// The Lean runtime of this process, started. There is no stopping it.
#[derive(Debug)]
pub struct LeanRuntime {
    started_on: ThreadId,
}

impl LeanRuntime {
    /// Starts Lean, or returns the runtime that was started before. May be called on any thread; others wait.
    ///
    /// Starting takes about 50 ms. The thread that starts Lean is attached by it, for good: start it on a thread with
    /// a large stack (see [`STACK_BYTES`](crate::STACK_BYTES)) that lives as long as Lean is used. Lean's own worker
    /// threads start too. Nothing else in the process may start Lean, before or after.
    ///
    /// # Errors
    ///
    /// What the initialisers of the package in `lean/` threw; every later call returns the same.
    pub fn init() -> Result<&'static LeanRuntime, LeanError> {
        RUNTIME.get_or_init(start).as_ref().map_err(Clone::clone)
    }

    /// Attaches this thread to Lean, until the token is dropped. See [`LeanThread`].
    #[must_use]
    pub fn attach(&'static self) -> LeanThread {
        LeanThread::attach(self)
    }

    /// Whether the current thread is the one that started Lean.
    pub(crate) fn started_here(&self) -> bool {
        thread::current().id() == self.started_on
    }
}

/// The sequence that Lean's own programs run. Called by `RUNTIME` only, so at most once.
fn start() -> Result<LeanRuntime, LeanError> {
    // SAFETY: `OnceLock` runs this once a process and makes all others wait, so neither is called twice or from two
    // threads. `lean_initialize` sets up the compiler's modules, which the package imports, and comes second.
    unsafe {
        ffi::lean_initialize_runtime_module();
        ffi::lean_initialize();
    }
    // SAFETY: this thread has just initialised the runtime, which is what attaches it.
    let thread = unsafe { LeanThread::of_starting_thread() };
    // SAFETY: the runtime is initialised and not yet marked as such, as a module initialiser needs; 1 also runs the
    // built-in initialisers, as Lean's own programs do. The result is that of an `IO` function and is given away.
    unsafe { Owned::from_io_result(&thread, ffi::initialize_leanpool_LeanPool(1, ffi::world())) }?;
    // SAFETY: after every module initialiser and once, as both must be. The first ends the time in which extensions
    // may be registered without an import; the second starts the workers that elaboration's tasks run on.
    unsafe {
        ffi::lean_io_mark_end_initialization();
        ffi::lean_init_task_manager();
    }
    Ok(LeanRuntime { started_on: thread::current().id() })
}
