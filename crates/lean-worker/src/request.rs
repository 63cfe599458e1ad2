//! What is asked for: a file to check, how long it may take, who hears of it.

use std::sync::Arc;
use std::time::Duration;

use crate::header::Found;
use crate::protocol::{Message, Position, Record};
use crate::surroundings::Surroundings;
use crate::verdict::{Ending, Verdict};

/// A file to check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its name, as messages have it.
    pub name: String,
    /// What it holds.
    pub text: String,
    /// The parts of its module's name; empty: `_stdin`, as `lean` calls a file that is nowhere.
    pub module: Vec<String>,
    /// What is asked beside its messages.
    pub asked: Asked,
}

impl File {
    /// A file of no module, of which messages are asked and nothing else.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), ..Self::default() }
    }
}

impl File {
    /// The set-up `setup` (JSON, as `lean --setup` takes it) for this file: with the name of its module.
    ///
    /// # Errors
    /// If the set-up is no JSON.
    pub fn own_setup(&self, setup: &str) -> serde_json::Result<String> {
        let mut fields: serde_json::Value = serde_json::from_str(setup)?;
        if !self.module.is_empty() {
            fields["name"] = name_of(&self.module).into();
        }
        Ok(fields.to_string())
    }
}

/// A name that Lean reads as these parts: what may be no identifier is quoted. Which letters beyond ASCII are some is not the same in all versions.
fn name_of(parts: &[String]) -> String {
    let is_plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_'!?".contains(c))
    };
    let parts = parts.iter().map(|part| if is_plain(part) { part.clone() } else { format!("«{part}»") });
    parts.collect::<Vec<_>>().join(".")
}

/// What is asked of a check beside Lean's messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Kinds of messages that are reported as errors, as by `lean -E`.
    pub error_kinds: Arc<[String]>,
    /// Each `sorry`, with its goals. Children can tell, the command `lean` can't; so it is with the next two.
    pub sorries: bool,
    /// Each tactic, with the goals before and after it.
    pub tactics: bool,
    /// What each new declaration rests on.
    pub axioms: bool,
}

impl Asked {
    /// The words for it in the protocol.
    pub(crate) fn extras(&self) -> Vec<&'static str> {
        let all = [("sorries", self.sorries), ("tactics", self.tactics), ("axioms", self.axioms)];
        all.into_iter().filter_map(|(word, is_asked)| is_asked.then_some(word)).collect()
    }
}

/// A file, and what it is checked in.
#[derive(Clone, Debug)]
pub struct ToCheck {
    /// The file.
    pub file: File,
    /// All of it but the file's header. Those of files that may share processes are equal.
    pub around: Arc<Surroundings>,
}

/// Something that is told while a check runs.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// Lean has said something.
    Message(&'a Message),
    /// Something of what was [asked](Asked) beside messages.
    Record(&'a Record),
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
    /// An option is not known once the imports are done, in Lean's words.
    UnknownOption(String),
    /// In words.
    Failed(String),
}

/// What is known of a header, for files that have it: that it can't be imported, once that was tried. Clones are the same one.
#[cfg(target_os = "linux")]
#[derive(Clone, Debug, Default)]
pub struct KnownHeader(pub(crate) Arc<std::sync::OnceLock<Refusal>>);

impl Refusal {
    /// The verdict of a file that has the header.
    pub(crate) fn verdict(&self, found: &Found, file: &File) -> Verdict {
        match self {
            Self::BadHeader(messages) => Verdict {
                messages: messages
                    .iter()
                    .map(|message| message.moved(&file.name, |at| found.place(at)))
                    .collect(),
                ..Verdict::without_messages(Ending::BadHeader)
            },
            // As `lean` says it: of a file that has no name, from its beginning to its end.
            Self::UnknownOption(words) => {
                let begin = Position { line: 1, column: 0 };
                let end = Position::behind(&file.text);
                Verdict {
                    messages: vec![Message::of_ours("<input>", begin, Some(end), "[anonymous]", words)],
                    ..Verdict::without_messages(Ending::BadHeader)
                }
            }
            Self::Failed(words) => Verdict::without_messages(Ending::Failed(words.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_up_of_a_file_names_its_module_as_lean_writes_names() {
        let named = |parts: &[&str]| {
            let module = parts.iter().map(|part| (*part).to_owned()).collect();
            let file = File { module, ..File::new("a.lean", "") };
            file.own_setup(r#"{"name": "_unknown"}"#).unwrap()
        };
        assert_eq!(named(&["A", "B'", "x.y", "1080"]), r#"{"name":"A.B'.«x.y».«1080»"}"#);
        assert_eq!(
            named(&["中文", "é", "_a"]),
            r#"{"name":"«中文».«é»._a"}"#,
            "Lean reads no name without the quotes"
        );
        assert_eq!(named(&[]), r#"{"name":"_unknown"}"#);
    }
}
