//! Where one thread sleeps.

use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::lock::{Condvar, Mutex};
use crate::guard::Sleep;

/// A place to sleep. A wake-up that comes first is kept.
#[derive(Debug)]
pub struct Parker(Arc<Bed>);

#[derive(Debug)]
struct Bed {
    woken: Mutex<bool>,
    wake: Condvar,
}

impl Sleep for Parker {
    const SLEEPS: bool = true;

    fn new() -> Self {
        Self(Arc::new(Bed { woken: Mutex::new(false), wake: Condvar::new() }))
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    fn sleep(&self, at_most: Option<Duration>) {
        let mut woken = self.0.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !*woken {
            let Some(at_most) = at_most else {
                woken = self.0.wake.wait(woken).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            woken = self.0.wake.wait_timeout(woken, at_most).unwrap_or_else(PoisonError::into_inner).0;
            break;
        }
        *woken = false;
    }
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_one();
    }
}
