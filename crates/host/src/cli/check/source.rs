//! Reading a file that is to be checked, as `lean` reads it.

use std::path::Path;

use leanpool::source::{self, Failure};

/// What the file holds.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let text = source::read(file)?;
    // `lean` skips such a first line.
    match text.strip_prefix("#lang lean4") {
        Some(rest) if rest.trim_start_matches(['\r', ' ']).starts_with('\n') => {
            Ok(rest[rest.find('\n').unwrap_or(0)..].to_owned())
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_that_names_the_language_is_skipped_and_lines_keep_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lean");
        let text = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap()
        };
        assert_eq!(text("#lang lean4\nimport A"), "\nimport A");
        assert_eq!(
            [text("#lang lean5\nimport A"), text("#lang lean4x\n")],
            ["#lang lean5\nimport A", "#lang lean4x\n"]
        );
    }
}
