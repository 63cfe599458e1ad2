//! A child: what is sent, how long an answer may take, and what a check's end means.

mod repl;
mod talk;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cancel::CancelToken;
use crate::meter::anonymous_bytes;
use crate::protocol::{Check, ChildSettings, Done, Lines, Sandbox, child_line, line};
use crate::request::Heard;
use crate::verdict::{Cause, Death, Ending, Spent, Verdict};
use crate::zygote::{Ended, Gone, Shared};

use self::talk::{Cut, End, Phase, Step, Talk, Topic};

pub(crate) use repl::Replied;

/// How long a child that was to be killed may go on before its zygote is taken for broken.
const TO_DIE: Duration = Duration::from_secs(5);

/// A process that was forked from a zygote. Dropped, it is killed, if it has not ended.
pub(crate) struct Child {
    id: u64,
    stream: Arc<UnixStream>,
    shared: Arc<Shared>,
    lines: Lines,
    /// Files that it has checked.
    served: u32,
    /// Bytes of its own, when it was last looked.
    bytes: u64,
    sandbox: Option<Sandbox>,
}

/// How long a check may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
}

/// What came of a check in a child.
pub(crate) enum Outcome {
    /// `may_go_on`: whether the child can be given another file.
    Verdict { verdict: Verdict, may_go_on: bool },
    /// The file's header is not the zygote's.
    OtherHeader,
    /// The zygote has ended, and the child with it.
    ZygoteGone(Gone),
}

impl Child {
    pub(crate) fn new(id: u64, stream: UnixStream, shared: Arc<Shared>) -> Self {
        Self {
            id,
            stream: Arc::new(stream),
            shared,
            lines: Lines::default(),
            served: 0,
            bytes: 0,
            sandbox: None,
        }
    }

