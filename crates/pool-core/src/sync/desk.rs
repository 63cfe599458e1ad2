//! Who is served next? The sequential core, and those who wait for it.
//!
//! Sequential as well: the shell locks, parks and wakes. After each step in which something may have become free,
//! [`Desk::serve`] goes through the queue; so whoever waits can't be served at that moment, and nobody else needs to
//! look. What is given is given under the lock and lies in `granted` until its owner comes for it: a wake-up carries
//! nothing, and none can be lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::create_or_wait::{CreateOrWait, Queue};
use super::lock::{Parking, ThreadId};
use super::patience::Over;
use super::queue::{Answer, Ask, Collected, Grant, LeftOver, Reason, Ticket, Waiter, is_shared_open};
use crate::capacity::Capacity;
use crate::error::Step;
use crate::eviction::Eviction;
use crate::id::{EntryId, KeyId};
use crate::resource::Resource;
use crate::state::{Denied, Ending, KeyFacts, Reserved, State, Taken};
use crate::stats::{DropReason, Stats, Waits, add};
use crate::usage::{Opened, Usage};

pub(super) struct Desk<K, R: Resource, C, E> {
    pub(super) state: State<K, R, C, E>,
    pub(super) create_or_wait: Box<dyn CreateOrWait + Send + Sync>,
    pub(super) needs_process_memory: bool,
    pub(super) waiting: BTreeMap<Ticket, Waiter<K>>,
    pub(super) granted: BTreeMap<Ticket, Collected<K, R>>,
    /// Opens that run: whose thread, and of which key.
    pub(super) opens: Vec<(ThreadId, KeyId)>,
    pub(super) tickets: Ticket,
    pub(super) closed: bool,
    /// Who waits for the last lease of a closed pool to end.
    pub(super) closers: Vec<Arc<Parking>>,
    /// Who is to be woken once the lock is over.
    pub(super) wakes: Vec<Arc<Parking>>,
    pub(super) waits: Waits,
}

