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
        Self { names, hashes: Vec::new() }
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
        }
        self.hashes[key.index()] = hashes.into();
    }

    pub(super) fn forget(&mut self, key: KeyId) {
        if let Some(hashes) = self.hashes.get_mut(key.index()) {
            *hashes = Box::default();
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        let used = self.hashes.iter().rposition(|hashes| !hashes.is_empty()).map_or(0, |last| last + 1);
        self.hashes.truncate(used);
        self.hashes.shrink_to_fit();
    }

    /// Whether `key` has names, so that others may be like it.
    pub(super) fn has_names(&self, key: KeyId) -> bool {
        self.hashes.get(key.index()).is_some_and(|hashes| !hashes.is_empty())
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
