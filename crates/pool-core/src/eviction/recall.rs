mod fading;
mod record;
mod settings;
mod simulations;
mod successors;
mod trust;

pub use settings::Settings;

use super::dense::Dense;
use super::names_in::{ListedNames, NamesIn, Unrelated};
use super::place::Place;
use super::owner::Owner;
use super::room::Room;
use super::similar::{Similar, Weighing};
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};
use fading::Fading;
use record::Records;
use simulations::{ALL, Simulations};
use successors::Log;
use trust::Trust;

/// How many lists a new one is compared with, at most.
const COMPARED: usize = 128;
/// How many keys an eviction looks at, at most.
const LOOKED_AT: usize = 64;

/// The default: the key with the least *cost × requests lately × what newer lists left standing* goes.
///
/// 1. *Cost* is what its last open took; of several idle entries of a key, the last counts a share.
/// 2. *Requests lately* is a frequency that fades (LRFU), at five half-lives: 64 requests for each entry that there is room for,
///    and a quarter, a sixteenth … of that.
/// 3. Which half-life tells best changes with the work, so each is on trial in a miniature simulation: a list of keys as long
///    as the pool (of a large pool, a sample), kept as if that half-life alone decided, and charged what it would have cost. They
///    are weighed by their regret: one that was charged a fortieth more than the cheapest counts half as much.
/// 4. *Left standing*: a list of names that was not known is mostly an edit of one that was. Each held one that is similar (weighted
///    Jaccard) loses that share of its worth until it is asked for again itself; the new one inherits requests of the most
///    similar. Where heirs are then asked for less than that foretells, similarity counts less, down to nothing.
/// 5. Work comes in the same order again: when a key is asked for, the eight that followed its last request count a quarter of
///    a request.
///
/// Names are seen by [`of_names`](Recall::of_names) and [`with_names`](Recall::with_names) only; without them the fourth part
/// does nothing.
///
/// # What it rests on
/// Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and least frequently used policies" (IEEE
/// Transactions on Computers, 2001), kept by forward decay (Cormode et al., ICDE 2009). Cost as a factor: GreedyDual-Size-Frequency
/// (Cherkasova, 1998). Simulations: Waldspurger et al., "Cache modeling and optimization using miniature simulations" (USENIX ATC
/// 2017), with the spatial sampling of SHARDS (Waldspurger et al., FAST 2015). Weighing by regret: LeCaR (Vietri et al., HotStorage
/// 2018). Similarity, heirs and successors are this crate's.
///
/// On nine histories of Lean projects (`benches/traces`, 2 to 32 idle environments) it needs 0.940 × the open seconds of
/// [`Lru`](super::Lru); 0.941 × where each history was left out when the numbers were chosen that it was measured with. On none
/// more than `Lru`. `cargo run --release -p leanpool --example leave_one_out benches/traces/*.tsv` prints the table.
///
/// # What it costs
/// A hit is O(1). An open and an eviction look at no more than 64 keys in the pool and in each simulation, and at no more than 128
/// similar lists, however many there are. Nothing is ever done for all keys at once. A key that the pool remembers takes 64 bytes;
/// the names of lists are kept only while the pool or a simulation holds them. The simulations hold 256 keys at most, the log 4096
/// requests.
#[derive(Clone, Debug)]
pub struct Recall<N = Unrelated> {
    settings: Settings,
    per_byte: bool,
    records: Records,
    fading: Fading,
    simulations: Simulations,
    similar: Similar<N>,
    trust: Trust,
    log: Log,
    /// The number of the last request.
    now: u64,
    /// Whose each idle entry is.
    owners: Dense<EntryId, Owner>,
    /// How many entries are idle.
    idle: usize,
    /// Keys that have idle entries, and some all of whose entries are leased.
    listed: Vec<KeyId>,
    /// Where an eviction begins that can't look at all keys.
    hand: usize,
    room: Room,
}

impl Recall {
    /// For any keys. Which are similar is not known.
    #[must_use]
    pub fn new() -> Self {
        Self::with_names(Unrelated)
    }
}

impl Recall<ListedNames> {
    /// For import lists.
    #[must_use]
    pub fn of_names() -> Self {
        Self::with_names(ListedNames)
    }
}

impl<N> Recall<N> {
    /// For keys that are lists of names, as `names` finds them.
    ///
    /// ```
    /// use pool_core::eviction::Recall;
    /// let policy = Recall::with_names(|key: &Vec<String>, each: &mut dyn FnMut(&str)| {
    ///     key.iter().for_each(|name| each(name));
    /// });
    /// ```
    #[must_use]
    pub fn with_names(names: N) -> Self {
        let settings = Settings::default();
        Self {
            settings,
            per_byte: false,
            records: Records::default(),
            fading: Fading::new(settings.longest),
            simulations: Simulations::new(settings.charge_half_life),
            similar: Similar::new(names, Weighing::ByRarity, COMPARED),
            trust: Trust::new(),
            log: Log::default(),
            now: successors::FIRST,
            owners: Dense::default(),
            idle: 0,
            listed: Vec::new(),
            hand: 0,
            room: Room::default(),
        }
    }

