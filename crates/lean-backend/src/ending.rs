//! How the process ends where Lean can end it.
//!
//! What a Lean file runs may end the process: `#eval IO.Process.exit 0` calls C's `exit`, and the process is gone with the code that the
//! file names. And it may never come back: loops in compiled code look at no token.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// The code for a run that was ended from inside (`EX_SOFTWARE` of BSD's `sysexits.h`).
pub const UNFINISHED: i32 = 70;

type LastWords = Box<dyn FnOnce() -> i32 + Send>;

static LAST_WORDS: Mutex<Option<LastWords>> = Mutex::new(None);

/// Ends the process at once with `code`: nothing that was registered for its end is run, and no buffer is written out.
///
/// For a process in which Lean still runs something that can't be stopped: C's `exit` would take down what that uses under its feet, and
/// end the process with a crash instead of a code.
pub fn end_process(code: i32) -> ! {
    // SAFETY: ends the process, whatever state that is in.
    unsafe { libc::_exit(code) }
}

/// A run that is not finished: as long as this is there, an `exit` from anywhere ends the process with another code than it names.
///
/// One at a time; a second one takes the place of the first.
#[derive(Debug)]
#[must_use = "the run is finished when this is dropped"]
pub struct Unfinished(());

impl Unfinished {
    /// From now on, if `exit` is called, `last_words` runs on the thread that called it, and the process ends with the code that it returns
    /// ([`UNFINISHED`], if it panics). Other threads go on meanwhile.
    pub fn new(last_words: impl FnOnce() -> i32 + Send + 'static) -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // Fails only where there is no memory left; then `exit` ends the process as it would without this.
            //
            // SAFETY: registers a function of this program, which is there until the process ends.
            let _ = unsafe { libc::atexit(at_exit) };
        });
        *lock() = Some(Box::new(last_words));
        Self(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let finished = lock().take();
        drop(finished);
    }
}

/// Called by `exit`, before whatever was registered earlier.
extern "C" fn at_exit() {
    let last_words = lock().take();
    if let Some(last_words) = last_words {
        end_process(catch_unwind(AssertUnwindSafe(last_words)).unwrap_or(UNFINISHED));
    }
}

/// Nothing under this lock panics, so poison would mean nothing.
fn lock() -> MutexGuard<'static, Option<LastWords>> {
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner)
}
