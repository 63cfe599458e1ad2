//! One of Lean's messages, and its place.

use std::collections::BTreeMap;

use serde::Deserialize;
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
    /// What is said.
    pub text: String,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 0, in characters.
    pub column: u64,
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
}

impl Message {
    pub(crate) fn parse(line: &str) -> Result<Self, Malformed> {
        let Fields { data, pos, end_pos, severity, caption } = serde_json::from_str(line).map_err(|_| {
            Malformed::new("a message without the fields that Lean's messages have", line.as_bytes())
        })?;
        let text = if caption.is_empty() { data } else { format!("{caption}:\n{data}") };
        Ok(Self { json: line.to_owned(), position: pos, end: end_pos, severity, text })
    }

    /// The same of another file, where what was at a place is at another one. All else stays as Lean printed it.
    pub(crate) fn moved(&self, file: &str, place: impl Fn(Position) -> Position) -> Self {
        let position = place(self.position);
        let end = self.end.map(place);
        let mut fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(&self.json).expect("it was read before");
        let raw = |text: String| RawValue::from_string(text).expect("it is JSON");
        let at = |at: Position| raw(format!(r#"{{"column":{},"line":{}}}"#, at.column, at.line));
        let (file, begin, end_pos) =
            (raw(serde_json::Value::from(file).to_string()), at(position), end.map(at));
        fields.insert("fileName".to_owned(), &file);
        fields.insert("pos".to_owned(), &begin);
        if let Some(end_pos) = &end_pos {
            fields.insert("endPos".to_owned(), end_pos);
        }
        let json = serde_json::to_string(&fields).expect("it is JSON");
        Self { json, position, end, severity: self.severity, text: self.text.clone() }
    }
}
