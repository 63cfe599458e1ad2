//! What a check finds in a source: the transcript's reports, and for other sources a line is a command.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use serde_json::{Value, json};

use super::answers::ANSWERS;
use super::header::{self, NO_NAME};
use super::imports;
use super::outcome::Facts;
use super::running;

/// Words whose next word names what is declared.
const DECLARING: [&str; 7] = ["theorem", "lemma", "example", "def", "abbrev", "instance", "opaque"];

const BROKEN: &str = "-- model: broken json";
const UNTIL_CANCELLED: &str = "-- until cancelled";
const MAIN_MODULE: &str = "-- model: main module";
const EXIT: &str = "-- model: exit";
const DEAF: &str = "-- model: deaf";
const QUERY: &str = "#check Nat";
/// `lean` ends a file after so many errors.
const MAX_ERRORS: usize = 100;

/// What is checked.
pub(super) struct Text<'a> {
    /// The file's path below the working folder, without its ending.
    pub(super) module_path: &'a str,
    pub(super) source: &'a str,
    pub(super) max_heartbeats: u64,
}

/// What `leanpool_check` answers.
pub(super) fn check(facts: Facts, text: &Text<'_>, cancelled: &AtomicBool) -> String {
    let Text { module_path, source, max_heartbeats } = *text;
    running::linger();
    if cancelled.load(SeqCst) {
        return report(true, Vec::new());
    }
    let is_exhausted = max_heartbeats == 1 && (source.contains("by") || source.contains("example"));
    let known = match ANSWERS.checks.get(source) {
        Some(report) => Some(report),
        None => is_exhausted.then_some(&ANSWERS.timeout),
    };
    let mut messages = match known {
        Some(report) => messages_of(report),
        None if source.contains(BROKEN) => return r#"{"messages":"#.to_owned(),
        None => elaborate(source, module_path, cancelled),
    };
    if facts.epoch < imports::epoch() {
        // What Lean prints where an environment is too short; there, wrong diagnostics follow.
        messages.push(message("error", (1, 0), None, "invalid environment extension has been accessed"));
    }
    report(cancelled.load(SeqCst), messages)
}

fn elaborate(source: &str, module_path: &str, cancelled: &AtomicBool) -> Vec<Value> {
    let header = header::parse(source);
    if let Some(at) = header.error_at {
        // As in `lean`, nothing is elaborated after that.
        return vec![message("error", header::position(source, at), None, NO_NAME)];
    }
    let (mut messages, mut start) = (Vec::new(), 0);
    for line in source.split_inclusive('\n') {
        let end = start + line.len();
        // The header's last line may have a command after it.
        let from = start.max(header.body);
        if from < end {
            if cancelled.load(SeqCst) {
                break;
            }
            let line = source[from..end].trim_end();
            command(source, from, line, &mut messages);
            if line.contains(MAIN_MODULE) {
                let place = header::position(source, from);
                messages.push(message("information", place, None, &main_module(module_path)));
            }
            if stop_at_limit(&mut messages) {
                break;
            }
            if line.contains(EXIT) {
                // As `#eval IO.Process.exit 0` does. On a thread of its own, where Lean runs a command on one.
                let _ = std::thread::spawn(|| std::process::exit(0)).join();
            }
            if line.contains(DEAF) {
                running::wait_until(|| false);
            }
            if source[from..end].contains(UNTIL_CANCELLED) {
                running::wait_until(|| cancelled.load(SeqCst));
            }
        }
        start = end;
    }
    messages
}

/// The name that `lean` gives a module, of its path.
fn main_module(path: &str) -> String {
    if path.is_empty() { "_stdin".to_owned() } else { path.replace('/', ".") }
}

/// Whether there are too many errors; then the last of them says so.
fn stop_at_limit(messages: &mut Vec<Value>) -> bool {
    let mut errors = messages.iter().enumerate().filter(|(_, message)| message["severity"] == "error");
    let Some((last, _)) = errors.nth(MAX_ERRORS) else { return false };
    messages.truncate(last + 1);
    messages[last]["text"] =
        format!("maximum number of errors ({MAX_ERRORS}; from option `maxErrors`) reached, exiting").into();
    true
}

/// Elaborates `line`, which begins at `from`.
fn command(source: &str, from: usize, line: &str, messages: &mut Vec<Value>) {
    let position = |at: usize| header::position(source, from + at);
    if let Some(at) = line.find("oops") {
        let end = Some(position(at + "oops".len()));
        messages.push(message("error", position(at), end, "Unknown identifier `oops`"));
    }
    if line.contains("sorry") {
        let (at, length) = declared_word(line).unwrap_or((0, 0));
        let end = (length > 0).then(|| position(at + length));
        messages.push(message("warning", position(at), end, "declaration uses 'sorry'"));
    }
    if line.strip_prefix(QUERY).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')) {
        let end = Some(position("#check".len()));
        messages.push(message("information", position(0), end, "Nat : Type"));
    }
}

/// Where the word after the one that declares is, and how long it is.
fn declared_word(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    words.find(|word| DECLARING.contains(word))?;
    let word = words.next()?;
    // A word is a part of `line`.
    Some((word.as_ptr().addr() - line.as_ptr().addr(), word.len()))
}

fn messages_of(report: &str) -> Vec<Value> {
    match serde_json::from_str::<Value>(report) {
        Ok(mut report) => report["messages"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The keys are in the order of the alphabet here and below, as Lean writes them, whatever map serde_json uses.
fn report(cancelled: bool, messages: Vec<Value>) -> String {
    json!({ "cancelled": cancelled, "messages": messages }).to_string()
}

fn message(severity: &str, start: (usize, usize), end: Option<(usize, usize)>, text: &str) -> Value {
    let point = |(line, column): (usize, usize)| json!({ "column": column, "line": line });
    json!({ "end": end.map(point), "severity": severity, "start": point(start), "text": text })
}
