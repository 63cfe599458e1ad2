//! What a worker says, and whether it may say that: reading its lines and packets, writing ours. `lean/worker/PROTOCOL.md` is the text.
//!
//! A worker runs code of whoever wrote the files, so nothing that it says is believed further than it can be looked at. What
//! does not follow the protocol is a [`Malformed`], which says what came.

mod lines;
mod message;
mod record;
mod repl;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use lines::Lines;
pub use message::{Message, Position, Severity};
pub use record::Record;
pub(crate) use repl::{Answered, Ask, What};

/// The longest packet: an event with 16 KiB of output, six bytes for each, and what is around it.
pub(crate) const LONGEST_PACKET: usize = 256 << 10;

/// Something that is not in the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {said}")]
pub(crate) struct Malformed {
    what: &'static str,
    said: String,
}

impl Malformed {
    pub(crate) fn new(what: &'static str, said: &[u8]) -> Self {
        let mut said = String::from_utf8_lossy(&said[..said.len().min(200)]).into_owned();
        said.retain(|c| !c.is_control());
        Self { what, said }
    }
}

/// A line on a child's stream.
#[derive(Debug, PartialEq)]
pub(crate) enum ChildLine {
    /// Lean's own, as `lean --json` prints it.
    Message(Message),
    /// What was asked beside messages, and the file that it is of.
    Record {
        file: String,
        record: Record,
        /// The length of the line.
        bytes: u64,
    },
    /// The child has begun, with what its sandbox is made of.
    Begun(Sandbox),
    Output {
        /// Of a check, its file.
        file: Option<String>,
        text: String,
    },
    Done(Done),
    /// The answer to a request of the REPL.
    Repl(Answered),
    /// What was asked is not understood.
    Failed {
        error: String,
    },
}

/// What a child is kept in, as it says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sandbox {
    /// The version of Landlock that keeps it from writing files; 0 if none does.
    #[serde(default)]
    pub landlock: u32,
    /// Whether it can't make sockets.
    #[serde(default)]
    pub seccomp: bool,
    /// Whether it has a network of its own, with nothing in it.
    #[serde(default)]
    pub network_namespace: bool,
}

/// A check has ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    pub(crate) file: String,
    pub(crate) errors: u64,
    #[serde(default)]
    pub(crate) max_errors: bool,
    #[serde(default)]
    pub(crate) cancelled: bool,
    pub(crate) failure: Option<String>,
    /// How long it took.
    #[serde(default)]
    pub(crate) micros: u64,
    /// Processor time of the child, meanwhile.
    #[serde(default)]
    pub(crate) cpu_micros: u64,
}

/// A line on a zygote's standard output.
#[derive(Debug, PartialEq)]
pub(crate) enum StartLine {
    Message(Message),
    Ready(Ready),
    Failed { error: String },
}

/// A zygote has imported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// Private memory, in kB.
    pub(crate) private_dirty: u64,
}

/// A packet from a zygote.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// `pid` is `None` if the fork failed.
    Forked {
        id: u64,
        pid: Option<i32>,
    },
    Exited {
        id: u64,
        exit: Exit,
    },
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    pub(crate) signal: i32,
    /// Most memory that was resident, in kB.
    #[serde(default)]
    pub(crate) maxrss: u64,
    #[serde(default)]
    pub(crate) output: String,
}

/// The key by which a record is told from a message of Lean's.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    record: Option<std::borrow::Cow<'a, str>>,
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::new("a line that is not UTF-8", bytes))
}

fn kind(line: &str) -> Result<Option<String>, Malformed> {
    let kind: Kind<'_> = serde_json::from_str(line)
        .map_err(|_| Malformed::new("a line that is no JSON object", line.as_bytes()))?;
    Ok(kind.record.map(std::borrow::Cow::into_owned))
}

fn fields<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, Malformed> {
    serde_json::from_str(line)
        .map_err(|_| Malformed::new("a record without the fields that it must have", line.as_bytes()))
}

#[derive(Deserialize)]
struct Failed {
    error: String,
}

/// Reads a line of a child's stream, without its end.
pub(crate) fn child_line(line: &[u8]) -> Result<ChildLine, Malformed> {
    #[derive(Deserialize)]
    struct Output {
        file: Option<String>,
        text: String,
    }
    let line = text(line)?;
    Ok(match kind(line)?.as_deref() {
        None => ChildLine::Message(Message::parse(line)?),
        Some("child") => ChildLine::Begun(fields(line)?),
        Some("done") => ChildLine::Done(fields(line)?),
        Some("repl") => ChildLine::Repl(Answered::parse(line)?),
        Some("output") => {
            let Output { file, text } = fields(line)?;
            ChildLine::Output { file, text }
        }
        Some("failed") => ChildLine::Failed { error: fields::<Failed>(line)?.error },
        Some(kind @ ("sorry" | "tactic" | "axioms")) => {
            let (file, record) = Record::parse(kind, line)?;
            ChildLine::Record { file, record, bytes: line.len() as u64 }
        }
        Some(_) => return Err(Malformed::new("a record that was not asked for", line.as_bytes())),
    })
}

/// Reads a line of a zygote's standard output, without its end.
pub(crate) fn start_line(line: &[u8]) -> Result<StartLine, Malformed> {
    let line = text(line)?;
    Ok(match kind(line)?.as_deref() {
        None => StartLine::Message(Message::parse(line)?),
        Some("ready") => StartLine::Ready(fields(line)?),
        Some("failed") => StartLine::Failed { error: fields::<Failed>(line)?.error },
        Some(_) => return Err(Malformed::new("a record that was not asked for", line.as_bytes())),
    })
}

/// Reads a packet of a control socket.
pub(crate) fn event(packet: &[u8]) -> Result<Event, Malformed> {
    #[derive(Deserialize)]
    struct Head<'a> {
        event: &'a str,
        id: u64,
        #[serde(default)]
        pid: i32,
    }
    let line = text(packet)?;
    let head: Head<'_> =
        serde_json::from_str(line).map_err(|_| Malformed::new("a packet that is no event", packet))?;
    match head.event {
        "forked" => Ok(Event::Forked { id: head.id, pid: (head.pid > 0).then_some(head.pid) }),
        "exited" => Ok(Event::Exited { id: head.id, exit: fields(line)? }),
        _ => Err(Malformed::new("an event that is not known", packet)),
    }
}

/// The first line on a zygote's standard input.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config<'a> {
    pub(crate) sysroot: &'a str,
    pub(crate) search_path: &'a [String],
    pub(crate) file: &'a str,
    pub(crate) header: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) setup: Option<&'a Value>,
    pub(crate) options: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack_size: Option<u64>,
    pub(crate) output_limit: u64,
}

/// The first line on a child's stream.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChildSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) processes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) writable: Option<&'static str>,
    /// Where to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<String>,
}

/// A check, as it is asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check<'a> {
    pub(crate) file: &'a str,
    pub(crate) source: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) module: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) error_kinds: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) extras: Vec<&'static str>,
}

/// One line that holds `value` under `key`.
pub(crate) fn line<T: Serialize>(key: Option<&str>, value: &T) -> Vec<u8> {
    let written = match key {
        Some(key) => serde_json::to_vec(&std::collections::BTreeMap::from([(key, value)])),
        None => serde_json::to_vec(value),
    };
    let mut line = written.expect("what is sent has no keys that are not texts");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;
