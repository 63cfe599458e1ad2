use super::Victim;
use super::dense::Dense;
use super::ranking::Ranking;
use crate::id::{EntryId, KeyId};

/// What [`Lfu`](super::Lfu) and [`Gdsf`](super::Gdsf) share: a key is worth the level at its last request, plus its
/// requests times what each is worth. The level is what the last victim was worth, so what is not asked for any more is
/// overtaken in the end. (The level is a sum of worths of victims: in 53 bits it outlasts any process.)
#[derive(Clone, Debug, Default)]
pub(super) struct GreedyDual {
    keys: Dense<KeyId, History>,
    ranking: Ranking<u64>,
    level: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct History {
    requests: f64,
    level: f64,
    value: f64,
}

impl History {
    /// What the last of `idle` idle entries is worth. Never negative, so the bits are in the order of the numbers.
    fn worth(&self, idle: usize) -> u64 {
        (self.level + self.requests * self.value / idle.max(1) as f64).to_bits()
    }
}

impl GreedyDual {
    pub(super) fn forget(&mut self, key: KeyId) {
        *self.keys.at(key) = History::default();
        self.ranking.reprice(key);
    }

    /// A request for a key, which makes it worth more.
    pub(super) fn request(&mut self, key: KeyId) {
        let history = self.keys.at(key);
        history.requests += 1.0;
        history.level = self.level;
    }

    /// What a request for a key is worth from now on.
    pub(super) fn value(&mut self, key: KeyId, value: f64) {
        let history = self.keys.at(key);
        let before = std::mem::replace(&mut history.value, value);
        if value < before {
            self.ranking.lower(key, |idle| history.worth(idle));
        }
    }

    pub(super) fn take(&mut self, entry: EntryId, key: KeyId) {
        self.ranking.take(entry, key);
    }

    pub(super) fn release(&mut self, entry: EntryId, key: KeyId, idle_of_key: u64) {
        let history = self.keys.at(key);
        self.ranking.release(entry, key, idle_of_key, |idle| history.worth(idle));
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.keys.shrink_to_fit();
        self.ranking.shrink_to_fit();
    }

    pub(super) fn victim(&mut self) -> Option<Victim> {
        let keys = &self.keys;
        let (key, worth) = self.ranking.victim(|key, idle| keys.get(key).worth(idle))?;
        self.level = self.level.max(f64::from_bits(worth));
        Some(Victim::OldestOf(key))
    }
}
