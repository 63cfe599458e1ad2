//! What opening an unknown key is expected to take.

use crate::usage::Opened;

/// How many opens are remembered.
const OPENS: usize = 64;

/// The upper quartile of the last 64 opens, each figure by itself: a single heavy one is soon forgotten.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    last: Vec<Opened>,
    next: usize,
    cost_nanos: Sorted,
    weight: Sorted,
    residue: Sorted,
    /// How often the weight is halved: see [`doubt`](Estimate::doubt).
    doubts: u32,
}

/// A figure of the last opens, in order of size.
#[derive(Debug, Default)]
struct Sorted(Vec<u64>);

impl Sorted {
    fn insert(&mut self, figure: u64) {
        let (Ok(place) | Err(place)) = self.0.binary_search(&figure);
        self.0.insert(place, figure);
    }

    fn remove(&mut self, figure: u64) {
        let (Ok(place) | Err(place)) = self.0.binary_search(&figure);
        self.0.remove(place);
    }

    fn upper_quartile(&self) -> u64 {
        self.0.get(self.0.len() * 3 / 4).copied().unwrap_or(0)
    }
}

impl Estimate {
    pub(crate) fn note(&mut self, opened: Opened) {
        if self.last.len() < OPENS {
            self.last.push(opened);
        } else {
            let oldest = std::mem::replace(&mut self.last[self.next], opened);
            self.next = (self.next + 1) % OPENS;
            self.cost_nanos.remove(oldest.cost_nanos);
            self.weight.remove(oldest.weight);
            self.residue.remove(oldest.residue);
        }
        self.cost_nanos.insert(opened.cost_nanos);
        self.weight.insert(opened.weight);
        self.residue.insert(opened.residue);
        self.doubts = 0;
    }

    /// An open was refused only because of what it was expected to weigh. Until another one succeeds, half as much is expected
    /// each time: what rests on other keys must not keep this one out for ever.
    pub(crate) fn doubt(&mut self) {
        self.doubts = (self.doubts + 1).min(u64::BITS - 1);
    }

    pub(crate) fn typical(&self) -> Opened {
        Opened {
            cost_nanos: self.cost_nanos.upper_quartile(),
            weight: self.weight.upper_quartile() >> self.doubts,
            residue: self.residue.upper_quartile(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(weight: u64) -> Opened {
        Opened { cost_nanos: 2 * weight, weight, residue: 1000 - weight }
    }

    #[test]
    fn one_heavy_open_counts_only_until_others_have_come() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.typical(), Opened::default(), "nothing is known");
        estimate.note(opened(1000));
        assert_eq!(estimate.typical(), opened(1000));
        (0..4).for_each(|_| estimate.note(opened(10)));
        assert_eq!(estimate.typical(), Opened { cost_nanos: 20, weight: 10, residue: 990 });
        (1..=100).for_each(|weight| estimate.note(opened(weight)));
        let typical = Opened { cost_nanos: 2 * 85, weight: 85, residue: 1000 - 52 };
        assert_eq!(estimate.typical(), typical, "of 37 to 100, a quarter is more, or as much");
    }

    #[test]
    fn doubts_halve_what_is_expected_to_weigh_until_an_open_succeeds() {
        let mut estimate = Estimate::default();
        estimate.note(opened(40));
        estimate.doubt();
        estimate.doubt();
        assert_eq!(estimate.typical(), Opened { weight: 10, ..opened(40) });
        (0..100).for_each(|_| estimate.doubt());
        assert_eq!(estimate.typical().weight, 0);
        estimate.note(opened(40));
        assert_eq!(estimate.typical(), opened(40));
    }
}
