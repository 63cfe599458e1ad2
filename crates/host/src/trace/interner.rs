//! The different keys of a trace, numbered in the order in which they were first asked for.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts by number, each once.
#[derive(Default)]
pub(super) struct Interner {
    hasher: RandomState,
    numbers: HashTable<u32>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Interner {
    /// The number of `key`, and whether it is new. `None` if there are as many as numbers.
    pub(super) fn number(&mut self, key: &[u8]) -> Option<(u32, bool)> {
        let hash = self.hasher.hash_one(key);
        let Self { hasher, numbers, text, ends } = self;
        let of = |number: u32| slice(text, ends, number as usize);
        if let Some(&number) = numbers.find(hash, |&number| of(number) == key) {
            return Some((number, false));
        }
        let number = u32::try_from(ends.len()).ok()?;
        numbers.insert_unique(hash, number, |&number| hasher.hash_one(of(number)));
        text.extend_from_slice(key);
        ends.push(text.len());
        Some((number, true))
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.ends.len()).map(|number| slice(&self.text, &self.ends, number))
    }
}

fn slice<'a>(text: &'a [u8], ends: &[usize], number: usize) -> &'a [u8] {
    let start = number.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..ends[number]]
}

/// Whether a key is in a sample of that share of all keys: by a hash that is the same on every machine, of which 53 bits are compared,
/// which a float holds exactly. (FNV-1a, and the finisher of SplitMix64 to spread it.)
pub(super) fn is_sampled(key: &[u8], rate: f64) -> bool {
    let fnv = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 <= rate * ((1_u64 << 53) - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_one_number_in_the_order_of_its_first_use() {
        let mut interner = Interner::default();
        let mut numbers = Vec::new();
        for key in ["b", "", "a", "b", "", "ab", "a"] {
            numbers.push(interner.number(key.as_bytes()).unwrap());
        }
        let expected = [(0, true), (1, true), (2, true), (0, false), (1, false), (3, true), (2, false)];
        assert_eq!(numbers, expected);
        assert_eq!(interner.iter().collect::<Vec<_>>(), [&b"b"[..], b"", b"a", b"ab"]);
    }
}
