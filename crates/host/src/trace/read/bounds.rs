//! How much a trace may be, and reading no further than that.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use super::{Place, Wrong};

/// How much a trace may be: what is more is no trace, or one that would take all memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of a line.
    pub(super) line: usize,
    /// Requests that are kept: twelve bytes each at most.
    pub(super) requests: usize,
    /// Different keys: some hundred bytes each.
    pub(super) keys: usize,
}

impl Bounds {
    pub(super) const USUAL: Self = Self { line: 1 << 20, requests: 1 << 31, keys: 1 << 27 };
}

/// The next line that is neither blank nor a comment, without its end.
pub(super) fn next_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    count: &mut u64,
    place: &mut Place,
    longest: usize,
) -> Result<bool, Wrong> {
    loop {
        line.clear();
        if input.by_ref().take(longest as u64 + 1).read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        *count += 1;
        *place = Place::Line(*count);
        if line.len() > longest {
            return Err(too_long(longest));
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        if line.ends_with(b"\r") {
            line.pop();
        }
        if !line.is_empty() && !line.starts_with(b"#") {
            return Ok(true);
        }
    }
}

pub(super) fn too_long(longest: usize) -> Wrong {
    Wrong::Problem(format!(
        "this line has more than {longest} bytes: this is no trace, or no line ends in it"
    ))
}

/// Gives no more bytes than are left, so that a line without an end is not kept for ever.
pub(super) struct Rationed<R> {
    pub(super) input: R,
    pub(super) left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Rationed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.input.read(out)?;
        self.left.set(self.left.get().saturating_sub(count));
        Ok(count)
    }
}
