//! The sequential core: every decision of a pool, and nothing else. It does no input and output.
//!
//! Each event is one function. It takes `&mut self` and the time, calls nothing but policies, key equality, a shared
//! resource's `Clone` and that of its key, and leaves [`Effects`] for the shell to carry out once its borrow or lock is over.
//! What it calls is contained: no event unwinds, so none is ever half done.
//!
//! | what happened | function | file |
//! | --- | --- | --- |
//! | an acquire comes, and may find something warm | [`take`](Core::take) | `hit.rs` |
//! | it found nothing, or has waited | [`ask`](Core::ask), [`collect`](Core::collect) | `ask.rs` |
//! | a waiter gives up, or will take less | [`leave`](Core::leave), [`stop_waiting_for_lease`](Core::stop_waiting_for_lease) | `ask.rs` |
//! | an open ends, or fails | [`opened`](Core::opened), [`open_failed`](Core::open_failed) | `open.rs` |
//! | a lease ends | [`put_back`](Core::put_back), [`ended`](Core::ended) | `release.rs` |
//! | a victim is gone | [`dropped`](Core::dropped) | `room.rs` |
//! | what was opened is no good any more | [`invalidate`](Core::invalidate), [`invalidate_all`](Core::invalidate_all) | `invalidate.rs` |
//! | the limits change | [`change_capacity`](Core::change_capacity) | `limits.rs` |
//! | the pool is emptied, or closed | [`drain`](Core::drain), [`evict_expired`](Core::evict_expired), [`drop_stale`](Core::drop_stale), [`close`](Core::close) | `room.rs`, `close.rs` |
//!
//! What they have in common: `admission.rs` says whether one may be opened and evicts for it, `serve.rs` gives what is
//! free to those who wait, `measure.rs` says who of them measures memory, `deadlock.rs` finds those who wait for themselves, `sound.rs` checks all of it by brute force.
//!
//! # Who is served when
//! 1. What becomes free is given by name to the first of those who wait and can take it: first come, first served.
//! 2. One who can't be served holds up nobody: who came later, and can be, is.
//! 3. But once 64 who came later were served before the first who waits for room, newcomers wait behind it, also for
//!    what is warm, until it is served or has left.
//! 4. One who holds a lease, or is in the middle of an open, is no newcomer: it is never made to wait for one who waits, so
//!    acquires that take several keys in one order don't wait for each other.
//! 5. One who gives up leaves nothing behind: what it was given goes to the next.
//!
//! # What always holds after an event
//! 1. Nobody waits who could be served now, but newcomers by rule 3.
//! 2. If anybody waits, something is leased, opening, being dropped or being measured, by somebody who does not wait itself.
//!    Where nothing is, the answer is a resource, room, or an error that says why.
//! 3. What is live never exceeds the limits, victims that are not gone included.
//! 4. Each place that was taken is given back once.
//! 5. A key that somebody waits for, opens or leases is pinned: its id stays its own.

mod admission;
mod ask;
mod close;
mod deadlock;
mod effects;
mod entries;
mod estimate;
mod first_fit;
mod hit;
mod invalidate;
mod keys;
mod limits;
mod measure;
mod open;
mod queue;
mod release;
mod room;
mod serve;
mod sound;

pub(crate) use ask::{Answer, Ask, Collected};
pub(crate) use close::CloserId;
pub(crate) use effects::{Effects, Victim};
pub(crate) use hit::Taken;
pub(crate) use measure::Measured;
pub(crate) use open::{Denied, Reserved};
pub(crate) use queue::{Grant, WaiterId};
pub(crate) use release::Ending;

use std::task::Waker;

use slab::Slab;

use deadlock::Threads;
use effects::Pending;
use entries::{Entries, Entry};
use estimate::Estimate;
use keys::Keys;
use measure::Happened;
use queue::Queue;

use crate::capacity::{Bounds, Capacity};
use crate::create_or_wait::CreateOrWait;
use crate::eviction::Eviction;
use crate::id::{EntryId, Id, KeyId};
use crate::reason::MissReason;
use crate::stats::{Counters, Stats, Waits};
use crate::time::Now;
use crate::usage::Usage;

