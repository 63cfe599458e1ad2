//! Keys, and looking them up by something borrowed.

use std::hash::{BuildHasher, Hash};
use std::rc::Rc;
use std::sync::Arc;

/// Something that a key can be looked up by without making one: the key itself, or a borrowed form of it.
///
/// Every `K: Hash + Eq + Clone` is a query for itself. A `String`, `Box<str>`, `Rc<str>` or `Arc<str>` is also looked up
/// by `str`, and [`Imports`](crate::Imports) by slices, arrays and `Vec`s of strings.
///
/// `hash_with` and `to_key` (like the key's own `Clone` and `Drop`) are called outside the pool's borrow or lock, `is_key`
/// inside: it must not use the pool. Only a hit on a *shared* resource clones a key inside, for its lease.
pub trait Query<K> {
    /// Its hash: the same for a key and for every query that matches it.
    fn hash_with(&self, hasher: &KeyHasher) -> u64;

    /// Whether this is the key that is meant.
    fn is_key(&self, key: &K) -> bool;

    /// The key, made when it has to be kept: on a miss, never on a hit.
    fn to_key(&self) -> K;
}

impl<K: Hash + Eq + Clone> Query<K> for K {
    fn hash_with(&self, hasher: &KeyHasher) -> u64 {
        hasher.hash_one(self)
    }

    fn is_key(&self, key: &K) -> bool {
        self == key
    }

    fn to_key(&self) -> K {
        self.clone()
    }
}

/// Owned strings hash as the text they hold.
macro_rules! by_str {
    ($($key:ty),*) => {$(
        impl Query<$key> for str {
            fn hash_with(&self, hasher: &KeyHasher) -> u64 {
                hasher.hash_one(self)
            }

            fn is_key(&self, key: &$key) -> bool {
                self == &**key
            }

            fn to_key(&self) -> $key {
                self.into()
            }
        }
    )*};
}

by_str!(String, Box<str>, Rc<str>, Arc<str>);

/// How a pool hashes keys: foldhash, with a seed of its own, so that keys from outside can't be made to collide.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher(foldhash::fast::RandomState);

impl KeyHasher {
    /// The hash of `value`.
    pub fn hash_one(&self, value: &(impl Hash + ?Sized)) -> u64 {
        self.0.hash_one(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_finds_owned_strings_of_every_kind() {
        fn check<K: Query<K> + Clone>()
        where
            str: Query<K>,
        {
            let hasher = KeyHasher::default();
            let key: K = "abc".to_key();
            assert_eq!(Query::<K>::hash_with("abc", &hasher), key.hash_with(&hasher));
            assert!("abc".is_key(&key) && !"abd".is_key(&key));
        }
        check::<String>();
        check::<Box<str>>();
        check::<Rc<str>>();
        check::<Arc<str>>();
    }
}
