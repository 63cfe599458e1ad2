//! What kimina-lean-server is asked, and what it answers: its requests and answers from our verdicts. No input and output.
//!
//! Its clients run unchanged. One thing is different on purpose: places are those of the file that was sent, where that server counts
//! from the end of the import header.

use std::collections::HashSet;
use std::time::Duration;

use lean_worker::{Asked, Ending, Message, Position, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer;
use crate::engine::{Checked, Wish};
use crate::invalid::Invalid;

/// `POST /api/check`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct CheckRequest {
    /// The files; each id is another one.
    pub snippets: Vec<Snippet>,
    /// Seconds for each.
    #[serde(default = "thirty")]
    #[schema(default = 30.0, minimum = 0.0)]
    pub timeout: f64,
    /// Whether the answer has `diagnostics`.
    #[serde(default)]
    pub debug: bool,
    /// Without effect: an import is always shared, and takes nothing from a check.
    #[serde(default = "yes")]
    #[expect(dead_code, reason = "it is part of the request, and checked")]
    reuse: bool,
    /// Not offered: each result says what is instead.
    #[serde(default)]
    pub infotree: Option<Infotree>,
    /// An addition of ours: each tactic, with the goals before and after it.
    #[serde(default)]
    pub tactics: bool,
}

/// One file.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Snippet {
    /// The name of its result.
    pub id: String,
    /// Its text.
    pub code: String,
}

/// `POST /verify` and `/one_pass_verify_batch`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// The files.
    pub codes: Vec<Code>,
    /// Seconds for each.
    #[serde(default = "three_hundred")]
    #[schema(default = 300.0, minimum = 0.0)]
    pub timeout: f64,
    /// Not offered: each result says what is instead.
    #[serde(default)]
    pub infotree_type: Option<Infotree>,
    /// Without effect, as `reuse`.
    #[serde(default)]
    #[expect(dead_code, reason = "it is part of the request, and checked")]
    disable_cache: bool,
}

/// One file of a [`VerifyRequest`].
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Code {
    /// The name of its result.
    pub custom_id: CustomId,
    /// Its text, or
    #[serde(default)]
    pub proof: Option<String>,
    /// its text.
    #[serde(default)]
    pub code: Option<String>,
}

/// A text or a whole number.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CustomId {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Kinds of info trees.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Infotree {
    /// All nodes.
    Full,
    /// Those of tactics.
    Tactics,
    /// Those that stand in the source.
    Original,
    /// Those that say something.
    Substantive,
}

/// `{results: […]}`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Results<R> {
    /// One for each file, in its order.
    pub results: Vec<R>,
}

/// What came of a snippet: an error (of the server), or a response (of Lean).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SnippetResult {
    /// The snippet's.
    pub id: String,
    /// Seconds that it took.
    pub time: f64,
    /// Why it could not be checked to its end; "timed out" is in it if its time was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What Lean says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// If it was asked for by `debug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,
}

/// What came of a code.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CodeResult {
    /// The code's, as a text.
    pub custom_id: String,
    /// As in [`SnippetResult`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What Lean says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<TimedResponse>,
}

/// What Lean says, as the REPL says it: what is empty is left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Response {
    /// A number, for clients that look at it. It names nothing here.
    pub env: u64,
    /// Messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<LeanMessage>,
    /// Each `sorry`, with its goals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sorries: Vec<Sorry>,
    /// Each tactic, if it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tactics: Vec<Tactic>,
}

/// A [`Response`] with the seconds that it took.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TimedResponse {
    #[serde(flatten)]
    response: Response,
    /// Seconds.
    pub time: f64,
}

/// A message, with exactly these four keys.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LeanMessage {
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    /// Where it begins, in the file that was sent.
    pub pos: Place,
    /// Where it ends.
    #[serde(rename = "endPos")]
    pub end_pos: Option<Place>,
    /// What is said, without space around it.
    pub data: String,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 0, in characters.
    pub column: u64,
}

/// A `sorry`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Sorry {
    /// Where it begins, in the file that was sent.
    pub pos: Place,
    /// Where it ends.
    #[serde(rename = "endPos")]
    pub end_pos: Place,
    /// What is left to prove there: the goals, with a line between.
    pub goal: String,
}

/// A tactic.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Tactic {
    /// Where it begins, in the file that was sent.
    pub pos: Place,
    /// Where it ends.
    #[serde(rename = "endPos")]
    pub end_pos: Place,
    /// Its text.
    pub tactic: String,
    /// The goals before it, with a line between.
    pub goals: String,
    /// The goals after it: an addition of ours.
    #[serde(rename = "goalsAfter")]
    pub goals_after: String,
}

/// For whoever asks for `debug`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Diagnostics {
    /// What the check shared its import with: the key of its header.
    pub repl_uuid: String,
    /// Processor time by time, in percent, if it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_max: Option<f64>,
}

