//! A miss: a place in the queue, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use super::broken;
use super::desk::Desk;
use super::lock::{Parking, current};
use super::opening::Reservation;
use super::patience::{Over, Patience};
use super::queue::{Answer, Ask, Collected, Grant, Ticket};
use super::{Failure, Lease, Pool};
use crate::capacity::Capacity;
use crate::contain::{contain, in_drop};
use crate::error::{AcquireError, Step};
use crate::eviction::Eviction;
use crate::key::Query;
use crate::observer::Event;
use crate::resource::Resource;
use crate::state::Denied;
use crate::stats::DropReason;
use crate::usage::Usage;

impl<K, R, C, E> Pool<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// The rest of [`acquire`](Pool::acquire), after a miss. `unfit` is why a resource that was found was dropped.
    #[cold]
    pub(super) fn miss<Q>(
        &self,
        query: &Q,
        hash: u64,
        mut unfit: Option<DropReason>,
        patience: &Patience,
        open: impl FnOnce(&K) -> Result<R, R::Error>,
    ) -> Result<Lease<'_, K, R, C, E>, Failure<R>>
    where
        Q: Query<K> + ?Sized,
    {
        let key = query.to_key();
        let deadline = patience.deadline(|| self.clock.nanos());
        let mut turn = Turn { pool: self, parking: Arc::new(Parking::new()), ticket: None, passed_over: 0 };
        let mut may_wait_for_lease = true;
        loop {
            let process_bytes = self.process_bytes(&key)?;
            let mut name = Some(key.clone());
            let thread = current().id();
            // Before anybody can see it wait.
            let start = self.clock.nanos();
            let nanos = self.nanos();
            let (answer, left_over) = self.enter(|desk| {
                let answer = desk.ask(Ask {
                    hash,
                    key: &mut name,
                    parking: &turn.parking,
                    thread,
                    may_wait: !patience.never,
                    may_wait_for_lease,
                    ticket: turn.ticket,
                    passed_over: turn.passed_over,
                    unfit,
                    process_bytes,
                    nanos,
                });
                desk.state.give_away(name.take());
                if let Answer::Wait(ticket, _) = answer {
                    turn.ticket = Some(ticket);
                }
                answer
            });
            let granted = match answer {
                Answer::OwnOpen => {
                    self.finish(left_over);
                    return Err(AcquireError::OwnOpen { usage: self.snapshot() });
                }
                Answer::Granted(grant) => {
                    let granted = self.guard(grant, nanos);
                    self.finish(left_over);
                    granted
                }
                Answer::Wait(_, for_lease) => {
                    self.finish(left_over);
                    may_wait_for_lease = for_lease.is_none();
                    turn.wait(patience, start, deadline, for_lease)?
                }
            };
            match granted {
                Granted::Lease(lease) => {
                    let nanos = self.nanos();
                    let health = contain(|| lease.health());
                    match lease.if_fit(health, nanos) {
                        Ok(lease) => {
                            drop(open);
                            return Ok(lease);
                        }
                        // It keeps its place.
                        Err(reason) => unfit = Some(reason),
                    }
                }
                Granted::Room(reservation) => {
                    turn.ticket = None;
                    return reservation.open(key, open, patience, deadline);
                }
                Granted::AskAgain => {}
                Granted::Failed(error) => return Err(AcquireError::Open { error, usage: self.snapshot() }),
                Granted::Denied(denied) => {
                    self.observe(Event::Refused { key: &key, by: denied.by() });
                    return Err(denied.into_error(self.usage().waiting));
                }
                Granted::Closed => return Err(AcquireError::Closed { usage: self.snapshot() }),
            }
        }
    }

    /// The memory of the process, if the capacity policy wants to know it.
    fn process_bytes(&self, key: &K) -> Result<Option<u64>, Failure<R>> {
        self.process_memory.as_ref().map(|read| read()).transpose().map_err(|error| {
            self.enter_and_finish(|desk| desk.state.count_refused());
            self.observe(Event::Refused { key, by: "ProcessMemory" });
            AcquireError::Memory { error, usage: self.snapshot() }
        })
    }

    /// What was given, as something that is given back when it is dropped.
    fn guard(&self, grant: Grant<K, R>, nanos: u64) -> Granted<'_, K, R, C, E> {
        match grant {
            Grant::Warm(taken) => Granted::Lease(self.lease(taken, nanos)),
            Grant::Room(reserved) => Granted::Room(Reservation::new(self, reserved)),
            Grant::Failed(error) => Granted::Failed(error),
            Grant::Denied(denied) => Granted::Denied(denied),
            Grant::AskAgain => Granted::AskAgain,
            Grant::Closed => Granted::Closed,
        }
    }

    /// What the pool holds now, for an error.
    pub(super) fn snapshot(&self) -> Box<Usage> {
        Box::new(self.usage())
    }

    pub(super) fn enter_and_finish<T>(&self, step: impl FnOnce(&mut Desk<K, R, C, E>) -> T) -> T {
        let (result, left_over) = self.enter(step);
        self.finish(left_over);
        result
    }
}

