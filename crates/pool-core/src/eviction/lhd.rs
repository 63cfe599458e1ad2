use super::dense::Dense;
use super::random::Random;
use super::room::Room;
use super::{Eviction, Removal, Victim};
use crate::capacity::Bounds;
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::{Opened, Returned};

/// LHD: the entry goes that has the least hit density: how likely it is to be hit, for each byte and each request that it is expected
/// to stay. Both are learned, from how old entries were when they were hit or evicted.
///
/// Beckmann, Chen and Cidon, "LHD: improving cache hit rate by maximizing hit density" (NSDI 2018), with its 16 classes by the age
/// at the last hit, its moving averages of 0.9, and its sample of 64. Adapted for a pool: ages are of the entry, counted in requests, and
/// grouped so that 256 groups cover sixteen times as many requests as there is room for; densities are learned anew after as many. Its
/// explorers are left out.
///
/// A hit is O(1), an eviction looks at 64 entries. Learning goes over 4096 numbers, however large the pool.
#[derive(Clone, Debug)]
pub struct Lhd {
    entries: Dense<EntryId, Record>,
    /// Idle entries, in no order.
    idle: Vec<EntryId>,
    /// By class and age.
    classes: Vec<Class>,
    random: Random,
    /// Requests so far, and when densities are learned next.
    now: u64,
    learns_at: u64,
    room: Room,
}

const SAMPLE: usize = 64;
const CLASSES: usize = 16;
const AGES: usize = 256;
/// Past so many times the room, all ages are one.
const OLDEST: u64 = 16;
/// What is left of what was learned, each time.
const AVERAGE: f32 = 0.9;

#[derive(Clone, Debug)]
struct Class {
    hits: Box<[f32; AGES]>,
    evictions: Box<[f32; AGES]>,
    density: Box<[f32; AGES]>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Record {
    /// The number of its last request.
    asked: u64,
    /// Its age at its last hit, and at the one before.
    last_age: u64,
    age_before: u64,
    weight: u64,
    /// Its place among the idle ones, from 1; 0 if it is not idle.
    place: usize,
}

impl Class {
    /// Nothing is known: the longer ago, the less.
    fn new() -> Self {
        let density = Box::new(std::array::from_fn(|age| 1.0 / (age + 1) as f32));
        Self { hits: Box::new([0.0; AGES]), evictions: Box::new([0.0; AGES]), density }
    }

    fn learn(&mut self) {
        let (mut hits, mut events, mut lifetime) = (0.0, 0.0, 0.0);
        for age in (0..AGES).rev() {
            hits += self.hits[age];
            events += self.hits[age] + self.evictions[age];
            // All that live to this age, and each that lives longer once more.
            lifetime += events;
            if events > 1e-5 {
                self.density[age] = hits / lifetime;
            }
            self.hits[age] *= AVERAGE;
            self.evictions[age] *= AVERAGE;
        }
    }
}

impl Lhd {
    /// A policy that knows no entry yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(1)
    }

    /// With another sequence of samples.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            entries: Dense::default(),
            idle: Vec::new(),
            classes: vec![Class::new(); CLASSES],
            random: Random(seed),
            now: 0,
            learns_at: 1024,
            room: Room::default(),
        }
    }

    /// The class of an entry and its age, as the tables have them.
    fn cell(&self, record: &Record) -> (usize, usize) {
        let room = self.room.entries() as u64;
        let group = (OLDEST * room).div_ceil(AGES as u64);
        let age = ((self.now - record.asked) / group).min(AGES as u64 - 1) as usize;
        // By the order of magnitude; 0 for what was not hit yet.
        let both = (record.last_age + record.age_before) / group;
        let class = if record.last_age == 0 { 0 } else { 1 + (u64::BITS - both.leading_zeros()) as usize };
        (class.min(CLASSES - 1), age)
    }

    fn density(&self, entry: EntryId) -> f32 {
        let record = self.entries.get(entry);
        let (class, age) = self.cell(&record);
        self.classes[class].density[age] / record.weight.max(1) as f32
    }

    fn step(&mut self) {
        self.now += 1;
        if self.now >= self.learns_at {
            self.learns_at = self.now + (OLDEST * self.room.entries() as u64).max(1024);
            self.classes.iter_mut().for_each(Class::learn);
        }
    }

    fn take(&mut self, entry: EntryId) {
        let place = std::mem::take(&mut self.entries.at(entry).place);
        if place > 0 {
            self.idle.swap_remove(place - 1);
            if let Some(&moved) = self.idle.get(place - 1) {
                self.entries.at(moved).place = place;
            }
        }
    }
}

