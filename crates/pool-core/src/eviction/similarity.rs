use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::id::{Id, KeyId};
use crate::names::Names;

/// The names of known keys, to tell how alike two are.
#[derive(Clone, Debug)]
pub(super) struct Similarity<N> {
    names: N,
    /// By key: the hashes of its names, in order, each once.
    hashes: Vec<Box<[u64]>>,
    /// By key: what most others are told from it by.
    shapes: Vec<Shape>,
}

/// A bit for each name, by its hash, and how many names there are. Many names may have one bit.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    bits: u64,
    count: u32,
}

impl Shape {
    fn of(hashes: &[u64]) -> Self {
        let bits = hashes.iter().fold(0, |bits, hash| bits | 1 << (hash >> 58));
        Self { bits, count: u32::try_from(hashes.len()).unwrap_or(u32::MAX) }
    }

    /// How alike two can be at most: a bit that only one has is at least one name that only it has.
    fn most_alike(self, other: Self) -> f64 {
        let only = |one: Self, other: Self| one.count - (one.bits & !other.bits).count_ones();
        let both = only(self, other).min(only(other, self));
        if both == 0 {
            0.0
        } else {
            f64::from(both) / (f64::from(self.count) + f64::from(other.count - both))
        }
    }
}

/// Where a policy finds the names in a key, for [`Worth::with_names`](super::Worth::with_names).
///
/// Any `Fn(&K, &mut dyn FnMut(&str))` does: it calls its second argument with each name. Called once for each new key, inside
/// the pool's borrow or lock.
pub trait NamesIn<K: ?Sized> {
    /// Calls `each` with every name in `key`.
    fn each(&self, key: &K, each: &mut dyn FnMut(&str));
}

impl<K: ?Sized, F: Fn(&K, &mut dyn FnMut(&str))> NamesIn<K> for F {
    fn each(&self, key: &K, each: &mut dyn FnMut(&str)) {
        self(key, each);
    }
}

/// No names: no two keys are alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unrelated;

impl<K: ?Sized> NamesIn<K> for Unrelated {
    fn each(&self, _: &K, _: &mut dyn FnMut(&str)) {}
}

/// The names of a [`Names`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ListedNames;

impl NamesIn<Names> for ListedNames {
    fn each(&self, key: &Names, each: &mut dyn FnMut(&str)) {
        key.iter().for_each(each);
    }
}

impl<N> Similarity<N> {
    pub(super) fn new(names: N) -> Self {
        Self { names, hashes: Vec::new(), shapes: Vec::new() }
    }

    pub(super) fn learn<K: ?Sized>(&mut self, key: KeyId, name: &K)
    where
        N: NamesIn<K>,
    {
        // A fixed seed, so that a trace replays to the same victims.
        let seed = FixedState::default();
        let mut hashes = Vec::new();
        self.names.each(name, &mut |name| hashes.push(seed.hash_one(name)));
        hashes.sort_unstable();
        hashes.dedup();
        if key.index() >= self.hashes.len() {
            self.hashes.resize(key.index() + 1, Box::default());
            self.shapes.resize(key.index() + 1, Shape::default());
        }
        self.shapes[key.index()] = Shape::of(&hashes);
        self.hashes[key.index()] = hashes.into();
    }

    pub(super) fn forget(&mut self, key: KeyId) {
        if let Some(hashes) = self.hashes.get_mut(key.index()) {
            *hashes = Box::default();
            self.shapes[key.index()] = Shape::default();
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        let used = self.hashes.iter().rposition(|hashes| !hashes.is_empty()).map_or(0, |last| last + 1);
        self.hashes.truncate(used);
        self.hashes.shrink_to_fit();
        self.shapes.truncate(used);
        self.shapes.shrink_to_fit();
    }

    /// Whether `key` has names, so that others may be like it.
    pub(super) fn has_names(&self, key: KeyId) -> bool {
        self.hashes.get(key.index()).is_some_and(|hashes| !hashes.is_empty())
    }

    /// The jaccard of two keys if it is at least `least`, else 0. Most are told apart without looking at their names.
    pub(super) fn jaccard_from(&self, least: f64, one: KeyId, other: KeyId) -> f64 {
        let shape = |key: KeyId| self.shapes.get(key.index()).copied().unwrap_or_default();
        if shape(one).most_alike(shape(other)) < least {
            return 0.0;
        }
        let jaccard = self.jaccard(one, other);
        if jaccard >= least { jaccard } else { 0.0 }
    }

    /// How many of the names of both stand in both, from 0 to 1 (Jaccard's index); 0 where there are none.
    pub(super) fn jaccard(&self, one: KeyId, other: KeyId) -> f64 {
        let hashes = |key: KeyId| self.hashes.get(key.index()).map_or(&[][..], |hashes| hashes);
        let (mut one, mut other) = (hashes(one), hashes(other));
        let all = one.len() + other.len();
        let mut both = 0;
        while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
            both += usize::from(a == b);
            (one, other) = (if a <= b { one_rest } else { one }, if b <= a { other_rest } else { other });
        }
        if both == 0 { 0.0 } else { both as f64 / (all - both) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shapes_tell_apart_is_not_alike() {
        let id = KeyId::from_index;
        let mut similarity = Similarity::new(ListedNames);
        // Many more names than bits, so that some have the same.
        for key in 0..200_usize {
            let names = (0..1 + key % 40).map(|name| format!("N{}", (key / 3 + name * (1 + key % 2)) % 90));
            similarity.learn(id(key), &names.collect());
        }
        for (one, other) in (0..200).flat_map(|one| (0..200).map(move |other| (id(one), id(other)))) {
            let jaccard = similarity.jaccard(one, other);
            for least in [0.01, 0.3, 0.5, jaccard, 1.0, 1.5] {
                let expected = if jaccard >= least { jaccard } else { 0.0 };
                assert_eq!(similarity.jaccard_from(least, one, other), expected, "{one:?} {other:?} {least}");
            }
        }
    }

    #[test]
    fn jaccard_is_the_share_of_names_in_both_whatever_their_order_and_number() {
        let id = KeyId::from_index;
        let mut similarity = Similarity::new(ListedNames);
        for (index, names) in [&["a", "b", "c"][..], &["c", "b", "b", "d"], &["x"], &[]].iter().enumerate() {
            similarity.learn(id(index), &Names::new(*names));
        }
        assert_eq!(similarity.jaccard(id(0), id(1)), 0.5);
        assert_eq!(similarity.jaccard(id(1), id(1)), 1.0);
        assert_eq!(
            (
                similarity.jaccard(id(0), id(2)),
                similarity.jaccard(id(3), id(3)),
                similarity.jaccard(id(0), id(9))
            ),
            (0.0, 0.0, 0.0)
        );
        similarity.forget(id(0));
        similarity.forget(id(9));
        assert_eq!(
            (similarity.jaccard(id(0), id(1)), similarity.has_names(id(0)), similarity.has_names(id(1))),
            (0.0, false, true)
        );
    }
}
