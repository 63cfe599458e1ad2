//! A miss: one asks, perhaps waits, and gets a lease, a place to open, or an error.

use std::time::Duration;

use super::waiting::{Granted, Waiting};
use super::{Acquired, Borrowed, Pool};
use crate::capacity::Capacity;
use crate::contain::{Panics, contain, hold_through};
use crate::core::{Answer, Ask, Core, Who};
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::guard::{Mode, Sleep};
use crate::key::Query;
use crate::observer::Event;
use crate::options::{AcquireOptions, GivesUp};
use crate::resource::Resource;
use crate::stats::DropReason;
use crate::time::Clock as _;
use crate::usage::Usage;

impl<K, R, C, E, M> Pool<K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    /// The rest of an acquire, after a miss. `unfit` is why a resource that was found was dropped.
    #[cold]
    pub(super) fn miss<'p, Q>(
        &'p self,
        query: &Q,
        hash: u64,
        unfit: Option<DropReason>,
        options: &AcquireOptions,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Acquired<Borrowed<'p, K, R, C, E, M>, R>
    where
        Q: Query<K> + ?Sized,
    {
        let key = query.to_key();
        let deadline = options.deadline(|| self.clock.nanos());
        let turn = Turn {
            waiting: Waiting { pool: self, waiter: None, arrival: None },
            query,
            hash,
            key: &key,
            options,
            deadline,
            sleep: M::Sleep::new(),
            may_wait_for_lease: true,
            unfit,
        };
        match turn.run()? {
            Granted::Lease(lease) => Ok(hold_through(lease, |_| {
                let mut panics = Panics::default();
                panics.drop(key);
                panics.drop(open);
                panics.resume();
            })),
            Granted::Place(place) => place.open(key, open, options, deadline),
            Granted::Failed(error) => Err(AcquireError::Open { error, usage: self.snapshot() }),
            Granted::Denied(denied) => {
                self.observe(Event::Refused { key: &key, by: denied.by() });
                Err(denied.into_error())
            }
            Granted::Deadlock => Err(AcquireError::Deadlock { usage: self.snapshot() }),
            Granted::Closed | Granted::Measure => Err(AcquireError::Closed { usage: self.snapshot() }),
        }
    }

    /// What the pool holds now, for an error.
    pub(super) fn snapshot(&self) -> Box<Usage> {
        Box::new(self.usage())
    }
}

/// One who asks, from its first miss until it is served or gives up.
struct Turn<'p, 'q, K, R, C, E, M, Q>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
    Q: ?Sized,
{
    waiting: Waiting<'p, K, R, C, E, M>,
    query: &'q Q,
    hash: u64,
    key: &'q K,
    options: &'q AcquireOptions,
    deadline: Option<u64>,
    sleep: M::Sleep,
    may_wait_for_lease: bool,
    unfit: Option<DropReason>,
}

/// What comes of asking.
enum Asked<'p, K, R, C, E, M>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
{
    Granted(Granted<'p, K, R, C, E, M>),
    /// For so many nanoseconds at most for a lease of its key to end.
    Waits(Option<u64>),
}

impl<'p, K, R, C, E, M, Q> Turn<'p, '_, K, R, C, E, M, Q>
where
    K: Clone,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
    M: Mode,
    Q: Query<K> + ?Sized,
{
    /// Asks until something comes of it.
    fn run(mut self) -> Acquired<Granted<'p, K, R, C, E, M>, R> {
        let pool = self.waiting.pool;
        loop {
            let process_bytes = self.process_bytes()?;
            // Read before anybody can see it wait.
            let start = if self.may_wait() { Some(pool.clock.nanos()) } else { None };
            let granted = match (self.ask(process_bytes), start) {
                (Asked::Granted(granted), _) => granted,
                (Asked::Waits(lease_nanos), Some(start)) => self.wait(start, lease_nanos)?,
                (Asked::Waits(_), None) => self.wait_for_own_victims()?,
            };
            match granted {
                Granted::Measure => {}
                Granted::Lease(lease) => {
                    let nanos = pool.nanos();
                    let health = contain(|| lease.health());
                    match lease.if_fit(health, nanos) {
                        Ok(lease) => return Ok(Granted::Lease(lease)),
                        // It asks again, as who came when it came.
                        Err(reason) => self.unfit = Some(reason),
                    }
                }
                granted => return Ok(granted),
            }
        }
    }

