//! Checking many files: threads that each take the next one.

use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cancel::CancelToken;
use crate::header;
use crate::schedule::Schedule;
use crate::surroundings::Surroundings;
use crate::verdict::{Ending, Verdict};
use crate::workers::{CheckTimes, File, Refusal, Workers};

/// Checks `files`, at most `jobs` at a time, and calls `each` on this thread with each one's place and verdict as soon as it is there.
///
/// Files with one header follow each other. A header that can't be imported is tried once, for all its files. Cancelling `cancel` ends what
/// runs; what was not begun has the ending [`NotBegun`](Ending::NotBegun). So every file has one verdict, unless the system gives no thread at all.
///
/// # Errors
/// The system gives no thread.
pub fn check_files(
    workers: &Workers,
    around: &Arc<Surroundings>,
    files: &[File],
    jobs: NonZero<usize>,
    times: CheckTimes,
    cancel: &CancelToken,
    mut each: impl FnMut(usize, Verdict),
) -> std::io::Result<()> {
    let found: Vec<_> = files.iter().map(|file| header::read(&file.name, &file.text)).collect();
    let schedule = Schedule::new(found.iter().map(|found| &found.header));
    let refused: Vec<OnceLock<Refusal>> = (0..schedule.groups()).map(|_| OnceLock::new()).collect();
    let schedule = Mutex::new(schedule);
    let (report, verdicts) = channel();
    let work = || {
        loop {
            let turn = schedule.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(turn) = turn else { break };
            let (file, found, refused) = (&files[turn.place], &found[turn.place], &refused[turn.group]);
            let verdict = if cancel.is_cancelled() {
                Verdict::without_messages(Ending::NotBegun)
            } else if let Some(refusal) = refused.get() {
                refusal.verdict(found, &file.name)
            } else {
                workers
                    .check_behind(around, file, found.clone(), turn.has_more, times, cancel, &mut |_| ())
                    .unwrap_or_else(|refusal| {
                        let verdict = refusal.verdict(found, &file.name);
                        let _ = refused.set(refusal);
                        verdict
                    })
            };
            // Whoever reads them waits for all.
            let _ = report.clone().send((turn.place, verdict));
        }
    };
    std::thread::scope(|scope| {
        let mut threads = 0;
        for _ in 0..jobs.get().min(files.len()) {
            // The work is the same with fewer threads, but with none.
            match std::thread::Builder::new().spawn_scoped(scope, work) {
                Ok(_) => threads += 1,
                Err(_) if threads > 0 => break,
                Err(error) => return Err(error),
            }
        }
        for _ in files {
            let Ok((place, verdict)) = verdicts.recv() else { break };
            each(place, verdict);
        }
        Ok(())
    })
}
