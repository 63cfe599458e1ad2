use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use super::lock::{AtomicBool, Held, Lock};
use crate::contain::Panics;
use crate::guard::Guard as _;

/// Tells acquires that nobody wants them any more. Clones are the same token; a cancelled one stays so.
///
/// ```
/// use pool_core::sync::CancellationToken;
/// let token = CancellationToken::new();
/// token.clone().cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone, Default)]
pub struct CancellationToken(Arc<Inner>);

struct Inner {
    /// Set under the lock, so that nobody sleeps after the last who slept has been woken.
    cancelled: AtomicBool,
    asleep: Lock<Asleep>,
}

#[derive(Default)]
struct Asleep {
    /// Each under a number of its own.
    wakers: Vec<(u64, Waker)>,
    last: u64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { cancelled: AtomicBool::new(false), asleep: Lock::new(Asleep::default()) }
    }
}

impl CancellationToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels it, and wakes all acquires that wait with it. A panic of a waker goes on once all others were woken.
    pub fn cancel(&self) {
        let wakers = {
            let mut asleep = self.asleep();
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut asleep.wakers)
        };
        let mut panics = Panics::default();
        for (_, waker) in wakers {
            panics.contain(|| waker.wake());
        }
        panics.resume();
    }

    /// Whether it was cancelled. Reads one atomic.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Has `waker` woken when this is cancelled, until what is returned is dropped. At once, if it is already.
    pub(crate) fn wakes(&self, waker: Waker) -> Wakes {
        let mut asleep = self.asleep();
        asleep.last += 1;
        let number = asleep.last;
        let at_once = if self.is_cancelled() {
            Some(waker)
        } else {
            asleep.wakers.push((number, waker));
            None
        };
        drop(asleep);
        at_once.into_iter().for_each(Waker::wake);
        Wakes { token: self.clone(), number }
    }

    fn asleep(&self) -> Held<'_, Asleep> {
        self.0.asleep.enter().expect("nothing that runs under this lock comes here again")
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("is_cancelled", &self.is_cancelled()).finish()
    }
}

pub(crate) struct Wakes {
    token: CancellationToken,
    number: u64,
}

impl Drop for Wakes {
    fn drop(&mut self) {
        let mut asleep = self.token.asleep();
        let place = asleep.wakers.iter().position(|(number, _)| *number == self.number);
        let waker = place.map(|place| asleep.wakers.swap_remove(place));
        // A waker is dropped outside.
        drop(asleep);
        drop(waker);
    }
}