enum Granted<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    Lease(Lease<'p, K, R, C, E>),
    Room(Reservation<'p, K, R, C, E>),
    Failed(Arc<R::Error>),
    Denied(Denied),
    AskAgain,
    Closed,
}

/// A place in the queue, once there is one. Dropped, it is left, and what was given to it meanwhile goes to others.
struct Turn<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pool: &'p Pool<K, R, C, E>,
    parking: Arc<Parking>,
    ticket: Option<Ticket>,
    /// How often others went before it.
    passed_over: u32,
}

impl<'p, K, R, C, E> Turn<'p, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Parks until something was given, or patience is at an end. For `for_lease` nanoseconds at most it waits for a lease of its
    /// key to end; then room will do as well.
    fn wait(
        &mut self,
        patience: &Patience,
        start: u64,
        deadline: Option<u64>,
        for_lease: Option<u64>,
    ) -> Result<Granted<'p, K, R, C, E>, Failure<R>> {
        let pool = self.pool;
        let ticket = self.ticket.expect("who waits has a place in the queue");
        let mut no_more_for_lease = for_lease.map(|most| start.saturating_add(most));
        let wakes =
            patience.token().filter(|_| !broken::parks_unseen()).map(|token| token.wakes(&self.parking));
        let outcome = loop {
            if let Some(granted) = self.collect(|desk| desk.collect(ticket)) {
                break Ok(granted);
            }
            let now = pool.clock.nanos();
            let over = match deadline {
                Some(deadline) if now >= deadline => Some(Over::TimedOut),
                _ => patience.is_cancelled().then_some(Over::Cancelled),
            };
            if let Some(over) = over {
                let nanos = pool.nanos();
                let granted = self.collect(|desk| {
                    let collected = desk.leave(ticket, nanos);
                    if collected.is_none() {
                        desk.count_over(over, Step::Wait);
                    }
                    collected
                });
                // What was given at the last moment is taken.
                break match granted {
                    Some(granted) if broken::keeps_the_turn() => {
                        std::mem::forget(granted);
                        Err(over)
                    }
                    Some(granted) => Ok(granted),
                    None => Err(over),
                };
            }
            if no_more_for_lease.is_some_and(|end| now >= end) {
                no_more_for_lease = None;
                let nanos = pool.nanos();
                pool.enter_and_finish(|desk| desk.wait_no_more_for_lease(ticket, nanos));
                continue;
            }
            let end = [deadline, no_more_for_lease].into_iter().flatten().min();
            self.parking.park(end.map(|end| Duration::from_nanos(end - now)));
        };
        drop(wakes);
        let waited = pool.clock.nanos().saturating_sub(start);
        pool.enter_and_finish(|desk| desk.count_waited(waited));
        outcome.map_err(|over| {
            self.ticket = None;
            over.error(Step::Wait, pool.snapshot())
        })
    }

    /// What a step found to have been given to this turn; guarded before anything else may panic.
    fn collect(
        &mut self,
        step: impl FnOnce(&mut Desk<K, R, C, E>) -> Option<Collected<K, R>>,
    ) -> Option<Granted<'p, K, R, C, E>> {
        let pool = self.pool;
        let nanos = pool.nanos();
        let (collected, left_over) = pool.enter(step);
        let granted = collected.map(|Collected { grant, passed_over }| {
            self.passed_over = passed_over;
            pool.guard(grant, nanos)
        });
        pool.finish(left_over);
        granted
    }
}

impl<K, R, C, E> Drop for Turn<'_, K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        in_drop(|| {
            let nanos = self.pool.nanos();
            drop(self.collect(|desk| desk.leave(ticket, nanos)));
        });
    }
}