    /// With other settings, for experiments. To be called before the policy is used.
    ///
    /// # Panics
    /// If a number of them is out of its range.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        settings.check();
        Self {
            settings,
            fading: Fading::new(settings.longest * self.room.entries() as f64),
            simulations: Simulations::new(settings.charge_half_life),
            ..self
        }
    }

    /// Divides worth by weight: for a pool that is bounded in bytes, such as by
    /// [`MaxIdleWeight`](crate::capacity::MaxIdleWeight).
    #[must_use]
    pub fn per_byte(self) -> Self {
        Self { per_byte: true, ..self }
    }

    /// The pool has room for more, or less, than was known.
    #[cold]
    fn room_changed(&mut self) {
        let room = self.room.entries();
        self.fading.set_longest(self.settings.longest * room as f64);
        self.simulations.set_room(room);
    }

    /// A request for `key`, the cost of which is known, which gets `entry`.
    #[inline]
    fn request(&mut self, entry: EntryId, key: KeyId) {
        let Self { records, owners, idle, fading, similar, trust, log, now, settings, .. } = self;
        let (Some(owner), Some(record)) = (owners.get_mut(entry), records.get_mut(key)) else {
            return self.request_of_unknown(entry, key);
        };
        if *owner == Owner::of(key) {
            *owner = Owner::NONE;
            *idle -= 1;
            record.idle -= 1;
        } else if *owner != Owner::NONE {
            return self.request_of_unknown(entry, key);
        }
        *now += 1;
        fading.step();
        let simulated = record.simulated;
        if similar.is_used() {
            if record.asked > 0 {
                trust.request(record, fading, settings.learning_rate);
            }
            trust.count(record, fading, 1.0);
        }
        record.left = 1.0;
        let before = std::mem::replace(&mut record.asked, *now);
        fading.count(&mut record.requests, 1.0);
        log.push(*now, key);
        if log.knows_after(before, *now) {
            self.expect_successors(before);
        }
        if self.simulations.hear_of(key) && simulated != ALL {
            self.simulate_miss(key);
        }
    }

    /// What was told before of the entry or the key was missed.
    #[cold]
    fn request_of_unknown(&mut self, entry: EntryId, key: KeyId) {
        self.take(entry);
        self.records.at(key);
        self.request(entry, key);
    }

    /// A key is asked for that not all simulations hold.
    #[cold]
    fn simulate_miss(&mut self, key: KeyId) {
        let Self { records, fading, simulations, similar, settings, .. } = self;
        simulations.miss(key, records, fading, settings.half_lives, |record| {
            if record.live == 0 {
                record.list.take().into_iter().for_each(|list| similar.forget(list));
            }
        });
    }

    /// A key is asked for that was asked for last with that number: what came then is expected again.
    #[inline(never)]
    fn expect_successors(&mut self, before: u64) {
        let Self { records, fading, trust, log, now, settings, .. } = self;
        for (number, successor) in log.after(before, *now, settings.successors) {
            let record = records.at(successor);
            // Unless it was forgotten since.
            if record.asked >= number {
                fading.count(&mut record.requests, settings.expected as f32);
                trust.count(record, fading, settings.expected);
            }
        }
    }

    /// `key` was not known: lists like it lose what they share with it, and it takes over from the one most like it.
    fn take_over(&mut self, key: KeyId) {
        let Self { records, fading, similar, settings, trust, .. } = self;
        let Some(list) = records.at(key).list else { return };
        let mut most = (0.0, 0, None);
        similar.each_similar(list, settings.similar as f32, |other, both, all| {
            let similarity = both / all;
            let record = records.at(other);
            record.left *= 1.0 - similarity * trust.get() as f32;
            if (similarity, record.asked) > (most.0, most.1) {
                most = (similarity, record.asked, Some(other));
            }
        });
        if let (similarity, _, Some(parent)) = most {
            let share = settings.inherited as f32 * similarity * trust.get() as f32;
            let inherited = fading.inherit(&mut records.at(parent).requests, share, settings.most_inherited as f32);
            let record = records.at(key);
            record.requests = inherited;
            trust.inherit(record, fading);
        }
    }

    /// An entry is idle, if it was not; it weighs so many bytes.
    #[inline]
    fn release(&mut self, entry: EntryId, key: KeyId, weight: u64) {
        let (Some(owner), Some(record)) = (self.owners.get_mut(entry), self.records.get_mut(key)) else {
            return self.release_of_unknown(entry, key, weight);
        };
        if *owner != Owner::NONE {
            return self.release_of_unknown(entry, key, weight);
        }
        if self.per_byte {
            record.weight = weight.max(1) as f32;
        }
        *owner = Owner::of(key);
        self.idle += 1;
        record.idle += 1;
        if record.place.is_none() {
            self.list(key);
        }
    }

    /// What was told before of the entry or the key was missed, or this is told again.
    #[cold]
    fn release_of_unknown(&mut self, entry: EntryId, key: KeyId, weight: u64) {
        self.take(entry);
        self.records.at(key);
        self.release(entry, key, weight);
    }

    /// An entry is idle no more, if it was.
    #[cold]
    fn take(&mut self, entry: EntryId) {
        if let Some(key) = std::mem::take(self.owners.at(entry)).key() {
            self.idle -= 1;
            self.records.at(key).idle -= 1;
        }
    }

    #[cold]
    fn list(&mut self, key: KeyId) {
        self.records.at(key).place = Some(Place::of(self.listed.len()));
        self.listed.push(key);
    }

    fn unlist(&mut self, place: usize) {
        let key = self.listed.swap_remove(place);
        self.records.at(key).place = None;
        if let Some(&moved) = self.listed.get(place) {
            self.records.at(moved).place = Some(Place::of(place));
        }
    }

    /// A key's names are needed as long as something holds it.
    fn let_go(&mut self, key: KeyId) {
        let record = self.records.at(key);
        if record.live == 0 && record.simulated == 0 {
            record.list.take().into_iter().for_each(|list| self.similar.forget(list));
        }
    }
}

