//! What Lean answered, read from the transcript, and what is made of it for names that the transcript does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::outcome::{Facts, Thrown};

const TRANSCRIPT: &str = include_str!("../../lean/TRANSCRIPT.md");

/// Declarations that the transcript has, but not their kinds; these are from Lean's sources.
const KINDS: [(&str, u8); 4] = [("List.map", 2), ("Acc", 6), ("Acc.below", 6), ("Acc.below.casesOn", 2)];

/// The calls in the transcript that the model looks up, by their argument.
#[derive(Default)]
pub(super) struct Transcript {
    /// By the source.
    pub(super) headers: BTreeMap<String, Result<Vec<String>, Thrown>>,
    kinds: BTreeMap<String, u8>,
    types: BTreeMap<String, Result<String, Thrown>>,
    /// Every name that some call of `declarations` listed.
    listed: BTreeSet<String>,
    /// By the source: the report.
    pub(super) checks: BTreeMap<String, String>,
    /// The report of a check that ran out of heartbeats.
    pub(super) timeout: String,
}

pub(super) static ANSWERS: LazyLock<Transcript> = LazyLock::new(|| Transcript::read(TRANSCRIPT));

impl Transcript {
    fn read(text: &str) -> Self {
        let mut transcript = Self::default();
        for line in text.lines() {
            // Lines of another form (prose, and imports, which follow rules) are not looked up.
            let _ = transcript.read_line(line.trim_start());
        }
        transcript
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        if let Some(report) = line.strip_prefix("check(a search, max_heartbeats 1) = ") {
            self.timeout = report.to_owned();
            return Some(());
        }
        let (function, rest) = line.split_once('(')?;
        let (argument, rest) = literal(rest)?;
        if function == "declarations" {
            let (_, answer) = rest.split_once(") = ")?;
            self.listed.extend(list(answer)?);
            return Some(());
        }
        let answer = rest.strip_prefix(") = ")?;
        match function {
            "header" => drop(self.headers.insert(argument, outcome(answer, list)?)),
            "declaration_kind" => drop(self.kinds.insert(argument, answer.parse().ok()?)),
            "declaration_type" => drop(
                self.types.insert(argument, outcome(answer, |text| literal(text).map(|(text, _)| text))?),
            ),
            "check" => drop(self.checks.insert(argument, answer.to_owned())),
            _ => {}
        }
        Some(())
    }

    /// Every name that is declared, in an environment that declares anything, with its kind.
    fn declared(&self) -> BTreeMap<&str, u8> {
        let kinds = self.kinds.iter().map(|(name, kind)| (name.as_str(), *kind));
        kinds.chain(KINDS).filter(|(_, kind)| *kind != 0).collect()
    }
}

pub(super) fn declaration_kind(facts: Facts, name: &str) -> u8 {
    if facts.constants == 0 { 0 } else { ANSWERS.declared().get(name).copied().unwrap_or(0) }
}

pub(super) fn declaration_type(facts: Facts, name: &str) -> Result<String, Thrown> {
    match ANSWERS.types.get(name) {
        Some(answer) if facts.constants > 0 => answer.clone(),
        _ => Err(Thrown::user_error(&format!("unknown declaration '{name}'"))),
    }
}

pub(super) fn declarations(facts: Facts, root: &str, limit: u64) -> Vec<String> {
    if facts.constants == 0 {
        return Vec::new();
    }
    let is_below = |name: &&str| {
        root.is_empty()
            || name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let declared = ANSWERS.declared();
    let names: BTreeSet<_> =
        declared.keys().copied().chain(ANSWERS.listed.iter().map(String::as_str)).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    names.into_iter().filter(is_below).take(limit).map(str::to_owned).collect()
}

/// `Ok(…)` with something inside that `read` reads, or `Err("IO.Error tag 18: message")`.
fn outcome<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Result<T, Thrown>> {
    if let Some(value) = text.strip_prefix("Ok(") {
        return read(value).map(Ok);
    }
    let (error, _) = literal(text.strip_prefix("Err(")?)?;
    let (tag, message) = error.strip_prefix("IO.Error tag ")?.split_once(": ")?;
    Some(Err(Thrown { tag: tag.parse().ok()?, message: message.to_owned() }))
}

/// `["a", "b"]` at the beginning of `text`.
fn list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_prefix('[')?;
    let mut items = Vec::new();
    while let Some((item, after)) = literal(rest) {
        items.push(item);
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    rest.starts_with(']').then_some(items)
}

/// A string in Rust's debug form at the beginning of `text`, and what comes after it.
pub(super) fn literal(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?.chars();
    let mut value = String::new();
    loop {
        value.push(match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let (digits, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                    rest = after.chars();
                    char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
                }
                itself => itself,
            },
            other => other,
        });
    }
}
