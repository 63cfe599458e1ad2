//! The pool's shell on virtual threads: the same code as for real ones, with other ways to guard and to sleep.

use std::cell::{RefCell, RefMut};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use pool_core::guard::{Guard, Mode, Sleep};
use pool_core::{Clock, Observer, ProcessMemoryError};

use crate::world::{self, Flag};

/// Virtual threads.
#[derive(Debug)]
pub(crate) struct Virtual;

impl Mode for Virtual {
    type Ref<T> = Rc<T>;
    type Guard<T> = Lock<T>;
    type Sleep = Bed;
    type Clock = dyn Clock;
    type Observer<K> = dyn Observer<K>;
    type ReadMemory = dyn Fn() -> Result<u64, ProcessMemoryError>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    fn me() -> usize {
        // What is dropped at the end, outside of all of them, is nobody's.
        match world::current() {
            0 => usize::MAX,
            number => number,
        }
    }
}

/// A lock that is never held when a thread hands over, so nobody waits for it. After each time it was held, others may go on.
pub(crate) struct Lock<T>(RefCell<T>);

impl<T> Guard<T> for Lock<T> {
    type Entered<'a>
        = Held<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    fn enter(&self) -> Option<Held<'_, T>> {
        self.0.try_borrow_mut().ok().map(|inner| Held(Some(inner)))
    }

    fn is_entered(&self) -> bool {
        self.0.try_borrow_mut().is_err()
    }
}

pub(crate) struct Held<'a, T>(Option<RefMut<'a, T>>);

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("held until dropped")
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held until dropped")
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        world::hand_over();
    }
}

/// Where a virtual thread sleeps.
pub(crate) struct Bed(Arc<Flag>);

impl Sleep for Bed {
    const SLEEPS: bool = true;

    fn new() -> Self {
        Self(Arc::default())
    }

    fn waker(&self) -> Waker {
        self.0.waker()
    }

    fn sleep(&self, at_most: Option<Duration>) {
        world::sleep(&self.0, at_most.map(|most| most.as_nanos() as u64));
    }
}
