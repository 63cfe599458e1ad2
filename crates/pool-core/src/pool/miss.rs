//! A miss of a thread: it asks, perhaps sleeps, and gets a lease, a place to open, or an error.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::turn::{Asked, Outcome, Turn, Waits};
use super::waiting::Granted;
use super::{Acquired, ErrorOf, LeaseOf, Pool, Shell, SleepOf, Types};
use crate::contain::{Panics, hold_through};
use crate::error::Situation;
use crate::guard::Sleep;
use crate::key::Query;
use crate::options::AcquireOptions;
use crate::process_memory::ProcessMemoryError;
use crate::reason::DropReason;
use crate::time::Clock as _;

impl<T: Types> Pool<T> {
    /// The rest of an acquire, after a miss. `unfit` is why a resource that was found was dropped.
    #[cold]
    pub(super) fn miss<Q: Query<T::Key>>(
        &self,
        query: Q,
        hash: u64,
        unfit: Option<DropReason>,
        options: &AcquireOptions,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        let waits = Waits::Thread { may_wait: SleepOf::<T>::SLEEPS };
        let turn = Turn::new(self, query, hash, unfit, options.clone(), &waits);
        match turn.run()? {
            Outcome::Lease(lease) => Ok(hold_through(lease, |_| drop(open))),
            Outcome::Place(place) => place.open(open),
        }
    }
}

impl<T: Types> Shell<T> {
    /// What the pool holds now, for an error about `key`.
    pub(super) fn situation(&self, key: Option<&T::Key>) -> Box<Situation> {
        self.situation_of(key.map(|key| Situation::text_of(key)))
    }

    pub(super) fn situation_of(&self, key: Option<String>) -> Box<Situation> {
        let (usage, bounds) = self.look(|core| (core.usage(), core.bounds()));
        Box::new(Situation { key, usage, bounds })
    }

    pub(super) fn measures_memory(&self) -> bool {
        self.needs_process_memory.load(Ordering::Relaxed)
    }

    pub(super) fn measure_memory(&self) -> Result<u64, ProcessMemoryError> {
        self.process_memory.as_ref().map_or(Err(ProcessMemoryError::NoReader), |read| read())
    }
}

impl<T: Types, Q: Query<T::Key>> Turn<T, Q> {
    /// Asks until something comes of it.
    fn run(mut self) -> Acquired<Outcome<T>, T> {
        let sleep = SleepOf::<T>::new();
        loop {
            // Read before anybody can see it wait.
            let start = if self.may_wait() { self.nanos() } else { 0 };
            let granted = match self.ask(sleep.waker())? {
                Asked::Granted(granted) => granted,
                Asked::Waits(lease_nanos) => self.sleep(&sleep, start, lease_nanos)?,
            };
            if let Some(outcome) = self.accept(granted) {
                return match outcome {
                    Ok(outcome) => Ok(hold_through(outcome, |_| {
                        let mut panics = Panics::default();
                        panics.drop(self);
                        panics.resume();
                    })),
                    Err(error) => Err(error),
                };
            }
        }
    }

    fn nanos(&self) -> u64 {
        self.waiting.pool.shell.clock.nanos()
    }

    /// Sleeps until something was given, or it gives up. For `lease_nanos` at most it waits for a lease of its key to end; then room
    /// will do as well.
    fn sleep(&mut self, sleep: &SleepOf<T>, start: u64, lease_nanos: Option<u64>) -> Acquired<Granted<T>, T> {
        let mut lease_end = lease_nanos.map(|most| start.saturating_add(most));
        self.may_wait_for_lease &= lease_end.is_none();
        let token = self.options.token().cloned();
        let wakes = token.as_ref().map(|token| token.wakes(sleep.waker()));
        let outcome = loop {
            let granted = self.waiting.collect();
            let measures = matches!(granted, Some(Granted::Measure));
            if let Some(granted) = granted.filter(|_| !measures) {
                break Ok(granted);
            }
            let now = self.nanos();
            if let Some(gives_up) = self.gives_up(now) {
                // What was given at the last moment is taken.
                break self.waiting.leave().ok_or(gives_up);
            }
            if measures {
                break Ok(Granted::Measure);
            }
            if lease_end.is_some_and(|end| now >= end) {
                lease_end = None;
                self.stop_waiting_for_lease();
                continue;
            }
            let end = [self.deadline, lease_end].into_iter().flatten().min();
            sleep.sleep(end.map(|end| Duration::from_nanos(end - now)));
        };
        let outcome = hold_through(outcome, |outcome| {
            drop(wakes);
            self.waited(start, outcome.as_ref().err().copied());
        });
        outcome.map_err(|gives_up| self.error_of(gives_up))
    }
}
