//! What the host itself answers, in the REPL's layout.

use super::routes::Lost;

/// As wide as the REPL's lines are.
const WIDTH: usize = 80;
/// Of many rows of numbers, so many are named.
const ROWS: usize = 6;

/// The answer of a REPL that says in words why there is none: `{"message": …}`, in its layout.
#[must_use]
pub fn message(words: &str) -> String {
    let text = serde_json::Value::from(words).to_string();
    let line = format!("{{\"message\": {text}}}");
    if line.chars().count() <= WIDTH { line } else { format!("{{\"message\":\n {text}}}") }
}

/// What is gone, and that the rest is not.
pub(super) fn lost(lost: &Lost) -> String {
    let gone: Vec<String> = [("environment", &lost.envs), ("proof state", &lost.proofs)]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(what, rows)| numbers(what, rows))
        .collect();
    if gone.is_empty() {
        "Nothing is lost".to_owned()
    } else {
        format!("Gone with it: {}; all else is still there", gone.join(" and "))
    }
}

fn numbers(what: &str, rows: &[(u64, u64)]) -> String {
    let is_one = matches!(rows, [(first, last)] if first == last);
    let mut named: Vec<String> = rows
        .iter()
        .take(ROWS)
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    if rows.len() > ROWS {
        named.push("...".to_owned());
    }
    format!("{what}{} {}", if is_one { "" } else { "s" }, named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_go_to_a_line_of_their_own_as_the_repl_breaks_them() {
        assert_eq!(message("Unknown environment."), r#"{"message": "Unknown environment."}"#);
        let just = "⊢".repeat(WIDTH - message("").len());
        assert!(!message(&just).contains('\n') && message(&just).contains('⊢'));
        assert_eq!(message(&format!("{just}x")), format!("{{\"message\":\n \"{just}x\"}}"));
        assert_eq!(message("a\n\"b\""), r#"{"message": "a\n\"b\""}"#);
    }

    #[test]
    fn what_is_lost_is_named_by_its_numbers() {
        let of = |envs: &[(u64, u64)], proofs: &[(u64, u64)]| {
            lost(&Lost { envs: envs.to_vec(), proofs: proofs.to_vec() })
        };
        assert_eq!(of(&[], &[]), "Nothing is lost");
        assert_eq!(of(&[(3, 3)], &[]), "Gone with it: environment 3; all else is still there");
        assert_eq!(
            of(&[(0, 1), (5, 5)], &[(1, 8)]),
            "Gone with it: environments 0-1, 5 and proof states 1-8; all else is still there"
        );
        let many: Vec<(u64, u64)> = (0..100).map(|n| (2 * n, 2 * n)).collect();
        assert!(of(&many, &[]).contains("8, 10, ...;"), "{}", of(&many, &[]));
    }
}
