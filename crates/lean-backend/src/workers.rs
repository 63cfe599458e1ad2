//! The threads that Lean runs on: made here, with a large stack, attached, and kept for the life of the process.
//!
//! Kept, because each thread has a heap of its own in Lean: what one import allocated, the next one on that thread uses
//! again. The one that was busy last is taken first, so as long as nothing runs at the same time, all runs on one.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use crate::error::LeanError;
use crate::thread::{LeanThread, STACK_BYTES, Started};

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Workers that have nothing to do, the one that was busy last at the end.
type Idle = Arc<Mutex<Vec<Sender<Work>>>>;

pub(crate) struct Workers {
    idle: Idle,
    started: Started,
}

/// The order of the fields matters: were a worker to end with work in hand, whoever waits for it would hear of that after
/// the job is gone.
struct Work {
    job: Box<dyn FnOnce(&LeanThread) + Send>,
    done: Sender<()>,
}

/// Something to do when a moment comes that the work has not ended by: the earlier of two.
pub(crate) struct Deadline<'a> {
    /// That moment.
    pub(crate) at: Option<Instant>,
    /// So long after the work says that it begins. Its sender has to be the job's own: gone when the job is.
    pub(crate) after: Option<(Receiver<Instant>, Duration)>,
    pub(crate) on_passing: &'a dyn Fn(),
    /// What to do if the work has not ended so long after that.
    pub(crate) overdue: Option<Overdue<'a>>,
}

/// How long work that was to end may take to do so, and whom to tell if it does not.
#[derive(Clone, Copy)]
pub(crate) struct Overdue<'a> {
    pub(crate) grace: Duration,
    pub(crate) tell: &'a (dyn Fn() + Sync),
}

impl Deadline<'_> {
    /// Waits until the deadline has passed, or the work has ended; whether it is the former.
    fn passes(&self, is_done: &Receiver<()>) -> bool {
        let is_over = |at: Instant| {
            let left = at.saturating_duration_since(Instant::now());
            is_done.recv_timeout(left) == Err(RecvTimeoutError::Timeout)
        };
        let Some((begins, limit)) = &self.after else { return self.at.is_some_and(is_over) };
        let begun = match self.at {
            None => begins.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => begins.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match begun {
            Ok(begun) => begun.checked_add(*limit).into_iter().chain(self.at).min().is_some_and(is_over),
            Err(RecvTimeoutError::Timeout) => true,
            // It ended without having begun.
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}

impl Workers {
    /// Makes the first worker, which starts Lean before it does anything else.
    pub(crate) fn begin(
        start: impl FnOnce() -> Result<(LeanThread, Started), LeanError> + Send + 'static,
    ) -> Result<Self, LeanError> {
        let idle = Idle::default();
        let (started, has_started) = channel();
        let (sender, works) = channel();
        let own = (sender.clone(), Arc::clone(&idle));
        spawn(move || match start() {
            Ok((thread, proof)) => {
                lock(&own.1).push(sender);
                // Nobody else can be waiting before this: whoever started Lean holds the others back.
                let _ = started.send(Ok(proof));
                serve(&thread, &works, &own);
            }
            Err(error) => {
                let _ = started.send(Err(error));
                // Lean is started, and this thread is the one that it knows as the first: it stays, and does nothing.
                loop {
                    thread::park();
                }
            }
        })?;
        let ended = || LeanError::toolchain("the thread that starts Lean ended before it had started");
        let started = has_started.recv().map_err(|_| ended())??;
        Ok(Self { idle, started })
    }

    /// The proof that Lean is started.
    pub(crate) fn started(&self) -> Started {
        self.started
    }

    /// Whether the current thread is a worker.
    pub(crate) fn is_current() -> bool {
        IS_WORKER.get()
    }

    /// Runs `f` on a worker, and waits until it has ended, however long after the deadline.
    pub(crate) fn run<T: Send>(
        &self,
        f: impl FnOnce(&LeanThread) -> T + Send,
        deadline: Option<Deadline<'_>>,
    ) -> Result<T, LeanError> {
        let mut outcome: Option<Result<T, Box<dyn Any + Send>>> = None;
        let slot = &mut outcome;
        let job: Box<dyn FnOnce(&LeanThread) + Send + '_> =
            Box::new(move |thread| *slot = Some(catch_unwind(AssertUnwindSafe(|| f(thread)))));
        // SAFETY: what the job borrows outlives this call. It is gone when this call ends: `give` hands it to a worker or
        // drops it, and `wait` returns, without unwinding, only after the worker has run it or dropped it.
        let job = unsafe {
            std::mem::transmute::<
                Box<dyn FnOnce(&LeanThread) + Send + '_>,
                Box<dyn FnOnce(&LeanThread) + Send + 'static>,
            >(job)
        };
        let (done, is_done) = channel();
        self.give(Work { job, done })?;
        wait(&is_done, deadline);
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(payload)) => resume_unwind(payload),
            None => Err(LeanError::toolchain("a thread that ran Lean ended before its work was done")),
        }
    }

    fn give(&self, mut work: Work) -> Result<(), LeanError> {
        while let Some(worker) = self.next_idle() {
            match worker.send(work) {
                Ok(()) => return Ok(()),
                // That one has ended, which workers do not do; the next may be alive.
                Err(refused) => work = refused.0,
            }
        }
        let (sender, works) = channel();
        let own = (sender.clone(), Arc::clone(&self.idle));
        spawn(move || {
            let started = Started::get().expect("work is given only once Lean is started");
            serve(&started.attach(), &works, &own);
        })?;
        sender.send(work).map_err(|_| LeanError::toolchain("a thread that was to run Lean ended at once"))
    }

    fn next_idle(&self) -> Option<Sender<Work>> {
        lock(&self.idle).pop()
    }
}

