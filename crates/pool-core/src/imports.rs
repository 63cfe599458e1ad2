//! The key that is a list of names.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use crate::key::{KeyHasher, Query};

/// An ordered list of names, such as the imports of a Lean file, that carries its hash.
///
/// Order matters and duplicates stay: `a b`, `b a` and `a b b` are three keys. Cloning counts a reference. Two clones
/// are found equal by their address, two lists made apart by their hashes and then their text. Looked up by any slice
/// or array of strings without allocating:
///
/// ```
/// use pool_core::{Imports, local::Pool};
/// # struct Environment;
/// # impl pool_core::Resource for Environment { type Error = std::convert::Infallible; }
/// let pool: Pool<Imports, Environment> = Pool::with_max_idle(8);
/// let interned = Imports::new(["Init", "Lean"]);
/// drop(pool.acquire(&interned, |_| Ok(Environment)).unwrap());
/// assert!(pool.acquire(&["Init", "Lean"], |_| Ok(Environment)).unwrap().was_hit());
/// ```
#[derive(Clone)]
pub struct Imports(Arc<Names>);

struct Names {
    hash: u64,
    /// All names, one after the other.
    text: Box<str>,
    /// Where each ends in `text`.
    ends: Box<[usize]>,
}

/// One seed a process: a list hashes the same in every pool.
static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);

fn hash_of<'a>(names: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = SEED.build_hasher();
    // `str` hashes with an end mark, so that ["ab", "c"] is not ["a", "bc"].
    names.for_each(|name| name.hash(&mut hasher));
    hasher.finish()
}

impl Imports {
    /// The list of `names`, in their order.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for name in names {
            text.push_str(name.as_ref());
            ends.push(text.len());
        }
        let mut names = Names { hash: 0, text: text.into(), ends: ends.into() };
        names.hash = hash_of(names.iter());
        Self(Arc::new(names))
    }

    /// The names, in their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter()
    }

    /// How many names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hash that it carries, for keys that an import list is part of: [`hash_of`](Imports::hash_of) its names.
    #[must_use]
    pub fn carried_hash(&self) -> u64 {
        self.0.hash
    }

    /// The hash that a list of `names` carries, without making one.
    pub fn hash_of<S: AsRef<str>>(names: &[S]) -> u64 {
        hash_of(names.iter().map(AsRef::as_ref))
    }
}

impl Imports {
    /// For lists that were not made of one another by `clone`.
    #[cold]
    fn has_same_names(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash && self.0.ends == other.0.ends && self.0.text == other.0.text
    }
}

impl Names {
    fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.ends.iter().enumerate().map(|(place, &end)| {
            let start = if place == 0 { 0 } else { self.ends[place - 1] };
            &self.text[start..end]
        })
    }
}

impl PartialEq for Imports {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.has_same_names(other)
    }
}

impl Eq for Imports {}

impl Hash for Imports {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// The names with a space between two, as in a trace.
impl fmt::Display for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.iter().enumerate() {
            write!(f, "{}{name}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Imports {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self::new(names)
    }
}

impl<S: AsRef<str>> Query<Imports> for [S] {
    fn hash_with(&self, hasher: &KeyHasher) -> u64 {
        hasher.hash_one(&Imports::hash_of(self))
    }

    fn is_key(&self, key: &Imports) -> bool {
        // By bytes: taking the names out as text would look for the bounds of characters.
        let (text, ends) = (key.0.text.as_bytes(), &key.0.ends);
        let mut start = 0;
        self.len() == ends.len()
            && self.iter().zip(ends).all(|(name, &end)| {
                let name = name.as_ref().as_bytes();
                text.get(std::mem::replace(&mut start, end)..end) == Some(name)
            })
    }

    fn to_key(&self) -> Imports {
        Imports::new(self)
    }
}

/// An array or `Vec` is looked up as the slice it holds.
macro_rules! as_slice {
    () => {
        fn hash_with(&self, hasher: &KeyHasher) -> u64 {
            Query::<Imports>::hash_with(&self[..], hasher)
        }

        fn is_key(&self, key: &Imports) -> bool {
            Query::<Imports>::is_key(&self[..], key)
        }

        fn to_key(&self) -> Imports {
            Imports::new(&self[..])
        }
    };
}

impl<S: AsRef<str>, const N: usize> Query<Imports> for [S; N] {
    as_slice!();
}

impl<S: AsRef<str>> Query<Imports> for Vec<S> {
    as_slice!();
}

impl<S: AsRef<str>> Query<Imports> for &[S] {
    as_slice!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(key: &Imports, query: &[&str]) -> bool {
        let hasher = KeyHasher::default();
        let same = Query::<Imports>::is_key(query, key);
        if same {
            assert_eq!(hasher.hash_one(key), Query::<Imports>::hash_with(query, &hasher), "{key:?}");
            assert_eq!(key.carried_hash(), Imports::hash_of(query), "{key:?}");
        }
        assert_eq!(same, *key == Imports::new(query), "{key:?} against {query:?}");
        same
    }

    #[test]
    fn boundaries_order_and_duplicates_tell_lists_apart() {
        let lists: [&[&str]; 10] = [
            &[],
            &[""],
            &["", ""],
            &["ab", "c"],
            &["a", "bc"],
            &["abc"],
            &["c", "ab"],
            &["ab", "c", "c"],
            &["ab\u{ff}", "c"],
            &["é", "\0"],
        ];
        for (i, a) in lists.iter().enumerate() {
            for (j, b) in lists.iter().enumerate() {
                assert_eq!(agree(&Imports::new(*a), b), i == j, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn lists_of_one_hash_are_told_apart_by_their_text() {
        let list = |text: &str, ends: &[usize]| {
            Imports(Arc::new(Names { hash: 7, text: text.into(), ends: ends.into() }))
        };
        assert_eq!(list("abc", &[2, 3]), list("abc", &[2, 3]));
        assert_ne!(list("abc", &[2, 3]), list("abc", &[1, 3]));
        assert_ne!(list("abc", &[2, 3]), list("abd", &[2, 3]));
    }

    #[test]
    fn text_and_length_come_back() {
        let imports: Imports = ["Init", "Lean.Data.Json", ""].into_iter().collect();
        assert_eq!(imports.iter().collect::<Vec<_>>(), ["Init", "Lean.Data.Json", ""]);
        assert_eq!((imports.len(), imports.is_empty()), (3, false));
        assert_eq!(imports.to_string(), "Init Lean.Data.Json ");
        assert_eq!(format!("{imports:?}"), r#"["Init", "Lean.Data.Json", ""]"#);
    }
}
