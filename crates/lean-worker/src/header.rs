//! Which imports a file asks for: the head of it, read as Lean's parser reads it, in words. Files with the same words share a zygote.
//!
//! Where this reader is not sure (an import without a name, a tab, a comment without an end), the header is the whole file, for which
//! there is a zygote of its own. Then Lean's own parser says what is wrong. And a child that finds another header in
//! its file than its zygote has says so: then the file gets a zygote of its own, too. So a mistake made here costs time, never an answer.

use std::path::{Component, Path, PathBuf};

use crate::protocol::Position;

/// What a file begins with, as a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// Its words, one entry for `module`, `prelude` and each import, with one space between the words of an import.
    Words(Vec<String>),
    /// The file itself, because what it begins with is wrong or odd.
    Whole {
        /// The file's name.
        file: String,
        /// Its text.
        text: String,
    },
}

/// A header and where it stands in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) header: Header,
    /// Where the words of [`Header::Words`] are, each with its place in the file and its place in [`Header::text`].
    places: Vec<(Position, Position)>,
}

impl Header {
    /// That of a file.
    #[must_use]
    pub fn of(text: &str) -> Self {
        read("<header>", text).header
    }

    /// The header as a zygote gets it: for [`Words`](Self::Words) one line each.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Words(words) => words.iter().map(|word| format!("{word}\n")).collect(),
            Self::Whole { text, .. } => text.clone(),
        }
    }

    /// The name of the file it is from, for messages.
    pub(crate) fn file(&self) -> &str {
        match self {
            Self::Words(_) => "<header>",
            Self::Whole { file, .. } => file,
        }
    }

    /// Its words, for a policy that compares headers. Those of a whole file are of no use to another.
    pub(crate) fn words(&self) -> &[String] {
        match self {
            Self::Words(words) => words,
            Self::Whole { .. } => &[],
        }
    }

    /// The modules that are imported by name, as the file has them; none of [`Whole`](Self::Whole).
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        // Not what is behind the last space: a name may have spaces in «».
        self.words().iter().filter_map(|word| {
            let (_, rest) = word.split_once("import ")?;
            Some(rest.strip_prefix("all ").unwrap_or(rest))
        })
    }
}

