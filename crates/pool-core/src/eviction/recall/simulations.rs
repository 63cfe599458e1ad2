//! Which half-life tells best? Miniature simulations: for each a list of keys that is kept as if it alone decided.

use super::fading::{Each, Fading, HALF_LIVES, halved};
use super::record::{Record, Records};
use super::settings::Settings;
use crate::id::{Id, KeyId};

/// How many keys a simulation holds at most. Of a larger pool it has a sample, so that it is as small as this.
const MOST: usize = 256;
/// How many keys an eviction looks at, at most.
const LOOKED_AT: usize = 64;
/// All bits, one for each simulation.
pub(super) const ALL: u8 = (1 << HALF_LIVES) - 1;
/// 2^512, where charges are counted in smaller units from then on: far from where numbers end.
const LARGEST: f64 = f64::from_bits((1023 + 512) << 52);

/// What the pool would hold if one half-life alone decided, and what that would have cost lately.
#[derive(Clone, Debug, Default)]
struct Simulation {
    keys: Vec<KeyId>,
    charged: f64,
    /// Where an eviction begins that can't look at all keys.
    hand: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Simulations {
    each: [Simulation; HALF_LIVES],
    /// How many keys one holds.
    room: usize,
    /// Keys are simulated whose hash is at most this.
    sampled: u32,
    /// What a charge counts now, and how much more the next one does.
    charge: f64,
    growth: f64,
}

impl Simulations {
    pub(super) fn new(charge_half_life: f64) -> Self {
        let growth = 1.0 / halved(1.0 / charge_half_life);
        Self { each: Default::default(), room: 1, sampled: u32::MAX, charge: 1.0, growth }
    }

    /// The pool has room for so many entries, at least 1.
    pub(super) fn set_room(&mut self, room: usize) {
        self.room = room.min(MOST);
        let share = MOST as f64 / room as f64;
        self.sampled = if share >= 1.0 { u32::MAX } else { (share * f64::from(u32::MAX)) as u32 };
    }

    /// Whether requests for that key are simulated: spatial sampling, by a hash of its id (Knuth's, multiplicative).
    #[inline]
    fn samples(&self, key: KeyId) -> bool {
        (key.index() as u32).wrapping_mul(2_654_435_761) <= self.sampled
    }

    /// A request for `key`; true if it is among those that are simulated.
    #[inline]
    pub(super) fn hear_of(&mut self, key: KeyId) -> bool {
        if self.sampled < u32::MAX && !self.samples(key) {
            return false;
        }
        self.charge *= self.growth;
        if self.charge >= LARGEST {
            self.rescale();
        }
        true
    }

    /// What each half-life alone would have done at a request for `key`, where it did not hold it. Calls `left` with each key that no
    /// simulation holds any more.
    pub(super) fn miss(
        &mut self,
        key: KeyId,
        records: &mut Records,
        fading: &Fading,
        used: usize,
        mut left: impl FnMut(&mut Record),
    ) {
        for half_life in HALF_LIVES - used..HALF_LIVES {
            let record = records.at(key);
            if record.simulated >> half_life & 1 == 1 {
                continue;
            }
            record.simulated |= 1 << half_life;
            let simulation = &mut self.each[half_life];
            simulation.charged += self.charge * f64::from(record.cost);
            simulation.keys.push(key);
            while self.each[half_life].keys.len() > self.room {
                let place = self.least(half_life, records, fading);
                let gone = records.at(self.each[half_life].keys.swap_remove(place));
                gone.simulated &= !(1 << half_life);
                if gone.simulated == 0 {
                    left(gone);
                }
            }
        }
    }

    #[cold]
    fn rescale(&mut self) {
        self.charge /= LARGEST;
        self.each.iter_mut().for_each(|simulation| simulation.charged /= LARGEST);
    }

    /// The place of the key that is worth least to that half-life, of those that are looked at.
    fn least(&mut self, half_life: usize, records: &mut Records, fading: &Fading) -> usize {
        let hand = self.each[half_life].hand;
        let keys = &self.each[half_life].keys;
        let mut least = (f32::INFINITY, u64::MAX, 0);
        let mut place = if hand < keys.len() { hand } else { 0 };
        for _ in 0..keys.len().min(LOOKED_AT) {
            let key = keys[place];
            if !self.samples(key) {
                // The pool has grown, and with it the keys of which there is a sample.
                return place;
            }
            let record = records.at(key);
            let worth = record.worth_to(fading, half_life);
            // Of equals, the one that was not asked for for longest.
            if worth < least.0 || (worth == least.0 && record.asked < least.1) {
                least = (worth, record.asked, place);
            }
            place = if place + 1 < keys.len() { place + 1 } else { 0 };
        }
        self.each[half_life].hand = place;
        least.2
    }

    /// A key is forgotten.
    pub(super) fn forget(&mut self, key: KeyId, simulated: u8) {
        for (half_life, simulation) in self.each.iter_mut().enumerate() {
            if simulated >> half_life & 1 == 1 {
                simulation.keys.retain(|&other| other != key);
            }
        }
    }

    /// How much each half-life counts, in units of a request now.
    pub(super) fn weights(&self, settings: &Settings, fading: &Fading) -> Each {
        let unused = HALF_LIVES - settings.half_lives;
        let least = self.each[unused..].iter().map(|simulation| simulation.charged).fold(f64::INFINITY, f64::min);
        let mut scale = 1.0;
        std::array::from_fn(|half_life| {
            if half_life < unused {
                return 0.0;
            }
            let charged = self.each[half_life].charged;
            let excess = if charged > least { charged / least - 1.0 } else { 0.0 };
            let weight = scale * halved(settings.sharpness * excess) / fading.request(half_life);
            scale *= settings.longer_counts;
            weight as f32
        })
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.each.iter_mut().for_each(|simulation| simulation.keys.shrink_to_fit());
    }
}
