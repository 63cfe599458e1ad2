//! What is known of a key.

use super::super::pages::Pages;
use super::super::place::Place;
use super::fading::{Each, Faded, Fading};
use crate::id::KeyId;

/// By key. 64 bytes each, so that many can be remembered.
pub(super) type Records = Pages<KeyId, Record>;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) requests: Faded,
    /// What its last open took, in nanoseconds.
    pub(super) cost: f32,
    /// Bytes, where it is worth by the byte that counts; else 1.
    pub(super) weight: f32,
    /// The share that newer lists have left.
    pub(super) left: f32,
    /// The number of the last request for it, from 1; 0 if there was none.
    pub(super) asked: u64,
    /// How many of its entries are idle, and how many there are.
    pub(super) idle: u32,
    pub(super) live: u32,
    /// Its place among the keys that may have idle entries.
    pub(super) place: Option<Place>,
    /// Where its names are, if they are known.
    pub(super) list: Option<Place>,
    /// The simulations that hold it, a bit each.
    pub(super) simulated: u8,
    /// Whether it inherited requests, and was not asked for since.
    pub(super) heir: bool,
}

const _: () = assert!(size_of::<Record>() <= 64);

impl Default for Record {
    fn default() -> Self {
        Self {
            requests: Faded::default(),
            cost: 1.0,
            weight: 1.0,
            left: 1.0,
            asked: 0,
            idle: 0,
            live: 0,
            place: None,
            list: None,
            simulated: 0,
            heir: false,
        }
    }
}

impl Record {
    /// What the last of its idle entries is worth, if each half-life counts so much.
    #[inline]
    pub(super) fn worth(&mut self, fading: &Fading, weights: &Each) -> f32 {
        fading.sum(&mut self.requests, weights) * self.left * self.cost / (self.weight * self.idle as f32)
    }

    /// What it is worth to one half-life alone, in any unit.
    #[inline]
    pub(super) fn worth_to(&mut self, fading: &Fading, half_life: usize) -> f32 {
        fading.of(&mut self.requests, half_life) * self.left * self.cost / self.weight
    }

    /// It is another key from now on. What is idle and simulated is not told here.
    pub(super) fn reset(&mut self) {
        let Self { idle, live, place, simulated, list, .. } = *self;
        *self = Self { idle, live, place, simulated, list, ..Self::default() };
    }
}
