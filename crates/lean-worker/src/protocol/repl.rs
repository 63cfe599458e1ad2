//! The lines for requests of the REPL, and what may come back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Malformed, fields};

/// A request of the REPL, as a child gets it.
#[derive(Serialize)]
pub(crate) struct Ask<'a> {
    pub(crate) repl: &'a Value,
    /// The numbers that the next command state and the next proof state are to have.
    pub(crate) next: [u64; 2],
    /// Whether the answer is to come as the text that the REPL prints.
    pub(crate) pretty: bool,
}

/// What a child answers to a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answered {
    pub(crate) what: What,
    /// The next free numbers.
    pub(crate) next: [u64; 2],
    pub(crate) cancelled: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// The text that the REPL prints, and the numbers in it.
    Text { text: String, numbers: Numbers },
    /// A child of the zygote for this header is to be asked.
    Header(String),
}

/// The numbers of states in an answer: what a client goes on with.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Numbers {
    pub(crate) env: Option<u64>,
    pub(crate) proof_state: Option<u64>,
    #[serde(default)]
    sorries: Vec<Numbered>,
    #[serde(default)]
    tactics: Vec<Numbered>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Numbered {
    proof_state: Option<u64>,
}

impl Numbers {
    /// Those of proof states, wherever they are.
    pub(crate) fn proofs(&self) -> impl Iterator<Item = u64> {
        let listed = self.sorries.iter().chain(&self.tactics).filter_map(|item| item.proof_state);
        self.proof_state.into_iter().chain(listed)
    }
}

impl Answered {
    /// Reads a record `repl`. A blank line in a text would end the answer for a client, so there may be none.
    pub(super) fn parse(line: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct Record {
            text: Option<String>,
            header: Option<String>,
            next: [u64; 2],
            #[serde(default)]
            cancelled: bool,
        }
        let Record { text, header, next, cancelled } = fields(line)?;
        let what = match (text, header) {
            (Some(text), None) => {
                let no_answer =
                    || Malformed::new("an answer that is no JSON object in one piece", text.as_bytes());
                if text.lines().any(|line| line.trim().is_empty()) {
                    return Err(no_answer());
                }
                let numbers = serde_json::from_str(&text).map_err(|_| no_answer())?;
                What::Text { text, numbers }
            }
            (None, Some(header)) => What::Header(header),
            _ => {
                return Err(Malformed::new("an answer that is neither a text nor a header", line.as_bytes()));
            }
        };
        Ok(Self { what, next, cancelled })
    }
}