/// Waits until a worker has run its job, or has dropped it. Never unwinds.
fn wait(is_done: &Receiver<()>, deadline: Option<Deadline<'_>>) {
    if let Some(deadline) = deadline {
        if deadline.passes(is_done) {
            // What goes wrong here must not end the wait; there is nobody to tell.
            let _ = catch_unwind(AssertUnwindSafe(deadline.on_passing));
            if let Some(Overdue { grace, tell }) = deadline.overdue {
                if is_done.recv_timeout(grace) == Err(RecvTimeoutError::Timeout) {
                    let _ = catch_unwind(AssertUnwindSafe(tell));
                }
            }
        }
    }
    // If it has ended already, this finds the sender gone.
    let _ = is_done.recv();
}

/// The life of a worker. Ends with the process: it holds a sender of its own.
fn serve(thread: &LeanThread, works: &Receiver<Work>, (own, idle): &(Sender<Work>, Idle)) {
    IS_WORKER.set(true);
    while let Ok(Work { job, done }) = works.recv() {
        job(thread);
        // Before the one who waits goes on: else it might find nobody idle, and make a thread that is not needed.
        lock(idle).push(own.clone());
        let _ = done.send(());
    }
}

fn spawn(body: impl FnOnce() + Send + 'static) -> Result<(), LeanError> {
    let thread = Builder::new().name("lean".to_owned()).stack_size(STACK_BYTES).spawn(body);
    thread.map(drop).map_err(|error| {
        LeanError::resource_exhausted(&format!(
            "the system gives no thread with a stack of {STACK_BYTES} bytes ({error}): raise the limits on threads and on \
             address space (`ulimit -u`, `ulimit -v`)"
        ))
    })
}

/// Nothing under this lock panics, so poison would mean nothing.
fn lock(idle: &Idle) -> std::sync::MutexGuard<'_, Vec<Sender<Work>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("idle", &lock(&self.idle).len()).finish()
    }
}
