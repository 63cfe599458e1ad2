//! Reading files that somebody else may have put there: never more than a bound, and nothing that does not end.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes of a lakefile, a manifest, a set-up, or what is kept of Lake's answers. Those of Mathlib have some ten thousand.
pub(crate) const LARGEST: u64 = 16 << 20;

/// What a plain file holds.
///
/// # Errors
/// As the system has it; it is no plain file, which may never end; it has more than [`LARGEST`].
pub(crate) fn plain_file(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe waits for somebody who writes.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no plain file"));
    }
    all_of(File::open(path)?, LARGEST)
}

/// All that comes.
///
/// # Errors
/// As the system has it, or it is more than `most` bytes.
pub(crate) fn all_of(input: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let words = format!("it has more than {} MiB, which is the most that is read", most >> 20);
        return Err(io::Error::new(ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// The same, or it is not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_not_read_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(plain_file(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
        let error = all_of(File::open("/dev/zero").unwrap(), 1 << 20).unwrap_err();
        assert!(error.to_string().contains("more than 1 MiB"), "{error}");
        std::fs::write(folder.path().join("a"), "text").unwrap();
        assert_eq!(plain_file(&folder.path().join("a")).unwrap(), b"text");
    }
}
