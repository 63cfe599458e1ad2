//! Which thread may call Lean.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ffi;

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

static STARTED: AtomicBool = AtomicBool::new(false);

/// Proof that the runtime is started, for any thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started(());

impl Started {
    /// From now on there is proof.
    ///
    /// # Safety
    ///
    /// The start of the runtime is complete.
    pub(crate) unsafe fn declare() -> Self {
        STARTED.store(true, Ordering::Release);
        Self(())
    }

    /// The proof, if the runtime is started.
    pub(crate) fn get() -> Option<Self> {
        STARTED.load(Ordering::Acquire).then_some(Self(()))
    }

    /// A token for this thread, which it attaches if it is the first.
    pub(crate) fn attach(self) -> LeanThread {
        let tokens = TOKENS.get();
        if tokens == 0 && !STARTED_HERE.get() {
            // SAFETY: `self` proves that Lean is started. This is not the thread that started it, and no token is alive on
            // it, so it is not attached now.
            unsafe { ffi::lean_initialize_thread() }
        }
        TOKENS.set(tokens + 1);
        LeanThread { stays: PhantomData }
    }
}

/// Proof that the runtime is started and that this thread may call Lean.
///
/// From [`LeanRuntime::attach`](crate::LeanRuntime::attach). Any number may be alive on a thread; the first attaches it, and the drop of the last
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
    /// A token for the thread that is starting Lean, which nothing proves to be started yet. That thread stays attached.
    ///
    /// # Safety
    ///
    /// The current thread has called `lean_initialize`.
    pub(crate) unsafe fn of_starting_thread() -> LeanThread {
        STARTED_HERE.set(true);
        TOKENS.set(TOKENS.get() + 1);
        LeanThread { stays: PhantomData }
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
            // SAFETY: `Started::attach` attached this thread when the first of its tokens was made, and a token never leaves its
            // thread. This was the last one, so no Lean object that stays on this thread is alive but leaked ones, which
            // nothing touches any more.
            unsafe { ffi::lean_finalize_thread() }
        }
    }
}
