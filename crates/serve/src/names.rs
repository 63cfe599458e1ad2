//! Which headers are given to Lean at all: those whose module names can't leave the folders that are searched.
//!
//! Lean makes a path of a module's name, part by part, and a part in «» may hold any character: `import «../../x»` would be a file outside.

use lean_worker::Header;

/// Refuses a header that names no module, but a path.
///
/// # Errors
/// In words, with the name.
pub fn check(header: &Header) -> Result<(), String> {
    match header {
        Header::Words(_) => header.modules().try_for_each(name),
        // What is imported is not known in words: then no name in the whole text may be odd.
        Header::Whole { text, .. } => text.split('«').skip(1).try_for_each(|rest| {
            let part = rest.split('»').next().unwrap_or(rest);
            let first_line = part.lines().next().unwrap_or_default();
            quoted(first_line, first_line)
        }),
    }
}

fn name(name: &str) -> Result<(), String> {
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('«') {
        plain(before, name)?;
        let (part, behind) = behind.split_once('»').unwrap_or((behind, ""));
        quoted(part, name)?;
        rest = behind;
    }
    plain(rest, name)
}

fn plain(text: &str, name: &str) -> Result<(), String> {
    if text.contains(['/', '\\', ':']) || text.chars().any(char::is_control) || text.contains("..") {
        return Err(refusal(name));
    }
    Ok(())
}

fn quoted(part: &str, name: &str) -> Result<(), String> {
    let is_odd = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    if part.is_empty() || part.chars().all(|c| c == '.') || part.contains(is_odd) {
        return Err(refusal(name));
    }
    Ok(())
}

fn refusal(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    format!(
        "{name:?} is refused as the name of a module: it could name a file outside of the folders that are searched"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&Header::of(text))
    }

    #[test]
    fn name_that_leaves_the_searched_folders_is_refused() {
        for text in [
            "import «../../etc/passwd»",
            "import A.«..».B",
            "import «/etc/x»",
            "import A.«b/c»",
            "import A\nimport «.»",
            "import A.«..\\x»",
            "import A.«C:x»",
            "import A.«»",
            "import\t«../x»",
            "import A.«x\u{0}y»",
            "import A.«../x",
            "import «../x y»",
            "public import all «/etc/x y».A",
        ] {
            assert!(checked(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn usual_headers_pass_and_what_stands_behind_the_header_is_not_looked_at() {
        for text in [
            "",
            "import Mathlib",
            "module\npublic meta import Über.«my name».A'",
            "import A.«b.c»",
            "import A\nnotation \"x\" => «term_/_»",
            "/-- no header -/ def «a/b» := 1",
        ] {
            assert_eq!(checked(text), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = ["import", " ", "A", ".", "«", "»", "/-", "..", "/", "\n", "\t", "é"];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..12)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            let _ = checked(&text);
        }
    }
}
