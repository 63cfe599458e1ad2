//! Every decision of a schedule that is not in its script: who goes on, what fails. Recorded, so that it can be made again
//! and made simpler.

use fastrand::Rng;

/// A stream of decisions. 0 is always the simplest answer: the same thread goes on, nothing fails.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    /// What was decided before: made again, as long as it lasts.
    given: Vec<u16>,
    made: Vec<u16>,
    /// What decides after that; without it, all further answers are 0.
    rng: Option<Rng>,
}

impl Choices {
    pub(crate) fn drawn(seed: u64) -> Self {
        Self { rng: Some(Rng::with_seed(seed)), ..Self::default() }
    }

    pub(crate) fn given(given: Vec<u16>) -> Self {
        Self { given, ..Self::default() }
    }

    /// One of 0 to `below` - 1.
    pub(crate) fn one_of(&mut self, below: u16) -> u16 {
        let chosen = match (self.given.get(self.made.len()), &mut self.rng) {
            (Some(given), _) => given % below,
            (None, Some(rng)) => rng.u16(..below),
            (None, None) => 0,
        };
        self.made.push(chosen);
        chosen
    }

    /// True so often of a thousand times.
    pub(crate) fn happens(&mut self, of_thousand: u16) -> bool {
        of_thousand > 0 && self.one_of(1000) >= 1000 - of_thousand
    }

    pub(crate) fn into_made(self) -> Vec<u16> {
        self.made
    }
}
