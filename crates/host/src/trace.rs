//! Session traces: which import lists were asked for, in order.
//!
//! A line for each request: seconds since the first, a tab, the names separated by one space.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use pool_core::Names as Imports;

/// One request of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Seconds since the first.
    pub seconds: u64,
    /// What was asked for. Equal lists of a trace are clones of one.
    pub imports: Imports,
}

/// A trace that was read.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it is called: the file's path as it was given.
    pub name: String,
    /// The requests, in order; at least one.
    pub requests: Vec<Request>,
    /// How many different lists they ask for.
    pub distinct_keys: usize,
}

/// Why a trace can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// There is no such file.
    #[error("{}: there is no such file; traces lie in benches/traces", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("{}: this is a directory; name one trace file in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The system would not read it.
    #[error("{}: can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has no request.
    #[error("{name}: the trace is empty; {FORM}")]
    Empty {
        /// The trace.
        name: String,
    },
    /// A line is not a request.
    #[error("{name}:{line}: {problem}; {FORM}")]
    Malformed {
        /// The trace.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

const FORM: &str = "expected lines of the form 'SECONDS<tab>NAME NAME …', such as '60<tab>Init Lean'";

impl Trace {
    /// Reads a file, or standard input where `path` is `-`.
    ///
    /// # Errors
    /// See [`TraceError`]; nothing of a bad trace is used.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => TraceError::Missing { path: path.to_owned() },
            io::ErrorKind::IsADirectory => TraceError::Directory { path: path.to_owned() },
            _ => TraceError::Unreadable { path: path.to_owned(), source },
        };
        let bytes = if path == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable)?;
            bytes
        } else if path.is_dir() {
            return Err(TraceError::Directory { path: path.to_owned() });
        } else {
            std::fs::read(path).map_err(unreadable)?
        };
        let name = path.display().to_string();
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
                Err(TraceError::Malformed { name, line, problem: "this is not UTF-8 text".to_owned() })
            }
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`TraceError::Empty`] and [`TraceError::Malformed`].
    pub fn parse(name: &str, text: &str) -> Result<Self, TraceError> {
        let mut lists: HashMap<&str, Imports> = HashMap::new();
        let (mut requests, mut before) = (Vec::new(), 0);
        for (index, line) in text.lines().enumerate() {
            let malformed =
                |problem| TraceError::Malformed { name: name.to_owned(), line: index + 1, problem };
            let (seconds, names) = split(line).map_err(malformed)?;
            if seconds < before {
                return Err(malformed(format!("time runs backwards, from {before} to {seconds} seconds")));
            }
            before = seconds;
            let imports = lists.entry(names).or_insert_with(|| names.split(' ').collect()).clone();
            requests.push(Request { seconds, imports });
        }
        if requests.is_empty() {
            return Err(TraceError::Empty { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), requests, distinct_keys: lists.len() })
    }
}

/// The seconds and the names of a line, or what is wrong with it.
fn split(line: &str) -> Result<(u64, &str), String> {
    let Some((seconds, names)) = line.split_once('\t') else {
        let found = if line.is_empty() { "the line is empty" } else { "there is no tab" };
        return Err(found.to_owned());
    };
    if seconds.starts_with('\u{feff}') {
        return Err("the file begins with a byte order mark; save it without one".to_owned());
    }
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = seconds.parse().ok().filter(|_| is_number) else {
        return Err(format!("'{}' is not a whole number of seconds", shortened(seconds)));
    };
    if number > MOST_SECONDS {
        return Err(format!("{number} seconds are more than {MOST_SECONDS} (136 years)"));
    }
    if names.is_empty() {
        return Err("there is no name after the tab".to_owned());
    }
    if names.split(' ').any(str::is_empty) {
        return Err("a name is empty (a space too many)".to_owned());
    }
    if let Some(control) = names.chars().find(|char| char.is_control()) {
        return Err(format!("'{}' is in a name", control.escape_debug()));
    }
    Ok((number, names))
}

/// Far more than any project's history, and little enough to be counted in nanoseconds.
const MOST_SECONDS: u64 = u32::MAX as u64;

/// As much of `text` as fits an error message.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Trace::parse("t.tsv", text).unwrap_err().to_string()
    }

    #[test]
    fn each_malformed_line_is_named_with_what_is_wrong_and_what_was_expected() {
        let form = "; expected lines of the form 'SECONDS<tab>NAME NAME …', such as '60<tab>Init Lean'";
        for (line, says) in [
            ("", "the line is empty"),
            ("5 Init", "there is no tab"),
            ("x\tInit", "'x' is not a whole number of seconds"),
            ("-1\tInit", "'-1' is not a whole number of seconds"),
            ("+1\tInit", "'+1' is not a whole number of seconds"),
            ("1.5\tInit", "'1.5' is not a whole number of seconds"),
            ("\tInit", "'' is not a whole number of seconds"),
            ("99999999999999999999\tInit", "'99999999999999999999' is not a whole number of seconds"),
            ("\u{feff}1\tInit", "the file begins with a byte order mark; save it without one"),
            ("4294967296\tInit", "4294967296 seconds are more than 4294967295 (136 years)"),
            (
                &format!("{}\tInit", "x".repeat(99)),
                &format!("'{}…' is not a whole number of seconds", "x".repeat(40)),
            ),
            ("5\t", "there is no name after the tab"),
            ("5\tInit  Lean", "a name is empty (a space too many)"),
            ("5\tInit ", "a name is empty (a space too many)"),
            ("5\tInit\tLean", "'\\t' is in a name"),
            ("5\tIn\0it", "'\\0' is in a name"),
            ("2\tInit", "time runs backwards, from 3 to 2 seconds"),
        ] {
            let text = format!("0\tInit\n3\tInit Lean\n{line}\n9\tInit\n");
            assert_eq!(problem(&text), format!("t.tsv:3: {says}{form}"));
        }
        assert!(problem("").starts_with("t.tsv: the trace is empty; expected lines"));
    }

    #[test]
    fn line_ends_of_both_kinds_and_a_missing_last_one_are_read() {
        let trace = Trace::parse("t", "0\tInit\r\n0\tInit Lean\n7\tInit").unwrap();
        let lists: Vec<String> = trace.requests.iter().map(|request| request.imports.to_string()).collect();
        assert_eq!(lists, ["Init", "Init Lean", "Init"]);
        assert_eq!((trace.distinct_keys, trace.requests[2].seconds), (2, 7));
    }
}
