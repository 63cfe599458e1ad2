//! The threads that check files, and what comes of it where one of them never comes back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lean_backend::LeanResult;

use super::{Common, FileReport, InHand, Outcome, joined, spawn};

/// What a thread says.
pub(super) enum Said {
    /// What came of a file.
    Report(FileReport),
    /// It has ended.
    Ended,
}

/// Hears what the threads say.
pub(super) struct Watch {
    run: Common,
    workers: Vec<JoinHandle<LeanResult<()>>>,
    said: Receiver<Said>,
    /// How many have not ended, and how many of these have a file that is overdue.
    running: usize,
    overdue: usize,
    /// Which files were reported.
    reported: Vec<bool>,
    /// Since a file is overdue: until when the others may come back.
    until: Option<Instant>,
}

impl Watch {
    /// Starts the threads. They are not waited for if one never ends, so all that they use is their own.
    pub(super) fn begin(run: &Common, jobs: usize, in_hand: &InHand) -> LeanResult<Self> {
        let (sender, said) = channel();
        let workers = spawn(jobs, |thread| {
            let (run, in_hand, sender) = (Arc::clone(run), in_hand.clone(), sender.clone());
            thread.spawn(move || {
                let ended = Ended(sender.clone());
                let worked = work(&run, &in_hand, &sender);
                drop(ended);
                worked
            })
        })?;
        let reported = vec![false; run.files.len()];
        let (running, run) = (workers.len(), Arc::clone(run));
        Ok(Self { run, workers, said, running, overdue: 0, reported, until: None })
    }

    /// The next report; `None` if there will be no more.
    pub(super) fn next(&mut self) -> Option<FileReport> {
        while self.running > self.overdue {
            let said = match self.until {
                None => self.said.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => self.said.recv_timeout(until.saturating_duration_since(Instant::now())),
            };
            match said {
                Ok(Said::Report(report)) => {
                    let was_reported = std::mem::replace(&mut self.reported[report.place], true);
                    match report.outcome {
                        Outcome::Overdue => self.stop(),
                        // It was overdue, and has come back after all.
                        _ if was_reported => self.overdue -= 1,
                        _ => {}
                    }
                    if !was_reported {
                        return Some(report);
                    }
                }
                Ok(Said::Ended) => self.running -= 1,
                Err(_) => break,
            }
        }
        let place = self.reported.iter().position(|reported| !reported)?;
        self.reported[place] = true;
        Some(FileReport { place, outcome: Outcome::Cancelled })
    }

    /// Whether a thread is left that never ends. Otherwise waits for all.
    pub(super) fn end(self) -> LeanResult<bool> {
        if self.running > 0 {
            return Ok(true);
        }
        joined(self.workers.into_iter().map(JoinHandle::join))?;
        Ok(false)
    }

    /// No further file is begun. The overdue one holds imports back for ever, and with them perhaps others.
    fn stop(&mut self) {
        self.run.stop();
        let each = self.run.settings.timeout.unwrap_or(Duration::ZERO) + self.run.settings.grace;
        self.until.get_or_insert(Instant::now() + each);
        self.overdue += 1;
    }
}

/// Says that the thread has ended, also if it panicked.
struct Ended(Sender<Said>);

impl Drop for Ended {
    fn drop(&mut self) {
        // If nobody listens any more, nobody wants to know.
        let _ = self.0.send(Said::Ended);
    }
}

/// Checks one file after the other, until there are no more.
fn work(run: &Common, in_hand: &InHand, sender: &Sender<Said>) -> LeanResult<()> {
    run.runtime.run(|_| {
        // Each file's lease is kept until the next file is chosen, and a lease is taken together with the choice: so between
        // two files of a group there is always one out, and none is evicted that the next one needs.
        let mut last = None;
        while let Some(turn) = run.next() {
            drop(last);
            let place = turn.place;
            let taken = in_hand.take(place);
            let tell = || drop(sender.send(Said::Report(FileReport { place, outcome: Outcome::Overdue })));
            let (outcome, lease) = run.check(turn, &tell);
            drop(taken);
            last = lease;
            // If nobody listens any more, there is no need to go on.
            if sender.send(Said::Report(FileReport { place, outcome })).is_err() {
                break;
            }
        }
    })
}
