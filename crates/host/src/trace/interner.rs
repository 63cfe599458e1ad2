//! The different keys of a trace, numbered in the order in which they were first asked for.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts by number, each once.
#[derive(Default)]
pub(super) struct Interner {
    hasher: RandomState,
    places: HashTable<Place>,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// Where a text is. The table has it, so that finding one reads no memory but the table's and the text's.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    length: u32,
    number: u32,
}

impl Place {
    fn text(self, all: &[u8]) -> &[u8] {
        &all[self.start..self.start + self.length as usize]
    }
}

impl Interner {
    /// The number of `key`, and whether it is new. `None` if there are as many as numbers, or it is as long as numbers go.
    pub(super) fn number(&mut self, key: &[u8]) -> Option<(u32, bool)> {
        let hash = self.hasher.hash_one(key);
        let Self { hasher, places, text, ends } = self;
        if let Some(&Place { number, .. }) = places.find(hash, |place| place.text(text) == key) {
            return Some((number, false));
        }
        let (number, length) = (u32::try_from(ends.len()).ok()?, u32::try_from(key.len()).ok()?);
        let place = Place { start: text.len(), length, number };
        text.extend_from_slice(key);
        ends.push(text.len());
        places.insert_unique(hash, place, |place| hasher.hash_one(place.text(text)));
        Some((number, true))
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let start = |number: usize| number.checked_sub(1).map_or(0, |before| self.ends[before]);
        (0..self.ends.len()).map(move |number| &self.text[start(number)..self.ends[number]])
    }
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
