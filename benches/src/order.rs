//! The order in which keys are asked for.

/// Places again and again, in a fixed order.
#[derive(Clone, Debug)]
pub struct Cycle {
    places: Vec<u32>,
    at: usize,
}

impl Cycle {
    /// Those of `range`, one after the other.
    #[must_use]
    pub fn over(range: std::ops::Range<usize>) -> Self {
        Self { places: range.map(|place| place as u32).collect(), at: 0 }
    }

    /// Those up to `count`, shuffled: the same shuffle each time.
    #[must_use]
    pub fn shuffled(count: usize) -> Self {
        let mut cycle = Self::over(0..count);
        // SplitMix64 (Steele et al., OOPSLA 2014).
        let mut seed = 1_u64;
        for place in (1..count).rev() {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            cycle.places.swap(place, ((z ^ (z >> 31)) % (place as u64 + 1)) as usize);
        }
        cycle
    }

    /// The next place.
    #[inline]
    pub fn turn(&mut self) -> usize {
        let place = self.places[self.at];
        self.at += 1;
        if self.at == self.places.len() {
            self.at = 0;
        }
        place as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_has_each_place_once_and_starts_over() {
        let mut cycle = Cycle::shuffled(100);
        let first: Vec<usize> = (0..100).map(|_| cycle.turn()).collect();
        let again: Vec<usize> = (0..100).map(|_| cycle.turn()).collect();
        assert!(first == again && !first.is_sorted());
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
    }
}
