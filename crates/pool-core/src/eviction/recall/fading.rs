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
