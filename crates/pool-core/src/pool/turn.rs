//! One who asks, after a miss: what it waits for, and what comes of it. Threads and tasks do so alike, but for how they wait.

use std::task::Waker;

use super::place::PlaceOf;
use super::waiting::{Granted, Waiting};
use super::{Acquired, ErrorOf, LeaseOf, Pool, Types};
use crate::contain::{Panics, contain, hold_through};
use crate::core::{Answer, Ask, Core, Measured, Who};
use crate::error::{AcquireError, Situation, Step};
use crate::guard::Mode;
use crate::key::Query;
use crate::observer::Event;
use crate::options::{AcquireOptions, GivesUp};
use crate::reason::DropReason;
use crate::time::Clock as _;

/// One who asks, from its first miss until it is served or gives up. Dropped, it gives up.
pub(super) struct Turn<T: Types, Q> {
    pub(super) waiting: Waiting<T>,
    query: Q,
    hash: u64,
    /// Until there is a place to open for it.
    key: Option<T::Key>,
    pub(super) options: AcquireOptions,
    /// When its time is over, in nanoseconds of the pool's clock.
    pub(super) deadline: Option<u64>,
    who: Who,
    /// Whether it is a thread, which does nothing else while it waits.
    blocks: bool,
    may_wait: bool,
    pub(super) may_wait_for_lease: bool,
    unfit: Option<DropReason>,
}

/// What comes of asking.
pub(super) enum Asked<T: Types> {
    Granted(Granted<T>),
    /// For so many nanoseconds at most for a lease of its key to end.
    Waits(Option<u64>),
}

/// What comes of it all.
pub(super) enum Outcome<T: Types> {
    Lease(LeaseOf<T>),
    Place(PlaceOf<T>),
}

/// Who waits how.
pub(super) enum Waits {
    /// A thread, if its pool is one for many.
    Thread {
        may_wait: bool,
    },
    Task,
}

impl<T: Types, Q: Query<T::Key>> Turn<T, Q> {
    /// `unfit` is why a resource that was found was dropped.
    pub(super) fn new(
        pool: &Pool<T>,
        query: Q,
        hash: u64,
        unfit: Option<DropReason>,
        options: AcquireOptions,
        waits: &Waits,
    ) -> Self {
        let key = Some(query.to_key());
        let (blocks, may_wait) = match waits {
            Waits::Thread { may_wait } => (true, *may_wait),
            Waits::Task => (false, true),
        };
        let max_wait = pool.shell.max_wait.filter(|_| may_wait);
        let deadline = options.deadline(max_wait, || pool.shell.clock.nanos());
        Self {
            waiting: Waiting { pool: pool.clone(), waiter: None, arrival: None },
            query,
            hash,
            key,
            may_wait: may_wait && !options.never_waits,
            options,
            deadline,
            who: Who(T::Mode::me()),
            blocks,
            may_wait_for_lease: true,
            unfit,
        }
    }

    pub(super) fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Asks. Where it waits, `waker` is woken once there is something to [collect](Waiting::collect).
    pub(super) fn ask(&mut self, waker: Waker) -> Acquired<Asked<T>, T> {
        let measured = self.measure()?;
        let shell = &*self.waiting.pool.shell;
        let (mut name, mut waker) = (self.key.clone(), Some(waker));
        let nanos = shell.nanos();
        let mut ask = Ask {
            hash: self.hash,
            waiter: self.waiting.waiter.take(),
            arrival: self.waiting.arrival,
            may_wait: self.may_wait,
            may_wait_for_lease: self.may_wait_for_lease,
            who: self.who,
            blocks: self.blocks,
            waker: &mut waker,
            expected_weight: self.options.expected_weight,
            unfit: self.unfit,
            measured,
            nanos,
        };
        let query = &self.query;
        let (answer, effects) = shell.enter(|core| core.ask(&mut ask, &mut name, |key| query.is_key(key)));
        let asked = match answer {
            Answer::Granted(grant) => Some(Asked::Granted(self.waiting.guard(grant))),
            Answer::Waits { waiter, arrival, lease_nanos } => {
                (self.waiting.waiter, self.waiting.arrival) = (Some(waiter), Some(arrival));
                Some(Asked::Waits(lease_nanos))
            }
            Answer::Panicked => None,
        };
        let asked = hold_through(asked, |_| {
            let mut panics = Panics::default();
            panics.drop(name);
            panics.drop(waker);
            panics.contain(|| shell.finish(effects));
            panics.resume();
        });
        match asked.expect("user code panicked inside, and that panic has gone on") {
            Asked::Waits(_) if !self.may_wait => self.own_victims_are_gone().map(Asked::Granted),
            asked => Ok(asked),
        }
    }

