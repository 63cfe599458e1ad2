//! Which thread may call Lean.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::ffi;
use crate::runtime::LeanRuntime;

/// The stack of the threads that this crate makes: 256 MiB, what the measurements used. It is reserved, not used.
///
/// Deep recursion in Lean overflows the stack of the thread that it runs on, and that ends the process.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

thread_local! {
    /// Tokens alive on this thread.
    static TOKENS: Cell<usize> = const { Cell::new(0) };
    /// Whether this is the thread that started Lean, which was attached by that.
    static STARTED_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Proof that the runtime is started and that this thread may call Lean.
///
/// From [`LeanRuntime::attach`]. Any number may be alive on a thread; the first attaches it, and the drop of the last
/// detaches it. Everything that comes from Lean and stays on its thread borrows from its token, so it is gone before the
/// thread is detached. A token that is leaked leaves its thread attached, which leaks what Lean keeps for that thread
/// and nothing else.
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn may_leave<T: Send>() {}
/// may_leave::<lean_backend::LeanThread>();
/// ```
///
/// and so does a borrow of it, and with it every Lean object:
///
/// ```compile_fail,E0277
/// fn may_leave<T: Send>() {}
/// may_leave::<lean_backend::Environment<'static>>();
/// ```
#[derive(Debug)]
pub struct LeanThread {
    /// Neither `Send` nor `Sync`: what it proves holds for one thread.
    stays: PhantomData<*mut ()>,
}

impl LeanThread {
    pub(crate) fn attach(_started: &LeanRuntime) -> LeanThread {
        let tokens = TOKENS.get();
        if tokens == 0 && !STARTED_HERE.get() {
            // SAFETY: the argument proves that Lean is started. This is not the thread that started it, and no token
            // is alive on it, so it is not attached now.
            unsafe { ffi::lean_initialize_thread() }
        }
        TOKENS.set(tokens + 1);
        LeanThread { stays: PhantomData }
    }

    /// A token for the thread that is starting Lean, which no [`LeanRuntime`] stands for yet. That thread stays attached.
    ///
    /// # Safety
    ///
    /// The current thread has called `lean_initialize_runtime_module` and `lean_initialize`.
    pub(crate) unsafe fn of_starting_thread() -> LeanThread {
        STARTED_HERE.set(true);
        TOKENS.set(TOKENS.get() + 1);
        LeanThread { stays: PhantomData }
    }

    /// The runtime that this token proves to be started.
    pub(crate) fn runtime(&self) -> &'static LeanRuntime {
        LeanRuntime::started().expect("only the thread that starts Lean has a token before Lean is started")
    }

    /// Whether a token is alive on the current thread.
    pub(crate) fn is_attached() -> bool {
        TOKENS.get() > 0
    }
}

impl Drop for LeanThread {
    fn drop(&mut self) {
        let tokens = TOKENS.get() - 1;
        TOKENS.set(tokens);
        if tokens == 0 && !STARTED_HERE.get() {
            // SAFETY: `attach` attached this thread when the first of its tokens was made, and a token never leaves its
            // thread. This was the last one, so no Lean object that stays on this thread is alive but leaked ones, which
            // nothing touches any more.
            unsafe { ffi::lean_finalize_thread() }
        }
    }
}
