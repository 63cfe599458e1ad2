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

/// Where a text is. The table has it, with its first bytes, so that finding a short one reads no memory but the table's.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    head: u64,
    length: u32,
    number: u32,
}

impl Place {
    fn text(self, all: &[u8]) -> &[u8] {
        &all[self.start..self.start + self.length as usize]
    }

    fn is(self, key: &[u8], head: u64, all: &[u8]) -> bool {
        self.head == head && self.length as usize == key.len() && (key.len() <= HEAD || self.text(all) == key)
    }
}

const HEAD: usize = size_of::<u64>();

/// The first bytes of a key, and zeros if it has fewer.
fn head(key: &[u8]) -> u64 {
    let mut head = [0; HEAD];
    match key.first_chunk() {
        Some(first) => head = *first,
        None => head[..key.len()].copy_from_slice(key),
    }
    u64::from_ne_bytes(head)
}

impl Interner {
    /// The number of `key`, and whether it is new. `None` if there are as many as numbers, or it is as long as numbers go.
    pub(super) fn number(&mut self, key: &[u8]) -> Option<(u32, bool)> {
        let (hash, head) = (self.hasher.hash_one(key), head(key));
        let Self { hasher, places, text, ends } = self;
        if let Some(&Place { number, .. }) = places.find(hash, |place| place.is(key, head, text)) {
            return Some((number, false));
        }
        let (number, length) = (u32::try_from(ends.len()).ok()?, u32::try_from(key.len()).ok()?);
        let place = Place { start: text.len(), head, length, number };
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
        let keys = [
            "b",
            "",
            "a",
            "b",
            "",
            "ab",
            "a",
            "a\0",
            "12345678",
            "123456789",
            "12345678",
            "123456780",
            "123456789",
        ];
        for key in keys {
            numbers.push(interner.number(key.as_bytes()).unwrap());
        }
        let (mut expected, mut different) = (Vec::new(), Vec::new());
        for key in keys {
            let known = different.iter().position(|&other| other == key);
            expected.push((known.unwrap_or(different.len()) as u32, known.is_none()));
            different.extend(known.is_none().then_some(key));
        }
        assert_eq!(numbers, expected);
        assert!(interner.iter().eq(different.iter().map(|key| key.as_bytes())));
    }
}
