//! Sessions of the REPL in a service: how many there may be, and a thread for each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use lean_worker::{CancelToken, CheckTimes, Interrupt, Session, Surroundings, Workers};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of one session's requests, so many may wait for the one that runs.
const MOST_WAITING: usize = 1000;
/// Answers that may lie ready for a client.
const READY: usize = 16;

/// Sessions of the REPL. They have workers of their own: a session keeps its imports as long as it lasts, and no check is to wait for that.
#[derive(Clone)]
pub struct Sessions {
    workers: Arc<Workers>,
    room: Arc<Semaphore>,
    most: usize,
    folder: PathBuf,
    times: CheckTimes,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum NoSession {
    /// There are as many as may be.
    #[error("{0} sessions run, as many as may (--max-sessions): come again later")]
    Full(usize),
    /// The system does not give what one needs.
    #[error("no session can be begun: {0}")]
    Failed(#[from] std::io::Error),
}

/// A session that runs on a thread of its own. Dropped, it ends, and what it has running is killed.
pub(crate) struct Running {
    /// Answers, in the order of the requests; `None` once it has ended.
    pub(crate) answers: Receiver<String>,
    requests: SyncSender<String>,
    interrupt: Interrupt,
    cancel: CancelToken,
    _place: OwnedSemaphorePermit,
}

impl Sessions {
    /// At most so many. `folder` is where paths in requests begin; `times` is what a request may take.
    #[must_use]
    pub fn new(workers: Arc<Workers>, most: usize, folder: PathBuf, times: CheckTimes) -> Self {
        Self { workers, room: Arc::new(Semaphore::new(most)), most, folder, times }
    }

    /// Those who serve them, to be lent to other processes, too.
    #[must_use]
    pub fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    pub(crate) fn begin(&self, around: Arc<Surroundings>) -> Result<Running, NoSession> {
        let place = self.room.clone().try_acquire_owned().map_err(|_| NoSession::Full(self.most))?;
        let cancel = CancelToken::new();
        let mut session =
            Session::new(self.workers.clone(), around, &self.folder, self.times, cancel.clone())?;
        let interrupt = session.interrupt();
        let (requests, asked) = sync_channel::<String>(MOST_WAITING);
        let (tell, answers) = channel(READY);
        std::thread::Builder::new().name("repl".to_owned()).spawn(move || {
            while let Ok(request) = asked.recv() {
                if tell.blocking_send(session.answer(&request)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Running { answers, requests, interrupt, cancel, _place: place })
    }
}

impl Running {
    /// Takes a request. An error in words if too many wait.
    pub(crate) fn ask(&self, request: String) -> Result<(), String> {
        self.interrupt.expect();
        match self.requests.try_send(request) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(format!("{MOST_WAITING} requests wait for the one that runs: wait for answers"))
            }
            Err(TrySendError::Disconnected(_)) => Err("the session has ended".to_owned()),
        }
    }

    /// Asks the request that runs to come back.
    pub(crate) fn interrupt(&self) {
        // Where nothing runs, nothing is to be done.
        let _ = self.interrupt.ask();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
