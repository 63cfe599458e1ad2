//! What a child says when more than messages is asked.

use serde::Deserialize;

use super::{Malformed, Position, fields};

/// Something that was [asked](crate::Asked) beside messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A `sorry` that the file has.
    Sorry {
        /// Where it begins.
        position: Position,
        /// Where it ends, if that is said.
        end: Option<Position>,
        /// What is left to prove or to give there, as Lean prints goals.
        goals: Vec<String>,
    },
    /// A tactic.
    Tactic {
        /// Where it begins.
        position: Position,
        /// Where it ends, if that is said.
        end: Option<Position>,
        /// Its text.
        tactic: String,
        /// The goals before it.
        goals: Vec<String>,
        /// The goals behind it.
        goals_after: Vec<String>,
    },
    /// What a declaration of the file rests on, transitively.
    Axioms {
        /// Where it begins.
        position: Position,
        /// Its name.
        name: String,
        /// The names of the axioms.
        axioms: Vec<String>,
    },
}

/// Where something is of which Lean knows no place.
const NOWHERE: Position = Position { line: 1, column: 0 };

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    file: String,
    #[serde(default)]
    pos: Option<Position>,
    #[serde(default)]
    end_pos: Option<Position>,
    #[serde(default)]
    tactic: String,
    goals: Vec<String>,
    #[serde(default)]
    goals_after: Vec<String>,
}

#[derive(Deserialize)]
struct Rests {
    file: String,
    pos: Position,
    name: String,
    axioms: Vec<String>,
}

impl Record {
    /// The file it is of, and what it says.
    pub(super) fn parse(kind: &str, line: &str) -> Result<(String, Self), Malformed> {
        if kind == "axioms" {
            let Rests { file, pos, name, axioms } = fields(line)?;
            return Ok((file, Self::Axioms { position: pos, name, axioms }));
        }
        let Info { file, pos, end_pos: end, tactic, goals, goals_after } = fields(line)?;
        let position = pos.unwrap_or(NOWHERE);
        let record = match kind {
            "sorry" => Self::Sorry { position, end, goals },
            _ => Self::Tactic { position, end, tactic, goals, goals_after },
        };
        Ok((file, record))
    }
}