/// Who acquires, as far as it matters: the same for two acquires of which the second is made while the first one's lease is
/// held: a thread. Of a task, the thread that it was polled on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who(pub(crate) usize);

/// A lease: its entry in the lower half, and in the upper one its place among the leases of shared resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseId(u64);

impl LeaseId {
    #[inline]
    fn exclusive(entry: EntryId) -> Self {
        Self(entry.index() as u64)
    }

    fn shared(entry: EntryId, place: usize) -> Self {
        let place = u32::try_from(place).expect("fewer than 2^32 leases of shared resources");
        Self(u64::from(place) << 32 | entry.index() as u64)
    }

    #[inline]
    fn entry(self) -> EntryId {
        EntryId::linked(self.0 as u32)
    }

    fn place(self) -> usize {
        (self.0 >> 32) as usize
    }
}

/// `K` names resources of type `R`; an open that fails gives `F` to all who waited for it.
pub(crate) struct Core<K, R, F, C, E> {
    entries: Entries<K, R>,
    keys: Keys<K>,
    usage: Usage,
    estimate: Estimate,
    counters: Counters,
    waits: Waits,
    capacity: C,
    /// What the capacity policy says of them.
    bounds: Bounds,
    eviction: E,
    create_or_wait: Box<dyn CreateOrWait>,
    /// How a handle is made, if leases share a resource.
    share: Option<fn(&R) -> R>,
    /// Whose the leases of shared resources are.
    shared_leases: Slab<Who>,
    queue: Queue<K, R, F>,
    threads: Threads,
    /// Who waits for a closed pool to be empty.
    closers: Vec<(u64, Waker)>,
    next_closer: u64,
    closed: bool,
    /// How often something was invalidated, and how often when all was.
    invalidations: u64,
    all_invalidated: u64,
    /// Exclusive entries that leave with their lease.
    leaving: usize,
    /// What [`is_plain`](Core::is_plain) says.
    plain: bool,
    needs_clock: bool,
    needs_hold_times: bool,
    needs_process_memory: bool,
    /// How many leases were timed, and how long they took.
    holds: u64,
    hold_nanos: u64,
    /// The one of those who wait for room that measures memory, and the arrival from which on others have yet to.
    measuring: Option<WaiterId>,
    measure_from: Option<u64>,
    happened: Happened,
    tick: u64,
    /// Whether this event may have made room.
    freed: bool,
    /// Keys somebody waits for, of which this event has ended or returned something.
    touched: Vec<KeyId>,
    /// What the shell has to do once the borrow or lock is over.
    effects: Pending<K, R>,
}

/// What a core is made of.
pub(crate) struct Parts<R, C, E> {
    pub(crate) capacity: C,
    pub(crate) eviction: E,
    pub(crate) create_or_wait: Box<dyn CreateOrWait>,
    pub(crate) share: Option<fn(&R) -> R>,
    pub(crate) remembered_keys: usize,
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    pub(crate) fn new(parts: Parts<R, C, E>) -> Self {
        let Parts { capacity, mut eviction, create_or_wait, share, remembered_keys } = parts;
        let bounds = capacity.bounds();
        eviction.on_capacity(&bounds);
        let mut core = Self {
            entries: Entries::new(),
            keys: Keys::new(remembered_keys),
            usage: Usage::default(),
            estimate: Estimate::default(),
            counters: Counters::default(),
            waits: Waits::default(),
            needs_clock: eviction.needs_clock(),
            needs_hold_times: create_or_wait.needs_hold_times(),
            needs_process_memory: capacity.needs_process_memory(),
            holds: 0,
            hold_nanos: 0,
            capacity,
            bounds,
            eviction,
            create_or_wait,
            share,
            shared_leases: Slab::new(),
            queue: Queue::new(),
            threads: Threads::default(),
            closers: Vec::new(),
            next_closer: 0,
            closed: false,
            invalidations: 0,
            all_invalidated: 0,
            leaving: 0,
            plain: false,
            measuring: None,
            measure_from: None,
            happened: Happened::default(),
            tick: 0,
            freed: false,
            touched: Vec::new(),
            effects: Pending::none(),
        };
        core.note_plain();
        core
    }

    /// Whether events want to know the time.
    pub(crate) fn needs_clock(&self) -> bool {
        self.needs_clock
    }

