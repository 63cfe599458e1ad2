//! The lines between a borrower and a lender.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::surroundings::Surroundings;

/// Who does not speak as this version does can't be talked to.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest line, in bytes. Answers with info trees are long.
const LONGEST: u64 = 1 << 30;

/// What a borrower works with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The toolchain, the worker, the folders to search.
    pub around: Surroundings,
    /// Where its relative paths begin.
    pub folder: PathBuf,
    /// What each request may take.
    pub timeout: Option<Duration>,
    /// So much later a request is killed that has not come back.
    pub grace: Duration,
}

/// The first line of a borrower.
#[derive(Serialize, Deserialize)]
pub(super) struct First {
    pub(super) version: String,
    pub(super) hello: serde_json::Value,
}

/// Each other line of a borrower.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ask {
    Request(String),
    /// The request that runs is to come back.
    Interrupt,
}

/// A line of a lender. The first one is `Ready` or `Refused`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Say {
    Ready,
    Refused(String),
    Answer(String),
}

pub(super) fn write_line<T: Serialize>(mut stream: &UnixStream, value: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// The next line; `None` at the end. Half a line at the end is none.
pub(super) fn read_line<T: DeserializeOwned>(
    stream: &mut BufReader<UnixStream>,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line)?;
    match line.last() {
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        _ if line.len() as u64 >= LONGEST => Err(std::io::Error::other("a line without an end")),
        _ => Ok(None),
    }
}
