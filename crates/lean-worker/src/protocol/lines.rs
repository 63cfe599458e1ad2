//! Bytes as they come, as lines.

use super::Malformed;

/// What was read of a stream and has not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    begin: usize,
    /// Up to here there is no end of a line.
    seen: usize,
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.begin > 0 {
            self.bytes.drain(..self.begin);
            self.seen -= self.begin;
            self.begin = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line without its end, if it is there.
    ///
    /// # Errors
    /// If there is none, and more than `longest` bytes have come.
    pub(crate) fn next(&mut self, longest: u64) -> Result<Option<&[u8]>, Malformed> {
        let Some(at) = self.bytes[self.seen..].iter().position(|&byte| byte == b'\n') else {
            self.seen = self.bytes.len();
            if (self.bytes.len() - self.begin) as u64 > longest {
                return Err(Malformed::new("a line without an end", &self.bytes[self.begin..]));
            }
            return Ok(None);
        };
        let (begin, end) = (self.begin, self.seen + at);
        self.begin = end + 1;
        self.seen = self.begin;
        Ok(Some(&self.bytes[begin..end]))
    }

    /// What came behind the last line.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }
}
