//! Faults on demand.

use std::collections::{HashMap, VecDeque};

use pool_core::Names as Imports;

/// A moment in a resource's life at which a [`Script`] may interfere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// [`MockBackend::open`](crate::MockBackend::open).
    Open,
    /// The pool asks whether it may be used again.
    Health,
    /// The pool asks for its weight.
    Weight,
    /// The pool asks for another handle.
    Share,
    /// Its last handle is dropped.
    Drop,
}

/// How a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Ok,
    /// `Open` fails, `Health` says broken.
    Fail,
    /// It takes so many times its cost (`Open`), or as many times a millisecond (any other).
    Slow(u32),
    /// `Open` does not return until [`MockBackend::abandon`](crate::MockBackend::abandon), and then fails.
    Never,
    /// It panics.
    Panic,
    /// `Open` gives a resource that is stale from the start; `Health` says stale, from now on.
    Stale,
}

impl Outcome {
    fn fits(self, step: Step) -> bool {
        match self {
            Self::Ok | Self::Slow(_) | Self::Panic => true,
            Self::Fail | Self::Stale => matches!(step, Step::Open | Step::Health),
            Self::Never => step == Step::Open,
        }
    }
}

/// Outcomes for steps to come: for all keys, and for some. A step takes the next outcome scripted for its key, else
/// the next for all keys, else [`Outcome::Ok`].
#[derive(Clone, Debug, Default)]
pub struct Script {
    for_all: HashMap<Step, VecDeque<Outcome>>,
    for_key: HashMap<(Step, Imports), VecDeque<Outcome>>,
}

impl Script {
    /// A script in which all goes well.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next times that `step` happens, whatever the key, it goes so.
    ///
    /// # Panics
    /// If an outcome means nothing for that step, such as a drop that fails.
    #[must_use]
    pub fn next(mut self, step: Step, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.for_all.entry(step).or_default().extend(checked(step, outcomes));
        self
    }

    /// The next times that `step` happens to a resource of `key`, it goes so.
    ///
    /// # Panics
    /// As [`next`](Script::next).
    #[must_use]
    pub fn next_of(mut self, key: &Imports, step: Step, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.for_key.entry((step, key.clone())).or_default().extend(checked(step, outcomes));
        self
    }

    /// Adds what `other` has to the end of this one.
    pub(crate) fn extend(&mut self, other: Script) {
        for (step, outcomes) in other.for_all {
            self.for_all.entry(step).or_default().extend(outcomes);
        }
        for (at, outcomes) in other.for_key {
            self.for_key.entry(at).or_default().extend(outcomes);
        }
    }

    pub(crate) fn take(&mut self, step: Step, key: &Imports) -> Outcome {
        if self.for_all.is_empty() && self.for_key.is_empty() {
            return Outcome::Ok;
        }
        let of_key = self.for_key.get_mut(&(step, key.clone())).and_then(VecDeque::pop_front);
        let scripted = of_key.or_else(|| self.for_all.get_mut(&step).and_then(VecDeque::pop_front));
        scripted.unwrap_or(Outcome::Ok)
    }
}

fn checked(step: Step, outcomes: impl IntoIterator<Item = Outcome>) -> impl Iterator<Item = Outcome> {
    outcomes.into_iter().inspect(move |outcome| {
        assert!(outcome.fits(step), "{step:?} can't be scripted to {outcome:?}; see `Outcome` for what can");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keys_own_outcomes_come_before_those_for_all() {
        let (a, b) = (Imports::new(["A"]), Imports::new(["B"]));
        let mut script = Script::new().next(Step::Open, [Outcome::Fail, Outcome::Panic]).next_of(
            &a,
            Step::Open,
            [Outcome::Stale],
        );
        assert_eq!(script.take(Step::Open, &a), Outcome::Stale);
        assert_eq!(script.take(Step::Health, &a), Outcome::Ok);
        assert_eq!(script.take(Step::Open, &a), Outcome::Fail);
        assert_eq!(script.take(Step::Open, &b), Outcome::Panic);
        assert_eq!(script.take(Step::Open, &b), Outcome::Ok);
    }

    #[test]
    #[should_panic(expected = "Drop can't be scripted to Never")]
    fn an_outcome_that_means_nothing_is_refused() {
        let _ = Script::new().next(Step::Drop, [Outcome::Never]);
    }
}
