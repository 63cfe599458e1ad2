//! What may run at the same time: imports exclude everything else, checks and questions run side by side.
//!
//! Lean's search path, its flag that an import runs and its permission to run initialisers are global, so imports exclude each
//! other. And an import may register extensions, which harms a check that is running, so they exclude those too. One who
//! wants to import holds back those who come later, and so is not kept waiting for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::LeanError;
use crate::ffi;
use crate::object::Owned;
use crate::thread::LeanThread;

static EXCLUSION: RwLock<()> = RwLock::new(());

/// The epoch when Lean was asked last. Asked after each import and check, which are all that may change it: so who only
/// wants to know whether an environment may have become stale need not ask Lean.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Held during an import.
pub(crate) fn import() -> RwLockWriteGuard<'static, ()> {
    // A panic under the lock leaves nothing half-done: it guards Lean's globals, and each import sets those anew.
    EXCLUSION.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held during anything else that looks into an environment.
pub(crate) fn question() -> RwLockReadGuard<'static, ()> {
    EXCLUSION.read().unwrap_or_else(PoisonError::into_inner)
}

/// How many extensions and attributes are registered in the process: 80 ns. Only grows.
pub(crate) fn epoch(thread: &LeanThread) -> Result<u64, LeanError> {
    // SAFETY: attached, as the token proves; the function is in `IO` and takes nothing else.
    let epoch = unsafe { Owned::from_io_result(thread, ffi::leanpool_extension_epoch(ffi::world())) }?;
    // SAFETY: the function is an `IO UInt64`, so the value of its result is a boxed `UInt64`.
    let epoch = unsafe { epoch.as_borrowed().unbox_u64() };
    EPOCH.fetch_max(epoch, Ordering::AcqRel);
    Ok(epoch)
}

/// The epoch when Lean was asked last.
pub(crate) fn latest_epoch() -> u64 {
    EPOCH.load(Ordering::Acquire)
}
