//! An open begins, and ends or fails.

use std::num::NonZeroU64;

use super::entries::Entry;
use super::queue::{Grant, WaitsFor};
use super::{Core, LeaseId, Who};
use crate::capacity::Capacity;
use crate::error::{AcquireError, Situation};
use crate::eviction::Eviction;
use crate::id::{Id, KeyId};
use crate::reason::{DropReason, MissReason};
use crate::stats::add;
use crate::usage::{Opened, Usage};

/// Room for one open. The shell holds it in a type whose `Drop` gives it back.
pub(crate) struct Reserved {
    key: KeyId,
    expected: Opened,
    pub(crate) reason: MissReason,
    /// The thread that opens, if it does nothing else meanwhile.
    thread: Option<Who>,
    /// How many invalidations there had been when it began.
    since: u64,
}

/// No room for an open.
pub(crate) enum Denied {
    Exhausted { by: &'static str, usage: Usage },
    Refused { by: &'static str, usage: Usage },
}

impl Denied {
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Self::Exhausted { by, .. } | Self::Refused { by, .. } => by,
        }
    }

    /// What the caller is told.
    pub(crate) fn into_error<E>(self, at: Situation) -> AcquireError<E> {
        // What the pool held when it was decided.
        let at = |usage| Box::new(Situation { usage, ..at });
        match self {
            Self::Exhausted { by, usage } => AcquireError::Exhausted { by, at: at(usage) },
            Self::Refused { by, usage } => AcquireError::Refused { by, at: at(usage) },
        }
    }
}

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// An open of `key` that was admitted begins.
    pub(super) fn reserve(
        &mut self,
        key: KeyId,
        expected: Opened,
        reason: MissReason,
        thread: Option<Who>,
    ) -> Reserved {
        let usage = &mut self.usage;
        let expected = Opened {
            weight: expected.weight.min(usage.weight_left()),
            residue: expected.residue.min(u64::MAX - usage.opening_residue),
            ..expected
        };
        usage.opening += 1;
        usage.opening_weight += expected.weight;
        usage.opening_residue += expected.residue;
        self.counters.peaks.note_live(usage);
        let record = &mut self.keys[key];
        record.opening += 1;
        record.opener = thread;
        if let Some(thread) = thread {
            self.threads.opens(thread);
        }
        Reserved { key, expected, reason, thread, since: self.invalidations }
    }

    fn unreserve(&mut self, reserved: &Reserved) {
        let record = &mut self.keys[reserved.key];
        record.opening -= 1;
        record.opener = None;
        if let Some(thread) = reserved.thread {
            self.threads.opened(thread);
        }
        let usage = &mut self.usage;
        usage.opening -= 1;
        usage.opening_weight -= reserved.expected.weight;
        usage.opening_residue -= reserved.expected.residue;
    }

    /// The open came to nothing. All who waited for it get the `failure`, if there is one; else the next of them opens.
    pub(crate) fn open_failed(&mut self, reserved: Reserved, failure: Option<&F>, nanos: u64) {
        let key = reserved.key;
        self.unreserve(&reserved);
        add(&mut self.counters.opens_failed, 1);
        if let (Some(failure), true) = (failure, self.share.is_some()) {
            let all: Vec<_> = self.queue.of_key(key).map(|(_, waiter)| waiter).collect();
            for waiter in all {
                if self.queue[waiter].waits_for == WaitsFor::Open {
                    self.give(waiter, Grant::Failed(failure.clone()));
                }
            }
        }
        self.touch(key);
        self.retire(key);
        self.settle(self.now(nanos));
    }

    /// The open gave a resource, which `who` leases from now on. `prototype` is what the pool keeps, if it is shared.
    pub(crate) fn opened(
        &mut self,
        reserved: Reserved,
        prototype: Option<(K, R)>,
        opened: Opened,
        who: Who,
        nanos: u64,
    ) -> LeaseId {
        let Reserved { key, reason, since, .. } = reserved;
        self.unreserve(&reserved);
        let opened = Opened { weight: opened.weight.min(self.usage.weight_left()), ..opened };
        add(&mut self.usage.opens, 1);
        add(&mut self.usage.residue, opened.residue);
        let bytes = opened.weight.saturating_add(opened.residue);
        self.note_opened(bytes);
        self.estimate.note(opened);
        self.counters.misses.count(reason);
        add(&mut self.counters.opening_nanos, opened.cost_nanos);

        let shared = prototype.is_some();
        let id = self.entries.insert(Entry::leased(
            key,
            prototype,
            opened.weight,
            opened.cost_nanos,
            who.into(),
            if self.needs_hold_times && !shared { NonZeroU64::new(nanos) } else { None },
        ));
        let lease = if shared {
            self.keys[key].warm.push_front(&mut self.entries, id.index() as u32);
            LeaseId::shared(id, self.shared_leases.insert(who))
        } else {
            LeaseId::exclusive(id)
        };
        let record = &mut self.keys[key];
        let again = record.opened.replace(opened).is_some() && record.entries == 0;
        record.entries += 1;
        self.usage.leased += 1;
        self.usage.leased_weight += opened.weight;
        self.counters.peaks.note_live(&self.usage);
        let now = self.now(nanos);
        let heard = {
            let Self { effects, eviction, keys, .. } = &mut *self;
            effects.contain(|| {
                if again {
                    eviction.on_reopen(key, &keys[key].key);
                }
                eviction.on_open(id, key, &opened, now);
            })
        };
        if self.closed {
            self.leave_with_last_lease(id, DropReason::Drained);
        } else if self.is_outdated(key, since) {
            self.leave_with_last_lease(id, DropReason::Invalidated);
        } else if heard.is_none() {
            // The policy may not know it now, and then could never name it.
            self.leave_with_last_lease(id, DropReason::Panicked);
        }
        self.touch(key);
        // It may have turned out heavier than expected.
        self.make_room(Some(key), None, now);
        self.settle(now);
        lease
    }
}
