//! Which thread may call Lean.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::ffi;
use crate::runtime::LeanRuntime;

/// A stack that is large enough for Lean: 256 MiB, what the measurements used. It is reserved, not used.
///
/// Deep recursion in Lean overflows the stack of the thread that it runs on, and that ends the process, so give this
/// to [`std::thread::Builder::stack_size`] for each thread that calls Lean.
pub const STACK_BYTES: usize = 256 * 1024 * 1024;

thread_local! {
    /// Tokens alive on this thread, unless it is the one that started Lean.
    static TOKENS: Cell<usize> = const { Cell::new(0) };
}

/// Proof that the runtime is started and that this thread may call Lean.
///
/// From [`LeanRuntime::attach`]. Any number may be alive on a thread; the first attaches it, and the drop of the last
/// detaches it. The thread that started Lean was attached by that, so a token there does neither. Everything that
/// comes from Lean borrows from its token, so it is gone before the thread is detached. A token that is leaked leaves
/// its thread attached, which leaks what Lean keeps for that thread and nothing else.
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
    /// Whether this token counts in `TOKENS`.
    counted: bool,
    /// Neither `Send` nor `Sync`: what it proves holds for one thread.
    stays: PhantomData<*mut ()>,
}

impl LeanThread {
    pub(crate) fn attach(runtime: &'static LeanRuntime) -> LeanThread {
        let counted = !runtime.started_here();
        if counted {
            let tokens = TOKENS.get();
            if tokens == 0 {
                // SAFETY: `runtime` proves that Lean is started. This is not the thread that started it, and no token
                // is alive on it, so it is not attached now.
                unsafe { ffi::lean_initialize_thread() }
            }
            TOKENS.set(tokens + 1);
        }
        LeanThread { counted, stays: PhantomData }
    }

    /// A token for the thread that is starting Lean, which no [`LeanRuntime`] stands for yet.
    ///
    /// # Safety
    ///
    /// The current thread has called `lean_initialize_runtime_module` and `lean_initialize`.
    pub(crate) unsafe fn of_starting_thread() -> LeanThread {
        LeanThread { counted: false, stays: PhantomData }
    }
}

impl Drop for LeanThread {
    fn drop(&mut self) {
        if self.counted {
            let tokens = TOKENS.get() - 1;
            TOKENS.set(tokens);
            if tokens == 0 {
                // SAFETY: `attach` attached this thread when the first of its tokens was made, and a token never
                // leaves its thread. This was the last one, so no Lean object of this thread is alive but leaked
                // ones, which nothing touches any more.
                unsafe { ffi::lean_finalize_thread() }
            }
        }
    }
}
