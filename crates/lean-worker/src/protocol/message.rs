//! One of Lean's messages, and its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Malformed;

/// Something that Lean says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The line that `lean --json` prints, byte for byte, without its end.
    pub json: String,
    /// Where it begins.
    pub position: Position,
    /// Where it ends, if that is said.
    pub end: Option<Position>,
    /// How bad it is.
    pub severity: Severity,
    /// What is said, behind its caption if it has one.
    pub text: String,
    /// The file it is of, as Lean names it.
    pub file: String,
    /// Its kind, a name of Lean's; `[anonymous]` if it has none.
    pub kind: String,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 0, in characters.
    pub column: u64,
}

impl Position {
    /// The place behind the last character of `text`.
    pub(crate) fn behind(text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self { line: 1 + text.matches('\n').count() as u64, column: last.chars().count() as u64 }
    }
}

/// How bad a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known.
    Information,
    /// To be looked at.
    Warning,
    /// Something is wrong.
    Error,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    data: String,
    pos: Position,
    end_pos: Option<Position>,
    severity: Severity,
    #[serde(default)]
    caption: String,
    #[serde(default)]
    file_name: String,
    #[serde(default)]
    kind: String,
}

/// What the kind of an error ends with that has a name of its own, which Lean shows: `error(lean.unknownIdentifier)`.
const NAMED_ERROR: &str = "._namedError";

impl Message {
    pub(crate) fn parse(line: &str) -> Result<Self, Malformed> {
        let Fields { data, pos, end_pos, severity, caption, file_name, kind } = serde_json::from_str(line)
            .map_err(|_| {
                Malformed::new("a message without the fields that Lean's messages have", line.as_bytes())
            })?;
        let text = if caption.is_empty() { data } else { format!("{caption}:\n{data}") };
        Ok(Self { json: line.to_owned(), position: pos, end: end_pos, severity, text, file: file_name, kind })
    }

    /// The message that is a line of `lean --json`; `None` if the line is none.
    #[must_use]
    pub fn of_lean(line: &str) -> Option<Self> {
        Self::parse(line).ok()
    }

    /// A message of ours, in the form of Lean's. `kind` says what it is about.
    #[must_use]
    pub fn of_ours(file: &str, at: Position, end: Option<Position>, kind: &str, text: &str) -> Self {
        let place = |at: Position| json!({"column": at.column, "line": at.line});
        let json = format!(
            r#"{{"caption":"","data":{},"endPos":{},"fileName":{},"isSilent":false,"keepFullRange":false,"kind":{},"pos":{},"severity":"error"}}"#,
            in_json(text),
            json!(end.map(place)),
            in_json(file),
            in_json(kind),
            place(at)
        );
        Self {
            json,
            position: at,
            end,
            severity: Severity::Error,
            text: text.to_owned(),
            file: file.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// The text that `lean` prints for it, byte for byte, with its newline (`Lean.SerialMessage.toString`). `with_end`: as with the option
    /// `printMessageEndPos`.
    #[must_use]
    pub fn in_text(&self, with_end: bool) -> String {
        let severity = match self.severity {
            Severity::Information => None,
            Severity::Warning => Some("warning"),
            Severity::Error => Some("error"),
        };
        let mut text = String::new();
        if let Some(severity) = severity {
            let Position { line, column } = self.position;
            text = format!("{}:{line}:{column}", self.file);
            if let Some(Position { line, column }) = self.end.filter(|_| with_end) {
                text.push_str(&format!("-{line}:{column}"));
            }
            text.push_str(": ");
            text.push_str(severity);
            if let Some(name) = self.kind.strip_suffix(NAMED_ERROR) {
                text.push_str(&format!("({name})"));
            }
            text.push_str(": ");
        }
        text.push_str(&self.text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// The same of another file, where what was at a place is at another one. All else stays as Lean printed it.
    pub(crate) fn moved(&self, name: &str, place: impl Fn(Position) -> Position) -> Self {
        let position = place(self.position);
        let end = self.end.map(place);
        let mut fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(&self.json).expect("it was read before");
        let raw = |text: String| RawValue::from_string(text).expect("it is JSON");
        let at = |at: Position| raw(format!(r#"{{"column":{},"line":{}}}"#, at.column, at.line));
        let (file, begin, end_pos) = (raw(in_json(name)), at(position), end.map(at));
        fields.insert("fileName".to_owned(), &file);
        fields.insert("pos".to_owned(), &begin);
        if let Some(end_pos) = &end_pos {
            fields.insert("endPos".to_owned(), end_pos);
        }
        let json = serde_json::to_string(&fields).expect("it is JSON");
        Self { json, position, end, file: name.to_owned(), ..self.clone() }
    }
}

/// A text as Lean writes it in JSON (`Lean.Json.escape`): of the short forms it has those for line ends alone.
fn in_json(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\0'..' ' => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_escaped_as_lean_does_it() {
        let begin = Position { line: 1, column: 0 };
        let name = "a\t\u{8}\u{1f}\u{7f}é\"\\\r\n.lean";
        let written = r#""a\u0009\u0008\u001f?é\"\\\r\n.lean""#.replace('?', "\u{7f}");
        let ours = Message::of_ours(name, begin, Some(begin), "k", name);
        let moved = Message::of_ours("b", begin, None, "k", "").moved(name, |at| at);
        for message in [&ours, &moved] {
            assert!(message.json.contains(&format!(r#""fileName":{written}"#)), "{}", message.json);
            let read = Message::of_lean(&message.json).unwrap();
            assert_eq!(&read, message, "it says the same");
        }
        assert!(ours.json.contains(&format!(r#""data":{written}"#)), "{}", ours.json);
    }
}
