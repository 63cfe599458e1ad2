//! Who waits, and for what: indexed by key, by room, and by order of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

use slab::Slab;

use super::admission::Promised;
use super::first_fit::{FirstFit, Need};
use super::open::{Denied, Reserved};
use super::{Taken, Who};
use crate::id::KeyId;
use crate::reason::DropReason;

/// Names one who waits, until it has collected what it was given, or has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaiterId(u32);

impl WaiterId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).expect("fewer than 2^32 waiters"))
    }
}

/// What one who waits is given.
pub(crate) enum Grant<K, R, F> {
    /// A resource of its key, leased from now on.
    Warm(Taken<K, R>),
    /// Room to open one.
    Room(Reserved),
    /// The open that it waited for failed.
    Failed(F),
    /// No waiting helps.
    Denied(Denied),
    /// It should measure the memory of the process, and ask again.
    Measure,
    /// It would wait for itself.
    Deadlock,
    /// The pool is closed.
    Closed,
}

/// What one waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitsFor {
    /// A resource of its key, which another opens or is the first in turn to open.
    Open,
    /// A lease of its key to end, and not for room.
    Lease,
    /// Room to open, or a resource of its key.
    Room,
    /// Victims that make room for it to be gone, or a resource of its key.
    Victims,
    /// It measures the memory of the process.
    Measure,
    /// The one who has waited for room for too long, before it is even looked whether something is warm.
    Turnstile,
}

pub(super) struct Waiter<K, R, F> {
    /// Who has the lower number came first.
    pub(super) arrival: u64,
    pub(super) key: KeyId,
    pub(super) waits_for: WaitsFor,
    pub(super) need: Need,
    /// Bytes that it said it expects, if it did.
    pub(super) expected_weight: Option<u64>,
    /// Who asks; see [`Who`].
    pub(super) who: Who,
    /// Whether that is a thread, which does nothing else while it waits.
    pub(super) blocks: bool,
    pub(super) waker: Waker,
    /// Why it dropped a resource of its key, if it did.
    pub(super) unfit: Option<DropReason>,
    /// Whether it really waits, and not only until the victims that it drops itself are gone. No longer once something is given.
    pub(super) counts: bool,
    /// What lies there for it. It is in no index then.
    pub(super) given: Option<Grant<K, R, F>>,
}

/// How many who came later may be served while one waits for room. After that the turnstile is shut.
pub(super) const MOST_OVERTAKEN: u32 = 64;

pub(super) struct Queue<K, R, F> {
    waiters: Slab<Waiter<K, R, F>>,
    arrivals: u64,
    /// All who would take a resource of that key.
    by_key: BTreeSet<(KeyId, u64, WaiterId)>,
    /// Those who wait for room.
    pub(super) room: FirstFit,
    /// Those for whom victims were evicted that are not gone yet.
    pub(super) promised: FirstFit,
    promised_in_all: Promised,
    /// Those who wait behind the turnstile.
    turnstile: BTreeMap<u64, WaiterId>,
    /// The arrival of the one who has waited for room for longest, and how many have overtaken it.
    first_for_room: Option<u64>,
    overtaken: u32,
}

impl<K, R, F> Queue<K, R, F> {
    pub(super) fn new() -> Self {
        Self {
            waiters: Slab::new(),
            arrivals: 0,
            by_key: BTreeSet::new(),
            room: FirstFit::new(),
            promised: FirstFit::new(),
            promised_in_all: Promised::default(),
            turnstile: BTreeMap::new(),
            first_for_room: None,
            overtaken: 0,
        }
    }

    /// Whether nobody waits, and nothing lies there for anybody.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Adds `waiter`; with no arrival of its own, as the last to come.
    pub(super) fn add(&mut self, mut waiter: Waiter<K, R, F>, arrival: Option<u64>) -> WaiterId {
        waiter.arrival = arrival.unwrap_or_else(|| {
            self.arrivals += 1;
            self.arrivals
        });
        let id = WaiterId::from_index(self.waiters.insert(waiter));
        self.index(id);
        id
    }

    /// Changes what it waits for, and what it needs.
    pub(super) fn change(&mut self, id: WaiterId, waits_for: WaitsFor, need: Need) {
        self.unindex(id);
        let waiter = &mut self.waiters[id.index()];
        (waiter.waits_for, waiter.need) = (waits_for, need);
        self.index(id);
    }

    /// Lays something there for one who waits.
    pub(super) fn give(&mut self, id: WaiterId, grant: Grant<K, R, F>) {
        self.unindex(id);
        self.waiters[id.index()].given = Some(grant);
    }

