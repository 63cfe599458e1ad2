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

#[cfg(test)]
mod tests {
    use super::*;

    /// All keys are asked for in turn, so often, in a pool with so much room.
    fn in_turn(room: usize, keys: usize, rounds: usize) -> (Simulations, Records) {
        let (mut simulations, mut records) = (Simulations::new(100.0), Records::default());
        let mut fading = Fading::new(64.0 * room as f64);
        simulations.set_room(room);
        for key in (0..rounds).flat_map(|_| 0..keys) {
            let key = KeyId::from_index(key);
            fading.step();
            fading.count(&mut records.at(key).requests, 1.0);
            if simulations.hear_of(key) {
                simulations.miss(key, &mut records, &fading, HALF_LIVES, |_| ());
            }
        }
        (simulations, records)
    }

    #[test]
    fn a_simulation_is_as_long_as_the_pool_and_of_a_large_one_has_a_sample() {
        let (small, mut records) = in_turn(8, 20, 3);
        assert!(small.each.iter().all(|simulation| simulation.keys.len() == 8));
        let marked = (0..20).map(|key| records.at(KeyId::from_index(key)).simulated.count_ones()).sum::<u32>();
        assert_eq!(marked, 8 * HALF_LIVES as u32, "each is marked that is held");
        let (large, _) = in_turn(10_000, 20_000, 2);
        for simulation in &large.each {
            assert!(simulation.keys.len() == MOST && simulation.keys.iter().all(|&key| large.samples(key)));
        }
        let share = (0..100_000).filter(|&key| large.samples(KeyId::from_index(key))).count();
        assert!((2300..2800).contains(&share), "{share} of 100 000 are a share of 256 in 10 000");
    }

    #[test]
    fn what_is_charged_less_counts_more_and_charges_fade() {
        let (mut simulations, _) = in_turn(8, 20, 3);
        let (settings, fading) = (Settings::default(), Fading::new(512.0));
        let equal = simulations.weights(&settings, &fading);
        assert!((equal[0] / equal[1] - 2.0).abs() < 0.1, "a longer one counts half: {equal:?}");
        simulations.each[0].charged *= 1.025;
        let charged = simulations.weights(&settings, &fading);
        assert!((charged[0] / equal[0] - 0.5).abs() < 0.1, "a fortieth more: half as much");
        // Far beyond what a number can grow to.
        let before = simulations.each[0].charged / simulations.charge;
        (0..200_000).for_each(|_| _ = simulations.hear_of(KeyId::from_index(0)));
        assert!(simulations.charge.is_finite() && simulations.each[0].charged / simulations.charge < before / 1e9);
    }

    #[test]
    fn a_key_that_is_forgotten_is_in_no_simulation() {
        let (mut simulations, mut records) = in_turn(8, 8, 1);
        let key = KeyId::from_index(3);
        simulations.forget(key, records.at(key).simulated);
        assert!(simulations.each.iter().all(|simulation| !simulation.keys.contains(&key)));
    }
}
