//! What a verdict comes to, in a word, in words, and in numbers. No input and output.

use lean_worker::{Ending, Message, Severity};

use crate::engine::Checked;

/// How a check ended, as one word.
#[must_use]
pub fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::BadHeader => "bad-header",
        Ending::TimedOut { .. } => "timed-out",
        Ending::Cancelled | Ending::NotBegun => "cancelled",
        Ending::Died(_) => "died",
        _ => "failed",
    }
}

/// All that [`word`] can be.
pub const WORDS: [&str; 6] = ["done", "bad-header", "timed-out", "cancelled", "died", "failed"];

/// Why a file was not elaborated to its end, in words; nothing if it was, or where Lean's messages say it. What a time-out says is what clients of
/// the known server look for: "timed out".
#[must_use]
pub fn reason(checked: &Checked) -> Option<String> {
    match &checked.verdict.ending {
        Ending::Done | Ending::BadHeader => None,
        Ending::TimedOut { .. } => {
            Some(format!("Lean REPL command timed out in {:?} seconds", checked.timeout.as_secs_f64()))
        }
        Ending::Cancelled | Ending::NotBegun => {
            Some("cancelled: the service was stopped before this check was done".to_owned())
        }
        Ending::Died(death) => Some(death.to_string()),
        Ending::Failed(words) => Some(words.clone()),
        _ => Some("it ended in a way that is not known here".to_owned()),
    }
}

/// How many errors Lean has reported.
#[must_use]
pub fn errors(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.severity == Severity::Error).count()
}

/// Whether the whole file was elaborated without an error. It says nothing of axioms or `sorry`.
#[must_use]
pub fn is_ok(checked: &Checked) -> bool {
    checked.verdict.is_ok()
}

/// The name of a severity, as the REPL has it.
#[must_use]
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Information => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}