    /// Takes out one who has left, or has something lying there.
    pub(super) fn remove(&mut self, id: WaiterId) -> Waiter<K, R, F> {
        if self.waiters[id.index()].given.is_none() {
            self.unindex(id);
        }
        let waiter = self.waiters.remove(id.index());
        if self.waiters.is_empty() {
            // A crowd that is gone leaves nothing behind.
            self.waiters.shrink_to_fit();
        }
        waiter
    }

    fn index(&mut self, id: WaiterId) {
        let Waiter { arrival, key, waits_for, need, .. } = self.waiters[id.index()];
        if waits_for == WaitsFor::Turnstile {
            self.turnstile.insert(arrival, id);
            return;
        }
        self.by_key.insert((key, arrival, id));
        match waits_for {
            WaitsFor::Room => self.room.insert(arrival, id, need),
            WaitsFor::Victims => {
                self.promised.insert(arrival, id, need);
                self.promised_in_all.add(&need.expected);
            }
            WaitsFor::Open | WaitsFor::Lease | WaitsFor::Measure | WaitsFor::Turnstile => {}
        }
    }

    fn unindex(&mut self, id: WaiterId) {
        let Waiter { arrival, key, waits_for, need, .. } = self.waiters[id.index()];
        if waits_for == WaitsFor::Turnstile {
            self.turnstile.remove(&arrival);
            return;
        }
        self.by_key.remove(&(key, arrival, id));
        match waits_for {
            WaitsFor::Room => self.room.remove(arrival),
            WaitsFor::Victims => {
                self.promised.remove(arrival);
                self.promised_in_all.remove(&need.expected);
            }
            WaitsFor::Open | WaitsFor::Lease | WaitsFor::Measure | WaitsFor::Turnstile => {}
        }
    }

    /// The first who would take a resource of that key.
    pub(super) fn first_of_key(&self, key: KeyId) -> Option<(u64, WaiterId)> {
        self.of_key(key).next()
    }

    /// All who would take a resource of that key, in the order of arrival.
    pub(super) fn of_key(&self, key: KeyId) -> impl Iterator<Item = (u64, WaiterId)> + '_ {
        let from = (key, 0, WaiterId(0));
        self.by_key
            .range(from..)
            .take_while(move |(of, ..)| *of == key)
            .map(|&(_, arrival, id)| (arrival, id))
    }

    /// Whether one who has no arrival, or that one, has to wait behind the turnstile unless it holds a lease.
    #[inline]
    pub(super) fn is_shut_for(&self, arrival: Option<u64>) -> bool {
        self.overtaken >= MOST_OVERTAKEN
            && self.first_for_room.is_some_and(|first| arrival.is_none_or(|arrival| arrival > first))
    }

    /// One who arrived then, or has just come, is served.
    pub(super) fn overtake(&mut self, arrival: Option<u64>) {
        if self.first_for_room.is_some_and(|first| arrival.is_none_or(|arrival| arrival > first)) {
            self.overtaken = self.overtaken.saturating_add(1);
        }
    }

    /// If another one than before is the first who waits for room, nobody has overtaken it yet. Returned are those who waited
    /// behind the turnstile for the one before. One who measures memory waits for room all the while.
    pub(super) fn look_who_is_first(&mut self, measuring: Option<WaiterId>) -> Vec<WaiterId> {
        let first = self.room.first().map(|(arrival, _)| arrival);
        let measuring = measuring.map(|waiter| self.waiters[waiter.index()].arrival);
        let first = first.into_iter().chain(measuring).min();
        if first == self.first_for_room {
            return Vec::new();
        }
        (self.first_for_room, self.overtaken) = (first, 0);
        self.turnstile.values().copied().collect()
    }

    /// What is promised to all who wait for victims to be gone.
    pub(super) fn promised_in_all(&self) -> Promised {
        self.promised_in_all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WaiterId, &Waiter<K, R, F>)> {
        self.waiters.iter().map(|(index, waiter)| (WaiterId::from_index(index), waiter))
    }
}

impl<K, R, F> std::ops::Index<WaiterId> for Queue<K, R, F> {
    type Output = Waiter<K, R, F>;

    fn index(&self, id: WaiterId) -> &Waiter<K, R, F> {
        &self.waiters[id.index()]
    }
}

impl<K, R, F> std::ops::IndexMut<WaiterId> for Queue<K, R, F> {
    fn index_mut(&mut self, id: WaiterId) -> &mut Waiter<K, R, F> {
        &mut self.waiters[id.index()]
    }
}
