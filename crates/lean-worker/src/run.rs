//! Checking many files: threads that each take the next one.

use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cancel::CancelToken;
use crate::header;
use crate::plain::Plain;
use crate::request::{CheckTimes, File, Heard, Refusal};
use crate::schedule::Schedule;
use crate::surroundings::Surroundings;
use crate::verdict::{Cause, Death, Ending, Verdict};
#[cfg(target_os = "linux")]
use crate::workers::Workers;

/// What checks a file.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Engine<'e> {
    /// Workers.
    #[cfg(target_os = "linux")]
    Worker {
        /// They.
        workers: &'e Workers,
        /// What checks the files that no child can: those that use libuv.
        lean: Option<&'e Plain>,
    },
    /// The command `lean`.
    Lean(&'e Plain),
}

/// Whether a file died because it uses libuv, whose thread no forked process has: timers, sockets and names end such a check at once with
/// SIGABRT. Plain `lean` can do that.
fn needs_lean(file: &File, verdict: &Verdict) -> bool {
    let Ending::Died(Death { cause: Cause::Signal(6), output }) = &verdict.ending else { return false };
    let said = |words: &[&str], text: &str| words.iter().any(|word| text.contains(word));
    said(&["uv_", "libuv"], output)
        || said(&["Std.Async", "Std.Internal.Async", "Std.Internal.UV", "Std.Net"], &file.text)
}

/// Checks `files`, at most `jobs` at a time, and calls `each` on this thread with each one's place and verdict as soon as it is there.
///
/// Files with one header follow each other. A header that can't be imported is tried once, for all its files; where somebody killed the importing
/// process, the next file tries again. Cancelling `cancel` ends what
/// runs; what was not begun has the ending [`NotBegun`](Ending::NotBegun). So every file has one verdict, unless the system gives no thread at all.
///
/// # Errors
/// The system gives no thread.
pub fn check_files(
    engine: Engine<'_>,
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
                let heard = &mut |_: Heard<'_>| ();
                let checked = match engine {
                    #[cfg(target_os = "linux")]
                    Engine::Worker { workers, lean } => {
                        let verdict = workers.check_behind(
                            around,
                            file,
                            found.clone(),
                            turn.has_more,
                            times,
                            cancel,
                            heard,
                        );
                        match (lean, verdict) {
                            (Some(lean), Ok(verdict)) if needs_lean(file, &verdict) => {
                                Ok(lean.check(around, file, false, times, cancel, heard))
                            }
                            (_, verdict) => verdict,
                        }
                    }
                    Engine::Lean(lean) => Ok(lean.check(around, file, turn.has_more, times, cancel, heard)),
                };
                checked.unwrap_or_else(|refusal| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_died_as_files_do_that_use_libuv_is_given_to_lean() {
        let needs = |text: &str, cause, output: &str| {
            let file = File { name: "a.lean".to_owned(), text: text.to_owned(), module: Vec::new() };
            let death = Death { cause, output: output.to_owned() };
            needs_lean(&file, &Verdict::without_messages(Ending::Died(death)))
        };
        assert!(needs("import Std.Async.TCP", Cause::Signal(6), ""));
        assert!(needs("open Foo", Cause::Signal(6), "uv_loop_init: Assertion"));
        assert!(!needs("open Foo", Cause::Signal(6), "assertion"));
        assert!(!needs("import Std.Async.TCP", Cause::Signal(11), ""));
        assert!(!needs("import Std.Async.TCP", Cause::StackOverflow, ""));
    }
}