/// The parts of a name as Lean writes it: `A.«b.c».D` has three. A `«` inside of «» is a character as any other.
#[must_use]
pub fn name_parts(name: &str) -> Vec<String> {
    let (mut parts, mut part, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in name.chars() {
        match c {
            '«' if !is_quoted => is_quoted = true,
            '»' if is_quoted => is_quoted = false,
            '.' if !is_quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

/// The path of a module's file below a folder that is searched, without its ending; `None` if it would not lie below it.
pub(crate) fn path_of(module: &str) -> Option<PathBuf> {
    let parts = name_parts(module);
    let is_plain = |part: &String| {
        let mut components = Path::new(part).components();
        matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == part.as_str())
    };
    parts.iter().all(is_plain).then(|| parts.iter().collect())
}

/// As a text that has the same words.
impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl Found {
    /// Where in the file something is that a zygote has found at `at` in the header that it got.
    pub(crate) fn place(&self, at: Position) -> Position {
        self.places.iter().rev().find(|(_, there)| *there <= at && there.line == at.line).map_or(
            at,
            |(here, there)| Position { line: here.line, column: here.column + at.column - there.column },
        )
    }
}

/// Reads the header of `text`.
pub(crate) fn read(file: &str, text: &str) -> Found {
    let mut reader = Reader { rest: text, at: Position { line: 1, column: 0 } };
    match reader.header() {
        Ok((words, places)) => Found { header: Header::Words(words), places },
        Err(Unsure) => whole(file, text),
    }
}

/// The header that is the file itself.
pub(crate) fn whole(file: &str, text: &str) -> Found {
    Found { header: Header::Whole { file: file.to_owned(), text: text.to_owned() }, places: Vec::new() }
}

struct Unsure;

/// The words, and the places of each in the file and in the text of the header.
type Words = (Vec<String>, Vec<(Position, Position)>);

#[derive(Clone, Copy)]
struct Reader<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<Words, Unsure> {
        let (mut words, mut places) = (Vec::new(), Vec::new());
        self.space()?;
        for keyword in ["module", "prelude"] {
            let at = self.at;
            if self.keyword(keyword)? {
                places.push((at, Position { line: words.len() as u64 + 1, column: 0 }));
                words.push(keyword.to_owned());
            }
        }
        loop {
            let mut ahead = *self;
            let mut word = String::new();
            let mut parts = Vec::new();
            for (keyword, required) in [("public", false), ("meta", false), ("import", true), ("all", false)]
            {
                let at = ahead.at;
                if ahead.keyword(keyword)? {
                    parts.push((at, word.len()));
                    word.push_str(keyword);
                    word.push(' ');
                } else if required {
                    return Ok((words, places));
                }
            }
            parts.push((ahead.at, word.len()));
            word.push_str(ahead.name()?);
            ahead.space()?;
            let line = words.len() as u64 + 1;
            places
                .extend(parts.into_iter().map(|(at, column)| (at, Position { line, column: column as u64 })));
            words.push(word);
            *self = ahead;
        }
    }

    /// Takes `keyword` and the space behind it, if it is next.
    fn keyword(&mut self, keyword: &str) -> Result<bool, Unsure> {
        let next = self.rest.strip_prefix(keyword).map(|rest| rest.chars().next());
        if next.is_none_or(|next| next.is_some_and(|c| is_rest_of_name(c) || c == '.')) {
            return Ok(false);
        }
        self.skip(keyword.len());
        self.space()?;
        Ok(true)
    }

    /// A name: parts with dots between, each plain or in «».
    fn name(&mut self) -> Result<&'a str, Unsure> {
        let text = self.rest;
        let mut length = 0;
        loop {
            let part = &text[length..];
            length += match part.strip_prefix('«') {
                Some(quoted) => {
                    2 * '«'.len_utf8()
                        + quoted.find('»').filter(|end| !quoted[..*end].contains('\n')).ok_or(Unsure)?
                }
                None if part.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                    part.find(|c| !is_rest_of_name(c)).unwrap_or(part.len())
                }
                None => return Err(Unsure),
            };
            if !text[length..].starts_with('.') {
                break;
            }
            length += 1;
        }
        self.skip(length);
        Ok(&text[..length])
    }

    /// Takes what is between words: white space and comments.
    fn space(&mut self) -> Result<(), Unsure> {
        loop {
            let text = self.rest;
            let mut chars = text.chars();
            match (chars.next(), chars.next(), chars.next()) {
                (Some(' ' | '\n'), ..) => self.skip(1),
                (Some('\r'), Some('\n'), _) => self.skip(2),
                (Some('\t' | '\r'), ..) => return Err(Unsure),
                (Some('-'), Some('-'), _) => self.skip(text.find('\n').unwrap_or(text.len())),
                // Those are comments on what follows, which a header has none of.
                (Some('/'), Some('-'), Some('-' | '!')) => return Ok(()),
                (Some('/'), Some('-'), _) => self.block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Comments in comments count.
    fn block_comment(&mut self) -> Result<(), Unsure> {
        let text = self.rest;
        let (mut depth, mut at) = (1, 2);
        while depth > 0 {
            let found = at + text[at..].find(['-', '/']).ok_or(Unsure)?;
            at = found + 1;
            match &text.as_bytes()[found..text.len().min(found + 2)] {
                b"-/" => (depth, at) = (depth - 1, found + 2),
                b"/-" => (depth, at) = (depth + 1, found + 2),
                _ => {}
            }
        }
        self.skip(at);
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.at = match taken.rsplit_once('\n') {
            Some((lines, last)) => Position {
                line: self.at.line + 1 + lines.matches('\n').count() as u64,
                column: last.chars().count() as u64,
            },
            None => Position { line: self.at.line, column: self.at.column + taken.chars().count() as u64 },
        };
    }
}

/// What may follow the first letter of a name. Wider than Lean's own table beyond ASCII, where letters, subscripts and symbols lie side by side.
fn is_rest_of_name(c: char) -> bool {
    c.is_alphanumeric() || "_'!?".contains(c) || ('\u{2080}'..='\u{209c}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Option<Vec<String>> {
        match read("a.lean", text).header {
            Header::Words(words) => Some(words),
            Header::Whole { file, text: whole } => {
                assert_eq!((file.as_str(), whole.as_str()), ("a.lean", text));
                None
            }
        }
    }

    #[test]
    fn words_are_those_of_lean_s_parser_in_order() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("#check Nat", &[]),
            ("import Lean", &["import Lean"]),
            ("import A import B\nimport A", &["import A", "import B", "import A"]),
            ("prelude import A.B.C\ndef x := 1\nimport D", &["prelude", "import A.B.C"]),
            (
                "module\nprelude\npublic meta import all A\nimport B",
                &["module", "prelude", "public meta import all A", "import B"],
            ),
            ("-- import X\n/- a /- b -/ import Y -/ import Z -- more\n", &["import Z"]),
            ("/--/ import X -/ import Y", &[]),
            ("/-! doc -/ import X", &[]),
            ("import A\n/-- doc -/ def x := 1", &["import A"]),
            ("import A\r\nimport B\r\n", &["import A", "import B"]),
            ("import «1080».B'", &["import «1080».B'"]),
            ("import A\npublic def x := 1", &["import A"]),
            ("importA", &[]),
            ("import.A", &[]),
            ("module.x", &[]),
            ("import A(B)", &["import A"]),
            ("import Über.α₁", &["import Über.α₁"]),
            (
                "public import all «a b».C import «import x»",
                &["public import all «a b».C", "import «import x»"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).unwrap(), *expected, "{text:?}");
        }
    }

    #[test]
    fn module_names_are_read_as_lean_writes_them() {
        assert_eq!(name_parts("A.B"), ["A", "B"]);
        assert_eq!(name_parts("A.«1080».«b.c»"), ["A", "1080", "b.c"]);
        assert_eq!(name_parts("««..»"), ["«.."], "no part that leads upwards");
    }

    #[test]
    fn modules_are_named_whole_and_their_files_lie_below_the_folder_that_is_searched() {
        let header =
            Header::of("module\npublic import all «a b».C import «import x» import «../x y» meta import A");
        let modules: Vec<&str> = header.modules().collect();
        assert_eq!(modules, ["«a b».C", "«import x»", "«../x y»", "A"]);
        assert_eq!(path_of("A.«b.c».D'"), Some(PathBuf::from("A/b.c/D'")));
        for out in ["«..».x", "«../x y»", "«/etc/x»", "A.«.»", "A.«b/c»", "«»", "A.«./b»", "A.«b/»"]
        {
            assert_eq!(path_of(out), None, "{out}");
        }
        assert_eq!(path_of("««..»"), Some(PathBuf::from("«..")), "one part, that begins so");
    }

    #[test]
    fn what_is_wrong_or_odd_is_a_header_of_its_own() {
        for text in [
            "import",
            "import all",
            "import A.",
            "import .A",
            "import 1",
            "import\tA",
            "\timport A",
            "import A\r import B",
            "/- import A",
            "import A /- ",
            "import «A",
            "import «A\n»",
            "import A\n\timport B",
        ] {
            assert_eq!(words(text), None, "{text:?}");
        }
    }

    #[test]
    fn place_in_the_header_that_a_zygote_got_is_found_in_the_file() {
        let found = read("a.lean", "-- one\n\nprelude  import\n  Über.A -- two\nimport B");
        assert_eq!(found.header.text(), "prelude\nimport Über.A\nimport B\n");
        let place = |line, column| {
            let at = found.place(Position { line, column });
            (at.line, at.column)
        };
        assert_eq!(
            [place(1, 0), place(2, 0), place(2, 7), place(2, 13), place(3, 0)],
            [(3, 0), (3, 9), (4, 2), (4, 8), (5, 0)]
        );
        assert_eq!(place(9, 3), (9, 3), "nothing is known");
        assert_eq!(
            read("a.lean", "prelude import A.B import C").header.modules().collect::<Vec<_>>(),
            ["A.B", "C"]
        );
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces = [
            "import", " ", "A", ".", "«", "»", "/-", "-/", "--", "\n", "\t", "\r", "module", "é", "all", "-",
            "/",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let text: String =
                (0..random.usize(0..12)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            read("a.lean", &text);
        }
    }
}
