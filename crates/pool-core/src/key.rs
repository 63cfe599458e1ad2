//! Keys, and looking them up by something borrowed.

use std::hash::{BuildHasher, Hash};

/// Something that a key can be looked up by without making one: the key itself, or a borrowed form of it.
///
/// Every `K: Hash + Eq + Clone` is a query for itself. [`Imports`](crate::Imports) is also looked up by `[&str]`.
///
/// `hash` and `to_key` (like the key's own `Clone` and `Drop`) are called outside the pool's borrow or lock, `matches`
/// inside: it must not use the pool. Only a hit on a *shared* resource clones a key inside, for its lease.
pub trait Query<K> {
    /// Its hash: the same for a key and for every query that matches it.
    fn hash(&self, hasher: &KeyHasher) -> u64;

    /// Whether this is the key that is meant.
    fn matches(&self, key: &K) -> bool;

    /// The key, made when it has to be kept: on a miss, never on a hit.
    fn to_key(&self) -> K;
}

impl<K: Hash + Eq + Clone> Query<K> for K {
    fn hash(&self, hasher: &KeyHasher) -> u64 {
        hasher.hash_one(self)
    }

    fn matches(&self, key: &K) -> bool {
        self == key
    }

    fn to_key(&self) -> K {
        self.clone()
    }
}

/// How a pool hashes keys: foldhash, with a seed of its own, so that keys from outside can't be made to collide.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher(foldhash::fast::RandomState);

impl KeyHasher {
    /// The hash of `value`.
    pub fn hash_one(&self, value: &(impl Hash + ?Sized)) -> u64 {
        self.0.hash_one(value)
    }
}
