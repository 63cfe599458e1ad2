//! Reading what is to be checked, as `lean` reads it.

use std::fs::File;
use std::io;
use std::path::Path;

use leanpool::source::{Failure, bytes_of};

/// The name that `lean` gives to what it reads from standard input.
pub(in crate::cli) const STDIN: &str = "<stdin>";

/// What the file holds, and its name, which Lean has to be given.
pub(in crate::cli) fn read(file: &Path) -> Result<(String, &str), Failure> {
    let name = file.to_str().ok_or_else(|| {
        Failure::of_file("the file's name is not UTF-8, which Lean needs: rename it, or its folder")
    })?;
    let file = File::open(file);
    let file = file.map_err(|error| Failure::of_file(format!("the file can't be read: {error}")))?;
    Ok((content(&bytes_of(file)?)?, name))
}

/// What comes from standard input.
pub(in crate::cli) fn read_stdin() -> Result<String, Failure> {
    content(&bytes_of(io::stdin().lock())?)
}

fn content(bytes: &[u8]) -> Result<String, Failure> {
    language(text(bytes))
}

/// As Lean makes a text of bytes that are not UTF-8 (`lean_mk_string_lossy_recover`): a byte that begins no character stands, with those behind it that can begin none,
/// for one replacement character.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(good) => {
                text.push_str(good);
                return text;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(good));
                text.push(char::REPLACEMENT_CHARACTER);
                let continues = |byte: &&u8| **byte & 0xc0 == 0x80;
                rest = &bad[1 + bad[1..].iter().take_while(continues).count()..];
            }
        }
    }
}

/// `lean` passes over a first line that names its language, and knows no other.
fn language(text: String) -> Result<String, Failure> {
    let Some(named) = text.strip_prefix("#lang") else { return Ok(text) };
    let line = named.find('\n').unwrap_or(named.len());
    // Lean's white space, which is less than Unicode's.
    match named[..line].trim_matches([' ', '\t', '\r', '\n']) {
        "lean4" => Ok(named[line..].to_owned()),
        other => Err(Failure::of_file(format!("unknown language '{other}'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Risk: bytes that are no text move what follows, or are lost.
    fuzz::target!(
        texts,
        || [&b"#lang lean4\nimport A"[..], b"a\xffb", "∀é".as_bytes(), b"\xe2\x88a"]
            .map(<[u8]>::to_vec)
            .to_vec(),
        &["#lang", "lean4", "\n", "∀", "é", "\r\n"],
        3000,
        |bytes: &[u8]| {
            let read = fuzz::within(bytes.len(), 16, 4000, || text(bytes));
            let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(lines(read.as_bytes()), lines(bytes), "lines keep their numbers");
            match std::str::from_utf8(bytes) {
                Ok(good) => assert_eq!(read, good),
                Err(_) => assert!(read.contains(char::REPLACEMENT_CHARACTER)),
            }
            match content(bytes) {
                Ok(content) => assert_eq!(lines(content.as_bytes()), lines(bytes)),
                Err(failure) => assert!(failure.message.starts_with("unknown language")),
            }
            read.contains(char::REPLACEMENT_CHARACTER).to_string()
        }
    );

    #[test]
    fn first_line_that_names_the_language_is_skipped_and_lines_keep_their_numbers() {
        let language = |text: &str| language(text.to_owned()).map_err(|failure| failure.message);
        assert_eq!(language("#lang lean4\nimport A").unwrap(), "\nimport A");
        assert_eq!(language("#lang lean4 \r\nimport A").unwrap(), "\nimport A");
        assert_eq!(language("#lang \t lean4").unwrap(), "");
        assert_eq!(language("#lang\u{a0}lean4\u{c}").unwrap_err(), "unknown language '\u{a0}lean4\u{c}'");
        assert_eq!(language(" #lang lean5").unwrap(), " #lang lean5");
        assert_eq!(language("#lang lean5\nimport A").unwrap_err(), "unknown language 'lean5'");
        assert_eq!(language("#language").unwrap_err(), "unknown language 'uage'");
    }

    /// What the official Lean 4.35.0 makes of them.
    #[test]
    fn bytes_that_are_no_text_are_replaced_as_lean_does() {
        let cases: [(&[u8], &str); 9] = [
            (b"a\xffb", "a\u{fffd}b"),
            (b"\xff\xff", "\u{fffd}\u{fffd}"),
            (b"\x80\x80", "\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}"),
            (b"\xe2\x88a", "\u{fffd}a"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}"),
            (b"\xe2\x88", "\u{fffd}"),
            ("∀é".as_bytes(), "∀é"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text(bytes), expected, "{bytes:?}");
        }
    }
}
