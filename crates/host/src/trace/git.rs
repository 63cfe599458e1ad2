//! A trace of a Lean project's own history: what a checker of every pushed change would have opened.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Why there is no trace of a history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// `git` can't be run.
    #[error("git can't be run ({0}): install it, and have it on the PATH")]
    NoGit(io::Error),
    /// `git` failed.
    #[error("{}: git says: {says}", path.display())]
    Git {
        /// The folder.
        path: PathBuf,
        /// What it said.
        says: String,
    },
    /// `git` ended in the middle, or said what it never says.
    #[error("{}: git can't be understood: {problem}", path.display())]
    Answer {
        /// The folder.
        path: PathBuf,
        /// What was wrong.
        problem: String,
    },
}

/// Goes through the history of the git repository at `path`, from its beginning: for each `.lean` file that a commit (no merge) added or
/// changed, calls `request` with the seconds since the first and the file's import list as its header has it in that commit, names
/// separated by one space. Times are those at which commits were made; where one is before its parents', it is theirs.
///
/// # Errors
/// See [`GitError`]. What was found before has been given to `request`.
#[expect(clippy::missing_panics_doc, reason = "its pipes are there, for it was started with them")]
pub fn from_git(path: &Path, mut request: impl FnMut(u64, &str) -> ControlFlow<()>) -> Result<(), GitError> {
    let answer = |problem: String| GitError::Answer { path: path.to_owned(), problem };
    let lost = |error: io::Error| answer(error.to_string());
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(path).args(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(GitError::NoGit)
    };
    const LOG: [&str; 10] = [
        "log",
        "--reverse",
        "--no-merges",
        "--no-renames",
        "--raw",
        "--no-abbrev",
        "--diff-filter=AMT",
        "--format=%ct",
        "--",
        "*.lean",
    ];
    let mut log = git(&LOG)?;
    let mut blobs = Blobs::new(git(&["cat-file", "--batch"])?);
    let changes = BufReader::new(log.stdout.take().expect("its output is piped"));
    let (mut seconds, mut first) = (0, None);
    let mut broken_off = false;
    for line in changes.split(b'\n') {
        let line = line.map_err(lost)?;
        let line = String::from_utf8_lossy(&line);
        if let Some(change) = line.strip_prefix(':') {
            // MODE MODE BLOB BLOB STATUS<tab>PATH; a submodule or link is no file.
            let fields: Vec<&str> = change.split(' ').collect();
            let [_, mode, _, blob, ..] = fields[..] else { return Err(answer(format!("'{line}'"))) };
            if !mode.starts_with("100") {
                continue;
            }
            let header = blobs.header(blob).map_err(lost)?;
            let since = seconds - *first.get_or_insert(seconds);
            if request(since, &imports_of(&header)).is_break() {
                broken_off = true;
                break;
            }
        } else if let Ok(time) = line.trim().parse::<u64>() {
            seconds = seconds.max(time);
        }
    }
    if broken_off {
        // What they still have to say is not wanted.
        let _ = (log.kill(), log.wait());
        return Ok(());
    }
    let mut says = String::new();
    let said = log.stderr.take().expect("its errors are piped").read_to_string(&mut says);
    said.map_err(lost)?;
    let status = log.wait().map_err(lost)?;
    if status.success() {
        Ok(())
    } else {
        Err(GitError::Git { path: path.to_owned(), says: says.trim().to_owned() })
    }
}

/// `git cat-file --batch`.
struct Blobs {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Blobs {
    fn new(mut child: Child) -> Self {
        let answers = BufReader::new(child.stdout.take().expect("its output is piped"));
        Self { child, answers }
    }

    /// The text of a file, by its name in git.
    fn header(&mut self, blob: &str) -> io::Result<String> {
        let questions = self.child.stdin.as_mut().expect("its input is piped");
        writeln!(questions, "{blob}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let size = line.trim().rsplit(' ').next().and_then(|size| size.parse::<u64>().ok());
        let size = size.ok_or_else(|| io::Error::other(format!("'{}' of {blob}", line.trim())))?;
        let mut text = Vec::new();
        self.answers.by_ref().take(size).read_to_end(&mut text)?;
        self.answers.read_exact(&mut [0])?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        // Its input ends with this, and it with its input; nothing depends on how.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The modules that a Lean file's header imports, in order, separated by spaces: `Init` first, unless it says `prelude`. (Lean's parser
/// decides in a worker; this reads what it reads: `module`, `prelude`, and `import`s with `public`, `meta` and `all`.)
fn imports_of(text: &str) -> String {
    let mut words = Words(text.trim_start_matches('\u{feff}'));
    let mut imports = Vec::new();
    let mut word = words.next();
    if word == Some("module") {
        word = words.next();
    }
    if word == Some("prelude") {
        word = words.next();
    } else {
        imports.push("Init");
    }
    loop {
        while matches!(word, Some("public" | "meta")) {
            word = words.next();
        }
        if word != Some("import") {
            break;
        }
        word = words.next();
        if word == Some("all") {
            word = words.next();
        }
        let Some(module) = word else { break };
        imports.push(module);
        word = words.next();
    }
    if imports.is_empty() { "Init.Prelude".to_owned() } else { imports.join(" ") }
}

/// What is between spaces and comments.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.0 = self.0.trim_start();
            if self.0.starts_with("--") {
                self.0 = self.0.split_once('\n').map_or("", |(_, rest)| rest);
            } else if self.0.starts_with("/-") {
                self.0 = after_comment(self.0);
            } else {
                break;
            }
        }
        let ends = |rest: &str| {
            rest.starts_with(char::is_whitespace) || rest.starts_with("--") || rest.starts_with("/-")
        };
        let end =
            self.0.char_indices().map(|(at, _)| at).find(|&at| ends(&self.0[at..])).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(word).filter(|word| !word.is_empty())
    }
}

/// What comes after the comment that `text` begins with; comments nest.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut rest) = (0, text);
    loop {
        if let Some(inner) = rest.strip_prefix("/-") {
            (depth, rest) = (depth + 1, inner);
        } else if let Some(outer) = rest.strip_prefix("-/") {
            (depth, rest) = (depth - 1, outer);
            if depth == 0 {
                return rest;
            }
        } else {
            let mut letters = rest.chars();
            if letters.next().is_none() {
                return "";
            }
            rest = letters.as_str();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_lean_reads_them() {
        for (text, imports) in [
            ("", "Init"),
            ("def x := 1", "Init"),
            ("import A\nimport B.C\n\nimport D -- no\ndef import := 1\nimport E", "Init A B.C D"),
            (
                "/- a /- nested -/ import X -/ import A /- b -/ import B-- c\nimport C/-d-/open E",
                "Init A B C",
            ),
            ("prelude\nimport Init.Core\n", "Init.Core"),
            ("prelude", "Init.Prelude"),
            ("module\n\npublic import A\npublic meta import B\nimport all C\n\npublic section", "Init A B C"),
            ("import A import B\r\nimport C\r\n", "Init A B C"),
            ("\u{feff}import A", "Init A"),
            ("/-- unfinished", "Init"),
            ("import", "Init"),
        ] {
            assert_eq!(imports_of(text), imports, "{text:?}");
        }
    }
}
