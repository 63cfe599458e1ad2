//! How often was a key asked for lately? Counts that fade, at several half-lives.

/// How many half-lives there are.
pub(super) const HALF_LIVES: usize = 5;
/// Each half-life is so many times the next shorter one.
const RATIO: f64 = 4.0;
/// 2^64: where a request counts as much, counting goes on in units that are so much larger.
const LARGEST: f64 = 18_446_744_073_709_551_616.0;

/// A number for each half-life, the shortest first.
pub(super) type Each = [f32; HALF_LIVES];

/// Fading counts of requests (LRFU), kept by forward decay: a request counts more than any before it, instead of all before it
/// less, so only what is asked for is touched.
///
/// What a request counts grows without end, so from time to time its unit changes. Counts are brought into the new unit
/// when they are next looked at: [`Faded`] knows in which they are.
#[derive(Clone, Debug)]
pub(super) struct Fading {
    /// What a request counts now, and how much more the next one does.
    request: [f64; HALF_LIVES],
    growth: [f64; HALF_LIVES],
    rounded: Each,
    /// Changes of unit so far, of any half-life.
    changes: u32,
    /// By half-life: which change was its last, and its last but one.
    changed: [[u32; 2]; HALF_LIVES],
    /// How many requests may come until a unit has to be changed.
    left: u64,
}

/// A key's requests, fading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Faded {
    requests: Each,
    /// How many changes of unit they have seen.
    changes: u32,
}

impl Fading {
    /// With a longest half-life of so many requests.
    pub(super) fn new(longest: f64) -> Self {
        let mut new = Self {
            request: [1.0; HALF_LIVES],
            growth: [1.0; HALF_LIVES],
            rounded: [1.0; HALF_LIVES],
            changes: 0,
            changed: [[0; 2]; HALF_LIVES],
            left: 0,
        };
        new.set_longest(longest);
        new
    }

    /// From now on the longest half-life is so many requests.
    pub(super) fn set_longest(&mut self, longest: f64) {
        let mut half_life = longest;
        for growth in self.growth.iter_mut().rev() {
            // At most 2^10, so that it is far from the largest.
            *growth = 1.0 / halved((1.0 / half_life).min(10.0));
            half_life /= RATIO;
        }
        self.change_units();
    }

    /// The next request comes.
    #[inline]
    pub(super) fn step(&mut self) {
        if self.left == 0 {
            self.change_units();
        }
        self.left -= 1;
        for half_life in 0..HALF_LIVES {
            self.request[half_life] *= self.growth[half_life];
            self.rounded[half_life] = self.request[half_life] as f32;
        }
    }

    #[cold]
    fn change_units(&mut self) {
        for half_life in 0..HALF_LIVES {
            let (request, growth) = (&mut self.request[half_life], self.growth[half_life]);
            if *request * growth >= LARGEST {
                *request /= LARGEST;
                self.changes += 1;
                self.changed[half_life] = [self.changes, self.changed[half_life][0]];
            }
            self.rounded[half_life] = *request as f32;
        }
        // A factor of at most 2 a request, where a half-life is that short; else what half of the doublings allow.
        self.left = self.room_to_grow();
    }

    /// For how many requests no unit can become too large: at least 1.
    fn room_to_grow(&self) -> u64 {
        let of = |half_life: usize| {
            let (mut request, mut growth, mut steps) = (self.request[half_life], self.growth[half_life], 0);
            // The largest power of 2 steps that stays below: squaring, so that it takes few steps to find.
            while steps < 32 && request * growth * growth < LARGEST {
                growth *= growth;
                steps += 1;
            }
            request *= growth;
            debug_assert!(request < LARGEST || steps == 0);
            1_u64 << steps
        };
        (0..HALF_LIVES).map(of).min().unwrap_or(1)
    }

    /// So many requests for a key, now.
    #[inline]
    pub(super) fn count(&self, faded: &mut Faded, times: f32) {
        self.refresh(faded);
        for (requests, request) in faded.requests.iter_mut().zip(&self.rounded) {
            *requests += times * request;
        }
    }

    /// A key that takes over the share `share` of another's requests, but no more than `most` requests of now.
    pub(super) fn inherit(&self, from: &mut Faded, share: f32, most: f32) -> Faded {
        self.refresh(from);
        let requests = std::array::from_fn(|half_life| {
            (share * from.requests[half_life]).min(most * self.rounded[half_life])
        });
        Faded { requests, changes: self.changes }
    }

