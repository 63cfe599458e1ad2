//! Changing inputs, as fuzzers do.

use fastrand::Rng;

/// What means something to many: numbers at which something may go over, and the signs of JSON.
const COMMON: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "null",
    "true",
    "\\u0000",
    "\\ud800",
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e999",
    "0.0000000000000000000001",
    "-0",
];

/// Changes inputs by a seed.
pub(crate) struct Changer {
    random: Rng,
    words: &'static [&'static str],
    /// Bytes of a changed input, at most.
    longest: usize,
}

impl Changer {
    pub(crate) fn new(seed: u64, words: &'static [&'static str], longest: usize) -> Self {
        Self { random: Rng::with_seed(seed), words, longest }
    }

    /// One of `pool` with a few changes, or something made of nothing.
    pub(crate) fn changed(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = if pool.is_empty() || self.random.u8(..) < 8 {
            Vec::new()
        } else {
            pool[self.random.usize(..pool.len())].clone()
        };
        for _ in 0..=self.random.usize(..6) {
            self.change(&mut bytes, pool);
        }
        bytes.truncate(self.longest);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.random.usize(..=bytes.len());
        match self.random.u8(..12) {
            0 => bytes.insert(at, self.random.u8(..)),
            1 if at < bytes.len() => bytes[at] ^= 1 << self.random.u8(..8),
            2 if at < bytes.len() => bytes[at] = self.random.u8(..),
            3 => drop(bytes.drain(at..(at + self.random.usize(..20)).min(bytes.len()))),
            4 => bytes.truncate(at),
            // Deep, or long.
            5 => {
                let end = (at + 1 + self.random.usize(..16)).min(bytes.len());
                let times = 1 << self.random.usize(..10);
                let piece = bytes[at..end].repeat(times);
                drop(bytes.splice(at..at, piece));
            }
            6 if !pool.is_empty() => {
                let other = &pool[self.random.usize(..pool.len())];
                let from = self.random.usize(..=other.len());
                let end = (from + self.random.usize(..60)).min(other.len());
                drop(bytes.splice(at..at, other[from..end].iter().copied()));
            }
            7 => {
                let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let common = COMMON[self.random.usize(..COMMON.len())];
                drop(bytes.splice(at..at + digits, common.bytes()));
            }
            8 => {
                let odd: [&[u8]; 8] =
                    [b"\0", b"\xff", b"\xed\xa0\x80", "é".as_bytes(), b"\r", b"\n\n", b"\x1b[31m", b".."];
                drop(bytes.splice(at..at, odd[self.random.usize(..odd.len())].iter().copied()));
            }
            _ if !self.words.is_empty() => {
                let word = self.words[self.random.usize(..self.words.len())];
                let over = if self.random.bool() { word.len().min(bytes.len() - at) } else { 0 };
                drop(bytes.splice(at..at + over, word.bytes()));
            }
            _ => bytes.push(self.random.u8(..)),
        }
        bytes.truncate(self.longest);
    }
}
