//! Subjects measured in turn, round by round (A B C A B C …), so that what else the machine does strikes all alike and
//! ratios hold where nanoseconds do not.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each subject has its turn. The median of these counts.
    pub rounds: usize,
    /// How long a turn takes, about.
    pub turn: Duration,
}

impl Effort {
    /// What numbers are published with.
    pub const FULL: Self = Self { rounds: 31, turn: Duration::from_millis(3) };
    /// For a look while working.
    pub const QUICK: Self = Self { rounds: 5, turn: Duration::from_micros(500) };
    /// Only whether it runs: everything is done once.
    pub const SMOKE: Self = Self { rounds: 1, turn: Duration::ZERO };

    /// With no more rounds than that, where a turn takes long.
    #[must_use]
    pub fn at_most(self, rounds: usize) -> Self {
        Self { rounds: self.rounds.min(rounds), ..self }
    }
}

/// Something that can be done any number of times, and is then asked how long that took.
pub struct Subject<'a> {
    name: String,
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
    units: f64,
    pass: u64,
}

impl<'a> Subject<'a> {
    /// One that does `operation` again and again. What it returns is kept from the optimiser.
    pub fn new<T>(name: impl Into<String>, mut operation: impl FnMut() -> T + 'a) -> Self {
        Self::timed(name, move |count| {
            let start = Instant::now();
            for _ in 0..count {
                black_box(operation());
            }
            start.elapsed()
        })
    }

    /// One that looks at the clock itself, because not all that it does is to be measured: `run` does `count` operations
    /// and says how long they took.
    pub fn timed(name: impl Into<String>, run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), units: 1.0, pass: 0 }
    }

    /// An operation counts as so many: a drain of 1 000 entries as 1 000.
    #[must_use]
    pub fn units(self, units: usize) -> Self {
        Self { units: units as f64, ..self }
    }

    /// A turn has at least so many operations, and as many before them that don't count: for subjects that touch more
    /// memory than others leave in the caches. What is measured then is one that goes on for long, not one that starts.
    #[must_use]
    pub fn pass(self, operations: usize) -> Self {
        Self { pass: operations as u64, ..self }
    }

    /// How many operations take about `turn`.
    fn batch(&mut self, turn: Duration) -> u64 {
        let mut count = 1;
        loop {
            // The better of two, lest an interruption makes it seem slow.
            let elapsed = (self.run)(count).min((self.run)(count));
            if elapsed * 4 >= turn {
                let ratio = turn.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
                return ((count as f64 * ratio) as u64).max(1);
            }
            count *= 2;
        }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The median nanoseconds of one operation, by the names of the subjects.
#[derive(Clone, Debug)]
pub struct Medians(Vec<(String, f64)>);

impl Medians {
    /// Measures all subjects, in turn.
    #[must_use]
    pub fn of(effort: Effort, mut subjects: Vec<Subject<'_>>) -> Self {
        let smoke = effort.turn.is_zero();
        let batches: Vec<u64> = subjects
            .iter_mut()
            .map(|subject| if smoke { 1 } else { subject.batch(effort.turn).max(subject.pass) })
            .collect();
        let mut times = vec![Vec::with_capacity(effort.rounds); subjects.len()];
        for _ in 0..effort.rounds {
            for ((subject, &batch), times) in subjects.iter_mut().zip(&batches).zip(&mut times) {
                // To find its memory in the caches again.
                (subject.run)((batch / 8).max(if smoke { 0 } else { subject.pass }));
                let nanos = (subject.run)(batch).as_nanos() as f64;
                times.push(nanos / batch as f64 / subject.units);
            }
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        Self(subjects.into_iter().zip(times).map(|(subject, times)| (subject.name, median(times))).collect())
    }

    /// That of a subject.
    ///
    /// # Panics
    /// If there is none of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        self.find(name).unwrap_or_else(|| panic!("no subject is called {name:?}"))
    }

    /// That of a subject, if there is one of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|&(_, nanos)| nanos)
    }

    /// All, in the order in which they were measured.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, nanos)| (name.as_str(), *nanos))
    }
}
