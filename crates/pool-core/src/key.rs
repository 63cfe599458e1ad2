//! Keys, and looking them up by something borrowed.

use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use equivalent::Equivalent;

/// Something that a key can be looked up by without making one: a reference to the key itself, or a borrowed form of it.
///
/// | key | looked up by |
/// | --- | --- |
/// | any `K: Hash + Eq + Clone + Debug` | `&K` |
/// | `String`, `PathBuf`, `OsString`, `Vec<T>`; `Box`, `Rc` and `Arc` of `str`, `Path`, `OsStr`, `[T]` | `&str`, `&Path`, `&OsStr`, `&[T]` |
/// | tuples of up to four keys | a tuple of what each of them is looked up by: `("algebra", &7)` for a `(String, u32)` |
/// | [`Names`](crate::Names) | `&["Init", "Lean"]`, slices and `Vec`s of strings |
///
/// A reference to whatever is [`Equivalent`] to a key, hashes as it does and is made into it by [`ToKey`] is a query. For another form of a key
/// of your own implement these, or this trait itself. `hash_with` and `to_key` (like the key's own `Clone` and `Drop`) are called
/// outside the pool's borrow or lock, `is_key` inside: it must not use the pool. Only a hit on a *shared* resource clones a key inside, for
/// its lease.
#[diagnostic::on_unimplemented(
    message = "a key of type `{K}` can't be looked up by a `{Self}`",
    note = "give a reference to the key, or to a borrowed form of it: `&key`, `\"text\"` for a `String`, `(\"text\", &7)` for a `(String, u32)`",
    note = "a key has to be `Hash + Eq + Clone + Debug`: `#[derive(PartialEq, Eq, Hash, Clone, Debug)]`",
    note = "for another form of it, write `impl pool_core::Query<{K}> for {Self}`"
)]
pub trait Query<K> {
    /// Feeds a hasher: as the key does, and every query that matches it.
    fn hash_into<H: Hasher>(&self, hasher: &mut H);

    /// Whether this is the key that is meant.
    fn is_key(&self, key: &K) -> bool;

    /// The key, made when it has to be kept: on a miss, never on a hit.
    fn to_key(&self) -> K;

    /// Its hash.
    #[inline]
    fn hash_with(&self, hasher: &KeyHasher) -> u64 {
        let mut state = hasher.0.build_hasher();
        self.hash_into(&mut state);
        state.finish()
    }
}

impl<K, Q> Query<K> for &Q
where
    Q: Hash + Equivalent<K> + ToKey<K> + ?Sized,
{
    #[inline]
    fn hash_into<H: Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }

    #[inline]
    fn is_key(&self, key: &K) -> bool {
        (**self).equivalent(key)
    }

    fn to_key(&self) -> K {
        (**self).to_key()
    }
}

/// How a key is made of what it is looked up by.
#[diagnostic::on_unimplemented(
    message = "no key of type `{K}` is made of a `{Self}`",
    note = "a key has to be `Clone`; for a borrowed form of a key of yours, write `impl pool_core::ToKey<{K}> for {Self}`"
)]
pub trait ToKey<K> {
    /// The key.
    fn to_key(&self) -> K;
}

impl<K: Clone> ToKey<K> for K {
    fn to_key(&self) -> K {
        self.clone()
    }
}

macro_rules! to_key {
    ($from:ty: $($key:ty)*) => {$(
        impl ToKey<$key> for $from {
            fn to_key(&self) -> $key {
                self.into()
            }
        }
    )*};
}

to_key!(str: String Box<str> Rc<str> Arc<str>);
to_key!(Path: PathBuf Box<Path> Rc<Path> Arc<Path>);
to_key!(OsStr: OsString Box<OsStr> Rc<OsStr> Arc<OsStr>);

macro_rules! slice_to_key {
    ($($key:ty)*) => {$(
        impl<T: Clone> ToKey<$key> for [T] {
            fn to_key(&self) -> $key {
                self.into()
            }
        }
    )*};
}

slice_to_key!(Vec<T> Box<[T]> Rc<[T]> Arc<[T]>);

/// A tuple is looked up by a tuple.
macro_rules! by_tuple {
    ($(($($key:ident $query:ident $place:tt),*);)*) => {$(
        impl<$($key,)* $($query: Query<$key>),*> Query<($($key,)*)> for ($($query,)*) {
            #[inline]
            fn hash_into<H: Hasher>(&self, hasher: &mut H) {
                $(self.$place.hash_into(hasher);)*
            }

            #[inline]
            fn is_key(&self, key: &($($key,)*)) -> bool {
                $(self.$place.is_key(&key.$place))&&*
            }

            fn to_key(&self) -> ($($key,)*) {
                ($(self.$place.to_key(),)*)
            }
        }
    )*};
}

by_tuple! {
    (A P 0, B Q 1);
    (A P 0, B Q 1, C R 2);
    (A P 0, B Q 1, C R 2, D S 3);
}

/// How a pool hashes keys: foldhash, with a seed of its own, so that keys from outside can't be made to collide.
#[derive(Clone, Debug, Default)]
pub struct KeyHasher(foldhash::fast::RandomState);

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    /// `query` makes a key, and finds it; and `other` finds it not.
    fn finds<K: Hash + Eq + Clone + Debug>(query: impl Query<K>, other: impl Query<K>) {
        let hasher = KeyHasher::default();
        let key = query.to_key();
        assert_eq!(query.hash_with(&hasher), (&key).hash_with(&hasher), "{key:?}");
        assert!(query.is_key(&key) && (&key).is_key(&key));
        assert!(!other.is_key(&key));
    }

    #[test]
    fn each_owned_form_is_found_by_its_borrowed_one() {
        finds::<String>("abc", "abd");
        finds::<Box<str>>("abc", "abd");
        finds::<Rc<str>>("abc", "abd");
        finds::<Arc<str>>("abc", "abd");
        finds::<PathBuf>(Path::new("a/b"), Path::new("a/c"));
        finds::<Arc<Path>>(Path::new("a/b"), Path::new("a/c"));
        finds::<OsString>(OsStr::new("a"), OsStr::new("b"));
        finds::<Box<OsStr>>(OsStr::new("a"), OsStr::new("b"));
        finds::<Vec<u8>>(&b"abc"[..], &b"ab"[..]);
        finds::<Vec<String>>(&["a".to_owned()][..], &["b".to_owned()][..]);
        finds::<Arc<[u32]>>(&[1, 2][..], &[1][..]);
    }

    #[test]
    fn a_tuple_is_found_by_what_its_parts_are_found_by() {
        finds::<(String, u32)>(("algebra", &7), ("algebra", &8));
        finds::<(String, u32)>(("algebra", &7), ("logic", &7));
        finds::<(PathBuf, Vec<u8>, (u8, String))>(
            (Path::new("a"), &b"b"[..], (&1, "c")),
            (Path::new("a"), &b"b"[..], (&1, "d")),
        );
        finds::<(u8, u8, u8, Arc<str>)>((&1, &2, &3, "x"), (&1, &2, &3, "y"));
    }
}
