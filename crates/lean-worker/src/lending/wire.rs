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

#[cfg(test)]
impl Hello {
    /// Of one that would work with nothing that there is.
    pub(super) fn of_nobody() -> Self {
        let around = Surroundings {
            sysroot: "/".into(),
            worker: "/nowhere".into(),
            search_path: Vec::new(),
            setup: None,
            options: Vec::new(),
            project: None,
            stack_size: None,
            saves_headers: false,
        };
        Self { around, folder: "/".into(), timeout: None, grace: Duration::ZERO }
    }
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
        _ if line.len() as u64 >= LONGEST => {
            Err(std::io::Error::other(format!("a line of more than {} MiB", LONGEST >> 20)))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends, with what lies between them.
    fn said<T: DeserializeOwned>(bytes: &[u8]) -> Vec<std::io::Result<Option<T>>> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || drop((&theirs).write_all(&bytes)));
        let mut lines = BufReader::new(ours);
        let mut all = Vec::new();
        loop {
            all.push(read_line(&mut lines));
            if !matches!(all.last(), Some(Ok(Some(_)))) {
                break;
            }
        }
        drop(lines);
        writer.join().unwrap();
        all
    }

    // Risk: the other end of a connection ends this one, or half a line is taken for one.
    fuzz::target!(
        lending,
        || {
            let hello = r#"{"version":"0","hello":{"around":{"sysroot":"/","worker":"/w","search_path":[],"setup":null,"options":[],"project":null,"stack_size":null,"saves_headers":false},"folder":"/","timeout":{"secs":1,"nanos":0},"grace":{"secs":1,"nanos":999999999}}}"#;
            [
                hello,
                "{\"request\":\"x\"}\n\"interrupt\"\n",
                "\"ready\"\n{\"refused\":\"no\"}\n{\"answer\":\"{}\"}\n",
            ]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect()
        },
        &["\"interrupt\"", "{\"request\":", "\"secs\":", "18446744073709551615", "\"nanos\":4294967295"],
        1500,
        |bytes: &[u8]| {
            let mut kinds = String::new();
            let asks = said::<Ask>(bytes);
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
            assert!(asks.len() <= lines + 1, "what has no end is no line");
            kinds += &format!("{}", asks.len().min(3));
            kinds += &format!("{}", said::<Say>(bytes).len().min(3));
            if let Ok(Some(first)) = &said::<First>(&[bytes, b"\n"].concat())[0] {
                let hello: Result<Hello, _> = serde_json::from_value(first.hello.clone());
                if let Ok(hello) = &hello {
                    let again: Hello = serde_json::from_value(serde_json::to_value(hello).unwrap()).unwrap();
                    assert_eq!(&again, hello);
                }
                kinds += if hello.is_ok() { "hello" } else { "first" };
            }
            kinds
        }
    );
}
