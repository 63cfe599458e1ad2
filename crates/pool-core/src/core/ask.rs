//! One who found nothing warm asks; one who waits collects what it was given, or leaves.

use std::task::Waker;

use super::admission::Admission;
use super::deadlock::InHand;
use super::first_fit::Need;
use super::measure::Measured;
use super::open::Denied;
use super::queue::{Grant, Waiter, WaiterId, WaitsFor};
use super::{Core, Who};
use crate::capacity::Capacity;
use crate::create_or_wait::Queue;
use crate::error::Step;
use crate::eviction::Eviction;
use crate::id::KeyId;
use crate::options::GivesUp;
use crate::reason::{DropReason, MissReason};
use crate::stats::add;
use crate::time::Now;
use crate::usage::Opened;

/// Somebody who asks, after it found nothing warm.
pub(crate) struct Ask<'a> {
    pub(crate) hash: u64,
    /// The one that it was while it measured memory.
    pub(crate) waiter: Option<WaiterId>,
    /// When it came, if it has waited before.
    pub(crate) arrival: Option<u64>,
    pub(crate) may_wait: bool,
    /// Whether it may be made to wait for a lease of its key to end, rather than open.
    pub(crate) may_wait_for_lease: bool,
    pub(crate) who: Who,
    /// Whether `who` is a thread, which does nothing else while it waits.
    pub(crate) blocks: bool,
    /// Taken if it has to wait.
    pub(crate) waker: &'a mut Option<Waker>,
    /// Bytes that the caller expects the resource to weigh, if it says.
    pub(crate) expected_weight: Option<u64>,
    /// Why it has just dropped a resource of its key, if it has.
    pub(crate) unfit: Option<DropReason>,
    /// Private bytes of the process, as just measured, if the capacity policy wants to know.
    pub(crate) measured: Option<Measured>,
    pub(crate) nanos: u64,
}

/// What comes of asking.
pub(crate) enum Answer<K, R, F> {
    Granted(Grant<K, R, F>),
    /// It waits. The effects are to be carried out first: one that may not wait has its answer then.
    Waits {
        waiter: WaiterId,
        arrival: u64,
        /// For so many nanoseconds at most it waits for a lease of its key to end; then room will do.
        lease_nanos: Option<u64>,
    },
    /// Key equality panicked: nothing was done.
    Panicked,
}

/// What lay there for one who waited, and when it came.
pub(crate) struct Collected<K, R, F> {
    pub(crate) grant: Grant<K, R, F>,
    pub(crate) arrival: u64,
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// One asks who found nothing warm, or found it unfit. `name` is taken if the key was not known and is kept.
    pub(crate) fn ask(
        &mut self,
        ask: &mut Ask<'_>,
        name: &mut Option<K>,
        is: impl FnMut(&K) -> bool,
    ) -> Answer<K, R, F> {
        let now = self.now(ask.nanos);
        if let Some(waiter) = ask.waiter {
            // It measured memory. Meanwhile something may have come back.
            match self.collect(waiter) {
                Some(Collected { grant, .. }) if !matches!(grant, Grant::Measure) => {
                    return Answer::Granted(grant);
                }
                _ => self.forget_waiter(waiter),
            }
        }
        self.reap(now, None);
        let found = {
            let Self { keys, effects, .. } = &mut *self;
            effects.contain(|| keys.find(ask.hash, is))
        };
        let Some(found) = found else {
            self.settle(now);
            self.look_who_is_next(now);
            return Answer::Panicked;
        };
        if let Some(key) = found {
            self.keys.pin(key);
        }
        let answer = if self.closed {
            Answer::Granted(Grant::Closed)
        } else if self.needs_process_memory && ask.measured.is_none() {
            // Memory has to be measured since a moment ago.
            Answer::Granted(Grant::Measure)
        } else {
            self.answer(ask, found, name, now)
        };
        if let Some(key) = found {
            self.unpin(key);
        }
        self.settle(now);
        self.look_who_is_next(now);
        self.note_plain();
        answer
    }

