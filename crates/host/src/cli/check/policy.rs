//! What a file may not rest on, where somebody says so: `sorry`, and axioms beyond a list. It is about what Lean elaborated, and is no defence against a file that lies.

use leanpool::lean_worker::{Message, Position, Record, Verdict};

/// What a file may not rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// Nothing may be left open.
    pub(super) no_sorry: bool,
    /// No axioms but these, if there is a list.
    pub(super) allowed: Option<Vec<String>>,
}

/// The axiom that a `sorry` is.
const SORRY: &str = "sorryAx";
/// The kind that Lean's warning of a `sorry` has.
const SORRY_KIND: &str = "hasSorry";

impl Policy {
    /// Whether the axioms of declarations have to be known.
    pub(super) fn needs_axioms(&self) -> bool {
        self.no_sorry || self.allowed.is_some()
    }

    /// What of it a file does not keep, as errors at their places, each once.
    pub(super) fn breaches(&self, file: &str, verdict: &Verdict) -> Vec<Message> {
        let mut found: Vec<Message> = Vec::new();
        let mut add = |at: Position, end, kind: &str, text: String| {
            if !found.iter().any(|known| known.position == at && known.text == text) {
                found.push(Message::of_ours(file, at, end, kind, &text));
            }
        };
        let open = "`sorry` is not allowed: something is left open here";
        for record in &verdict.records {
            match record {
                Record::Sorry { position, end, .. } if self.no_sorry => {
                    add(*position, *end, "leanpool.sorry", open.to_owned());
                }
                Record::Axioms { position, name, axioms } => {
                    for axiom in axioms {
                        let is_sorry = axiom == SORRY;
                        if is_sorry && self.no_sorry {
                            add(
                                *position,
                                None,
                                "leanpool.sorry",
                                format!("`{name}` rests on `sorry`, which is not allowed"),
                            );
                        } else if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(axiom)) {
                            let text = format!("`{name}` rests on the axiom `{axiom}`, which is not allowed");
                            add(*position, None, "leanpool.axiom", text);
                        }
                    }
                }
                _ => {}
            }
        }
        // What is in no declaration that stays, and where a macro wrote the `sorry`.
        for message in verdict.messages.iter().filter(|message| self.no_sorry && message.kind == SORRY_KIND) {
            add(message.position, message.end, "leanpool.sorry", open.to_owned());
        }
        found.sort_by_key(|message| message.position);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(records: Vec<Record>) -> Verdict {
        Verdict { records, ..Verdict::default() }
    }

    fn axioms(name: &str, axioms: &[&str]) -> Record {
        let axioms = axioms.iter().map(|axiom| (*axiom).to_owned()).collect();
        Record::Axioms { position: Position { line: 4, column: 0 }, name: name.to_owned(), axioms }
    }

    fn texts(policy: &Policy, verdict: &Verdict) -> Vec<String> {
        let breaches = policy.breaches("a.lean", verdict);
        breaches.into_iter().map(|message| format!("{}: {}", message.position.line, message.text)).collect()
    }

    #[test]
    fn sorry_is_found_in_a_declaration_in_what_it_uses_and_in_an_example() {
        let at = Position { line: 2, column: 5 };
        let verdict = verdict(vec![
            Record::Sorry { position: at, end: None, goals: Vec::new() },
            axioms("uses", &["propext", "sorryAx"]),
            axioms("fine", &["propext"]),
        ]);
        let policy = Policy { no_sorry: true, allowed: None };
        assert_eq!(
            texts(&policy, &verdict),
            [
                "2: `sorry` is not allowed: something is left open here",
                "4: `uses` rests on `sorry`, which is not allowed"
            ]
        );
        assert_eq!(texts(&Policy::default(), &verdict), [""; 0]);
    }

    #[test]
    fn axioms_beyond_the_list_are_named_sorry_among_them() {
        let allowed = Some(vec!["propext".to_owned(), "Quot.sound".to_owned()]);
        let policy = Policy { no_sorry: false, allowed };
        let verdict =
            verdict(vec![axioms("a", &["propext", "Quot.sound"]), axioms("b", &["Mine", "sorryAx"])]);
        assert_eq!(
            texts(&policy, &verdict),
            [
                "4: `b` rests on the axiom `Mine`, which is not allowed",
                "4: `b` rests on the axiom `sorryAx`, which is not allowed"
            ]
        );
        let none = Policy { no_sorry: false, allowed: Some(Vec::new()) };
        assert_eq!(texts(&none, &verdict).len(), 4);
    }
}
