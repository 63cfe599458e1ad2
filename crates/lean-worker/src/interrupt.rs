//! Asking a request that runs to come back, from any thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Asks the request of a session that runs to come back. What it has begun leaves nothing behind, and what the session holds stays. One that does not
/// come back within the grace is killed. An import is not broken off. Clones are the same.
#[derive(Clone, Debug)]
pub struct Interrupt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Can be read once it was asked.
    asked: OwnedFd,
    /// Requests that are on their way, the one that runs among them.
    expected: Mutex<u64>,
}

impl Interrupt {
    pub(crate) fn new() -> std::io::Result<Self> {
        let asked = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { asked, expected: Mutex::new(0) })))
    }

    /// Asks the request that runs, or the next one of those that are [expected](Self::expect). Returns whether there is one: else nothing is done.
    #[must_use]
    pub fn ask(&self) -> bool {
        let expected = self.expected();
        if *expected > 0 {
            // It can't fail but by having been asked 2^64 - 2 times.
            let _ = rustix::io::write(&self.0.asked, &1_u64.to_ne_bytes());
        }
        *expected > 0
    }

    /// A request is on its way to the session. For those who send requests from another thread than the session's, so that what is asked before the
    /// request has got there is not lost.
    pub fn expect(&self) {
        *self.expected() += 1;
    }

    /// A request has got there, expected or not.
    pub(crate) fn begin(&self) {
        let mut expected = self.expected();
        *expected = (*expected).max(1);
    }

    /// It is over, and whatever was asked of it.
    pub(crate) fn end(&self) {
        let mut expected = self.expected();
        *expected -= 1;
        let _ = rustix::io::read(&self.0.asked, &mut [0; 8]);
    }

    pub(crate) fn is_asked(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
    }

    fn expected(&self) -> MutexGuard<'_, u64> {
        self.0.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.asked.as_fd()
    }
}
