//! Which lists is a new one like? An index from names to the lists that have them.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use super::names_in::NamesIn;
#[cfg(test)]
use super::pages::LOOKS;
use super::place::Place;
use crate::id::KeyId;

/// When so many lists have been learned, all counts of lists are halved, so that what is common is what is common lately.
const LEARNED: u32 = 1 << 14;

/// What a name counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weighing {
    /// The share of lists that were learned and don't have it.
    ByRarity,
    /// One.
    Alike,
}

/// The lists of keys that a policy holds, by their names.
///
/// Two lists are as similar as the share of the names of both that is in both (Jaccard's index).
#[derive(Clone, Debug)]
pub(super) struct Similar<N> {
    source: N,
    weighing: Weighing,
    /// How many lists a new one is compared with at most: those that share its rarest names, the latest first.
    most_compared: usize,
    /// By hash of the name.
    by_hash: HashMap<u64, u32, FixedState>,
    names: Slab<Name>,
    lists: Slab<List>,
    /// How many lists were learned, halved each time that counts are; and how often that was.
    learned: u32,
    halvings: u32,
    /// How many comparisons were begun, so that a list is compared once in each.
    comparisons: u64,
}

#[derive(Clone, Debug)]
struct Name {
    hash: u64,
    /// How many lists with it were learned, as of so many halvings.
    lists: u32,
    halvings: u32,
    /// Those of them that are held, in no order.
    held: Vec<u32>,
}

#[derive(Clone, Debug)]
struct List {
    key: KeyId,
    /// Its names, in order, each once.
    names: Box<[Mention]>,
    /// The last comparison that it was part of.
    compared: u64,
}

/// A name, and where in its list of lists the one stands that mentions it.
#[derive(Clone, Copy, Debug)]
struct Mention {
    name: u32,
    place: u32,
}

impl<N> Similar<N> {
    pub(super) fn new(source: N, weighing: Weighing, most_compared: usize) -> Self {
        Self {
            source,
            weighing,
            most_compared,
            by_hash: HashMap::with_hasher(FixedState::default()),
            names: Slab::new(),
            lists: Slab::new(),
            learned: 0,
            halvings: 0,
            comparisons: 0,
        }
    }

