//! # What it rests on
//! Measured on the four traces of `benches/traces` at 2, 4, 8, 16 and 32 idle environments, geometric means of seconds spent opening,
//! relative to `Lru`. The parameters were chosen on these traces.
//!
//! | variant | × `Lru` |
//! | --- | --- |
//! | requests that fade with a half-life of 50 requests (LRFU), nothing else | 0.980 |
//! | … × cost | 0.977 |
//! | … × cost, and lists like a new one lose what they share with it | 0.961 |
//! | the same, half-life a fifth of the known keys (`Worth`) | 0.940 |
//! | `Worth` without the loss to similar lists | 0.963 |
//! | `Worth` without cost | 0.956 |
//! | `Worth` with a fixed half-life of 64 requests | 0.947–0.949 |
//!
//! On the first halves 0.945, on the second 0.939; with leases held for 4 and 16 requests 0.947 and 0.953; by bytes 0.953. Half-lives of
//! 0.15 to 0.3 of the known keys give 0.938–0.944, similarity thresholds of 0.25 to 0.6 the same to three digits.

use super::{Eviction, Removal, Victim};
use super::names_in::{ListedNames, NamesIn, Unrelated};
use super::place::Place;
use super::ranking::Ranking;
use super::similar::{Similar, Weighing};
use crate::id::{EntryId, Id, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// The default of version 0.1: what is worth least goes. A key is worth what its last open cost, times how often it was asked for
/// lately, times how much of it newer keys have left standing.
///
/// *Lately*: a request counts half as much after as many further requests as a fifth of the keys that the pool knows, so
/// that a pool which serves many different keys looks back further. *Left standing*: traces of real work are histories
/// of edits, in which a file's import list changes a little and the old list is seldom asked for again. So when a list is
/// opened that the pool didn't know, every list that shares at least half of the names with it loses that share of its
/// worth, until it is asked for again itself. (Only for keys whose names can be seen: [`of_names`], or
/// [`with_names`].) The second idle entry of a key is worth half of a single one, the third a third.
///
/// The frequency is that of LRFU (Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and
/// least frequently used policies", IEEE Transactions on Computers, 2001), kept by forward decay (Cormode et al., ICDE
/// 2009): a request counts more than any before, instead of all before less, so nothing is touched but what is asked
/// for. That cost multiplies it is GreedyDual-Size-Frequency's (Cherkasova 1998). The half-life in proportion to the known keys
/// and the loss to similar keys are this crate's; this file's head has the measurements that they rest on.
///
/// A hit costs O(1), an eviction O(log n) amortised; the open of an unknown key looks at the live keys that share enough of its rarest names. State by
/// key is bounded by the keys that the pool [remembers](crate::pool::Builder::remembered_keys).
///
/// [`of_names`]: Worth::of_names
/// [`with_names`]: Worth::with_names
#[derive(Clone, Debug)]
pub struct Worth<N = Unrelated> {
    half_life: f64,
    similar: f64,
    per_byte: bool,
    /// The names of keys with live entries, and of those being opened.
    lists: Similar<N>,
    /// By key.
    keys: Vec<Record>,
    known: usize,
    /// How many opens there were.
    opens: u64,
    ranking: Ranking<u64>,
    /// What the last request counted, and how much more the next one does.
    request: f64,
    growth: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    known: bool,
    /// Whether it was opened since it is known.
    opened: bool,
    live: u32,
    /// Which open its last one was.
    last_open: u64,
    /// Where its names are, while it has live entries or is being opened.
    list: Option<Place>,
    /// Requests, each with what it counted.
    requests: f64,
    /// The share that similar newer keys have left.
    left: f64,
    /// What its last open took, in nanoseconds.
    cost: f64,
    /// Bytes, where it is worth by the byte that counts; else 1.
    weight: f64,
}

impl Record {
    const NEW: Self = Self {
        known: false,
        opened: false,
        live: 0,
        last_open: 0,
        list: None,
        requests: 0.0,
        left: 1.0,
        cost: 1.0,
        weight: 1.0,
    };

    /// What the last of `idle` idle entries is worth. Never negative, so the bits are in the order of the numbers.
    #[inline]
    fn worth(&self, idle: usize) -> u64 {
        (self.requests * self.left * self.cost / (self.weight * idle.max(1) as f64)).to_bits()
    }
}

/// As [`Record::worth`]; a key that this policy never heard of is worth nothing.
fn worth_of(keys: &[Record], key: KeyId, idle: usize) -> u64 {
    keys.get(key.index()).unwrap_or(&Record::NEW).worth(idle)
}

/// 2^512, where requests are counted in smaller units from then on: far from where numbers end.
const LARGEST: f64 = f64::from_bits((1023 + 512) << 52);

impl Worth {
    /// For any keys. Which are alike is not known.
    #[must_use]
    pub fn new() -> Self {
        Self::with_names(Unrelated)
    }
}

impl Worth<ListedNames> {
    /// For import lists.
    #[must_use]
    pub fn of_names() -> Self {
        Self::with_names(ListedNames)
    }
}

impl<N> Worth<N> {
    /// For keys that are made of names, as `names` finds them.
    ///
    /// ```
    /// use pool_core::eviction::Worth;
    /// let policy = Worth::with_names(|key: &Vec<String>, each: &mut dyn FnMut(&str)| {
    ///     key.iter().for_each(|name| each(name));
    /// });
    /// ```
    #[must_use]
    pub fn with_names(names: N) -> Self {
        Self {
            half_life: 0.2,
            similar: 0.5,
            per_byte: false,
            lists: Similar::new(names, Weighing::Alike, usize::MAX),
            keys: Vec::new(),
            known: 0,
            opens: 0,
            ranking: Ranking::default(),
            request: 1.0,
            growth: 2.0,
        }
    }

    /// After how many further requests a request counts half as much, as a multiple of the known keys. 0.2 if this is
    /// not called. From 0.13 to 0.3 little changes; less forgets sooner.
    ///
    /// # Panics
    /// Unless it is a positive number.
    #[must_use]
    pub fn half_life(self, known_keys: f64) -> Self {
        assert!(known_keys > 0.0 && known_keys.is_finite(), "the half-life must be a positive number");
        Self { half_life: known_keys, ..self }
    }

    /// How much of the names of two keys must be in both for the newer to take worth from the older, from 0 (one name)
    /// to 1 (all). 0.5 if this is not called; above 1, none is taken.
    #[must_use]
    pub fn similar(self, share: f64) -> Self {
        Self { similar: share, ..self }
    }

    /// Divides worth by weight: for a pool that is bounded in bytes, such as by
    /// [`MaxIdleWeight`](crate::capacity::MaxIdleWeight).
    #[must_use]
    pub fn per_byte(self) -> Self {
        Self { per_byte: true, ..self }
    }

    #[inline]
    fn record(&mut self, key: KeyId) -> &mut Record {
        if key.index() >= self.keys.len() {
            return self.grow(key);
        }
        &mut self.keys[key.index()]
    }

    #[cold]
    fn grow(&mut self, key: KeyId) -> &mut Record {
        self.keys.resize(key.index() + 1, Record::NEW);
        &mut self.keys[key.index()]
    }

    fn knows(&mut self, key: KeyId, known: bool) {
        let before = std::mem::replace(&mut self.record(key).known, known);
        self.known = self.known + usize::from(known) - usize::from(before);
        let half_life = (self.half_life * self.known as f64).max(1.0);
        self.growth = (1.0 / half_life).exp2();
    }

    #[inline]
    fn request(&mut self, key: KeyId) {
        self.request *= self.growth;
        let request = self.request;
        let record = self.record(key);
        record.requests += request;
        record.left = 1.0;
        if request >= LARGEST {
            self.rescale();
        }
    }

    #[cold]
    fn rescale(&mut self) {
        self.request /= LARGEST;
        for record in &mut self.keys {
            record.requests /= LARGEST;
        }
        self.ranking.rescale(|worth| (f64::from_bits(worth) / LARGEST).to_bits());
    }

    fn weigh(&mut self, key: KeyId, weight: u64) {
        let weight = weight.max(1) as f64;
        if std::mem::replace(&mut self.record(key).weight, weight) != weight {
            self.ranking.reprice(key);
        }
    }

    /// `key` is opened for the first time: keys like it lose what they share with it.
    fn take_from_similar(&mut self, key: KeyId) {
        let Self { lists, keys, ranking, similar, .. } = self;
        let Some(list) = keys[key.index()].list else { return };
        let mut found: Vec<(u64, KeyId, f64)> = Vec::new();
        // A little less, for it is compared in single precision there.
        lists.each_similar(list, (*similar - 1e-6) as f32, |other, both, all| {
            let (record, jaccard) = (&keys[other.index()], f64::from(both) / f64::from(all));
            if record.live > 0 && jaccard >= *similar {
                found.push((record.last_open, other, jaccard));
            }
        });
        // In an order that does not depend on where names lie.
        found.sort_unstable_by_key(|&(last_open, ..)| last_open);
        for (_, other, jaccard) in found {
            let record = &mut keys[other.index()];
            record.left *= 1.0 - jaccard;
            ranking.lower(other, |idle| record.worth(idle));
        }
    }

    /// The names of `key` are needed no more.
    fn let_go(&mut self, key: KeyId) {
        let list = self.record(key).list.take();
        list.into_iter().for_each(|list| self.lists.forget(list));
    }
}

impl Default for Worth {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized, N: NamesIn<K>> Eviction<K> for Worth<N> {
    fn on_key(&mut self, key: KeyId, name: &K) {
        self.let_go(key);
        let list = self.lists.learn(key, name, true);
        *self.record(key) = Record { known: self.record(key).known, list, ..Record::NEW };
        self.ranking.reprice(key);
        self.knows(key, true);
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        if self.record(key).list.is_none() {
            self.record(key).list = self.lists.learn(key, name, false);
        }
    }

    fn on_forget(&mut self, key: KeyId) {
        self.knows(key, false);
        self.let_go(key);
        *self.record(key) = Record::NEW;
    }

    fn on_open(&mut self, _: EntryId, key: KeyId, opened: &Opened, _: Now) {
        self.request(key);
        let weight = if self.per_byte { opened.weight.max(1) as f64 } else { 1.0 };
        self.opens += 1;
        let opens = self.opens;
        let record = self.record(key);
        let first = !std::mem::replace(&mut record.opened, true);
        record.live += 1;
        record.last_open = opens;
        (record.cost, record.weight) = (opened.cost_nanos.max(1) as f64, weight);
        // Another one of the key may have come back while this was opened.
        let Self { keys, ranking, .. } = self;
        ranking.lower(key, |idle| keys[key.index()].worth(idle));
        if first {
            self.take_from_similar(key);
        }
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.ranking.take(entry, key);
        self.request(key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        if self.per_byte {
            self.weigh(key, returned.weight);
        }
        let Self { keys, ranking, .. } = self;
        let worth = |idle| worth_of(keys, key, idle);
        ranking.release(entry, key, returned.idle_of_key, worth);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, _: Removal) {
        self.ranking.take(entry, key);
        let record = self.record(key);
        record.live = record.live.saturating_sub(1);
        if record.live == 0 {
            self.let_go(key);
        }
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        let keys = &self.keys;
        self.ranking.victim(|key, idle| worth_of(keys, key, idle)).map(|(key, _)| Victim::OldestOf(key))
    }

    fn shrink_to_fit(&mut self) {
        let used = self.keys.iter().rposition(|record| *record != Record::NEW).map_or(0, |last| last + 1);
        self.keys.truncate(used);
        self.keys.shrink_to_fit();
        self.lists.shrink_to_fit();
        self.ranking.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