    /// The memory of the process, if the capacity policy wants to know it.
    fn measure(&self) -> Acquired<Option<Measured>, T> {
        let shell = &*self.waiting.pool.shell;
        if !shell.measures_memory() {
            return Ok(None);
        }
        let before = shell.look(Core::happened);
        match shell.measure_memory() {
            Ok(bytes) => Ok(Some(Measured { bytes, before })),
            Err(error) => {
                shell.enter_and_finish(Core::count_refused);
                self.tell_refused("ProcessMemory");
                Err(AcquireError::Memory { error, at: self.situation() })
            }
        }
    }

    /// Only the victims that it has just dropped itself were in the way.
    fn own_victims_are_gone(&mut self) -> Acquired<Granted<T>, T> {
        if let Some(granted) = self.waiting.leave() {
            return Ok(granted);
        }
        let (shell, by) = (&*self.waiting.pool.shell, "a victim that is still being dropped");
        shell.enter_and_finish(Core::count_refused);
        self.tell_refused(by);
        Err(AcquireError::Exhausted { by, at: self.situation() })
    }

    /// Takes what was granted. `None`: it has to ask again, as who came when it came.
    pub(super) fn accept(&mut self, granted: Granted<T>) -> Option<Acquired<Outcome<T>, T>> {
        let shell = &*self.waiting.pool.shell;
        let error = match granted {
            Granted::Measure => return None,
            Granted::Lease(mut lease) => {
                let nanos = shell.nanos();
                let health = contain(|| lease.health());
                match lease.if_fit(health, nanos) {
                    Ok(lease) => return Some(Ok(Outcome::Lease(lease))),
                    Err(reason) => {
                        self.unfit = Some(reason);
                        return None;
                    }
                }
            }
            Granted::Place(reservation) => {
                let key = self.key.take().expect("one place is given for it");
                let options = std::mem::take(&mut self.options);
                let place = PlaceOf::new(reservation, key, self.who, options, self.deadline);
                return Some(Ok(Outcome::Place(place)));
            }
            Granted::Failed(error) => AcquireError::Open { error, at: self.situation() },
            Granted::Denied(denied) => {
                self.tell_refused(denied.by());
                denied.into_error(*self.situation())
            }
            Granted::Deadlock => AcquireError::Deadlock { at: self.situation() },
            Granted::Closed => AcquireError::Closed { at: self.situation() },
        };
        Some(Err(error))
    }

    fn tell_refused(&self, by: &'static str) {
        if let Some(key) = &self.key {
            self.waiting.pool.shell.observe(Event::Refused { key, by });
        }
    }
}

impl<T: Types, Q> Turn<T, Q> {
    /// Why it has waited for long enough, if it has.
    pub(super) fn gives_up(&self, now: u64) -> Option<GivesUp> {
        match self.deadline {
            Some(deadline) if now >= deadline => Some(GivesUp::TimedOut),
            _ => self.options.is_cancelled().then_some(GivesUp::Cancelled),
        }
    }

    /// It has waited since `start`, and something came of that, or it gives up.
    pub(super) fn waited(&self, start: u64, gives_up: Option<GivesUp>) {
        let shell = &*self.waiting.pool.shell;
        let waited = shell.clock.nanos().saturating_sub(start);
        shell.enter_and_finish(|core| {
            core.count_waited(waited);
            if let Some(gives_up) = gives_up {
                core.count_gave_up(gives_up, Step::Wait);
            }
        });
    }

    /// From now on room will do as well.
    pub(super) fn stop_waiting_for_lease(&self) {
        let shell = &*self.waiting.pool.shell;
        let nanos = shell.nanos();
        if let Some(waiter) = self.waiting.waiter {
            shell.enter_and_finish(|core| core.stop_waiting_for_lease(waiter, nanos));
        }
    }

    fn situation(&self) -> Box<Situation> {
        self.waiting.pool.shell.situation(self.key.as_ref())
    }

    pub(super) fn error_of(&self, gives_up: GivesUp) -> AcquireError<ErrorOf<T>> {
        gives_up.error(Step::Wait, self.situation())
    }
}
