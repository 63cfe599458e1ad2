//! Who answers: a session of this process, or one that another lends. And what ends the process early.

use std::error::Error;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use leanpool::lean_worker::lending::{Borrowed, Hello, Interruption, well_known_path};
use leanpool::lean_worker::{CancelToken, CheckTimes, Interrupt, Session, Surroundings};
use rustix::event::{PollFd, PollFlags, poll};

use super::super::{FAILED, interrupt};
use super::{Args, workers};

/// Who answers.
pub(super) struct Serving {
    session: Of,
    progress: Arc<Progress>,
}

enum Of {
    Own(Box<Session>),
    Lent(Borrowed),
}

/// How far the request is that came last.
#[derive(Default)]
struct Progress {
    is_running: AtomicBool,
    was_told: AtomicBool,
}

/// What asks a request to come back.
pub(super) struct Asks {
    of: AsksOf,
    progress: Arc<Progress>,
}

enum AsksOf {
    Own(Interrupt),
    Lent(Interruption),
}

impl Serving {
    pub(super) fn new(args: &Args, around: Surroundings) -> Result<Self, Box<dyn Error>> {
        let folder = std::env::current_dir()?;
        let hello = Hello { around, folder, timeout: args.timeout, grace: args.grace };
        let of = |session| Self { session, progress: Arc::default() };
        if let Some(path) = &args.connect {
            return Ok(of(Of::Lent(Borrowed::new(path, &hello)?)));
        }
        let known = well_known_path().filter(|_| !args.alone);
        // One that can't be had there is no reason to have none.
        if let Some(session) = known.and_then(|path| Borrowed::new(&path, &hello).ok()) {
            return Ok(of(Of::Lent(session)));
        }
        let Hello { around, folder, timeout, grace } = hello;
        let times = CheckTimes { timeout, grace };
        let session =
            Session::new(Arc::new(workers(args)), Arc::new(around), &folder, times, CancelToken::new())?;
        Ok(of(Of::Own(Box::new(session))))
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// The one who lends the session has ended.
    pub(super) fn answer(&mut self, request: &str) -> io::Result<String> {
        self.progress.was_told.store(false, Ordering::Relaxed);
        self.progress.is_running.store(true, Ordering::Relaxed);
        let answer = match &mut self.session {
            Of::Own(session) => Ok(session.answer(request)),
            Of::Lent(session) => session.answer(request).map_err(|error| {
                io::Error::other(format!(
                    "the process that lends this session has ended, and all states with it ({error}): start the REPL again"
                ))
            }),
        };
        self.progress.is_running.store(false, Ordering::Relaxed);
        answer
    }

    pub(super) fn asks(&self) -> Asks {
        let of = match &self.session {
            Of::Own(session) => AsksOf::Own(session.interrupt()),
            Of::Lent(session) => AsksOf::Lent(session.interruption()),
        };
        Asks { of, progress: self.progress.clone() }
    }
}

impl Asks {
    /// Asks the request that runs to come back; `false` if none runs, or if it was asked before.
    fn ask(&self) -> bool {
        if !self.progress.is_running.load(Ordering::Relaxed)
            || self.progress.was_told.swap(true, Ordering::Relaxed)
        {
            return false;
        }
        match &self.of {
            AsksOf::Own(interrupt) => interrupt.ask(),
            AsksOf::Lent(interruption) => interruption.ask().is_ok(),
        }
    }
}

/// Ctrl-C ends a request, if one runs that was not told before; everything else ends the process. What it has started sees its sockets closed.
pub(super) fn obey_signals(asks: Asks) -> io::Result<()> {
    interrupt::on_signal(move |code| {
        if code != interrupt::INTERRUPTED || !asks.ask() {
            std::process::exit(code.into());
        }
    })
}

/// Ends the process once nobody can read its answers any more, also while a request runs.
pub(super) fn end_when_nobody_reads() -> io::Result<()> {
    let watch = || {
        let out = io::stdout();
        loop {
            let mut fds = [PollFd::from_borrowed_fd(out.as_fd(), PollFlags::empty())];
            if poll(&mut fds, None).is_ok_and(|ready| ready > 0) {
                std::process::exit(FAILED.into());
            }
        }
    };
    Builder::new().name("reader's end".to_owned()).spawn(watch).map(drop)
}
