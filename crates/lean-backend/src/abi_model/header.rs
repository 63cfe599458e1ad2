//! Which imports a file asks for: the transcript's answers, and a small parser for other sources.

use super::answers::ANSWERS;
use super::outcome::Thrown;

/// What comes where a name should, as Lean says.
pub(super) const NO_NAME: &str = "unexpected end of input; expected identifier";

/// Words that are no names.
const KEYWORDS: [&str; 10] =
    ["import", "public", "meta", "def", "theorem", "example", "instance", "namespace", "section", "end"];

/// What `leanpool_header` answers.
pub(super) fn header(source: &str, file_name: &str) -> Result<Vec<String>, Thrown> {
    if let Some(answer) = ANSWERS.headers.get(source) {
        return answer.clone().map_err(|mut error| {
            if let Some(rest) = error.message.strip_prefix("f.lean:") {
                error.message = format!("{file_name}:{rest}");
            }
            error
        });
    }
    let Header { words, error_at, .. } = parse(source);
    match error_at {
        None => Ok(words),
        Some(at) => {
            let (line, column) = position(source, at);
            Err(Thrown::user_error(&format!("{file_name}:{line}:{column}: {NO_NAME}")))
        }
    }
}

pub(super) struct Header {
    words: Vec<String>,
    /// Where a name is missing.
    pub(super) error_at: Option<usize>,
    /// Where the header ends.
    pub(super) body: usize,
}

pub(super) fn parse(source: &str) -> Header {
    let mut scanner = Scanner { source, at: lang_line(source) };
    let is_module = scanner.word("module");
    let is_prelude = scanner.word("prelude");
    let mut words = Vec::new();
    if is_module {
        words.push("module".to_owned());
    }
    if !is_prelude {
        words.push("public Init".to_owned());
    }
    let mut error_at = None;
    loop {
        let before = scanner.at;
        let is_public = scanner.word("public");
        let is_meta = scanner.word("meta");
        if !scanner.word("import") {
            // `public` and `meta` may begin a command as well.
            scanner.at = before;
            break;
        }
        let is_all = scanner.word("all");
        let end = scanner.at;
        let Some(name) = scanner.name() else {
            // After a name that ends in a dot, else after the word before.
            error_at = Some(end.max(scanner.at));
            break;
        };
        let flags = [(is_public || !is_module, "public "), (is_meta, "meta "), (is_all, "all ")];
        let flags: String = flags.iter().filter(|(is_there, _)| *is_there).map(|(_, flag)| *flag).collect();
        words.push(flags + name);
    }
    Header { words, error_at, body: scanner.at }
}

/// How long a first line `#lang lean4` is, without its end: `lean` passes over it.
fn lang_line(source: &str) -> usize {
    let line = source.lines().next().unwrap_or_default();
    let is_lang = line.strip_prefix("#lang").is_some_and(|rest| rest.trim() == "lean4");
    if is_lang { line.len() } else { 0 }
}

/// The line of a place in `source`, from 1, and its column in characters, from 0.
pub(super) fn position(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count())
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            self.at += if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/-") && !rest.starts_with("/--") && !rest.starts_with("/-!") {
                block_comment(rest)
            } else {
                match rest.chars().next() {
                    Some(blank) if blank.is_whitespace() => blank.len_utf8(),
                    _ => return,
                }
            };
        }
    }

    /// Takes `word`, if it is next.
    fn word(&mut self, word: &str) -> bool {
        let before = self.at;
        self.skip_blanks();
        let is_next =
            self.rest().strip_prefix(word).is_some_and(|after| !after.starts_with(is_part_of_a_name));
        self.at = if is_next { self.at + word.len() } else { before };
        is_next
    }

    /// Takes a name, if one is next. One that ends in a dot is taken up to there, and is none.
    fn name(&mut self) -> Option<&'s str> {
        let before = self.at;
        self.skip_blanks();
        let start = self.at;
        loop {
            let component = self.component();
            if component == 0 && self.at > start {
                return None;
            }
            self.at += component;
            if component == 0 || KEYWORDS.contains(&&self.source[start..self.at]) {
                self.at = before;
                return None;
            }
            if !self.rest().starts_with('.') {
                return Some(&self.source[start..self.at]);
            }
            self.at += 1;
        }
    }

    /// How long the component of a name is that is next.
    fn component(&self) -> usize {
        let rest = self.rest();
        if rest.starts_with('«') {
            return rest.find('»').map_or(0, |end| end + '»'.len_utf8());
        }
        if rest.starts_with(|first: char| first.is_numeric()) {
            return 0;
        }
        rest.find(|character| !is_part_of_a_name(character)).unwrap_or(rest.len())
    }
}

fn is_part_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '\'' | '!' | '?')
}

/// How long the comment at the beginning of `text` is; comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/-") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("-/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}