/// What is said of a request for info trees.
pub const NO_INFOTREE: &str = "info trees are not offered here: send \"tactics\": true (without \"infotree\") to POST /api/check or POST /v1/check, which gives \
     each tactic with its place and the goals before and after it";

fn thirty() -> f64 {
    30.0
}

fn three_hundred() -> f64 {
    300.0
}

fn yes() -> bool {
    true
}

/// A number of seconds as a time that a check may have.
///
/// # Errors
/// It is no time, or longer than `most`.
pub fn time(seconds: f64, most: Duration) -> Result<Duration, Invalid> {
    let time = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Invalid::new(&["timeout"], "a number of seconds, 0 or more, is expected"))?;
    if time > most {
        let words = format!("at most {} seconds are given to a check here (--max-time)", most.as_secs_f64());
        return Err(Invalid::new(&["timeout"], &words));
    }
    Ok(time)
}

impl CheckRequest {
    /// Looks at what can't be said by types.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self, most: Duration) -> Result<Wish, Invalid> {
        if self.snippets.is_empty() {
            return Err(Invalid::new(&["snippets"], "`snippets` must be non empty"));
        }
        let mut ids = HashSet::new();
        if !self.snippets.iter().all(|snippet| ids.insert(snippet.id.as_str())) {
            return Err(Invalid::new(&["snippets"], "`snippets` must have unique ids"));
        }
        let asked = Asked { sorries: true, tactics: self.tactics, ..Asked::default() };
        Ok(Wish { timeout: Some(time(self.timeout, most)?), asked, stream: false })
    }
}

impl VerifyRequest {
    /// Looks at what can't be said by types. The names and texts of the files.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(self, most: Duration) -> Result<(Vec<(String, String)>, Wish), Invalid> {
        let asked = Asked { sorries: true, ..Asked::default() };
        let wish = Wish { timeout: Some(time(self.timeout, most)?), asked, stream: false };
        let codes = self.codes.into_iter().enumerate().map(|(number, code)| {
            let id = match code.custom_id {
                CustomId::Text(text) => text,
                CustomId::Number(number) => number.to_string(),
            };
            let text = code.proof.or(code.code).ok_or_else(|| {
                Invalid::new(&["codes", &number.to_string()], "it has neither `proof` nor `code`")
            })?;
            Ok((id, text))
        });
        Ok((codes.collect::<Result<_, _>>()?, wish))
    }
}

/// What a snippet is answered.
#[must_use]
pub fn snippet(id: String, checked: &Checked, debug: bool) -> SnippetResult {
    let (error, response) = outcome(checked);
    let diagnostics = debug.then(|| Diagnostics {
        repl_uuid: checked.key.clone(),
        cpu_max: checked
            .verdict
            .spent
            .map(|spent| 100.0 * spent.cpu_micros as f64 / spent.micros.max(1) as f64),
    });
    SnippetResult { id, time: checked.took.as_secs_f64(), error, response, diagnostics }
}

/// What a code is answered.
#[must_use]
pub fn code(id: String, checked: &Checked) -> CodeResult {
    let (error, response) = outcome(checked);
    let time = checked.took.as_secs_f64();
    CodeResult { custom_id: id, error, response: response.map(|response| TimedResponse { response, time }) }
}

/// What a snippet of a request for info trees is answered.
#[must_use]
pub fn no_infotree(id: String) -> SnippetResult {
    SnippetResult { id, time: 0.0, error: Some(NO_INFOTREE.to_owned()), response: None, diagnostics: None }
}

/// Either an error or a response, never both: clients demand it.
fn outcome(checked: &Checked) -> (Option<String>, Option<Response>) {
    match &checked.verdict.ending {
        Ending::Done | Ending::BadHeader => (None, Some(response(checked))),
        _ => (answer::reason(checked), None),
    }
}

fn response(checked: &Checked) -> Response {
    Response {
        env: 0,
        messages: checked.verdict.messages.iter().map(message).collect(),
        sorries: checked.verdict.records.iter().filter_map(sorry).collect(),
        tactics: checked.verdict.records.iter().filter_map(tactic).collect(),
    }
}

fn place(at: Position) -> Place {
    Place { line: at.line, column: at.column }
}

fn sorry(record: &Record) -> Option<Sorry> {
    let Record::Sorry { position, end, goals } = record else { return None };
    let (pos, end_pos) = (place(*position), place(end.unwrap_or(*position)));
    Some(Sorry { pos, end_pos, goal: goals.join("\n") })
}

fn tactic(record: &Record) -> Option<Tactic> {
    let Record::Tactic { position, end, tactic, goals, goals_after } = record else { return None };
    let (pos, end_pos) = (place(*position), place(end.unwrap_or(*position)));
    let (goals, goals_after) = (goals.join("\n"), goals_after.join("\n"));
    Some(Tactic { pos, end_pos, tactic: tactic.clone(), goals, goals_after })
}

fn message(message: &Message) -> LeanMessage {
    LeanMessage {
        severity: answer::severity(message.severity),
        pos: place(message.position),
        end_pos: message.end.map(place),
        data: message.text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
