//! How often was a key asked for lately? Counts that fade, at several half-lives.

/// How many half-lives there are.
pub(super) const HALF_LIVES: usize = 5;
/// Each half-life is so many times the next shorter one.
const RATIO: f64 = 4.0;
/// How many requests are counted with rounded numbers at most, one after the other.
const LONGEST_BATCH: u32 = 64;
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
    request: Each,
    growth: Each,
    /// What one counted where this batch of requests began, exactly; and how much more it counts where the next one begins.
    exact: [f64; HALF_LIVES],
    exact_growth: [f64; HALF_LIVES],
    /// How many requests are a batch, and how many of this one are to come. Where one begins, rounding is mended, and units may change.
    batch: u32,
    left: u32,
    /// Changes of unit so far, of any half-life.
    changes: u32,
    /// By half-life: which change was its last, and its last but one.
    changed: [[u32; 2]; HALF_LIVES],
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
            exact: [1.0; HALF_LIVES],
            exact_growth: [1.0; HALF_LIVES],
            batch: 1,
            left: 1,
            changes: 0,
            changed: [[0; 2]; HALF_LIVES],
        };
        new.set_longest(longest);
        new
    }

    /// From now on the longest half-life is so many requests.
    pub(super) fn set_longest(&mut self, longest: f64) {
        let half_lives: [f64; HALF_LIVES] =
            std::array::from_fn(|place| longest / RATIO.powi((HALF_LIVES - 1 - place) as i32));
        // At most 2^10 a request, so that it is far from the largest.
        let growth = half_lives.map(|half_life| 1.0 / halved((1.0 / half_life).min(10.0)));
        self.batch = LONGEST_BATCH;
        while self.batch > 1 && f64::from(self.batch) / half_lives[0] > 10.0 {
            self.batch /= 2;
        }
        self.exact = self.request.map(f64::from);
        self.growth = growth.map(|growth| growth as f32);
        // Squared: a batch is a power of two, and this has one right result.
        self.exact_growth = growth.map(|growth| (0..self.batch.ilog2()).fold(growth, |power, _| power * power));
        self.change_units();
    }

    /// The next request comes.
    #[inline]
    pub(super) fn step(&mut self) {
        if self.left == 0 {
            self.begin_batch();
        }
        self.left -= 1;
        for half_life in 0..HALF_LIVES {
            self.request[half_life] *= self.growth[half_life];
        }
    }

    #[cold]
    fn begin_batch(&mut self) {
        for half_life in 0..HALF_LIVES {
            self.exact[half_life] *= self.exact_growth[half_life];
        }
        self.change_units();
    }

    /// Where a batch begins.
    fn change_units(&mut self) {
        for half_life in 0..HALF_LIVES {
            let exact = &mut self.exact[half_life];
            if *exact >= LARGEST {
                *exact /= LARGEST;
                self.changes += 1;
                self.changed[half_life] = [self.changes, self.changed[half_life][0]];
            }
            self.request[half_life] = *exact as f32;
        }
        self.left = self.batch;
    }

    /// So many requests for a key, now.
    #[inline]
    pub(super) fn count(&self, faded: &mut Faded, times: f32) {
        self.refresh(faded);
        for (requests, request) in faded.requests.iter_mut().zip(&self.request) {
            *requests += times * request;
        }
    }

    /// A key that takes over the share `share` of another's requests, but no more than `most` requests of now.
    pub(super) fn inherit(&self, from: &mut Faded, share: f32, most: f32) -> Faded {
        self.refresh(from);
        let requests = std::array::from_fn(|half_life| {
            (share * from.requests[half_life]).min(most * self.request[half_life])
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
        f64::from(self.request[half_life])
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
                }
                // More often than there are batches, at last.
                if at == 40_000 || at > 50_000 && at % 7 == 0 {
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