    /// Requests as the half-lives have them, each in units of now times its weight, together.
    #[inline]
    pub(super) fn sum(&self, faded: &mut Faded, weights: &Each) -> f32 {
        self.refresh(faded);
        faded.requests.iter().zip(weights).map(|(requests, weight)| requests * weight).sum()
    }

    /// Requests as one half-life has them, in any unit.
    #[inline]
    pub(super) fn of(&self, faded: &mut Faded, half_life: usize) -> f32 {
        self.refresh(faded);
        faded.requests[half_life]
    }

    /// What a request counts now.
    pub(super) fn request(&self, half_life: usize) -> f64 {
        self.request[half_life]
    }

    /// How many changes of unit there were so far.
    #[inline]
    pub(super) fn changes(&self) -> u32 {
        self.changes
    }

    /// What brings a number into the unit of now that was counted after so many changes of unit.
    #[cold]
    pub(super) fn factor(&self, half_life: usize, changes: u32) -> f64 {
        let [last, before] = self.changed[half_life];
        if changes < before {
            0.0 // less than 2^-64 of a request
        } else if changes < last {
            1.0 / LARGEST
        } else {
            1.0
        }
    }

    #[inline]
    fn refresh(&self, faded: &mut Faded) {
        if faded.changes != self.changes {
            self.change_units_of(faded);
        }
    }

    #[cold]
    fn change_units_of(&self, faded: &mut Faded) {
        for half_life in 0..HALF_LIVES {
            faded.requests[half_life] *= self.factor(half_life, faded.changes) as f32;
        }
        faded.changes = self.changes;
    }
}

/// 2^-`halvings`, from operations that have one right result: a trace replays to the same victims on every machine.
pub(super) fn halved(halvings: f64) -> f64 {
    if halvings >= 1000.0 {
        return 0.0;
    }
    let whole = halvings as u64;
    // The series of e^x up to x^10: what follows is less than 10^-9.
    let x = -std::f64::consts::LN_2 * (halvings - whole as f64);
    let power = (1..=10).rev().fold(1.0, |sum, n| 1.0 + sum * x / f64::from(n));
    f64::from_bits((1023 - whole) << 52) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halvings_are_right() {
        for halvings in [0.0, 0.1, 0.5, 0.999, 1.0, 7.3, 100.0, 999.5] {
            assert!((halved(halvings) / (-halvings).exp2() - 1.0).abs() < 1e-8, "{halvings}");
        }
        assert_eq!(halved(1e9), 0.0);
    }

    /// Two keys by turns, whose counts are compared with ones that fade at each request, over many changes of unit; then the
    /// half-lives change.
    #[test]
    fn counts_fade_as_if_each_request_made_all_before_count_less() {
        for longest in [64.0, 128.0, 5000.0, 1e6] {
            let mut fading = Fading::new(longest);
            let mut keys = [Faded::default(); 2];
            let mut naive = [[0.0_f64; HALF_LIVES]; 2];
            let mut longest = longest;
            for at in 0_u64..60_000 {
                if at == 40_000 {
                    longest *= 3.0;
                    fading.set_longest(longest);
                }
                fading.step();
                let factors: [f64; HALF_LIVES] = std::array::from_fn(|place| {
                    let half_life = longest / RATIO.powi((HALF_LIVES - 1 - place) as i32);
                    (-1.0 / half_life).exp2()
                });
                for counts in &mut naive {
                    counts.iter_mut().zip(factors).for_each(|(count, factor)| *count *= factor);
                }
                // The second is looked at seldom, and between that misses changes of unit.
                let key = usize::from(at % 997 == 0);
                fading.count(&mut keys[key], 1.0);
                naive[key].iter_mut().for_each(|count| *count += 1.0);
                if at % 1009 == 0 {
                    for (key, expected) in keys.iter_mut().zip(&naive) {
                        for (half_life, expected) in expected.iter().enumerate() {
                            let now = f64::from(fading.of(key, half_life)) / fading.request(half_life);
                            let close = (now - expected).abs() <= 1e-3 * expected + 1e-12;
                            assert!(close, "{longest} {at} {half_life}: {now} is not {expected}");
                        }
                    }
                }
            }
        }
    }
}
