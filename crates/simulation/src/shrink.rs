//! From a schedule that fails to the shortest one that can be found: without threads, steps and decisions that don't matter.

use std::rc::Rc;

use crate::choices::Choices;
use crate::config::Config;
use crate::schedule::{Tally, play};
use crate::script::{Acquire, Outcome, Patience, Script, Step};
use crate::world::Stage;

/// How many schedules are tried for a shorter one.
const TRIES: usize = 20_000;
/// How many other decisions are tried for a simpler script.
const DRAWS: u64 = 16;

/// A schedule that fails.
#[derive(Clone)]
pub(crate) struct Failing {
    pub(crate) config: Config,
    pub(crate) script: Script,
    pub(crate) choices: Vec<u16>,
    pub(crate) what: String,
}

impl Failing {
    /// Runs it once more, and returns what happened.
    pub(crate) fn journal(&self) -> Vec<String> {
        let choices = Choices::given(self.choices.clone());
        play(&mut Stage::default(), &self.config, &self.script, choices, true, &Rc::default()).journal
    }
}

/// What kind of failure it is: what is said before the numbers begin.
fn kind(what: &str) -> &str {
    let line = what.lines().next().unwrap_or_default();
    line.find(|c: char| c.is_ascii_digit()).map_or(line, |end| &line[..end])
}

struct Shrinker {
    best: Failing,
    stage: Stage,
    tries: usize,
    tally: Rc<Tally>,
}

/// The shortest schedule found that fails in the same way.
pub(crate) fn shrink(failing: Failing) -> Failing {
    let mut shrinker = Shrinker { best: failing, stage: Stage::default(), tries: 0, tally: Rc::default() };
    loop {
        let before = (shrinker.best.script.clone(), shrinker.best.choices.clone());
        shrinker.drop_threads();
        shrinker.drop_steps();
        shrinker.simplify_steps();
        shrinker.shorten_choices();
        if before == (shrinker.best.script.clone(), shrinker.best.choices.clone()) || shrinker.tries >= TRIES
        {
            return shrinker.best;
        }
    }
}

impl Shrinker {
    /// Keeps a schedule if it fails in the same way.
    fn fails(&mut self, script: &Script, choices: Choices) -> bool {
        self.tries += 1;
        if self.tries > TRIES {
            return false;
        }
        let Self { best, stage, tally, .. } = self;
        let played = play(stage, &best.config, script, choices, false, tally);
        match played.end {
            Err(what) if kind(&what) == kind(&best.what) => {
                let mut choices = played.choices;
                while choices.last() == Some(&0) {
                    choices.pop();
                }
                *best = Failing { config: best.config.clone(), script: script.clone(), choices, what };
                true
            }
            _ => false,
        }
    }

    fn fails_with(&mut self, script: &Script) -> bool {
        // The same decisions mean something else with another script. Often none is needed, or any will do.
        let choices = self.best.choices.clone();
        self.fails(script, Choices::given(choices))
            || self.fails(script, Choices::default())
            || (0..DRAWS).any(|seed| self.fails(script, Choices::drawn(seed)))
    }

    fn drop_threads(&mut self) {
        for number in (0..self.best.script.0.len()).rev() {
            let mut script = self.best.script.clone();
            // Others name it by its number.
            script.0[number].clear();
            if script != self.best.script {
                self.fails_with(&script);
            }
        }
        while self.best.script.0.len() > 1 && self.best.script.0.last().is_some_and(Vec::is_empty) {
            let mut script = self.best.script.clone();
            script.0.pop();
            if !self.fails_with(&script) {
                break;
            }
        }
    }

    fn drop_steps(&mut self) {
        for number in 0..self.best.script.0.len() {
            let mut place = self.best.script.0[number].len();
            while place > 0 {
                place -= 1;
                let mut script = self.best.script.clone();
                script.0[number].remove(place);
                self.fails_with(&script);
                place = place.min(self.best.script.0[number].len());
            }
        }
    }

    fn simplify_steps(&mut self) {
        for number in 0..self.best.script.0.len() {
            for place in 0..self.best.script.0[number].len() {
                let Step::Acquire(acquire) = self.best.script.0[number][place].clone() else { continue };
                for simpler in simpler(&acquire) {
                    let mut script = self.best.script.clone();
                    script.0[number][place] = Step::Acquire(simpler);
                    if script != self.best.script {
                        self.fails_with(&script);
                    }
                }
            }
        }
    }

    fn shorten_choices(&mut self) {
        let mut kept = 0;
        let mut length = self.best.choices.len();
        // The shortest beginning that is enough.
        while kept < length {
            let middle = kept.midpoint(length);
            let choices = self.best.choices[..middle.min(self.best.choices.len())].to_vec();
            if self.fails(&self.best.script.clone(), Choices::given(choices)) {
                length = middle.min(self.best.choices.len());
            } else {
                kept = middle + 1;
            }
        }
        let mut chunk = self.best.choices.len() / 2;
        while chunk > 0 {
            let mut start = 0;
            while start < self.best.choices.len() {
                let mut choices = self.best.choices.clone();
                let end = (start + chunk).min(choices.len());
                if choices[start..end].iter().any(|choice| *choice > 0) {
                    choices[start..end].fill(0);
                    self.fails(&self.best.script.clone(), Choices::given(choices));
                }
                start += chunk;
            }
            chunk /= 2;
        }
    }
}

/// The same without one of the things that make it special.
fn simpler(acquire: &Acquire) -> Vec<Acquire> {
    let with = |change: &dyn Fn(&mut Acquire)| {
        let mut acquire = acquire.clone();
        change(&mut acquire);
        acquire
    };
    vec![
        with(&|it| it.during = None),
        with(&|it| it.open.during = None),
        with(&|it| it.open.last_will = None),
        with(&|it| it.open.outcome = Outcome::Opens),
        with(&|it| it.open.takes = 0),
        with(&|it| it.hold = 0),
        with(&|it| it.end = crate::script::End::Release),
        with(&|it| it.patience = Patience::Forever),
        with(&|it| it.cancellable = false),
        with(&|it| it.task = None),
        with(&|it| it.key = 0),
        with(&|it| it.open.weight = 0),
        with(&|it| it.open.residue = 0),
    ]
}
