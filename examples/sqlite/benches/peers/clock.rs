//! Time that passes, and time that processors spend: on a machine that others use, too, the second says more.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use benches::rounds::Subject;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor for each operation of a subject, of all threads of this process: a number for each turn.
#[derive(Default)]
pub(crate) struct Processor(RefCell<HashMap<&'static str, Vec<f64>>>);

impl Processor {
    /// A subject whose turns have at least `least` operations, so that one interruption does not make it look slow.
    pub(crate) fn watch<'a>(
        &'a self,
        name: &'static str,
        least: usize,
        mut run: impl FnMut(u64) + 'a,
    ) -> Subject<'a> {
        let watched = move |count: u64| {
            let (start, spent) = (Instant::now(), spent());
            run(count);
            let elapsed = start.elapsed();
            let nanos = (self::spent() - spent).as_nanos() as f64 / count.max(1) as f64;
            if count > 0 {
                self.0.borrow_mut().entry(name).or_default().push(nanos);
            }
            elapsed
        };
        Subject::timed(name, watched).pass(least)
    }

    /// The median of a subject's turns.
    pub(crate) fn median(&self, name: &str) -> f64 {
        let mut turns = self.0.borrow()[name].clone();
        turns.sort_by(f64::total_cmp);
        turns[turns.len() / 2]
    }
}

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
