//! Who is served next? What is free goes to those who wait.

use std::cell::Cell;
use std::task::Waker;

use super::admission::{Admission, PANICKED, fits_now};
use super::first_fit::Need;
use super::open::Denied;
use super::queue::{Grant, WaiterId, WaitsFor};
use super::{Core, EntryId};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::Eviction;
use crate::reason::DropReason;
use crate::stats::add;
use crate::time::Now;

/// The capacity policy panicked when it was asked about somebody.
#[derive(Clone, Copy)]
struct Panicked;

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// Gives what is free to those who wait. `incoming` has just been returned.
    pub(super) fn serve(&mut self, incoming: Option<EntryId>, now: Now) {
        if !self.queue.is_empty() {
            self.measure_from = self.needs_process_memory.then_some(0);
            loop {
                self.serve_all(incoming, now);
                if !self.refuse_stuck() {
                    break;
                }
            }
        }
        self.tell_closers();
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            if self.keys.knows(key) {
                self.keys[key].is_touched = false;
            }
        }
        self.touched = touched;
        self.freed = false;
    }

    fn serve_all(&mut self, incoming: Option<EntryId>, now: Now) {
        // Until the eviction policy gives up nothing more.
        let mut evicts = true;
        loop {
            self.keep_promises();
            self.look_at_touched();
            let by_key = self.first_for_warm();
            let for_room = self.first_for_room(evicts);
            let key_is_first = match (by_key, for_room) {
                (Some((by_key, _)), Some((for_room, ..))) => by_key <= for_room,
                (by_key, _) => by_key.is_some(),
            };
            match (by_key, for_room) {
                (Some((_, waiter)), _) if key_is_first => self.give_warm(waiter, now),
                (_, Some((_, waiter, Some(Panicked)))) => {
                    let denied = self.refused(PANICKED, &self.queue[waiter].need);
                    self.count_refused();
                    self.give(waiter, Grant::Denied(denied));
                }
                (_, Some((_, waiter, None))) => {
                    if !self.give_room(waiter, incoming, now) {
                        if !evicts {
                            break;
                        }
                        evicts = false;
                    }
                }
                _ => {
                    if !self.open_turnstile() {
                        break;
                    }
                }
            }
        }
        self.ask_next_to_measure();
    }

    /// Room for those who were promised it, as far as victims are gone.
    fn keep_promises(&mut self) {
        loop {
            let Self { queue, capacity, usage, effects, .. } = &mut *self;
            let fits = |need: &Need| fits_now(capacity, usage, need, |ask| effects.contain(ask));
            let Some((_, waiter)) = queue.promised.first_that_fits(fits) else { break };
            self.give_reserved(waiter);
        }
        // All are gone, and it does not fit all the same: something has grown.
        if self.usage.dropping == 0 {
            while let Some((_, waiter)) = self.queue.promised.first() {
                self.wait_for(waiter, WaitsFor::Room);
            }
        }
    }

    /// Those who waited for something of a key that has ended take room from now on.
    fn look_at_touched(&mut self) {
        for index in 0..self.touched.len() {
            let key = self.touched[index];
            if !self.keys.knows(key) || self.keys[key].newest().is_some() {
                continue;
            }
            let record = &self.keys[key];
            if self.share.is_some() {
                if record.opening == 0 && record.leader.is_none() {
                    if let Some((_, waiter)) = self.queue.first_of_key(key) {
                        self.wait_for(waiter, WaitsFor::Room);
                    }
                }
            } else if record.busy() == 0 {
                let all: Vec<_> = self.queue.of_key(key).map(|(_, waiter)| waiter).collect();
                for waiter in all {
                    if self.queue[waiter].waits_for == WaitsFor::Lease {
                        self.wait_for(waiter, WaitsFor::Room);
                    }
                }
            }
        }
    }

    /// The first who waits for a key of which something is warm.
    fn first_for_warm(&self) -> Option<(u64, WaiterId)> {
        let warm =
            self.touched.iter().filter(|&&key| self.keys.knows(key) && self.keys[key].newest().is_some());
        warm.filter_map(|&key| self.queue.first_of_key(key)).min()
    }

    /// The first of those who wait for room that can be served, perhaps after evictions, or must be refused.
    fn first_for_room(&mut self, evicts: bool) -> Option<(u64, WaiterId, Option<Panicked>)> {
        if self.queue.room.is_empty() || self.needs_process_memory {
            return None;
        }
        let usage = self.once_victims_are_gone();
        let least = usage.with_idle(0, 0);
        let Self { queue, capacity, effects, .. } = &mut *self;
        let panicked = Cell::new(false);
        let mut ask = |usage, need: &Need| {
            let verdict = effects.contain(|| capacity.admit(usage, &need.expected));
            panicked.set(panicked.get() || verdict.is_none());
            verdict
        };
        let never =
            queue.room.first_that_exceeds(|need| matches!(ask(&least, need), Some(Verdict::Never(_))));
        let usage = if evicts { &least } else { &usage };
        let found =
            never.or_else(|| queue.room.first_that_fits(|need| ask(usage, need) == Some(Verdict::Fits)));
        if let Some((arrival, waiter)) = found {
            return Some((arrival, waiter, None));
        }
        if !panicked.get() {
            return None;
        }
        // A panic counts against those alone about whom it is.
        queue.room.iter().find_map(|(arrival, waiter)| match ask(usage, &queue[waiter].need) {
            None => Some((arrival, waiter, Some(Panicked))),
            Some(Verdict::Fits | Verdict::Never(_)) => Some((arrival, waiter, None)),
            Some(_) => None,
        })
    }

    fn give_warm(&mut self, waiter: WaiterId, now: Now) {
        let (key, who) = (self.queue[waiter].key, self.queue[waiter].who);
        let Some(taken) = self.take_known(key, who, now) else {
            // User code panicked. So that others get on, what it panicked at is not offered again.
            if let Some(id) = self.keys[key].newest() {
                self.withdraw(id, DropReason::Panicked);
            }
            return;
        };
        let waits = &mut self.waits;
        let for_open = self.queue[waiter].waits_for == WaitsFor::Open;
        add(if for_open { &mut waits.opens_shared } else { &mut waits.hand_offs }, 1);
        let arrival = self.queue[waiter].arrival;
        self.give(waiter, Grant::Warm(taken));
        self.queue.overtake(Some(arrival));
    }

    /// False if the eviction policy gives up nothing, and it was not served for that.
    fn give_room(&mut self, waiter: WaiterId, incoming: Option<EntryId>, now: Now) -> bool {
        let (key, need) = (self.queue[waiter].key, self.queue[waiter].need);
        match self.admit(Some(key), &need, self.threads.stuck(), incoming, now) {
            Admission::Now => self.give_reserved(waiter),
            // Of memory it knows nothing: where that is measured, who waits asks again.
            Admission::OnceVictimsAreGone(_) => self.wait_for(waiter, WaitsFor::Victims),
            Admission::No(Denied::Exhausted { .. }) => return false,
            Admission::No(denied) => {
                self.count_refused();
                self.give(waiter, Grant::Denied(denied));
            }
        }
        true
    }

    fn give_reserved(&mut self, waiter: WaiterId) {
        let it = &self.queue[waiter];
        let (key, arrival, expected) = (it.key, it.arrival, it.need.expected);
        let (unfit, thread) = (it.unfit, it.blocks.then_some(it.who));
        let reason = self.miss_reason(Some(key), unfit);
        let reserved = self.reserve(key, expected, reason, thread);
        self.give(waiter, Grant::Room(reserved));
        self.queue.overtake(Some(arrival));
    }

    /// Lays something there for one who waits, and has it woken.
    pub(super) fn give(&mut self, waiter: WaiterId, grant: Grant<K, R, F>) {
        self.stop_waiting(waiter);
        self.queue.give(waiter, grant);
        self.wake(waiter);
    }

    pub(super) fn wake(&mut self, waiter: WaiterId) {
        let waker = std::mem::replace(&mut self.queue[waiter].waker, Waker::noop().clone());
        self.effects.get().wakes.push(waker);
    }

    /// The books of one who waits no longer, or not in the same way.
    pub(super) fn stop_waiting(&mut self, id: WaiterId) {
        let waiter = &mut self.queue[id];
        if std::mem::take(&mut waiter.counts) {
            self.usage.waiting -= 1;
        }
        if waiter.blocks {
            self.threads.waits_no_more(waiter.who, id);
        }
        let key = waiter.key;
        if self.keys[key].leader == Some(id) {
            self.keys[key].leader = None;
            self.touch(key);
        }
        if self.measuring == Some(id) {
            self.measuring = None;
        }
    }

    /// One who waits does so for something else from now on.
    pub(super) fn wait_for(&mut self, waiter: WaiterId, waits_for: WaitsFor) {
        let need = self.queue[waiter].need;
        self.queue.change(waiter, waits_for, need);
        if self.share.is_some() && waits_for == WaitsFor::Room {
            self.keys[self.queue[waiter].key].leader = Some(waiter);
        }
    }

    /// If another one is now the first who waits for room, those who waited behind the turnstile for the one before come in.
    fn open_turnstile(&mut self) -> bool {
        let released = self.queue.look_who_is_first(self.measuring);
        for &waiter in &released {
            let key = self.queue[waiter].key;
            let record = &self.keys[key];
            let is_led = self.share.is_some() && (record.opening > 0 || record.leader.is_some());
            self.wait_for(waiter, if is_led { WaitsFor::Open } else { WaitsFor::Room });
            self.touch(key);
        }
        !released.is_empty()
    }

    /// At the end of an event that may have changed who waits for room.
    pub(super) fn look_who_is_next(&mut self, now: Now) {
        if self.open_turnstile() {
            self.serve(None, now);
        }
        self.ask_next_to_measure();
        // Who asks may have been the last who was to end by itself: it measured.
        if self.refuse_stuck() {
            self.serve(None, now);
        }
    }

    /// Where nothing will ever end by itself, nobody is left to wait: who can't be served is told why. Whether somebody was.
    fn refuse_stuck(&mut self) -> bool {
        if self.usage.waiting == 0 || self.outstanding() > 0 {
            return false;
        }
        if let Some(waiter) = self.last_stuck() {
            self.give(waiter, Grant::Deadlock);
            return true;
        }
        // Those behind the turnstile may be served once the others are gone.
        let all = self.queue.iter().filter(|(_, waiter)| waiter.counts);
        let (behind, others): (Vec<_>, Vec<_>) = all
            .map(|(id, waiter)| (id, waiter.waits_for))
            .partition(|(_, waits_for)| *waits_for == WaitsFor::Turnstile);
        let refused = if others.is_empty() { behind } else { others };
        for &(waiter, _) in &refused {
            let need = self.queue[waiter].need;
            let usage = self.once_victims_are_gone();
            let by = match self.ask_admit(&usage, &need.expected) {
                Verdict::EvictAny(by) | Verdict::EvictOfKey(by) | Verdict::Never(by) => by,
                Verdict::Fits => "a limit that has changed",
            };
            let denied = self.exhausted(by, &need);
            self.count_refused();
            self.give(waiter, Grant::Denied(denied));
        }
        !refused.is_empty()
    }
}