    /// Whether keys have names at all.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.learned > 0
    }

    /// Learns the names in a key, which is `new` or was held before. Where they are; `None` if there are none.
    pub(super) fn learn<K: ?Sized>(&mut self, key: KeyId, name: &K, new: bool) -> Option<Place>
    where
        N: NamesIn<K>,
    {
        let Self { source, by_hash, names, halvings, .. } = self;
        // A fixed seed, so that a trace replays to the same victims.
        let seed = FixedState::default();
        let mut mentions = Vec::new();
        source.each(name, &mut |name| {
            let hash = seed.hash_one(name);
            let new = || names.insert(Name { hash, lists: 0, halvings: *halvings, held: Vec::new() }) as u32;
            mentions.push(Mention { name: *by_hash.entry(hash).or_insert_with(new), place: 0 });
        });
        if mentions.is_empty() {
            return None;
        }
        mentions.sort_unstable_by_key(|mention| mention.name);
        mentions.dedup_by_key(|mention| mention.name);
        self.learned += u32::from(new);
        if self.learned >= LEARNED {
            self.learned /= 2;
            self.halvings += 1;
        }
        let list = self.lists.vacant_key() as u32;
        for mention in &mut mentions {
            let name = &mut self.names[mention.name as usize];
            name.lists = (name.lists_at(self.halvings) + u32::from(new)).max(1);
            name.halvings = self.halvings;
            mention.place = name.held.len() as u32;
            name.held.push(list);
        }
        let place = self.lists.insert(List { key, names: mentions.into(), compared: 0 });
        Some(Place::of(place))
    }

    /// A list is held no more.
    pub(super) fn forget(&mut self, place: Place) {
        let list = self.lists.remove(place.index());
        for mention in list.names {
            let name = &mut self.names[mention.name as usize];
            name.held.swap_remove(mention.place as usize);
            if let Some(&moved) = name.held.get(mention.place as usize) {
                let mentions = &mut self.lists[moved as usize].names;
                if let Ok(at) = mentions.binary_search_by_key(&mention.name, |mention| mention.name) {
                    mentions[at].place = mention.place;
                }
            } else if name.held.is_empty() {
                self.by_hash.remove(&name.hash);
                self.names.remove(mention.name as usize);
            }
        }
    }

    /// Calls `found` with each key whose list is at least so similar to the one at `place`, with what the names of both count that are in both,
    /// and what all do.
    pub(super) fn each_similar(&mut self, place: Place, least: f32, mut found: impl FnMut(KeyId, f32, f32)) {
        self.comparisons += 1;
        let (own, comparison) = (place.index(), self.comparisons);
        self.lists[own].compared = comparison;
        let mentions = self.lists[own].names.iter();
        let mut rarest: Vec<(f32, u32)> =
            mentions.map(|mention| (self.weight(mention.name), mention.name)).collect();
        rarest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if self.weighing == Weighing::Alike {
            rarest.sort_by_key(|&(_, name)| self.names[name as usize].held.len());
        }
        // What the names from here on count together. A list that shares none before can't share more than that.
        let mut rest: f32 = rarest.iter().map(|(weight, _)| weight).sum();
        let enough = least * rest;
        let mut compared = 0;
        for (weight, name) in rarest {
            if rest < enough || compared >= self.most_compared {
                break;
            }
            rest -= weight;
            for at in (0..self.names[name as usize].held.len()).rev() {
                let other = self.names[name as usize].held[at] as usize;
                if std::mem::replace(&mut self.lists[other].compared, comparison) == comparison {
                    continue;
                }
                let (both, all) = self.overlap(own, other);
                if both > 0.0 && both / all >= least {
                    found(self.lists[other].key, both, all);
                }
                compared += 1;
                if compared >= self.most_compared {
                    break;
                }
            }
        }
    }

    fn weight(&self, name: u32) -> f32 {
        if self.weighing == Weighing::Alike {
            return 1.0;
        }
        let lists = self.names[name as usize].lists_at(self.halvings).saturating_sub(1);
        1.0 - lists as f32 / self.learned.max(1) as f32
    }

    /// What the names count that two lists have both, and what all of them do.
    fn overlap(&self, one: usize, other: usize) -> (f32, f32) {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        let (mut one, mut other) = (&*self.lists[one].names, &*self.lists[other].names);
        let (mut both, mut all) = (0.0, 0.0);
        while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
            let weight = self.weight(a.name.min(b.name));
            all += weight;
            both += if a.name == b.name { weight } else { 0.0 };
            (one, other) = (
                if a.name <= b.name { one_rest } else { one },
                if b.name <= a.name { other_rest } else { other },
            );
        }
        all += one.iter().chain(other).map(|mention| self.weight(mention.name)).sum::<f32>();
        (both, all)
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.by_hash.shrink_to_fit();
        self.names.shrink_to_fit();
        self.lists.shrink_to_fit();
    }
}

