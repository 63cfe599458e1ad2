//! What names an environment in a pool.

use std::hash::{Hash, Hasher};

use pool_core::{Names as Imports, Query};

use crate::options::InternedOptions;

/// The key of an environment: its import list, in the words of a header, and everything else that it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentKey {
    /// How it is imported.
    pub options: InternedOptions,
    /// What is imported, in order; `module` first if the header began so.
    pub imports: Imports,
}

/// A borrowed [`EnvironmentKey`], to look one up without allocating.
#[derive(Clone, Copy, Debug)]
pub struct EnvironmentQuery<'a> {
    /// How it is imported.
    pub options: &'a InternedOptions,
    /// What is imported, in order.
    pub imports: &'a [&'a str],
}

impl EnvironmentKey {
    /// The imports as [`Environment::import`](crate::Environment::import) takes them.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        self.imports.iter().collect()
    }
}

impl Hash for EnvironmentKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.options.carried_hash(), self.imports.carried_hash()).hash(state);
    }
}

impl Query<EnvironmentKey> for EnvironmentQuery<'_> {
    fn hash_into<H: Hasher>(&self, hasher: &mut H) {
        (self.options.carried_hash(), Imports::hash_of(self.imports)).hash(hasher);
    }

    fn is_key(&self, key: &EnvironmentKey) -> bool {
        self.imports.is_key(&key.imports) && *self.options == key.options
    }

    fn to_key(&self) -> EnvironmentKey {
        EnvironmentKey { options: self.options.clone(), imports: Imports::new(self.imports) }
    }
}

#[cfg(test)]
mod tests {
    use pool_core::KeyHasher;

    use super::*;
    use crate::options::{ImportOptions, Regions, Sysroot};

    #[test]
    fn query_finds_its_key_and_no_other() {
        let shared = InternedOptions::from(ImportOptions::new(Sysroot::at("/lean")));
        let isolated = ImportOptions { regions: Regions::Isolated, ..(*shared).clone() }.into();
        let again = InternedOptions::from((*shared).clone());
        let lists: [&[&str]; 4] = [&["Init"], &["public Init"], &["module", "public Init"], &[]];
        let hasher = KeyHasher::default();
        for (a, options) in [&shared, &isolated].into_iter().enumerate() {
            for (b, imports) in lists.into_iter().enumerate() {
                let key = EnvironmentQuery { options, imports }.to_key();
                for (c, options) in [&again, &isolated].into_iter().enumerate() {
                    for (d, imports) in lists.into_iter().enumerate() {
                        let query = EnvironmentQuery { options, imports };
                        assert_eq!(query.is_key(&key), (a, b) == (c, d), "{query:?} and {key:?}");
                        assert_eq!(query.hash_with(&hasher) == (&key).hash_with(&hasher), (a, b) == (c, d));
                    }
                }
            }
        }
    }
}
