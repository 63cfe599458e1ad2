//! The pool is closed, and somebody waits for that.

use std::time::Duration;

use super::{ErrorOf, Pool, Shell, SleepOf, Types};
use crate::contain::in_drop;
use crate::core::CloserId;
use crate::error::{AcquireError, Step};
use crate::guard::Sleep;
use crate::options::nanos_of;
use crate::time::Clock as _;

impl<T: Types> Pool<T> {
    /// [Closes](Pool::close) the pool, and waits until nothing is leased, opened or dropped any more; at most for `timeout`, by the
    /// pool's clock. A pool for one thread doesn't wait: nothing would end meanwhile.
    ///
    /// # Errors
    /// What is still out when the time is over. The pool stays closed; this may be called again.
    ///
    /// # Panics
    /// As [`close`](Pool::close).
    pub fn close_and_wait(&self, timeout: Duration) -> Result<(), AcquireError<ErrorOf<T>>> {
        self.close();
        let shell = &*self.shell;
        let deadline = shell.clock.nanos().saturating_add(nanos_of(timeout));
        let sleep = SleepOf::<T>::new();
        let waker = sleep.waker();
        let _closer = Closer { shell, id: shell.enter_and_finish(|core| core.wake_when_empty(waker)) };
        loop {
            let now = shell.clock.nanos();
            if shell.enter_and_finish(|core| core.is_empty()) {
                return Ok(());
            }
            if now >= deadline || !SleepOf::<T>::SLEEPS {
                return Err(AcquireError::TimedOut { step: Step::Wait, at: shell.situation(None) });
            }
            sleep.sleep(Some(Duration::from_nanos(deadline - now)));
        }
    }
}

/// One who waits for the pool to be empty. Dropped, it does so no more.
struct Closer<'p, T: Types> {
    shell: &'p Shell<T>,
    id: CloserId,
}

impl<T: Types> Drop for Closer<'_, T> {
    fn drop(&mut self) {
        in_drop(|| drop(self.shell.enter_and_finish(|core| core.forget_closer(self.id))));
    }
}
