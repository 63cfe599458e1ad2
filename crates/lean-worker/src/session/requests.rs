//! Requests as they come on a stream: a blank line ends each.

/// Bytes of a request, at most. Of a longer one so many and one more are kept, by which it is known.
pub(super) const LONGEST: usize = 64 << 20;

/// Puts requests together from lines, of 64 MiB at most: a [`Session`](crate::Session) answers what has more with that. The ends of lines are dropped, as the REPL does: a line break inside a text of JSON is none.
#[derive(Clone, Debug, Default)]
pub struct Requests(Vec<u8>);

impl Requests {
    /// Nothing has come yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The request that this line ends, if it does. A line may have its end or not.
    pub fn line(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        if line.trim_ascii().is_empty() {
            return self.end();
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let room = LONGEST + 1 - self.0.len();
        self.0.extend_from_slice(&line[..line.len().min(room)]);
        None
    }

    /// The request that the end of all input ends, if there is one.
    pub fn end(&mut self) -> Option<Vec<u8>> {
        Some(std::mem::take(&mut self.0)).filter(|request| !request.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_requests_and_other_ends_of_lines_are_none() {
        let requests = |text: &str| -> Vec<String> {
            let mut requests = Requests::new();
            let mut all: Vec<Vec<u8>> =
                text.split_inclusive('\n').filter_map(|line| requests.line(line.as_bytes())).collect();
            all.extend(requests.end());
            all.into_iter().map(|request| String::from_utf8(request).unwrap()).collect()
        };
        assert_eq!(requests("{\"a\":\n 1}\n\n{}\n"), ["{\"a\": 1}", "{}"]);
        assert_eq!(requests("\n\n{\"a\": \"x\\n\n  y\"}  \r\n \r\n\n\n{}"), ["{\"a\": \"x\\n  y\"}  ", "{}"]);
        let line = vec![b'x'; LONGEST / 4];
        let mut long = Requests::new();
        assert!((0..9).all(|_| long.line(&line).is_none()));
        assert_eq!(long.end().map(|request| request.len()), Some(LONGEST + 1), "enough to know it");
        assert_eq!(requests("\n \n"), [""; 0]);
        assert_eq!(requests(""), [""; 0]);
    }
}
