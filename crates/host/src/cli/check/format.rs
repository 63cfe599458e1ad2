//! How one thing that is known of a file is written: as `lean` writes it, or as other programs read it.

use std::fmt::Write as _;
use std::io::{self, Write};

use leanpool::lean_worker::{Message, Position, Record, Severity};
use serde_json::{Value, json};

/// How what is known is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// As `lean` prints it, byte for byte
    #[default]
    Text,
    /// As `lean --json` prints it: an object a line
    Json,
    /// The same, and an object `{"done": …}` for the end of each file
    Leanpool,
    /// Annotations of GitHub Actions
    Github,
    /// One SARIF 2.1.0 log, at the end
    Sarif,
}

impl Format {
    /// Whether a person reads it, who wants files in the order given.
    pub(super) fn is_in_order(self) -> bool {
        matches!(self, Self::Text | Self::Github)
    }

    /// Whether each line is an object.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Leanpool)
    }

    /// Writes a message. `with_end`: in text, with the place where it ends.
    pub(super) fn write(self, out: &mut impl Write, message: &Message, with_end: bool) -> io::Result<()> {
        match self {
            Self::Text => out.write_all(message.in_text(with_end).as_bytes()),
            Self::Json | Self::Leanpool => writeln!(out, "{}", message.json),
            Self::Github => writeln!(out, "{}", annotation(message)),
            Self::Sarif => Ok(()),
        }
    }

    /// Writes what was asked for beside messages.
    pub(super) fn write_record(self, out: &mut impl Write, file: &str, record: &Record) -> io::Result<()> {
        match self {
            Self::Text => out.write_all(record_in_text(file, record).as_bytes()),
            Self::Json | Self::Leanpool => writeln!(out, "{}", record_json(file, record)),
            Self::Github | Self::Sarif => Ok(()),
        }
    }
}

fn record_in_text(file: &str, record: &Record) -> String {
    let at = |Position { line, column }: &Position, what: &str| format!("{file}:{line}:{column}: {what}");
    match record {
        Record::Sorry { position, goals, .. } => {
            let mut text = at(position, "sorry\n");
            for goal in goals {
                for line in goal.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
            text
        }
        Record::Axioms { position, name, axioms } if axioms.is_empty() => {
            at(position, &format!("'{name}' does not depend on any axioms\n"))
        }
        Record::Axioms { position, name, axioms } => {
            at(position, &format!("'{name}' depends on axioms: [{}]\n", axioms.join(", ")))
        }
        _ => String::new(),
    }
}

fn record_json(file: &str, record: &Record) -> Value {
    let place = |at: &Position| json!({"column": at.column, "line": at.line});
    match record {
        Record::Sorry { position, end, goals } => json!({"sorry": {"fileName": file, "pos": place(position),
            "endPos": end.as_ref().map(place), "goals": goals}}),
        Record::Axioms { position, name, axioms } => {
            json!({"axioms": {"fileName": file, "pos": place(position), "name": name, "axioms": axioms}})
        }
        Record::Tactic { position, end, tactic, goals, goals_after } => json!({"tactic": {"fileName": file,
            "pos": place(position), "endPos": end.as_ref().map(place), "tactic": tactic, "goals": goals, "goalsAfter": goals_after}}),
        _ => json!({}),
    }
}

/// A workflow command: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>.
fn annotation(message: &Message) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let (kind, title) = match message.severity {
        Severity::Error => ("error", "Lean error"),
        Severity::Warning => ("warning", "Lean warning"),
        Severity::Information => ("notice", "Lean"),
    };
    let Position { line, column } = message.position;
    let mut text = format!("::{kind} file={},line={line},col={}", property(&message.file), column + 1);
    if let Some(end) = message.end {
        let _ = write!(text, ",endLine={},endColumn={}", end.line, end.column.max(1));
    }
    let _ = write!(text, ",title={title}::{}", escaped(message.text.trim_end()));
    text
}

/// A log in the form SARIF 2.1.0 (OASIS standard).
pub(super) fn sarif(messages: &[Message]) -> Value {
    let results: Vec<Value> = messages.iter().map(sarif_result).collect();
    let driver = json!({"name": "leanpool", "version": env!("CARGO_PKG_VERSION"),
        "fullName": "leanpool check: what Lean says of files"});
    json!({"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]})
}

fn sarif_result(message: &Message) -> Value {
    let level = match message.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "note",
    };
    let mut region = json!({"startLine": message.position.line, "startColumn": message.position.column + 1});
    if let Some(end) = message.end {
        region["endLine"] = end.line.into();
        region["endColumn"] = (end.column + 1).into();
    }
    let rule = match message.kind.as_str() {
        "" | "[anonymous]" => "lean",
        kind => kind.strip_suffix("._namedError").unwrap_or(kind),
    };
    json!({"ruleId": rule, "level": level, "message": {"text": message.text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(&message.file)}, "region": region}}]})
}

/// A path as a relative reference: what has a meaning there is written by its bytes.
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(byte.into());
            }
            byte => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(end: Option<Position>, text: &str) -> Message {
        Message::of_ours("a b,c.lean", Position { line: 3, column: 0 }, end, "lean.oops._namedError", text)
    }

    #[test]
    fn text_is_as_lean_prints_it() {
        let end = Some(Position { line: 3, column: 7 });
        let text = |message: &Message, with_end| message.in_text(with_end);
        assert_eq!(text(&message(end, "one\ntwo"), false), "a b,c.lean:3:0: error(lean.oops): one\ntwo\n");
        assert_eq!(text(&message(end, "one\n"), true), "a b,c.lean:3:0-3:7: error(lean.oops): one\n");
        let information = Message { severity: Severity::Information, ..message(end, "Nat : Type") };
        assert_eq!(text(&information, true), "Nat : Type\n");
    }

    #[test]
    fn annotation_is_one_line_whatever_the_message_has() {
        let end = Some(Position { line: 4, column: 0 });
        assert_eq!(
            annotation(&message(end, "100%\nof: a, b\n")),
            "::error file=a b%2Cc.lean,line=3,col=1,endLine=4,endColumn=1,title=Lean error::100%25%0Aof: a, b"
        );
    }

    #[test]
    fn path_becomes_a_reference_that_means_the_same() {
        assert_eq!(uri("a b/é.lean"), "a%20b/%C3%A9.lean");
        assert_eq!(uri("c:d"), "c%3Ad", "it is no scheme");
    }
}
