//! The one place where a lock, and a place to park, are chosen: those of parking_lot and `std`, or those that loom and shuttle watch.
//!
//! parking_lot's mutex is a third of `std`'s price where two threads want it at once (`benches/threads.rs`).

#[cfg(pool_loom)]
pub(super) use loom::sync::atomic::AtomicBool;
#[cfg(pool_loom)]
use loom::sync::{Condvar, Mutex, Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(pool_loom)]
pub(super) use loom::thread::{ThreadId, current};
#[cfg(not(any(pool_loom, pool_shuttle)))]
use parking_lot::{Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(pool_shuttle)]
pub(super) use shuttle::sync::atomic::AtomicBool;
#[cfg(pool_shuttle)]
use shuttle::sync::{Condvar, Mutex, Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(pool_shuttle)]
pub(super) use shuttle::thread::{ThreadId, current};
#[cfg(not(any(pool_loom, pool_shuttle)))]
pub(super) use std::sync::atomic::AtomicBool;
#[cfg(not(any(pool_loom, pool_shuttle)))]
use std::sync::{Condvar, Mutex};
#[cfg(not(any(pool_loom, pool_shuttle)))]
pub(super) use std::thread::{ThreadId, current};

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

/// A mutex that no panic poisons: nothing unwinds through what it guards. It knows whether this thread holds it.
pub(super) struct Lock<T> {
    mutex: Exclusive<T>,
    holder: Holder,
}

impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self { mutex: Exclusive::new(value), holder: Holder::default() }
    }

    /// `None` if this thread holds it already.
    #[inline]
    pub(super) fn lock(&self) -> Option<Held<'_, T>> {
        if self.holder.is_me() {
            return None;
        }
        #[cfg(not(any(pool_loom, pool_shuttle)))]
        let guard = self.mutex.lock();
        #[cfg(any(pool_loom, pool_shuttle))]
        let guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        self.holder.set();
        Some(Held { guard, holder: &self.holder })
    }
}

pub(super) struct Held<'a, T> {
    guard: ExclusiveGuard<'a, T>,
    holder: &'a Holder,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.holder.clear();
    }
}

#[cfg(not(any(pool_loom, pool_shuttle)))]
mod holder {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The thread that holds a lock, as an address that is its own; 0 for none. Only ever compared with the reader's own, so
    /// no order is needed.
    #[derive(Default)]
    pub(super) struct Holder(AtomicUsize);

    thread_local! {
        static ME: u8 = const { 0 };
    }

    #[inline]
    fn me() -> usize {
        // Where a thread ends, its destructors may still give back leases; they hold nothing then.
        ME.try_with(|me| std::ptr::from_ref(me).addr()).unwrap_or(usize::MAX)
    }

    impl Holder {
        #[inline]
        pub(super) fn is_me(&self) -> bool {
            self.0.load(Ordering::Relaxed) == me()
        }

        #[inline]
        pub(super) fn set(&self) {
            self.0.store(me(), Ordering::Relaxed);
        }

        #[inline]
        pub(super) fn clear(&self) {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

/// Models don't call the pool from inside itself.
#[cfg(any(pool_loom, pool_shuttle))]
mod holder {
    #[derive(Default)]
    pub(super) struct Holder(());

    impl Holder {
        pub(super) fn is_me(&self) -> bool {
            false
        }

        pub(super) fn set(&self) {}

        pub(super) fn clear(&self) {}
    }
}

use holder::Holder;

/// Where one thread parks. A wake-up that comes first is kept.
pub(super) struct Parking {
    woken: Mutex<bool>,
    wake: Condvar,
}

impl Parking {
    pub(super) fn new() -> Self {
        Self { woken: Mutex::new(false), wake: Condvar::new() }
    }

    /// Returns when woken, or after `timeout`.
    pub(super) fn park(&self, timeout: Option<Duration>) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            let Some(timeout) = timeout else {
                woken = self.wake.wait(woken).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            woken = self.wake.wait_timeout(woken, timeout).unwrap_or_else(PoisonError::into_inner).0;
            break;
        }
        *woken = false;
    }

    pub(super) fn unpark(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_one();
    }
}
