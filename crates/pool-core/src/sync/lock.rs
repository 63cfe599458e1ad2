//! The one place where a lock and what a thread sleeps on are chosen: those of parking_lot and `std`, or those that loom and shuttle watch.
//!
//! parking_lot's mutex is a third of `std`'s price where two threads want it at once (`benches/threads.rs`).

#[cfg(pool_loom)]
pub(crate) use loom::sync::atomic::AtomicBool;
#[cfg(pool_loom)]
pub(super) use loom::sync::{Condvar, Mutex};
#[cfg(pool_loom)]
use loom::sync::{Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(not(any(pool_loom, pool_shuttle)))]
use parking_lot::{Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(pool_shuttle)]
pub(crate) use shuttle::sync::atomic::AtomicBool;
#[cfg(pool_shuttle)]
pub(super) use shuttle::sync::{Condvar, Mutex};
#[cfg(pool_shuttle)]
use shuttle::sync::{Mutex as Exclusive, MutexGuard as ExclusiveGuard};
#[cfg(not(any(pool_loom, pool_shuttle)))]
pub(crate) use std::sync::atomic::AtomicBool;
#[cfg(not(any(pool_loom, pool_shuttle)))]
pub(super) use std::sync::{Condvar, Mutex};

use std::ops::{Deref, DerefMut};
#[cfg(any(pool_loom, pool_shuttle))]
use std::sync::PoisonError;

use crate::guard::Guard;

/// A mutex that no panic poisons: nothing unwinds through what it guards. It knows whether this thread holds it.
pub struct Lock<T> {
    mutex: Exclusive<T>,
    holder: Holder,
}

impl<T> Guard<T> for Lock<T> {
    type Entered<'a>
        = Held<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self { mutex: Exclusive::new(value), holder: Holder::default() }
    }

    #[inline]
    fn enter(&self) -> Option<Held<'_, T>> {
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

    #[inline]
    fn is_entered(&self) -> bool {
        self.holder.is_me()
    }
}

/// Access to what a [`Lock`] guards.
pub struct Held<'a, T> {
    guard: ExclusiveGuard<'a, T>,
    holder: &'a Holder,
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.holder.clear();
    }
}

#[cfg(not(any(pool_loom, pool_shuttle)))]
mod holder {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The thread that holds a lock; 0 for none. Only ever compared with the reader's own, so no order is needed.
    #[derive(Default)]
    pub(super) struct Holder(AtomicUsize);

    thread_local! {
        static ME: Cell<usize> = const { Cell::new(0) };
    }

    /// This thread, as a number that no other thread ever has.
    #[inline]
    pub(crate) fn me() -> usize {
        match ME.get() {
            0 => number_this_thread(),
            me => me,
        }
    }

    #[cold]
    fn number_this_thread() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(1);
        let number = THREADS.fetch_add(1, Ordering::Relaxed);
        ME.set(number);
        number
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

#[cfg(any(pool_loom, pool_shuttle))]
#[path = "holder_in_models.rs"]
mod holder;

use holder::Holder;
pub(super) use holder::me;
