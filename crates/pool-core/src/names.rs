//! The key that is a list of names.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

#[cfg(test)]
use crate::key::KeyHasher;
use crate::key::Query;

/// An ordered list of names (modules, packages, features) that carries its hash.
///
/// Order matters and duplicates stay: `a b`, `b a` and `a b b` are three keys. Cloning counts a reference. Two clones
/// are found equal by their address, two lists made apart by their hashes and then their text. Looked up by any slice
/// or array of strings without allocating:
///
/// ```
/// use pool_core::{Names, local::{Lease, Pool}};
/// # struct Environment;
/// # impl pool_core::Resource for Environment { type Error = std::convert::Infallible; }
/// let pool: Pool<Names, Environment> = Pool::with_max_idle(8);
/// let interned = Names::new(["Init", "Lean"]);
/// drop(pool.acquire(&interned, |_| Ok(Environment)).unwrap());
/// let lease = pool.acquire(&["Init", "Lean"], |_| Ok(Environment)).unwrap();
/// assert!(Lease::was_hit(&lease));
/// ```
#[derive(Clone)]
pub struct Names(Arc<Text>);

struct Text {
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

impl Names {
    /// The list of `names`, in their order.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for name in names {
            text.push_str(name.as_ref());
            ends.push(text.len());
        }
        let mut names = Text { hash: 0, text: text.into(), ends: ends.into() };
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

    /// The hash that it carries, for keys that an import list is part of: [`hash_of`](Names::hash_of) its names.
    #[must_use]
    pub fn carried_hash(&self) -> u64 {
        self.0.hash
    }

    /// The hash that a list of `names` carries, without making one.
    pub fn hash_of<S: AsRef<str>>(names: &[S]) -> u64 {
        hash_of(names.iter().map(AsRef::as_ref))
    }
}

impl Names {
    /// For lists that were not made of one another by `clone`.
    #[cold]
    fn has_same_names(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash && self.0.ends == other.0.ends && self.0.text == other.0.text
    }
}

impl Text {
    fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.ends.iter().enumerate().map(|(place, &end)| {
            let start = if place == 0 { 0 } else { self.ends[place - 1] };
            &self.text[start..end]
        })
    }
}

impl PartialEq for Names {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.has_same_names(other)
    }
}

impl Eq for Names {}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// The names with a space between two, as in a trace.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.iter().enumerate() {
            write!(f, "{}{name}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self::new(names)
    }
}

impl<S: AsRef<str>> Query<Names> for &[S] {
    #[inline]
    fn hash_into<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(Names::hash_of(self));
    }

    fn is_key(&self, key: &Names) -> bool {
        // By bytes: taking the names out as text would look for the bounds of characters.
        let (text, ends) = (key.0.text.as_bytes(), &key.0.ends);
        let mut start = 0;
        self.len() == ends.len()
            && self.iter().zip(ends).all(|(name, &end)| {
                let name = name.as_ref().as_bytes();
                text.get(std::mem::replace(&mut start, end)..end) == Some(name)
            })
    }

    fn to_key(&self) -> Names {
        Names::new(*self)
    }
}

/// A reference to an array or `Vec` is one to the slice it holds.
macro_rules! as_slice {
    () => {
        #[inline]
        fn hash_into<H: Hasher>(&self, hasher: &mut H) {
            Query::<Names>::hash_into(&&self[..], hasher);
        }

        fn is_key(&self, key: &Names) -> bool {
            (&self[..]).is_key(key)
        }

        fn to_key(&self) -> Names {
            Names::new(self.iter())
        }
    };
}

impl<S: AsRef<str>, const N: usize> Query<Names> for &[S; N] {
    as_slice!();
}

impl<S: AsRef<str>> Query<Names> for &Vec<S> {
    as_slice!();
}

impl<S: AsRef<str>> Query<Names> for &&[S] {
    as_slice!();
}
#[cfg(test)]
mod tests {
    use super::*;

    fn agree(key: &Names, query: &[&str]) -> bool {
        let hasher = KeyHasher::default();
        let same = query.is_key(key);
        if same {
            assert_eq!(key.hash_with(&hasher), Query::<Names>::hash_with(&query, &hasher), "{key:?}");
            assert_eq!(key.carried_hash(), Names::hash_of(query), "{key:?}");
        }
        assert_eq!(same, *key == Names::new(query), "{key:?} against {query:?}");
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
                assert_eq!(agree(&Names::new(*a), b), i == j, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn lists_of_one_hash_are_told_apart_by_their_text() {
        let list = |text: &str, ends: &[usize]| {
            Names(Arc::new(Text { hash: 7, text: text.into(), ends: ends.into() }))
        };
        assert_eq!(list("abc", &[2, 3]), list("abc", &[2, 3]));
        assert_ne!(list("abc", &[2, 3]), list("abc", &[1, 3]));
        assert_ne!(list("abc", &[2, 3]), list("abd", &[2, 3]));
    }

    #[test]
    fn text_and_length_come_back() {
        let names: Names = ["Init", "Lean.Data.Json", ""].into_iter().collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["Init", "Lean.Data.Json", ""]);
        assert_eq!((names.len(), names.is_empty()), (3, false));
        assert_eq!(names.to_string(), "Init Lean.Data.Json ");
        assert_eq!(format!("{names:?}"), r#"["Init", "Lean.Data.Json", ""]"#);
    }
}