    /// `found` is the key, if it is known; it is pinned meanwhile.
    fn answer(
        &mut self,
        ask: &mut Ask<'_>,
        found: Option<KeyId>,
        name: &mut Option<K>,
        now: Now,
    ) -> Answer<K, R, F> {
        let expected = self.expected(found, ask.expected_weight);
        let process_bytes = ask.measured.map(|measured| self.by_now(measured));
        let need = Need { expected, process_bytes, ..Need::default() };
        // A task may hold leases, for all that is known.
        if self.queue.is_shut_for(ask.arrival) && ask.blocks && !self.holds(ask.who) {
            return self.wait(
                ask,
                found,
                name,
                WaitsFor::Turnstile,
                need,
                "those who came before, and wait,",
            );
        }
        if let Some(key) = found {
            if self.keys[key].newest().is_some() {
                let Some(taken) = self.take_known(key, ask.who, now) else { return Answer::Panicked };
                self.queue.overtake(ask.arrival);
                return Answer::Granted(Grant::Warm(taken));
            }
            let record = &self.keys[key];
            if self.share.is_some() && (record.opening > 0 || record.leader.is_some()) {
                if ask.blocks && self.open_waits_for(key, ask.who) {
                    return Answer::Granted(Grant::Deadlock);
                }
                let by = "an open that runs, and is waited for";
                return self.wait(ask, found, name, WaitsFor::Open, need, by);
            }
            if let Some(most) = self.should_wait_for_lease(ask, key, &expected) {
                let mut answer = self.wait(ask, found, name, WaitsFor::Lease, need, "CreateOrWait");
                if let Answer::Waits { lease_nanos, .. } = &mut answer {
                    *lease_nanos = Some(most);
                }
                return answer;
            }
        }
        let reason = self.miss_reason(found, ask.unfit);
        let stays = if !ask.may_wait {
            // What others drop is not waited for.
            InHand { opens: 0, drops: self.usage.dropping, weight: self.usage.dropping_weight }
        } else if ask.blocks {
            self.threads.stuck_if_waits(ask.who)
        } else {
            self.threads.stuck()
        };
        match self.admit(found, &need, stays, None, now) {
            Admission::Now => {
                let key = found.unwrap_or_else(|| self.insert(ask.hash, name));
                self.queue.overtake(ask.arrival);
                let thread = ask.blocks.then_some(ask.who);
                let reserved = self.reserve(key, expected, reason, thread);
                if found.is_none() {
                    self.unpin(key);
                }
                Answer::Granted(Grant::Room(reserved))
            }
            Admission::OnceVictimsAreGone(need) => {
                self.enqueue(ask, found, name, WaitsFor::Victims, need, ask.may_wait)
            }
            Admission::No(denied) if ask.may_wait && self.measures_again(ask, &denied) => {
                let answer = self.enqueue(ask, found, name, WaitsFor::Room, need, true);
                if let Answer::Waits { arrival, .. } = answer {
                    self.measure_from = Some(self.measure_from.map_or(arrival, |from| from.min(arrival)));
                }
                answer
            }
            Admission::No(Denied::Exhausted { by, .. }) => {
                self.wait(ask, found, name, WaitsFor::Room, need, by)
            }
            Admission::No(denied) => {
                let is_guess =
                    ask.expected_weight.is_none() && found.is_none_or(|key| self.keys[key].opened.is_none());
                if is_guess && self.usage.live() == 0 {
                    self.estimate.doubt();
                }
                self.deny(denied)
            }
        }
    }

    /// Why one of that key has to be opened.
    pub(super) fn miss_reason(&self, key: Option<KeyId>, unfit: Option<DropReason>) -> MissReason {
        match (unfit, key.map(|key| &self.keys[key])) {
            (Some(unfit), _) => unfit.into(),
            (None, None) => MissReason::Cold,
            (None, Some(record)) if record.busy() > 0 => MissReason::Busy,
            (None, Some(record)) => record.gone,
        }
    }

    fn deny(&mut self, denied: Denied) -> Answer<K, R, F> {
        self.count_refused();
        Answer::Granted(Grant::Denied(denied))
    }

    /// For how long to wait for a lease of the key to end, rather than open another one.
    fn should_wait_for_lease(&mut self, ask: &Ask<'_>, key: KeyId, expected: &Opened) -> Option<u64> {
        let record = &self.keys[key];
        // A shared one that is leased and not warm serves nobody any more.
        if self.share.is_some() || record.busy() == 0 || !ask.may_wait || !ask.may_wait_for_lease {
            return None;
        }
        let queue = Queue {
            // One of the pins is this event's own.
            place: u64::from(record.pins),
            busy: record.busy(),
            cost_nanos: expected.cost_nanos,
            mean_hold_nanos: (record.hold_nanos.checked_div(record.holds))
                .or_else(|| self.hold_nanos.checked_div(self.holds)),
        };
        let Self { create_or_wait, effects, .. } = self;
        effects.contain(|| create_or_wait.wait(&queue)).flatten()
    }

    /// Waits, if it may and anything will end. `by` is what keeps it from being served.
    fn wait(
        &mut self,
        ask: &mut Ask<'_>,
        found: Option<KeyId>,
        name: &mut Option<K>,
        waits_for: WaitsFor,
        need: Need,
        by: &'static str,
    ) -> Answer<K, R, F> {
        if !ask.may_wait {
            let denied = self.exhausted(by, &need);
            return self.deny(denied);
        }
        if self.outstanding_if_waits(ask.who, ask.blocks) == 0 {
            if ask.blocks && self.threads.work_of(ask.who).count() > 0 {
                return Answer::Granted(Grant::Deadlock);
            }
            // Where others wait for themselves, one of them is told so at the end of this event.
            if self.threads.stuck().count() == 0 {
                let denied = self.exhausted(by, &need);
                return self.deny(denied);
            }
        }
        self.enqueue(ask, found, name, waits_for, need, true)
    }

