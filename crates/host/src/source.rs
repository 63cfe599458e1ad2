//! Reading a file that is to be checked.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::bounded;

/// Bytes of a file that is checked, at most. The largest of Mathlib has a few hundred thousand.
const LARGEST: u64 = 64 << 20;

/// Why a file can't be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line it is about, from 1.
    pub line: u64,
    /// The column, in characters, from 0.
    pub column: u64,
    /// What is wrong, and what to do if that is known.
    pub message: String,
}

impl Failure {
    /// About the file as a whole.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { line: 1, column: 0, message: message.into() }
    }
}

/// What the file holds.
///
/// # Errors
/// If it can't be read, has more than 64 MiB, or is not UTF-8: then with the place of the first byte that begins no character.
pub fn read(file: &Path) -> Result<String, Failure> {
    let bytes =
        File::open(file).map_err(|error| Failure::of_file(format!("the file can't be read: {error}")));
    let bytes = bytes.and_then(bytes_of)?;
    String::from_utf8(bytes).map_err(|error| not_utf8(error.as_bytes(), error.utf8_error()))
}

/// All bytes of a file that is to be checked.
///
/// # Errors
/// If it can't be read, or has more than 64 MiB.
pub fn bytes_of(input: impl Read) -> Result<Vec<u8>, Failure> {
    bounded::all_of(input, LARGEST)
        .map_err(|error| Failure::of_file(format!("the file can't be read: {error}")))
}

fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> Failure {
    let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
    let line = good.rsplit('\n').next().unwrap_or_default();
    Failure {
        line: 1 + good.matches('\n').count() as u64,
        column: line.chars().count() as u64,
        message: format!(
            "the file is not UTF-8: the byte 0x{:02x} here begins no character; save it as UTF-8",
            bytes[error.valid_up_to()]
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_byte_that_is_no_text_is_found() {
        let at = |bytes: &[u8]| {
            let failure = not_utf8(bytes, std::str::from_utf8(bytes).unwrap_err());
            (failure.line, failure.column, failure.message)
        };
        let (line, column, message) = at(b"\xff");
        assert_eq!((line, column), (1, 0));
        assert!(message.contains("0xff") && message.contains("save it as UTF-8"), "{message}");
        let (line, column, message) = at("é\nab∀".as_bytes().strip_suffix(b"\x80").unwrap());
        assert_eq!((line, column), (2, 2), "counted in characters");
        assert!(message.contains("0xe2"), "{message}");
    }
}
