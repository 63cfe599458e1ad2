//! Checking many files: threads that each take the next one.

use std::num::NonZero;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::cancel::CancelToken;
use crate::header;
use crate::plain::Plain;
use crate::protocol::{Message, Record};
use crate::request::{CheckTimes, File, Heard, Refusal, ToCheck};
use crate::schedule::Schedule;
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
/// SIGABRT. Plain `lean` can do that, but not tell what is asked beside messages: a policy would find nothing wrong with what it is not told of.
fn needs_lean(file: &File, verdict: &Verdict) -> bool {
    if !file.asked.extras().is_empty() {
        return false;
    }
    let Ending::Died(Death { cause: Cause::Signal(6), output }) = &verdict.ending else { return false };
    let said = |words: &[&str], text: &str| words.iter().any(|word| text.contains(word));
    said(&["uv_", "libuv"], output)
        || said(&["Std.Async", "Std.Internal.Async", "Std.Internal.UV", "Std.Net"], &file.text)
}

/// Something that is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Lean has said something; the verdict will have it, too.
    Message(Message),
    /// Something of what was asked beside messages; the verdict will have it, too.
    Record(Record),
    /// What was said of the file so far is void: its check begins again.
    Again,
    /// What came of it. There is nothing more.
    Verdict(Verdict),
}

/// Checks `files`, at most `jobs` at a time, and calls `each` on this thread with each one's place and what is known of it as soon as it is there.
///
/// Files with one header follow each other. A header that can't be imported is tried once, for all its files; where somebody killed the importing
/// process, the next file tries again. Cancelling `cancel` ends what runs; what was not begun has the ending [`NotBegun`](Ending::NotBegun). So every
/// file has one verdict, unless the system gives no thread at all.
///
/// # Errors
/// The system gives no thread.
pub fn check_files(
    engine: Engine<'_>,
    files: &[ToCheck],
    jobs: NonZero<usize>,
    times: CheckTimes,
    cancel: &CancelToken,
    mut each: impl FnMut(usize, Event),
) -> std::io::Result<()> {
    let found: Vec<_> =
        files.iter().map(|ToCheck { file, .. }| header::read(&file.name, &file.text)).collect();
    let groups = files.iter().zip(&found).map(|(file, found)| (&file.around, &found.header));
    let schedule = Schedule::new(groups);
    let refused: Vec<OnceLock<Refusal>> = (0..schedule.groups()).map(|_| OnceLock::new()).collect();
    let schedule = Mutex::new(schedule);
    let (report, events) = channel();
    let work = |report: Sender<(usize, Event)>| {
        loop {
            let turn = schedule.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(turn) = turn else { break };
            let (found, refused) = (&found[turn.place], &refused[turn.group]);
            let ToCheck { file, around } = &files[turn.place];
            // Whoever reads them waits for all.
            let tell = |event| drop(report.send((turn.place, event)));
            let verdict = if cancel.is_cancelled() {
                Verdict::without_messages(Ending::NotBegun)
            } else if let Some(refusal) = refused.get() {
                refusal.verdict(found, file)
            } else {
                let heard = &mut |heard: Heard<'_>| {
                    tell(match heard {
                        Heard::Message(message) => Event::Message(message.clone()),
                        Heard::Record(record) => Event::Record(record.clone()),
                        Heard::Again => Event::Again,
                    });
                };
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
                                heard(Heard::Again);
                                Ok(lean.check(around, file, false, times, cancel, heard))
                            }
                            (_, verdict) => verdict,
                        }
                    }
                    Engine::Lean(lean) => Ok(lean.check(around, file, turn.has_more, times, cancel, heard)),
                };
                checked.unwrap_or_else(|refusal| {
                    let verdict = refusal.verdict(found, file);
                    let _ = refused.set(refusal);
                    verdict
                })
            };
            tell(Event::Verdict(verdict));
        }
    };
    std::thread::scope(|scope| {
        let mut threads = 0;
        for _ in 0..jobs.get().min(files.len()) {
            // The work is the same with fewer threads, but with none.
            let (work, report) = (&work, report.clone());
            match std::thread::Builder::new().spawn_scoped(scope, move || work(report)) {
                Ok(_) => threads += 1,
                Err(_) if threads > 0 => break,
                Err(error) => return Err(error),
            }
        }
        // Else nobody would hear that all of them have panicked.
        drop(report);
        let mut left = files.len();
        while left > 0 {
            let Ok((place, event)) = events.recv() else { break };
            left -= usize::from(matches!(event, Event::Verdict(_)));
            each(place, event);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Asked;

    #[test]
    fn only_what_died_as_files_do_that_use_libuv_is_given_to_lean() {
        let needs = |text: &str, cause, output: &str| {
            let file = File::new("a.lean", text);
            let death = Death { cause, output: output.to_owned() };
            needs_lean(&file, &Verdict::without_messages(Ending::Died(death)))
        };
        assert!(needs("import Std.Async.TCP", Cause::Signal(6), ""));
        assert!(needs("open Foo", Cause::Signal(6), "uv_loop_init: Assertion"));
        assert!(!needs("open Foo", Cause::Signal(6), "assertion"));
        assert!(!needs("import Std.Async.TCP", Cause::Signal(11), ""));
        assert!(!needs("import Std.Async.TCP", Cause::StackOverflow, ""));
    }

    #[test]
    fn what_is_asked_beside_messages_is_not_left_out_for_files_that_use_libuv() {
        let death = || Death { cause: Cause::Signal(6), output: String::new() };
        let verdict = Verdict::without_messages(Ending::Died(death()));
        let file = |asked| File { asked, ..File::new("a.lean", "import Std.Async.TCP") };
        assert!(needs_lean(&file(Asked::default()), &verdict));
        assert!(!needs_lean(&file(Asked { axioms: true, ..Asked::default() }), &verdict));
        assert!(!needs_lean(&file(Asked { sorries: true, ..Asked::default() }), &verdict));
    }
}
