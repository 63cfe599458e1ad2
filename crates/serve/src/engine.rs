//! Threads that check what is next, and answer whoever asked. Every check that was accepted is answered once.

mod job;
mod ticket;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lean_worker::{CancelToken, File, Workers, ZygoteInfo};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use crate::live::Live;
use crate::metrics::Metrics;
use crate::names;
use crate::queue::{Client, FairQueue, Full, Request, Taken};
use crate::settings::Settings;
use job::{Ask, Job};
pub use job::{Checked, Event, Wish};
pub use ticket::Ticket;

/// How long what was told to end may take to do so: a check is killed at once, a zygote within a second.
const TO_END: Duration = Duration::from_secs(5);

/// A service's checks. Clones are the same one.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

pub(crate) struct Inner {
    state: Mutex<State>,
    has_work: Condvar,
    is_idle: Notify,
    workers: Workers,
    settings: Settings,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct State {
    queue: FairQueue<Job>,
    stage: Stage,
    next: Request,
    running: usize,
    /// Of the requests that have checks waiting or running.
    tokens: HashMap<Request, CancelToken>,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It imports what it was told to import first, and takes requests.
    Starting,
    /// It takes requests.
    Open,
    /// It takes no request, and finishes those that it has.
    Stopping,
    /// Its threads end.
    Ended,
}

/// Why a request was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no room for all of its checks.
    #[error("{} checks are waiting, of {} that may (--max-queue): come again later", .0.waiting, .0.most)]
    Full(Full),
    /// The service stops.
    #[error("the service stops: ask another one, or come again later")]
    Stopping,
}

/// How many checks there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Checks that wait.
    pub waiting: usize,
    /// Checks that run.
    pub running: usize,
    /// Clients that have some.
    pub clients: usize,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: Settings, workers: Workers) -> std::io::Result<Self> {
        let inner = Arc::new(Inner {
            state: Mutex::new(State {
                queue: FairQueue::new(settings.bounds.queue),
                stage: Stage::Starting,
                next: 0,
                running: 0,
                tokens: HashMap::new(),
            }),
            has_work: Condvar::new(),
            is_idle: Notify::new(),
            workers: workers.with_headers_that(names::check),
            live: Live::default(),
            metrics: Metrics::new(),
            threads: Mutex::default(),
            settings,
        });
        let engine = Self(inner.clone());
        for number in 0..inner.settings.jobs {
            let this = inner.clone();
            let thread =
                std::thread::Builder::new().name(format!("check-{number}")).spawn(move || this.work());
            match thread {
                Ok(thread) => {
                    inner.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                }
                Err(error) => {
                    engine.end();
                    return Err(error);
                }
            }
        }
        Ok(engine)
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Has all of `files` checked, or none. Dropping the ticket before its end cancels what is left.
    ///
    /// # Errors
    /// There is no room, or the service stops.
    pub fn submit(&self, client: &Client, files: Vec<(File, usize)>, wish: Wish) -> Result<Ticket, Refused> {
        let (tell, events) = unbounded_channel();
        let ask = Arc::new(Ask::new(wish, self.settings(), tell));
        let since = Instant::now();
        let left = files.len();
        let mut jobs: Vec<Job> = files
            .into_iter()
            .enumerate()
            .map(|(index, (file, site))| Job::new(index, file, site, ask.clone(), since))
            .collect();
        job::one_header_after_the_other(&mut jobs);
        let mut state = self.0.lock();
        if state.stage >= Stage::Stopping {
            return Err(Refused::Stopping);
        }
        state.next += 1;
        let request = state.next;
        state.queue.push(client, request, jobs).map_err(Refused::Full)?;
        if left > 0 {
            state.tokens.insert(request, ask.cancel.clone());
        }
        drop(state);
        if left == 1 {
            self.0.has_work.notify_one();
        } else {
            self.0.has_work.notify_all();
        }
        Ok(Ticket::new(self.clone(), request, ask.cancel.clone(), events, left))
    }

    /// Nobody waits for what is left of a request.
    fn give_up(&self, request: Request, cancel: &CancelToken) {
        let removed = {
            let mut state = self.0.lock();
            let removed = state.queue.remove(request);
            state.tokens.remove(&request);
            self.0.note_idle(&state);
            removed
        };
        self.0.metrics.gave_up(removed.len());
        drop(removed);
        // Outside the lock: what runs is told to end.
        cancel.cancel();
    }

    /// All of a request was answered.
    fn forget(&self, request: Request) {
        self.0.lock().tokens.remove(&request);
    }

    /// How many checks there are.
    #[must_use]
    pub fn load(&self) -> Load {
        let state = self.0.lock();
        Load { waiting: state.queue.waiting(), running: state.running, clients: state.queue.clients() }
    }

    /// How far the service is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.lock().stage
    }

    /// What was to be imported first has been.
    pub fn open(&self) {
        let mut state = self.0.lock();
        if state.stage == Stage::Starting {
            state.stage = Stage::Open;
        }
    }

    /// Takes no further request. Returns once all checks that were accepted have been answered: by themselves within `grace`, or else
    /// as cancelled.
    pub async fn stop(&self, grace: Duration) {
        {
            let mut state = self.0.lock();
            state.stage = state.stage.max(Stage::Stopping);
        }
        if tokio::time::timeout(grace, self.idle()).await.is_err() {
            let tokens: Vec<CancelToken> = self.0.lock().tokens.values().cloned().collect();
            tokens.iter().for_each(CancelToken::cancel);
            let _ = tokio::time::timeout(TO_END, self.idle()).await;
        }
    }

    async fn idle(&self) {
        loop {
            let notified = self.0.is_idle.notified();
            tokio::pin!(notified);
            // From here on no notice is missed.
            notified.as_mut().enable();
            if self.0.lock().is_idle() {
                return;
            }
            notified.await;
        }
    }

    /// Ends the threads, once each has ended its check. To be called when the service has stopped.
    pub fn end(&self) {
        self.0.lock().stage = Stage::Ended;
        self.0.has_work.notify_all();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // What panicked there has been said.
            let _ = thread.join();
        }
    }

    /// How many checks have ended since the start.
    #[must_use]
    pub fn live_checks(&self) -> u64 {
        self.0.live.checks()
    }

    /// The zygotes that there are.
    #[must_use]
    pub fn zygotes(&self) -> Vec<ZygoteInfo> {
        self.0.workers.zygotes()
    }

    /// What the workers have done.
    #[must_use]
    pub fn worker_stats(&self) -> lean_worker::Stats {
        self.0.workers.stats()
    }

    /// Ends zygotes: see [`Workers::evict`].
    pub fn evict(&self, is_meant: impl FnMut(&lean_worker::Header) -> bool) -> usize {
        self.0.workers.evict(is_meant)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.queue.waiting() == 0
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_idle(&self, state: &State) {
        if state.is_idle() {
            self.is_idle.notify_waiters();
        }
    }

    /// What each thread does.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(Taken { client, request, item }) = state.queue.pop() {
                state.running += 1;
                drop(state);
                // A fault of ours is one check's, not the thread's.
                let checked = catch_unwind(AssertUnwindSafe(|| item.check(&self.workers, &self.settings)));
                let checked = checked.unwrap_or_else(|_| item.failed());
                self.metrics.checked(&checked);
                self.live.checked(&item.file.name, &checked);
                item.answer(checked);
                state = self.lock();
                state.running -= 1;
                state.queue.ended(&client, request);
                self.note_idle(&state);
            } else if state.stage == Stage::Ended {
                return;
            } else {
                state = self.has_work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}
