//! What a file holds, and what it asks for.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lean_backend::{LeanCancellationToken, LeanError, LeanResult, LeanRuntime, header};

use super::{Failure, Outcome, joined, spawn, what_lean_says};

/// A file that can be checked.
pub(super) struct Source {
    pub(super) text: String,
    /// Its header, in the words of an import list.
    pub(super) header: Vec<String>,
}

/// Reads all files, and the header of each.
pub(super) fn read_all(
    runtime: &LeanRuntime,
    token: &LeanCancellationToken,
    files: &[PathBuf],
    jobs: usize,
) -> LeanResult<Vec<Result<Source, Outcome>>> {
    let sources: Vec<OnceLock<Result<Source, Outcome>>> = files.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        runtime.run(|_| {
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(file) = files.get(place) else { break };
                sources[place].get_or_init(|| match token.is_cancelled() {
                    true => Err(Outcome::Cancelled),
                    false => Source::read(runtime, file).map_err(Outcome::Failed),
                });
            }
        })
    };
    thread::scope(|scope| {
        let workers = spawn(jobs, |thread| thread.spawn_scoped(scope, work))?;
        joined(workers.into_iter().map(thread::ScopedJoinHandle::join))
    })?;
    // All were read, or this would not be reached.
    Ok(sources.into_iter().map(|source| source.into_inner().unwrap_or(Err(Outcome::Cancelled))).collect())
}

impl Source {
    fn read(runtime: &LeanRuntime, file: &Path) -> Result<Self, Failure> {
        let text = crate::source::read(file)?;
        let name = file.to_string_lossy();
        match header(runtime, &text, &name) {
            Ok(header) => Ok(Self { text, header }),
            Err(error) => Err(bad_header(&error, &name)),
        }
    }
}

/// Lean says where a header is wrong, as `file:line:column: message`.
fn bad_header(error: &LeanError, name: &str) -> Failure {
    let said = what_lean_says(error);
    let place = || {
        let (line, rest) = said.strip_prefix(name)?.strip_prefix(':')?.split_once(':')?;
        let (column, message) = rest.split_once(": ")?;
        Some(Failure { line: line.parse().ok()?, column: column.parse().ok()?, message: message.to_owned() })
    };
    place().unwrap_or_else(|| Failure::of_file(said.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_that_lean_names_is_taken_apart() {
        let said = |message: &str| {
            let kind = lean_backend::LeanExceptionKind::UserError;
            bad_header(&LeanError::LeanException { kind, message: message.to_owned() }, "a:1.lean")
        };
        let failure = said("a:1.lean:1:6: unexpected end of input; expected identifier");
        assert_eq!((failure.line, failure.column), (1, 6));
        assert_eq!(failure.message, "unexpected end of input; expected identifier");
        for other in ["", "a:1.lean", "a:1.lean:x:6: no", "b.lean:1:6: no"] {
            assert_eq!(said(other), Failure::of_file(other));
        }
    }
}