    /// Whether it is there, and says nothing while it is asked nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        let is_silent = |read: std::io::Result<usize>| read.is_err_and(|error| is_for_a_moment(&error));
        self.lines.rest().is_empty() && (self.served == 0 || is_silent((&*self.stream).read(&mut [0])))
    }

    /// Checks a file. `heard` gets what it says as it comes.
    pub(crate) fn check(
        &mut self,
        check: &Check<'_>,
        times: Times,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Outcome {
        let mut talk = Talk::new(Topic::Check(check.file), times, self.shared.limits.said, heard);
        let settings = self.shared.limits.child();
        let done = match self.ask(&line(Some("check"), check), settings, &mut talk, cancel) {
            Some(End::Check(done)) => Some(done),
            _ => None,
        };
        self.conclude(done, talk, cancel)
    }

    /// Sends a request, before the first one the child's settings, and hears what is said to it, until its end or the stream's.
    fn ask(
        &mut self,
        request: &[u8],
        settings: ChildSettings,
        talk: &mut Talk<'_>,
        cancel: &CancelToken,
    ) -> Option<End> {
        let _call = cancel.call({
            let (shared, stream, id) = (self.shared.clone(), self.stream.clone(), self.id);
            move || {
                // Nobody waits for it any more, whatever the zygote makes of the rest.
                let _ = stream.shutdown(Shutdown::Both);
                shared.kill_at_once(id);
            }
        });
        let mut to_send = Vec::new();
        if self.served == 0 {
            to_send = line(Some("child"), &settings);
        }
        to_send.extend_from_slice(request);
        self.served = self.served.saturating_add(1);
        talk.begin_until = self.sandbox.is_none().then(|| Instant::now() + self.shared.limits.patience);
        self.talk(to_send, talk)
    }

    /// Sends and reads until the answer has ended, or the stream has.
    fn talk(&mut self, mut to_send: Vec<u8>, talk: &mut Talk<'_>) -> Option<End> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            loop {
                let line = match self.lines.next(self.shared.limits.said) {
                    Ok(None) => break,
                    Ok(Some(line)) => child_line(line),
                    Err(error) => Err(error),
                };
                let line = line.map_err(|error| Cause::Protocol(error.to_string()));
                match line.and_then(|line| talk.take(line, &mut self.sandbox)) {
                    Ok(None) => {}
                    // What it says once it was to be killed came too late.
                    Ok(Some(end)) if matches!(talk.phase, Phase::Running | Phase::Cancelling) => {
                        return Some(end);
                    }
                    Ok(Some(_)) => {}
                    Err(cause) => {
                        self.kill(talk, Cut::Wrong(cause));
                        self.lines = Lines::default();
                        break;
                    }
                }
            }
            if self.sandbox.is_some() {
                talk.begin_until = None;
            } else if talk.begin_until.is_some_and(|until| Instant::now() >= until) {
                self.shared.broken("a child that it was to fork has not begun");
                return None;
            }
            if let Some(step) = talk.step() {
                match step {
                    Step::Cancel => {
                        // Behind what is still to be sent. If that is not read, the grace ends it.
                        to_send.extend_from_slice(b"cancel\n");
                    }
                    Step::Kill => self.kill(talk, Cut::Late),
                    Step::GiveUp => {
                        self.shared.broken("a child that was to be killed goes on");
                        return None;
                    }
                }
            }
            let events = if to_send.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            let ready = {
                let mut fds = vec![PollFd::from_borrowed_fd(self.stream.as_fd(), events)];
                if let (Some(interrupt), Phase::Running) = (talk.interrupt, &talk.phase) {
                    fds.push(PollFd::from_borrowed_fd(interrupt.as_fd(), PollFlags::IN));
                }
                let until = talk.until.into_iter().chain(talk.begin_until).min();
                let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
                match poll(&mut fds, timeout.as_ref()) {
                    Ok(_) => fds[0].revents(),
                    Err(_) => PollFlags::empty(),
                }
            };
            if ready.contains(PollFlags::OUT) && !to_send.is_empty() {
                match (&*self.stream).write(&to_send) {
                    Ok(bytes) => drop(to_send.drain(..bytes)),
                    Err(error) if is_for_a_moment(&error) => {}
                    // It has ended: what it said before is still to be read.
                    Err(_) => to_send.clear(),
                }
            }
            if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                match (&*self.stream).read(&mut buffer) {
                    Ok(0) => return None,
                    Ok(bytes) if matches!(talk.phase, Phase::Running | Phase::Cancelling) => {
                        self.lines.push(&buffer[..bytes]);
                    }
                    Ok(_) => {}
                    Err(error) if is_for_a_moment(&error) => {}
                    Err(_) => return None,
                }
            }
        }
    }

    fn kill(&self, talk: &mut Talk<'_>, cut: Cut) {
        if matches!(talk.phase, Phase::Running | Phase::Cancelling) {
            self.shared.kill(self.id);
            talk.phase = Phase::Killed(cut);
            talk.until = Some(Instant::now() + TO_DIE);
        }
    }

    fn conclude(&mut self, done: Option<Done>, talk: Talk<'_>, cancel: &CancelToken) -> Outcome {
        let Talk { phase, messages, records, output, .. } = talk;
        let has_errors = done.as_ref().is_some_and(|done| done.errors > 0 || done.max_errors);
        let spent = done.as_ref().map(|done| Spent { micros: done.micros, cpu_micros: done.cpu_micros });
        let was_late = matches!(phase, Phase::Cancelling);
        let (ending, may_go_on) = match (done, phase) {
            (Some(Done { failure: Some(failure), .. }), _)
                if failure == "another header than the zygote's" =>
            {
                return Outcome::OtherHeader;
            }
            (Some(Done { failure: Some(failure), .. }), _) => (Ending::Failed(failure), true),
            (Some(Done { cancelled: true, .. }), _) if was_late => {
                (Ending::TimedOut { killed: false }, false)
            }
            // Nobody has cancelled it but something in the file: SIGTERM does so.
            (Some(Done { cancelled: true, .. }), _) => {
                (Ending::Died(Death::without_words(Cause::Signal(15))), false)
            }
            (Some(_), _) => (Ending::Done, self.may_go_on()),
            (None, _) if cancel.is_cancelled() => (Ending::Cancelled, false),
            (None, Phase::Killed(cut) | Phase::Stuck(cut)) => match cut {
                Cut::Late => (Ending::TimedOut { killed: true }, false),
                Cut::Wrong(cause) => (Ending::Died(Death::without_words(cause)), false),
            },
            (None, _) => match self.death() {
                Ok(death) => (Ending::Died(death), false),
                Err(gone) => return Outcome::ZygoteGone(gone),
            },
        };
        let verdict = Verdict { messages, records, has_errors, spent, output, ending, sandbox: self.sandbox };
        Outcome::Verdict { verdict, may_go_on }
    }

    fn may_go_on(&mut self) -> bool {
        if let Some(now) = self.shared.pid(self.id).and_then(anonymous_bytes) {
            let own = now.saturating_sub(self.shared.at_fork());
            self.shared.grown(self.bytes, own);
            self.bytes = own;
        }
        self.shared.limits.allow_another(self.served, self.bytes)
    }

    fn death(&self) -> Result<Death, Gone> {
        let limits = &self.shared.limits;
        match self.shared.end_of(self.id)? {
            Some(Ended::Exit(exit)) => Ok(Death::of(&exit, limits.memory, limits.cpu)),
            Some(Ended::NoFork) => Ok(Death::without_words(Cause::NoFork)),
            None => Ok(Death::without_words(Cause::Unknown)),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.shared.forget(self.id, self.bytes);
    }
}

fn is_for_a_moment(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