    /// `counts` is false for one that only waits until the victims that it drops itself are gone.
    fn enqueue(
        &mut self,
        ask: &mut Ask<'_>,
        found: Option<KeyId>,
        name: &mut Option<K>,
        waits_for: WaitsFor,
        need: Need,
        counts: bool,
    ) -> Answer<K, R, F> {
        let key = match found {
            Some(key) => {
                self.keys.pin(key);
                key
            }
            None => self.insert(ask.hash, name),
        };
        let waiter = Waiter {
            arrival: 0,
            key,
            waits_for,
            need,
            expected_weight: ask.expected_weight,
            who: ask.who,
            blocks: ask.blocks,
            waker: ask.waker.take().unwrap_or_else(|| Waker::noop().clone()),
            unfit: ask.unfit,
            counts,
            given: None,
        };
        if counts {
            add(&mut self.waits.waited, u64::from(ask.arrival.is_none()));
            self.usage.waiting += 1;
            self.waits.peak_waiting = self.waits.peak_waiting.max(self.usage.waiting);
        }
        let waiter = self.queue.add(waiter, ask.arrival);
        if ask.blocks && counts {
            self.threads.waits(ask.who, waiter);
        }
        if self.share.is_some() && matches!(waits_for, WaitsFor::Room | WaitsFor::Victims) {
            self.keys[key].leader = Some(waiter);
        }
        Answer::Waits { waiter, arrival: self.queue[waiter].arrival, lease_nanos: None }
    }

    /// A key that was not known; it is pinned.
    fn insert(&mut self, hash: u64, name: &mut Option<K>) -> KeyId {
        let name = name.take().expect("a key that is not known comes with its name");
        let key = self.keys.insert(hash, name);
        let Self { keys, eviction, effects, .. } = self;
        effects.contain(|| eviction.on_key(key, &keys[key].key));
        key
    }

    /// What lies there for one who waits. It is in the queue no longer then, unless it is to measure memory.
    pub(crate) fn collect(&mut self, waiter: WaiterId) -> Option<Collected<K, R, F>> {
        let Waiter { arrival, key, waits_for, given, .. } = &self.queue[waiter];
        let (arrival, key) = (*arrival, *key);
        if given.is_none() {
            let measures = *waits_for == WaitsFor::Measure;
            return measures.then_some(Collected { grant: Grant::Measure, arrival });
        }
        let given = self.queue.remove(waiter).given;
        self.unpin(key);
        self.note_plain();
        given.map(|grant| Collected { grant, arrival })
    }

    /// One who waits is woken by `waker` from now on. Nothing lies there for it. The one before is in `waker` then: a waker is the
    /// user's, and dropped outside.
    pub(crate) fn wake_by(&mut self, waiter: WaiterId, waker: &mut Waker) -> Option<Collected<K, R, F>> {
        std::mem::swap(&mut self.queue[waiter].waker, waker);
        None
    }

    /// One who waits gives up. What it was given already is returned: it takes that, or gives it back.
    pub(crate) fn leave(&mut self, waiter: WaiterId, nanos: u64) -> Option<Collected<K, R, F>> {
        let now = self.now(nanos);
        match self.collect(waiter) {
            Some(Collected { grant: Grant::Measure, .. }) | None => {
                self.forget_waiter(waiter);
                // Others may have had to wait for it.
                self.freed = true;
                self.settle(now);
                self.look_who_is_next(now);
                None
            }
            given => given,
        }
    }

    /// One who waits for a lease of its key to end takes room as well from now on.
    pub(crate) fn stop_waiting_for_lease(&mut self, waiter: WaiterId, nanos: u64) {
        if self.queue[waiter].given.is_none() && self.queue[waiter].waits_for == WaitsFor::Lease {
            self.wait_for(waiter, WaitsFor::Room);
            self.freed = true;
            self.settle(self.now(nanos));
        }
    }

    /// Takes one who waits, and was given nothing, out of the queue.
    fn forget_waiter(&mut self, id: WaiterId) {
        self.stop_waiting(id);
        let waiter = self.queue.remove(id);
        self.effects.get().stale_wakers.push(waiter.waker);
        self.unpin(waiter.key);
        self.note_plain();
    }

    /// Nothing was reserved, for a reason that the shell found.
    pub(crate) fn count_refused(&mut self) {
        add(&mut self.counters.refused, 1);
    }

    /// An acquire has given up, or its time was over when its own open ended.
    pub(crate) fn count_gave_up(&mut self, why: GivesUp, step: Step) {
        let waits = &mut self.waits;
        let count = match (why, step) {
            (GivesUp::TimedOut, Step::Wait) => &mut waits.timed_out_waiting,
            (GivesUp::TimedOut, Step::Open) => &mut waits.timed_out_opening,
            (GivesUp::Cancelled, Step::Wait) => &mut waits.cancelled_waiting,
            (GivesUp::Cancelled, Step::Open) => &mut waits.cancelled_opening,
        };
        add(count, 1);
    }

    /// An acquire has waited that long.
    pub(crate) fn count_waited(&mut self, nanos: u64) {
        add(&mut self.waits.waiting_nanos, nanos);
    }
}