impl<K, R, C, E> Desk<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    pub(super) fn new(
        state: State<K, R, C, E>,
        create_or_wait: Box<dyn CreateOrWait + Send + Sync>,
        needs_process_memory: bool,
    ) -> Self {
        Self {
            state,
            create_or_wait,
            needs_process_memory,
            waiting: BTreeMap::new(),
            granted: BTreeMap::new(),
            opens: Vec::new(),
            tickets: 0,
            closed: false,
            closers: Vec::new(),
            wakes: Vec::new(),
            waits: Waits::default(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { waiting: self.waiting.len() as u64, ..self.state.usage() }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats { waits: self.waits, usage: self.usage(), ..self.state.stats() }
    }

    /// What the steps so far left to do, once the lock is over; `None` on a hit and a return that nobody waits for.
    #[inline]
    pub(super) fn take_left_over(&mut self) -> Option<Box<LeftOver<K, R>>> {
        if self.wakes.is_empty() && self.state.nothing_left() { None } else { Some(self.box_left_over()) }
    }

    #[cold]
    fn box_left_over(&mut self) -> Box<LeftOver<K, R>> {
        let wakes = std::mem::take(&mut self.wakes);
        Box::new(LeftOver { aftermath: self.state.take_aftermath(), wakes })
    }

    /// A warm resource of the key for one who has just come, if it may have it.
    #[inline]
    pub(super) fn take(&mut self, hash: u64, is: impl FnMut(&K) -> bool, nanos: u64) -> Option<Taken<K, R>> {
        if !self.closed && self.waiting.is_empty() {
            return self.state.take(hash, is, nanos);
        }
        self.take_past_the_queue(hash, is, nanos)
    }

    #[cold]
    fn take_past_the_queue(
        &mut self,
        hash: u64,
        is: impl FnMut(&K) -> bool,
        nanos: u64,
    ) -> Option<Taken<K, R>> {
        if self.closed || self.must_queue(None) {
            return None;
        }
        let taken = self.state.take(hash, is, nanos)?;
        self.pass_over_all_before(None);
        Some(taken)
    }

    /// What one gets who finds nothing warm, or has found it unfit.
    pub(super) fn ask(&mut self, ask: Ask<'_, K>) -> Answer<K, R> {
        if self.closed {
            return Answer::Granted(Grant::Closed);
        }
        let must_queue = self.must_queue(ask.ticket);
        let found = self.find(ask.hash, ask.key.as_ref());
        if !must_queue {
            if let Some(taken) = self.take_known(found, ask.hash, ask.key.as_ref(), ask.nanos) {
                self.pass_over_all_before(ask.ticket);
                return Answer::Granted(Grant::Warm(taken));
            }
        }
        let facts = self.state.facts(found);
        let own = found.is_some_and(|key| self.opens.contains(&(ask.thread, key)));
        if is_shared_open(&facts, R::SHAREABLE) {
            return match (own, ask.may_wait) {
                (true, _) => Answer::OwnOpen,
                (_, false) => {
                    Answer::Granted(Grant::Denied(self.denied("an open that runs, and is waited for")))
                }
                _ => self.wait(ask, Reason::Open, None),
            };
        }
        if let Some(most) = self.wait_for_lease(&ask, &facts) {
            return self.wait(ask, Reason::Lease, Some(most));
        }
        let denied = if must_queue {
            self.denied("those who came before, and wait,")
        } else {
            let memory = (ask.unfit, ask.process_bytes);
            match self.state.reserve_known(found, ask.hash, ask.key, memory, ask.nanos) {
                Ok(reserved) => {
                    self.opens.push((ask.thread, reserved.key()));
                    self.pass_over_all_before(ask.ticket);
                    return Answer::Granted(Grant::Room(reserved));
                }
                Err(denied) => denied,
            }
        };
        match denied {
            Denied::Exhausted { .. } if ask.may_wait && own => Answer::OwnOpen,
            Denied::Exhausted { .. } if ask.may_wait => self.wait(ask, Reason::Room, None),
            denied => {
                self.state.count_refused();
                Answer::Granted(Grant::Denied(denied))
            }
        }
    }

    fn wait_for_lease(&mut self, ask: &Ask<'_, K>, facts: &KeyFacts) -> Option<u64> {
        let busy = facts.leased + facts.opening;
        if busy == 0 || !ask.may_wait || !ask.may_wait_for_lease {
            return None;
        }
        let before = self.waiting.values().filter(|waiter| waiter.hash == ask.hash).count() as u64;
        let queue = Queue {
            place: before + 1,
            busy,
            cost_nanos: facts.cost_nanos,
            mean_hold_nanos: facts.mean_hold_nanos,
        };
        let Self { state, create_or_wait, .. } = self;
        state.contain_any(|| create_or_wait.wait(&queue)).flatten()
    }

    fn wait(&mut self, ask: Ask<'_, K>, reason: Reason, most: Option<u64>) -> Answer<K, R> {
        let ticket = ask.ticket.unwrap_or_else(|| {
            add(&mut self.waits.waited, 1);
            self.tickets += 1;
            self.tickets
        });
        let waiter = Waiter {
            hash: ask.hash,
            key: ask.key.take(),
            parking: Arc::clone(ask.parking),
            thread: ask.thread,
            unfit: ask.unfit,
            for_room: reason == Reason::Room,
            for_lease: reason == Reason::Lease,
            for_open: reason == Reason::Open,
            passed_over: ask.passed_over,
        };
        self.waiting.insert(ticket, waiter);
        self.waits.peak_waiting = self.waits.peak_waiting.max(self.waiting.len() as u64);
        if ask.ticket.is_some() && self.needs_process_memory {
            self.ask_again_after(ticket);
        }
        Answer::Wait(ticket, most)
    }

    /// What a ticket has got, or that it waits no longer.
    pub(super) fn collect(&mut self, ticket: Ticket) -> Option<Collected<K, R>> {
        self.granted.remove(&ticket)
    }

    /// A ticket that waits for a lease of its key takes room as well from now on.
    pub(super) fn wait_no_more_for_lease(&mut self, ticket: Ticket, nanos: u64) {
        if let Some(waiter) = self.waiting.get_mut(&ticket) {
            waiter.for_lease = false;
        }
        self.serve(nanos);
    }

    /// Who has a ticket gives up. What it has got already goes to the next.
    pub(super) fn leave(&mut self, ticket: Ticket, nanos: u64) -> Option<Collected<K, R>> {
        if let Some(waiter) = self.waiting.remove(&ticket) {
            self.state.give_away(waiter.key);
            // Others may have had to wait for it.
            self.serve(nanos);
        }
        self.granted.remove(&ticket)
    }

    /// Counts an acquire whose patience was at an end.
    pub(super) fn count_over(&mut self, over: Over, step: Step) {
        let waits = &mut self.waits;
        let count = match (over, step) {
            (Over::TimedOut, Step::Wait) => &mut waits.timed_out_waiting,
            (Over::TimedOut, Step::Open) => &mut waits.timed_out_opening,
            (Over::Cancelled, Step::Wait) => &mut waits.cancelled_waiting,
            (Over::Cancelled, Step::Open) => &mut waits.cancelled_opening,
        };
        add(count, 1);
    }

    pub(super) fn count_waited(&mut self, nanos: u64) {
        add(&mut self.waits.waiting_nanos, nanos);
    }

    /// An open came to nothing; all who waited for it get its error, if there is one.
    pub(super) fn cancel(
        &mut self,
        reserved: Reserved,
        thread: ThreadId,
        error: Option<&Arc<R::Error>>,
        nanos: u64,
    ) {
        let key = reserved.key();
        self.end_open(thread, key);
        if let Some(error) = error {
            let waiting = std::mem::take(&mut self.waiting);
            for (ticket, waiter) in waiting {
                let same = waiter.for_open && self.is_key(key, &waiter);
                if same {
                    self.grant(ticket, waiter, Grant::Failed(Arc::clone(error)));
                } else {
                    self.waiting.insert(ticket, waiter);
                }
            }
        }
        self.state.cancel(reserved);
        self.serve(nanos);
    }

    /// An open gave a resource, which is leased from now on.
    pub(super) fn commit(
        &mut self,
        reserved: Reserved,
        thread: ThreadId,
        prototype: Option<(K, R)>,
        opened: Opened,
        nanos: u64,
    ) -> EntryId {
        self.end_open(thread, reserved.key());
        let entry = self.state.commit(reserved, prototype, opened, nanos);
        self.serve(nanos);
        entry
    }

    /// A lease ends on a resource that is good for another one: if it is exclusive and nobody waits. `Err` changed nothing.
    #[inline(always)]
    pub(super) fn put_back(&mut self, entry: EntryId, value: (K, R), weight: u64) -> Result<(), (K, R)> {
        if self.closed || !self.waiting.is_empty() {
            return Err(value);
        }
        self.state.put_back(entry, value, weight)
    }

    /// A lease ends. Returned is what it carried, if that was only a handle.
    pub(super) fn end(
        &mut self,
        entry: EntryId,
        value: (K, R),
        ending: Ending,
        nanos: u64,
    ) -> Option<(K, R)> {
        if !self.closed && self.waiting.is_empty() {
            return self.state.end(entry, value, ending, false, nanos);
        }
        let ending = match ending {
            Ending::Return { .. } if self.closed => Ending::Drop(DropReason::Drained),
            ending => ending,
        };
        let waits = self.is_waited_for(entry);
        let handle = self.state.end(entry, value, ending, waits, nanos);
        self.serve(nanos);
        if waits {
            self.state.settle(nanos);
        }
        handle
    }

    /// The lease on `entry` ends, and its resource leaves the pool.
    pub(super) fn detach(&mut self, entry: EntryId, nanos: u64) {
        self.state.detach(entry, nanos);
        self.serve(nanos);
    }

    /// Does what makes room, then gives it to who waits for it.
    pub(super) fn make_room<T>(&mut self, nanos: u64, step: impl FnOnce(&mut State<K, R, C, E>) -> T) -> T {
        let result = step(&mut self.state);
        self.serve(nanos);
        result
    }

    /// No further lease is given.
    pub(super) fn close(&mut self) -> usize {
        self.closed = true;
        while let Some((ticket, waiter)) = self.waiting.pop_first() {
            self.grant(ticket, waiter, Grant::Closed);
        }
        let dropped = self.state.drain();
        self.tell_closers();
        dropped
    }

    /// Whether a closed pool has nothing out any more; if not, `parking` is woken when it has.
    pub(super) fn is_over(&mut self, parking: &Arc<Parking>) -> bool {
        if self.state.usage().live() == 0 {
            return true;
        }
        if !self.closers.iter().any(|closer| Arc::ptr_eq(closer, parking)) {
            self.closers.push(Arc::clone(parking));
        }
        false
    }

    pub(super) fn forget_closer(&mut self, parking: &Arc<Parking>) {
        self.closers.retain(|closer| !Arc::ptr_eq(closer, parking));
    }

    pub(super) fn tell_closers(&mut self) {
        if self.closed && self.state.usage().live() == 0 {
            self.wakes.append(&mut self.closers);
        }
    }

    fn end_open(&mut self, thread: ThreadId, key: KeyId) {
        if let Some(place) = self.opens.iter().position(|open| *open == (thread, key)) {
            self.opens.swap_remove(place);
        }
    }

    fn denied(&self, by: &'static str) -> Denied {
        Denied::Exhausted { by, usage: self.usage() }
    }

    /// # Panics
    /// If the books are wrong.
    pub(super) fn assert_consistent(&self) {
        self.state.assert_consistent();
        assert!(self.wakes.is_empty(), "everybody who is to be woken was");
        assert_eq!(self.opens.len() as u64, self.state.usage().opening, "opens that run");
        assert!(!self.closed || self.waiting.is_empty(), "nobody waits for a closed pool");
    }
}
