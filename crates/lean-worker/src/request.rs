//! What is asked for: a file to check, how long it may take, who hears of it.

use std::time::Duration;

use crate::header::Found;
use crate::protocol::Message;
use crate::verdict::{Ending, Verdict};

/// A file to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, as messages have it.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// The parts of its module's name; empty: `_stdin`, as `lean` calls a file that is nowhere.
    pub module: Vec<String>,
}

/// Something that is told while a check runs.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// Lean has said something.
    Message(&'a Message),
    /// What was said is void: the zygote has died, and the check begins again.
    Again,
}

/// How long a check may take.
#[derive(Clone, Copy, Debug)]
pub struct CheckTimes {
    /// Then it is asked to come back.
    pub timeout: Option<Duration>,
    /// So much later it is killed, if it has not come back.
    pub grace: Duration,
}

impl Default for CheckTimes {
    /// As long as it takes.
    fn default() -> Self {
        Self { timeout: None, grace: Duration::from_secs(5) }
    }
}

/// A file could not be begun, because of its header. The same holds for each file with that header.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// What Lean says of it, with places in the text that the zygote got.
    BadHeader(Vec<Message>),
    /// In words.
    Failed(String),
}

impl Refusal {
    /// The verdict of a file that has the header.
    pub(crate) fn verdict(&self, found: &Found, name: &str) -> Verdict {
        match self {
            Self::BadHeader(messages) => Verdict {
                messages: messages.iter().map(|message| message.moved(name, |at| found.place(at))).collect(),
                ..Verdict::without_messages(Ending::BadHeader)
            },
            Self::Failed(words) => Verdict::without_messages(Ending::Failed(words.clone())),
        }
    }
}