impl Name {
    fn lists_at(&self, halvings: u32) -> u32 {
        self.lists.checked_shr(halvings - self.halvings).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::id::Id as _;

    const COMPARED: usize = 128;

    fn words(text: &str, each: &mut dyn FnMut(&str)) {
        text.split_whitespace().for_each(each);
    }

    fn found<N>(similar: &mut Similar<N>, place: Place, least: f32) -> BTreeMap<usize, f32> {
        let mut found = BTreeMap::new();
        similar.each_similar(place, least, |key, both, all| _ = found.insert(key.index(), both / all));
        found
    }

    #[test]
    fn names_that_all_lists_have_make_none_similar() {
        let mut similar = Similar::new(words, Weighing::ByRarity, COMPARED);
        let mut learn = |key: usize, text: &str| similar.learn(KeyId::from_index(key), text, true).unwrap();
        let places: Vec<Place> = (0..50).map(|key| learn(key, &format!("Init Lean m{key}"))).collect();
        let new = learn(50, "Init Lean m0 n");
        let found = found(&mut similar, new, 0.3);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&0]);
        assert!((0.45..0.55).contains(&found[&0]), "{found:?}");
        places.into_iter().chain([new]).for_each(|place| similar.forget(place));
        assert!(similar.names.is_empty() && similar.lists.is_empty() && similar.by_hash.is_empty());
    }

    #[test]
    fn the_index_finds_what_a_comparison_with_all_lists_finds() {
        let mut seed = 88_172_645_463_325_252_u64;
        let mut below = |n: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % n as u64) as usize
        };
        for run in 0..40 {
            let weighing = if run % 2 == 0 { Weighing::ByRarity } else { Weighing::Alike };
            let mut similar = Similar::new(words, weighing, COMPARED);
            // Names of held lists, and in how many that were learned each is.
            let mut held: BTreeMap<usize, (Place, BTreeSet<usize>)> = BTreeMap::new();
            let mut lists: BTreeMap<usize, usize> = BTreeMap::new();
            for key in 0..120 {
                // A name of nearly all, and some of which the first are common.
                let mut names = BTreeSet::new();
                for _ in 0..1 + below(6) {
                    let most = 1 + below(40);
                    names.insert(below(most));
                }
                names.insert(100);
                let text: Vec<String> = names.iter().map(ToString::to_string).collect();
                let place = similar.learn(KeyId::from_index(key), text.join(" ").as_str(), true).unwrap();
                for name in &names {
                    // A name that no held list has is forgotten.
                    let is_held = held.values().any(|(_, names)| names.contains(name));
                    let lists = lists.entry(*name).or_default();
                    *lists = if is_held { *lists + 1 } else { 1 };
                }
                let weight = |name: &usize| match weighing {
                    Weighing::ByRarity => 1.0 - (lists[name] - 1) as f32 / (key + 1) as f32,
                    Weighing::Alike => 1.0,
                };
                let mut expected = BTreeMap::new();
                for (other, (_, others)) in &held {
                    let both: f32 = names.intersection(others).map(weight).sum();
                    let all: f32 = names.union(others).map(weight).sum();
                    expected.insert(*other, if both == 0.0 { 0.0 } else { both / all });
                }
                let found = found(&mut similar, place, 0.3);
                for (other, similarity) in expected {
                    match found.get(&other) {
                        Some(found) => assert!((found - similarity).abs() < 1e-4, "{found} {similarity}"),
                        None => assert!(similarity < 0.3 + 1e-4, "{key} and {other}: {similarity}"),
                    }
                }
                held.insert(key, (place, names));
                if held.len() > 60 {
                    let gone = *held.keys().nth(below(held.len() - 1)).unwrap();
                    similar.forget(held.remove(&gone).unwrap().0);
                }
            }
        }
    }

    #[test]
    fn where_all_names_count_alike_lists_that_share_common_names_only_are_not_looked_at() {
        let mut similar = Similar::new(words, Weighing::Alike, usize::MAX);
        let mut learn = |key: usize, text: &str| similar.learn(KeyId::from_index(key), text, true).unwrap();
        for key in 0..5000 {
            learn(key, &format!("Init Lean a{key} b{key}"));
        }
        let new = learn(5000, "Init Lean a7 b8");
        let before = LOOKS.get();
        assert_eq!(found(&mut similar, new, 0.6), BTreeMap::from([(7, 0.6), (8, 0.6)]));
        assert_eq!(LOOKS.get() - before, 2);
    }

    #[test]
    fn no_more_than_so_many_lists_are_compared_and_counts_follow_what_is_common_lately() {
        let mut similar = Similar::new(words, Weighing::ByRarity, COMPARED);
        let mut last = None;
        for key in 0..2000 {
            last = similar.learn(KeyId::from_index(key), format!("common n{key}").as_str(), true);
        }
        let before = LOOKS.get();
        found(&mut similar, last.unwrap(), 0.0);
        assert!(LOOKS.get() - before <= COMPARED as u64);
        for key in 2000..2000 + 2 * LEARNED as usize {
            let place =
                similar.learn(KeyId::from_index(key), format!("other n{key}").as_str(), true).unwrap();
            similar.forget(place);
        }
        assert!(similar.halvings >= 2 && similar.learned < LEARNED);
        let common = similar.by_hash[&FixedState::default().hash_one("common")];
        assert!(similar.weight(common) > 0.95, "it was common once");
    }
}
