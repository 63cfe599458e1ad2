//! Where a policy finds the names in a key.

use crate::names::Names;

/// Where a policy finds the names in a key, for [`Recall::with_names`](super::Recall::with_names).
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
