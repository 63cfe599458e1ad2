//! What a page shows of the last minutes: a history by the second, and the slowest of the last checks. No clock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use crate::answer;
use crate::engine::Checked;

/// Samples that are kept: five minutes.
const SAMPLES: usize = 300;
/// Of how many last checks the slowest are shown.
const LAST: usize = 500;
/// How many are shown.
const SHOWN: usize = 10;
/// What is shown of each: messages, and characters of a message.
const MESSAGES: usize = 5;
const CHARACTERS: usize = 400;

/// One second of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Sample {
    /// Checks that wait.
    pub waiting: usize,
    /// Checks that run.
    pub running: usize,
    /// Checks that have been answered since the start.
    pub checks: u64,
    /// Zygotes that were found in the pool, since the start.
    pub hits: u64,
    /// Zygotes that had to be started, since the start.
    pub misses: u64,
    /// Bytes of all zygotes and children.
    pub memory: u64,
}

/// A check, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Slow {
    /// The file's name.
    pub name: String,
    /// The key of its header.
    pub key: String,
    /// How it ended.
    pub ending: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// The first messages, each cut.
    pub messages: Vec<String>,
}

/// What is kept for whoever looks.
#[derive(Debug, Default)]
pub struct Live(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    checks: u64,
    last: VecDeque<Slow>,
    samples: VecDeque<Sample>,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A check has ended.
    pub fn checked(&self, name: &str, checked: &Checked) {
        let cut = |text: &str| text.chars().take(CHARACTERS).collect::<String>();
        let messages = checked.verdict.messages.iter().take(MESSAGES).map(|message| {
            let at = message.position;
            cut(&format!(
                "{}:{}: {}: {}",
                at.line,
                at.column,
                answer::severity(message.severity),
                message.text
            ))
        });
        let slow = Slow {
            name: cut(name),
            key: checked.key.clone(),
            ending: answer::word(&checked.verdict.ending),
            seconds: checked.took.as_secs_f64(),
            messages: answer::reason(checked).iter().map(|words| cut(words)).chain(messages).collect(),
        };
        let mut kept = self.lock();
        kept.checks += 1;
        if kept.last.len() == LAST {
            kept.last.pop_front();
        }
        kept.last.push_back(slow);
    }

    /// Checks that have ended.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.lock().checks
    }

    /// A second is over.
    pub fn sample(&self, sample: Sample) {
        let mut kept = self.lock();
        if kept.samples.len() == SAMPLES {
            kept.samples.pop_front();
        }
        kept.samples.push_back(sample);
    }

    /// The last minutes, oldest first.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.lock().samples.iter().copied().collect()
    }

    /// The slowest of the last checks, slowest first.
    #[must_use]
    pub fn slowest(&self) -> Vec<Slow> {
        let kept = self.lock();
        let mut all: Vec<&Slow> = kept.last.iter().collect();
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all.into_iter().take(SHOWN).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lean_worker::{Ending, Verdict};

    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_slowest_come_first() {
        let live = Live::default();
        for number in 0..2_000_u64 {
            let verdict = Verdict::without_messages(Ending::Failed("x".repeat(10_000)));
            let took = Duration::from_millis(number % 701);
            let checked = Checked {
                verdict,
                key: String::new(),
                took,
                waited: Duration::ZERO,
                timeout: Duration::ZERO,
            };
            live.checked(&"n".repeat(10_000), &checked);
            live.sample(Sample { checks: number, ..Sample::default() });
        }
        let slowest = live.slowest();
        assert_eq!((slowest.len(), live.samples().len(), live.checks()), (SHOWN, SAMPLES, 2_000));
        assert!(slowest.windows(2).all(|pair| pair[0].seconds >= pair[1].seconds));
        assert!(slowest[0].messages[0].len() <= CHARACTERS && slowest[0].name.len() <= CHARACTERS);
    }
}
