//! Sessions of the REPL in a service: how many there may be, and a thread for each.
//!
//! Their clients may be anywhere: no request of theirs names a file, and no header of theirs a path.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lean_worker::{CancelToken, CheckTimes, Interrupt, Session, Surroundings, Workers};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::names;

/// What a request counts beside its own bytes, where it waits.
const EACH: usize = 1024;
/// Answers that may lie ready for a client. Each may be as long as `--max-output`, so there are few.
const READY: usize = 1;
/// How long sessions may take to end once they are told to: what runs is killed at once.
const TO_END: Duration = Duration::from_secs(5);

/// Sessions of the REPL. They have workers of their own: a session keeps its imports as long as it lasts, and no check is to wait for that.
#[derive(Clone)]
pub struct Sessions {
    workers: Arc<Workers>,
    room: Arc<Semaphore>,
    most: u32,
    folder: PathBuf,
    times: CheckTimes,
    /// Whether all of them are to end now.
    over: Arc<watch::Sender<bool>>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// There are as many as may be.
    #[error("{0} sessions run, as many as may (--max-sessions): come again later")]
    Full(u32),
    /// The system does not give what one needs.
    #[error("no session can be begun: {0}")]
    Failed(#[from] std::io::Error),
}

/// The place of a session that may begin.
pub(crate) type Place = OwnedSemaphorePermit;

/// A session that runs on a thread of its own. Dropped, it ends, and what it has running is killed.
pub(crate) struct Running {
    /// Answers, in the order of the requests; `None` once it has ended.
    pub(crate) answers: Receiver<String>,
    requests: Sender<String>,
    /// Bytes of the requests that wait for the one that runs.
    waiting: Arc<AtomicUsize>,
    interrupt: Interrupt,
    cancel: CancelToken,
    over: watch::Receiver<bool>,
}

impl Sessions {
    /// At most so many. `folder` is where their processes work; `times` is what a request may take.
    #[must_use]
    pub fn new(workers: Workers, most: usize, folder: PathBuf, times: CheckTimes) -> Self {
        let workers = Arc::new(workers.with_headers_that(names::check));
        let most = u32::try_from(most).unwrap_or(u32::MAX).min(1 << 20);
        let room = Arc::new(Semaphore::new(most as usize));
        Self { workers, room, most, folder, times, over: Arc::new(watch::channel(false).0) }
    }

    /// Those who serve them, to be lent to other processes, too.
    #[must_use]
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// Room for one more.
    pub(crate) fn place(&self) -> Result<Place, NoSession> {
        self.room.clone().try_acquire_owned().map_err(|_| NoSession::Full(self.most))
    }

    pub(crate) fn begin(&self, place: Place, around: Arc<Surroundings>) -> Result<Running, NoSession> {
        let cancel = CancelToken::new();
        let session = Session::new(self.workers.clone(), around, &self.folder, self.times, cancel.clone())?;
        let mut session = session.without_files();
        let interrupt = session.interrupt();
        let (requests, asked) = mpsc::channel::<String>();
        let (tell, answers) = channel(READY);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        std::thread::Builder::new().name("repl".to_owned()).spawn(move || {
            while let Ok(request) = asked.recv() {
                left.fetch_sub(request.len() + EACH, Ordering::Relaxed);
                if tell.blocking_send(session.answer(&request)).is_err() {
                    break;
                }
            }
            // Its place is free once its processes are gone, however long that takes.
            drop(session);
            drop(place);
        })?;
        Ok(Running { answers, requests, waiting, interrupt, cancel, over: self.over.subscribe() })
    }

    /// Waits until all sessions have ended, each once it has answered what it was asked: by itself within `grace`, or else broken off. That they are to
    /// end they have been told by whoever calls this.
    pub(crate) async fn stop(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.room.acquire_many(self.most)).await.is_err() {
            self.over.send_replace(true);
            let _ = tokio::time::timeout(TO_END, self.room.acquire_many(self.most)).await;
        }
    }
}

impl Running {
    /// Takes a request, if no more than `most` bytes wait then. One alone is always taken.
    pub(crate) fn ask(&self, request: String, most: usize) -> Result<(), &'static str> {
        let (bytes, waiting) = (request.len() + EACH, self.waiting.load(Ordering::Relaxed));
        if waiting > 0 && waiting + bytes > most {
            return Err("too many requests wait for the one that runs (--max-body): wait for answers");
        }
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.interrupt.expect();
        self.requests.send(request).map_err(|_| "the session has ended")
    }

    /// Asks the request that runs to come back.
    pub(crate) fn interrupt(&self) {
        // Where nothing runs, nothing is to be done.
        let _ = self.interrupt.ask();
    }

    /// Ends when the session is to end at once.
    pub(crate) fn is_over(&self) -> impl Future<Output = ()> + use<> {
        let mut over = self.over.clone();
        async move {
            let _ = over.wait_for(|is_over| *is_over).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
