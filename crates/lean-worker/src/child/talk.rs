//! What a child says to a request: what may come, what it adds up to, and what has to be done when.

use std::time::Instant;

use super::Times;
use crate::interrupt::Interrupt;
use crate::protocol::{Answered, ChildLine, Done, Malformed, Message, Record, Sandbox};
use crate::request::Heard;
use crate::verdict::Cause;

/// What is asked of a child.
#[derive(Clone, Copy)]
pub(super) enum Topic<'a> {
    /// The check of a file with this name.
    Check(&'a str),
    Repl,
}

/// How an answer ends.
pub(super) enum End {
    Check(Done),
    Repl(Answered),
}

/// How far the end of a check has been seen to.
pub(super) enum Phase {
    Running,
    Cancelling,
    Killed(Cut),
    /// It was killed, and does not end.
    Stuck(Cut),
}

/// Why it was killed.
#[derive(Clone)]
pub(super) enum Cut {
    Late,
    Wrong(Cause),
}

/// What was said to a request, and until when something has to happen.
pub(super) struct Talk<'a> {
    pub(super) topic: Topic<'a>,
    pub(super) times: Times,
    /// What asks for an early end.
    pub(super) interrupt: Option<&'a Interrupt>,
    pub(super) said_at_most: u64,
    pub(super) heard: &'a mut dyn FnMut(Heard<'_>),
    pub(super) phase: Phase,
    pub(super) until: Option<Instant>,
    /// Until when the child has to say that it has begun.
    pub(super) begin_until: Option<Instant>,
    pub(super) messages: Vec<Message>,
    pub(super) records: Vec<Record>,
    pub(super) output: String,
    pub(super) bytes: u64,
}

pub(super) enum Step {
    Cancel,
    Kill,
    GiveUp,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        topic: Topic<'a>,
        times: Times,
        said_at_most: u64,
        heard: &'a mut dyn FnMut(Heard<'_>),
    ) -> Self {
        let until = times.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self {
            topic,
            times,
            interrupt: None,
            said_at_most,
            heard,
            phase: Phase::Running,
            until,
            begin_until: None,
            messages: Vec::new(),
            records: Vec::new(),
            output: String::new(),
            bytes: 0,
        }
    }

    /// Takes what was said. The answer's end, or why the child is to be killed.
    pub(super) fn take(
        &mut self,
        line: ChildLine,
        sandbox: &mut Option<Sandbox>,
    ) -> Result<Option<End>, Cause> {
        let wrong = |what, said: &str| Cause::Protocol(Malformed::new(what, said.as_bytes()).to_string());
        let is_ours = |file: Option<&str>| match (self.topic, file) {
            (Topic::Check(ours), Some(file)) if file == ours => Ok(()),
            (Topic::Repl, None) => Ok(()),
            (_, file) => Err(wrong("what it says is of another file", file.unwrap_or("none"))),
        };
        match line {
            ChildLine::Message(message) if matches!(self.topic, Topic::Repl) => {
                return Err(wrong("a message that was not asked for", &message.json));
            }
            ChildLine::Message(message) => {
                self.bytes += message.json.len() as u64;
                (self.heard)(Heard::Message(&message));
                self.messages.push(message);
            }
            ChildLine::Record { file, record, bytes } => {
                is_ours(Some(&file))?;
                self.bytes += bytes;
                (self.heard)(Heard::Record(&record));
                self.records.push(record);
            }
            ChildLine::Output { file, text } => {
                is_ours(file.as_deref())?;
                self.bytes += text.len() as u64;
                self.output.push_str(&text);
            }
            ChildLine::Begun(begun) => *sandbox = Some(begun),
            ChildLine::Failed { error } if matches!(self.topic, Topic::Repl) => {
                return Err(Cause::Protocol(format!(
                    "this worker understands no requests of the REPL ({error})"
                )));
            }
            ChildLine::Failed { error } => return Err(Cause::Protocol(error)),
            ChildLine::Done(done) => {
                is_ours(Some(&done.file))?;
                return Ok(Some(End::Check(done)));
            }
            ChildLine::Repl(answered) => {
                is_ours(None)?;
                return Ok(Some(End::Repl(answered)));
            }
        }
        if self.bytes > self.said_at_most { Err(Cause::Flood) } else { Ok(None) }
    }

    /// What is to be done now, because the time for something is over.
    pub(super) fn step(&mut self) -> Option<Step> {
        if matches!(self.phase, Phase::Running) && self.interrupt.is_some_and(Interrupt::is_asked) {
            self.phase = Phase::Cancelling;
            self.until = Instant::now().checked_add(self.times.grace);
            return Some(Step::Cancel);
        }
        let until = self.until?;
        if Instant::now() < until {
            return None;
        }
        match &self.phase {
            Phase::Running => {
                self.phase = Phase::Cancelling;
                self.until = until.checked_add(self.times.grace);
                Some(Step::Cancel)
            }
            Phase::Cancelling => Some(Step::Kill),
            Phase::Killed(cut) => {
                self.phase = Phase::Stuck(cut.clone());
                Some(Step::GiveUp)
            }
            Phase::Stuck(_) => None,
        }
    }
}
