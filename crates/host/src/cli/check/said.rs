//! What was said of a file, so that nothing is said twice: a verdict repeats what came before it, and so does a check that begins again.

use leanpool::lean_worker::{Message, Record};
use serde_json::Value;

use super::report::is_error;

/// What was said of a file.
#[derive(Default)]
pub(super) struct Said {
    messages: Vec<Message>,
    records: Vec<Record>,
    /// How many of them the check that runs has said.
    again: (usize, usize),
    pub(super) errors: u64,
}

/// Something to print.
pub(super) enum Thing {
    Message(Message),
    Record(Record),
    End(Value),
    Output(String),
}

impl Thing {
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Self::Message(message) if is_error(message))
    }
}

impl Said {
    /// From here on all of it may come once more.
    pub(super) fn begin_again(&mut self) {
        self.again = (0, 0);
    }

    /// What is there already is passed over: it was said by a check that began again, or before the verdict.
    pub(super) fn message(&mut self, message: &Message, to_print: &mut Vec<Thing>) {
        if self.messages.get(self.again.0) != Some(message) {
            self.messages.truncate(self.again.0);
            self.messages.push(message.clone());
            to_print.push(Thing::Message(message.clone()));
        }
        self.again.0 += 1;
    }

    pub(super) fn record(&mut self, record: &Record, to_print: &mut Vec<Thing>) {
        if self.records.get(self.again.1) != Some(record) {
            self.records.truncate(self.again.1);
            self.records.push(record.clone());
            to_print.push(Thing::Record(record.clone()));
        }
        self.again.1 += 1;
    }
}