    fn may_wait(&self) -> bool {
        M::Sleep::SLEEPS && !self.options.never_waits
    }

    /// The memory of the process, if the capacity policy wants to know it.
    fn process_bytes(&self) -> Acquired<Option<u64>, R> {
        let pool = self.waiting.pool;
        pool.process_memory.as_ref().map(|read| read()).transpose().map_err(|error| {
            pool.enter_and_finish(Core::count_refused);
            pool.observe(Event::Refused { key: self.key, by: "ProcessMemory" });
            AcquireError::Memory { error, usage: pool.snapshot() }
        })
    }

    fn ask(&mut self, process_bytes: Option<u64>) -> Asked<'p, K, R, C, E, M> {
        let (pool, may_wait) = (self.waiting.pool, self.may_wait());
        let (mut name, mut waker) = (Some(self.key.clone()), Some(self.sleep.waker()));
        let nanos = pool.nanos();
        let mut ask = Ask {
            hash: self.hash,
            waiter: self.waiting.waiter.take(),
            arrival: self.waiting.arrival,
            may_wait,
            may_wait_for_lease: self.may_wait_for_lease,
            who: Who(M::me()),
            blocks: true,
            waker: &mut waker,
            expected_weight: self.options.expected_weight,
            unfit: self.unfit,
            process_bytes,
            nanos,
        };
        let query = self.query;
        let (answer, effects) = pool.enter(|core| core.ask(&mut ask, &mut name, |key| query.is_key(key)));
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
            panics.contain(|| pool.finish(effects));
            panics.resume();
        });
        asked.expect("user code panicked inside, and that panic has gone on")
    }

    /// Only the victims that it has just dropped itself were in the way.
    fn wait_for_own_victims(&mut self) -> Acquired<Granted<'p, K, R, C, E, M>, R> {
        if let Some(granted) = self.waiting.leave() {
            return Ok(granted);
        }
        let (pool, by) = (self.waiting.pool, "a victim that is still being dropped");
        pool.enter_and_finish(Core::count_refused);
        pool.observe(Event::Refused { key: self.key, by });
        Err(AcquireError::Exhausted { by, usage: pool.snapshot() })
    }

    /// Sleeps until something was given, or it gives up. For `lease_nanos` at most it waits for a lease of its key to end; then room
    /// will do as well.
    fn wait(&mut self, start: u64, lease_nanos: Option<u64>) -> Acquired<Granted<'p, K, R, C, E, M>, R> {
        let (pool, options) = (self.waiting.pool, self.options);
        let mut lease_end = lease_nanos.map(|most| start.saturating_add(most));
        self.may_wait_for_lease &= lease_end.is_none();
        let wakes = options.token().map(|token| token.wakes(self.sleep.waker()));
        let outcome = loop {
            if let Some(granted) = self.waiting.collect() {
                break Ok(granted);
            }
            let now = pool.clock.nanos();
            let gives_up = match self.deadline {
                Some(deadline) if now >= deadline => Some(GivesUp::TimedOut),
                _ => options.is_cancelled().then_some(GivesUp::Cancelled),
            };
            if let Some(gives_up) = gives_up {
                // What was given at the last moment is taken.
                break self.waiting.leave().ok_or(gives_up);
            }
            if lease_end.is_some_and(|end| now >= end) {
                lease_end = None;
                self.stop_waiting_for_lease();
                continue;
            }
            let end = [self.deadline, lease_end].into_iter().flatten().min();
            self.sleep.sleep(end.map(|end| Duration::from_nanos(end - now)));
        };
        let outcome = hold_through(outcome, |outcome| {
            drop(wakes);
            let waited = pool.clock.nanos().saturating_sub(start);
            pool.enter_and_finish(|core| {
                core.count_waited(waited);
                if let Err(gives_up) = outcome {
                    core.count_gave_up(*gives_up, Step::Wait);
                }
            });
        });
        outcome.map_err(|gives_up| gives_up.error(Step::Wait, pool.snapshot()))
    }

    fn stop_waiting_for_lease(&self) {
        let pool = self.waiting.pool;
        let nanos = pool.nanos();
        if let Some(waiter) = self.waiting.waiter {
            pool.enter_and_finish(|core| core.stop_waiting_for_lease(waiter, nanos));
        }
    }
}
