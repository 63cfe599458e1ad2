//! What makes a pool one for a thread or for many: how its state is guarded, and how one who waits sleeps.

use std::cell::{RefCell, RefMut};
use std::ops::{Deref, DerefMut};
use std::task::Waker;
use std::time::Duration;

use crate::observer::Observer;
use crate::process_memory::ProcessMemoryError;
use crate::time::Clock;

/// How state is guarded: by a borrow, or by a lock.
pub trait Guard<T> {
    /// Exclusive access.
    type Entered<'a>: DerefMut<Target = T>
    where
        Self: 'a,
        T: 'a;

    /// Guards `value`.
    fn new(value: T) -> Self;

    /// Access once nobody else has it; `None` if this thread has it already.
    fn enter(&self) -> Option<Self::Entered<'_>>;

    /// Whether this thread has access already.
    fn is_entered(&self) -> bool;
}

impl<T> Guard<T> for RefCell<T> {
    type Entered<'a>
        = RefMut<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline]
    fn enter(&self) -> Option<RefMut<'_, T>> {
        self.try_borrow_mut().ok()
    }

    fn is_entered(&self) -> bool {
        self.try_borrow_mut().is_err()
    }
}

/// How one who waits sleeps.
pub trait Sleep {
    /// Whether it can sleep at all: where nobody else could wake it, it never waits.
    const SLEEPS: bool;

    /// A place to sleep.
    fn new() -> Self;

    /// What ends a sleep: also one that begins later.
    fn waker(&self) -> Waker;

    /// Returns when woken, or after `at_most`.
    fn sleep(&self, at_most: Option<Duration>);
}

/// Does not sleep.
#[derive(Debug)]
pub struct NoSleep;

impl Sleep for NoSleep {
    const SLEEPS: bool = false;

    fn new() -> Self {
        Self
    }

    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn sleep(&self, _: Option<Duration>) {}
}

/// One thread, or many.
pub trait Mode {
    /// A counted reference.
    type Ref<T>: Deref<Target = T> + Clone;
    /// How state is guarded.
    type Guard<T>: Guard<T>;
    /// How one who waits sleeps.
    type Sleep: Sleep;
    /// A clock of any type.
    type Clock: Clock + ?Sized;
    /// An observer of any type.
    type Observer<K>: Observer<K> + ?Sized;
    /// What measures the memory of the process.
    type ReadMemory: Fn() -> Result<u64, ProcessMemoryError> + ?Sized;

    /// Guards `value`.
    fn guard<T>(value: T) -> Self::Guard<T> {
        Guard::new(value)
    }

    /// The first reference to `value`.
    fn share<T>(value: T) -> Self::Ref<T>;

    /// Whether both refer to the same value.
    fn ptr_eq<T>(one: &Self::Ref<T>, other: &Self::Ref<T>) -> bool {
        std::ptr::eq(&raw const **one, &raw const **other)
    }

    /// The thread that calls; never 0.
    fn me() -> usize;
}