impl Default for Lhd {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized> Eviction<K> for Lhd {
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.room.tell(capacity);
    }

    fn on_open(&mut self, entry: EntryId, _: KeyId, opened: &Opened, _: Now) {
        self.take(entry);
        self.step();
        *self.entries.at(entry) = Record { asked: self.now, weight: opened.weight, ..Record::default() };
    }

    fn on_acquire(&mut self, entry: EntryId, _: KeyId, _: Now) {
        self.take(entry);
        self.step();
        let (class, age) = self.cell(&self.entries.get(entry));
        self.classes[class].hits[age] += 1.0;
        let now = self.now;
        let record = self.entries.at(entry);
        (record.age_before, record.last_age) = (record.last_age, now - record.asked);
        record.asked = now;
    }

    fn on_release(&mut self, entry: EntryId, _: KeyId, returned: &Returned, _: Now) {
        self.take(entry);
        self.idle.push(entry);
        self.room.holds(self.idle.len());
        let place = self.idle.len();
        let record = self.entries.at(entry);
        (record.place, record.weight) = (place, returned.weight);
    }

    fn on_remove(&mut self, entry: EntryId, _: KeyId, why: Removal) {
        if matches!(why, Removal::Evicted | Removal::Rejected) {
            let (class, age) = self.cell(&self.entries.get(entry));
            self.classes[class].evictions[age] += 1.0;
        }
        self.take(entry);
        *self.entries.at(entry) = Record::default();
    }

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        let all = self.idle.len();
        self.room.is_exceeded_by(all);
        let mut random = self.random.clone();
        let least = |a: Option<EntryId>, b: EntryId| match a {
            // In the paper room is made before the new one joins.
            Some(a) if Some(a) != incoming && (Some(b) == incoming || self.density(a) <= self.density(b)) => Some(a),
            _ => Some(b),
        };
        let named = if all <= SAMPLE {
            self.idle.iter().copied().fold(None, least)
        } else {
            (0..SAMPLE).map(|_| self.idle[random.below(all)]).fold(None, least)
        };
        self.random = random;
        named.map(Victim::Entry)
    }

    fn shrink_to_fit(&mut self) {
        self.entries.shrink_to_fit();
        self.idle.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::super::drive::Drive;
    use super::*;

    #[test]
    fn density_is_what_is_hit_from_an_age_on_for_what_all_live_from_it_on() {
        let mut class = Class::new();
        // At age 0 two of four are hit, at age 2 one is, and one is evicted.
        (class.hits[0], class.hits[2], class.evictions[2]) = (2.0, 1.0, 1.0);
        class.learn();
        // From age 2 on: one hit for two that live one age. From 0 on: three for 4 + 2 + 2.
        assert_eq!((class.density[2], class.density[1], class.density[0]), (0.5, 0.25, 0.375));
        assert_eq!(class.hits[0], 2.0 * AVERAGE);
    }

    #[test]
    fn what_was_not_hit_lately_goes_first_and_what_is_heavy() {
        let mut pool = Drive::new(Lhd::new());
        pool.bounds(16);
        [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
        assert_eq!([pool.evict(), pool.evict(), pool.evict(), pool.evict()], [Some(1), Some(2), Some(3), None]);
        let mut pool = Drive::new(Lhd::new());
        pool.bounds(16).price(2, 1, 100);
        [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
        assert_eq!(pool.evict(), Some(2));
    }

    #[test]
    fn it_learns_to_keep_what_is_hit_late_from_what_comes_once() {
        let hits = |policy: Box<dyn Eviction<usize>>| {
            let mut pool = Drive::new(policy);
            pool.bounds(16);
            let mut hits = 0;
            for at in 0..20_000 {
                // Eight keys in a loop, and between two of them two that come once: 24 keys for 16 places.
                let key = if at % 3 == 0 { at / 3 % 8 } else { 100 + at };
                hits += usize::from(at > 10_000 && at % 3 == 0 && pool.is_idle(key));
                pool.ask(key);
                while pool.idle() > 16 {
                    pool.evict_for(key);
                }
            }
            hits
        };
        assert_eq!(hits(Box::<super::super::Lru>::default()), 0);
        let hits = hits(Box::<Lhd>::default());
        assert!(hits > 1500, "{hits} of 3333");
    }
}