    /// Whether the ends of leases on what was just opened do.
    pub(crate) fn times_holds(&self) -> bool {
        self.needs_hold_times
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { idle_of_key: 0, ..self.usage }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.snapshot(self.usage(), self.waits, self.keys.len() as u64)
    }

    /// Takes what the events so far left to do, for `who` to do once the borrow or lock is over.
    #[inline]
    pub(crate) fn take_effects(&mut self, who: Who) -> Option<Box<Effects<K, R>>> {
        if self.effects.is_none() { None } else { self.hand_out_effects(who) }
    }

    #[cold]
    fn hand_out_effects(&mut self, who: Who) -> Option<Box<Effects<K, R>>> {
        let effects = self.effects.take();
        let victims = effects.as_ref().map_or(&[][..], |effects| &effects.victims);
        self.threads.drops(who, victims.len() as u64, victims.iter().map(|victim| victim.weight).sum());
        effects
    }

    /// Whether [`take`](Core::take) would find something, apart from what has expired since the last call.
    pub(crate) fn is_warm(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> bool {
        self.find(hash, is).is_some_and(|key| self.keys[key].newest().is_some())
    }

    #[inline]
    fn find(&mut self, hash: u64, is: impl FnMut(&K) -> bool) -> Option<KeyId> {
        let Self { keys, effects, .. } = self;
        effects.contain(|| keys.find(hash, is)).flatten()
    }

    fn now(&self, nanos: u64) -> Now {
        Now { tick: self.tick, nanos: if self.needs_clock { nanos } else { 0 } }
    }

    /// At the end of an event that may have changed it.
    fn note_plain(&mut self) {
        self.plain = self.is_plain();
    }

    /// Whether a hit and a return are short now: see [`is_plain`](Core::is_plain).
    #[inline]
    pub(crate) fn goes_plainly(&self) -> bool {
        self.plain
    }

    /// Whether a hit and a return concern nobody else: resources are exclusive, nobody waits, everything that is leased may come
    /// back, and nobody wants to know the time. They are short then.
    fn is_plain(&self) -> bool {
        self.share.is_none()
            && !self.needs_clock
            && !self.closed
            && self.queue.is_empty()
            && self.leaving == 0
    }

    /// The end of an event: what it has freed goes to those who wait.
    fn settle(&mut self, now: Now) {
        if self.freed {
            self.happened.ends = self.happened.ends.wrapping_add(1);
            self.serve(None, now);
        }
    }

    /// To be called when a pin of the key, or something else of it, ended.
    fn retire(&mut self, key: KeyId) {
        if let Some((forgotten, name)) = self.keys.retire(key) {
            let Self { effects, eviction, .. } = self;
            effects.contain(|| eviction.on_forget(forgotten));
            effects.get().keys.push(name);
        }
    }

    fn unpin(&mut self, key: KeyId) {
        self.keys[key].pins -= 1;
        self.retire(key);
    }

    /// Something of the key has ended or come back: those who wait for it are looked at.
    fn touch(&mut self, key: KeyId) {
        self.freed = true;
        let record = &mut self.keys[key];
        if record.pins > 0 && !std::mem::replace(&mut record.is_touched, true) {
            self.touched.push(key);
        }
    }

    /// Takes an entry that is leased or idle out of the books.
    fn remove(&mut self, id: EntryId, gone: MissReason) -> Entry<K, R> {
        let key = self.entries[id].key;
        self.keys[key].warm.remove(&mut self.entries, id.index() as u32);
        let entry = self.entries.remove(id);
        if self.share.is_none() && entry.leaving.is_some() {
            self.leaving -= 1;
            self.note_plain();
        }
        let record = &mut self.keys[key];
        record.gone = gone;
        record.entries -= 1;
        let usage = &mut self.usage;
        if entry.is_idle() {
            record.idle -= 1;
            usage.idle -= 1;
            usage.idle_weight -= entry.weight;
        } else {
            usage.leased -= 1;
            usage.leased_weight -= entry.weight;
        }
        let Self { effects, eviction, .. } = self;
        effects.contain(|| eviction.on_remove(id, key, gone.into()));
        self.touch(key);
        self.retire(key);
        entry
    }
}