impl Default for Recall {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized, N: NamesIn<K>> Eviction<K> for Recall<N> {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
        self.room_changed();
    }

    fn on_key(&mut self, key: KeyId, name: &K) {
        let record = self.records.at(key);
        record.reset();
        record.list.take().into_iter().for_each(|list| self.similar.forget(list));
        let list = self.similar.learn(key, name, true);
        self.records.at(key).list = list;
    }

    fn on_reopen(&mut self, key: KeyId, name: &K) {
        if self.records.at(key).list.is_none() {
            let list = self.similar.learn(key, name, false);
            self.records.at(key).list = list;
        }
    }

    fn on_forget(&mut self, key: KeyId) {
        let record = self.records.at(key);
        self.trust.forget(record, &self.fading);
        record.reset();
        let simulated = std::mem::take(&mut record.simulated);
        record.list.take().into_iter().for_each(|list| self.similar.forget(list));
        self.simulations.forget(key, simulated);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, _: Now) {
        let weight = if self.per_byte { opened.weight.max(1) as f32 } else { 1.0 };
        let cost = if self.settings.by_cost { opened.cost_nanos.max(1) as f32 } else { 1.0 };
        let record = self.records.at(key);
        (record.cost, record.weight) = (cost, weight);
        record.live += 1;
        let new = record.asked == 0;
        if self.room.holds(self.idle) {
            self.room_changed();
        }
        if new {
            self.take_over(key);
        }
        self.owners.at(entry);
        self.request(entry, key);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, _: Now) {
        self.request(entry, key);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, _: Now) {
        self.release(entry, key, returned.weight);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, _: Removal) {
        self.take(entry);
        let record = self.records.at(key);
        record.live = record.live.saturating_sub(1);
        if record.idle == 0 {
            if let Some(place) = record.place {
                self.unlist(place.index());
            }
        }
        self.let_go(key);
    }

    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        if self.idle == 0 {
            return None;
        }
        if self.room.is_exceeded_by(self.idle) {
            self.room_changed();
        }
        let weights = self.simulations.weights(&self.settings, &self.fading);
        let mut least = (f32::INFINITY, u64::MAX, None);
        let mut looked_at = 0;
        let mut place = self.hand;
        while looked_at < self.listed.len().min(LOOKED_AT) {
            if place >= self.listed.len() {
                place = 0;
            }
            let key = self.listed[place];
            let record = self.records.at(key);
            if record.idle == 0 {
                // Leased: it is listed again when it comes back.
                self.unlist(place);
                continue;
            }
            let worth = record.worth(&self.fading, &weights);
            // Of equals, the one that was not asked for for longest.
            if least.2.is_none() || (worth, record.asked) < (least.0, least.1) {
                least = (worth, record.asked, Some(key));
            }
            looked_at += 1;
            place += 1;
        }
        self.hand = place;
        least.2.map(Victim::OldestOf)
    }

    fn shrink_to_fit(&mut self) {
        let Self { listed, records, .. } = self;
        listed.retain(|&key| {
            records.at(key).place = None;
            records.at(key).idle > 0
        });
        for (place, &key) in listed.iter().enumerate() {
            records.at(key).place = Some(Place::of(place));
        }
        listed.shrink_to_fit();
        records.shrink_to_fit();
        self.owners.shrink_to_fit();
        self.simulations.shrink_to_fit();
        self.similar.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
