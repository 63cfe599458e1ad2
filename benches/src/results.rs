//! The file of results, `benches/RESULTS.md`: `ratios` writes it, other benches a section each.

use std::io;
use std::path::Path;

/// The section of `sqlite-pool-example`'s bench `peers`.
pub const SQLITE: &str = "SQLite connections, beside r2d2_sqlite and deadpool-sqlite";

/// Sections that are not of `ratios`.
const OF_OTHERS: [&str; 1] = [SQLITE];

/// Reads a file, and writes what `change` makes of it. Its path is as from the folder of the workspace: cargo runs benches in that of their crate.
/// A file that is not there yet is empty.
///
/// # Errors
/// The file can't be read or written; with its path.
pub fn rewrite(file: &Path, change: impl FnOnce(&str) -> String) -> io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    let old = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        old => old.map_err(named)?,
    };
    std::fs::write(&file, change(&old)).map_err(named)
}

/// `new`, with the sections of other benches that `old` has.
#[must_use]
pub fn with_others(new: &str, old: &str) -> String {
    OF_OTHERS.iter().fold(new.to_owned(), |text, title| match place(old, title) {
        Some(place) => with_section(&text, title, &old[place]),
        None => text,
    })
}

/// `text` with `section`, which begins with its heading, in the place of the one of that title; at the end, if there is none.
#[must_use]
pub fn with_section(text: &str, title: &str, section: &str) -> String {
    let place = place(text, title).unwrap_or(text.len()..text.len());
    let parts = [&text[..place.start], section, &text[place.end..]];
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    format!("{}\n", parts.collect::<Vec<_>>().join("\n\n"))
}

/// From its heading to the next `## `, or the end.
fn place(text: &str, title: &str) -> Option<std::ops::Range<usize>> {
    let heading = format!("## {title}");
    let mut headings = text
        .split_inclusive('\n')
        .scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line.trim_end()))
        })
        .filter(|(_, line)| line.starts_with("## "));
    let start = headings.find(|(_, line)| *line == heading)?.0;
    Some(start..headings.next().map_or(text.len(), |(next, _)| next))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title\n\nhead\n\n## One\n\na\n\n## Two\n\nb\n\n### Part\n\nc\n\n## Two more\n\nd\n";

    #[test]
    fn a_section_takes_the_place_of_its_namesake_alone() {
        let new = "# Title\n\nhead\n\n## One\n\na\n\n## Two\n\nnew\n\n## Two more\n\nd\n";
        assert_eq!(with_section(TEXT, "Two", "## Two\n\nnew\n"), new);
        assert_eq!(with_section(new, "Two", &TEXT[place(TEXT, "Two").unwrap()]), TEXT);
    }

    #[test]
    fn a_new_section_goes_to_the_end() {
        assert_eq!(with_section(TEXT, "Three", "\n## Three\n\ne\n\n"), format!("{TEXT}\n## Three\n\ne\n"));
        assert_eq!(with_section("", "Three", "## Three"), "## Three\n");
    }

    #[test]
    fn what_others_wrote_stays_and_what_was_ours_does_not() {
        let theirs = format!("## {SQLITE}\n\ntable\n");
        let old = with_section(TEXT, SQLITE, &theirs);
        assert_eq!(with_others("# New\n\n## One\n\nx\n", &old), format!("# New\n\n## One\n\nx\n\n{theirs}"));
        assert_eq!(with_others("# New\n", TEXT), "# New\n");
    }
}
