//! What a check found, and how Lean's answer is read.

use std::fmt;

use serde::Deserialize;

use crate::cancel::{Ended, Interruption};
use crate::error::LeanError;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What Lean says, in the order of the source's commands.
    pub diagnostics: Vec<LeanDiagnostic>,
    /// Whether it came to the end of the source.
    pub ended: Ended,
}

impl Checked {
    /// Whether all of the source was looked at and no error was found. (Warnings are none: see [`LeanSeverity`].)
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ended == Ended::Complete && self.errors() == 0
    }

    /// How many errors were found.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == LeanSeverity::Error).count()
    }
}

/// One thing that Lean says of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeanDiagnostic {
    severity: LeanSeverity,
    position: LeanPosition,
    message: String,
}

impl LeanDiagnostic {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> LeanSeverity {
        self.severity
    }

    /// Where.
    #[must_use]
    pub fn position(&self) -> LeanPosition {
        self.position
    }

    /// What Lean says; one line or several.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeanSeverity {
    /// An answer, such as of `#check`.
    #[serde(rename = "information")]
    Info,
    /// Something to look at.
    Warning,
    /// The source is wrong.
    Error,
}

impl LeanSeverity {
    /// `info`, `warning` or `error`, as the command `lean` says.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for LeanSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in a source: lines count from 1, columns from 0 and in characters, as Lean counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeanPosition {
    start: Point,
    end: Option<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Point {
    line: u64,
    column: u64,
}

impl LeanPosition {
    /// The line of its beginning, from 1.
    #[must_use]
    pub fn line(self) -> u64 {
        self.start.line
    }

    /// The column of its beginning, in characters, from 0.
    #[must_use]
    pub fn column(self) -> u64 {
        self.start.column
    }

    /// The line of its end, if Lean says where it ends.
    #[must_use]
    pub fn end_line(self) -> Option<u64> {
        self.end.map(|end| end.line)
    }

    /// The column of its end, if Lean says where it ends.
    #[must_use]
    pub fn end_column(self) -> Option<u64> {
        self.end.map(|end| end.column)
    }
}

/// What `leanpool_check` answers.
#[derive(Deserialize)]
struct Answer {
    messages: Vec<Message>,
    cancelled: bool,
}

#[derive(Deserialize)]
struct Message {
    severity: LeanSeverity,
    start: Point,
    end: Option<Point>,
    text: String,
}

pub(super) fn understand(answer: &str, interruption: &Interruption) -> Result<Checked, LeanError> {
    let Answer { messages, cancelled } = serde_json::from_str(answer).map_err(|error| {
        LeanError::toolchain(&format!("the package in lean/ gave a report that is not understood ({error})"))
    })?;
    let diagnostics = messages.into_iter().map(|Message { severity, start, end, text }| LeanDiagnostic {
        severity,
        position: LeanPosition { start, end },
        message: text,
    });
    let ended = if cancelled { interruption.why().unwrap_or(Ended::Cancelled) } else { Ended::Complete };
    Ok(Checked { diagnostics: diagnostics.collect(), ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_read_as_lean_writes_it() {
        // From lean/TRANSCRIPT.md, with an end that is not known.
        let answer = r#"{"cancelled":false,"messages":[{"end":{"column":15,"line":1},"severity":"error","start":{"column":11,"line":1},"text":"Unknown identifier `oops`"},{"end":null,"severity":"information","start":{"column":0,"line":2},"text":"é\n"}]}"#;
        let checked = understand(answer, &Interruption::default()).unwrap();
        assert_eq!((checked.errors(), checked.ended, checked.is_ok()), (1, Ended::Complete, false));
        let [error, answer] = &checked.diagnostics[..] else { panic!("{checked:?}") };
        assert_eq!((error.position().line(), error.position().column()), (1, 11));
        assert_eq!((error.position().end_line(), error.position().end_column()), (Some(1), Some(15)));
        assert_eq!((answer.severity(), answer.message()), (LeanSeverity::Info, "é\n"));
        assert_eq!(answer.position().end_line(), None);
    }

    #[test]
    fn report_that_is_not_understood_is_an_error_and_not_a_success() {
        for answer in
            ["", "{}", r#"{"messages":[]}"#, r#"{"messages":[{"severity":"dire"}],"cancelled":false}"#]
        {
            let error = understand(answer, &Interruption::default()).unwrap_err();
            assert!(matches!(error, LeanError::Toolchain { .. }), "{answer}: {error}");
        }
    }

    #[test]
    fn first_reason_to_interrupt_counts() {
        let interruption = Interruption::default();
        let broken_off = r#"{"messages":[],"cancelled":true}"#;
        assert_eq!(understand(broken_off, &interruption).unwrap().ended, Ended::Cancelled);
        interruption.interrupt(Ended::TimedOut);
        interruption.interrupt(Ended::Cancelled);
        assert_eq!(understand(broken_off, &interruption).unwrap().ended, Ended::TimedOut);
    }
}
