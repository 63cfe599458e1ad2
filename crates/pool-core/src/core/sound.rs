//! What always holds after an event, by brute force. Slow: for tests and simulations.

use super::Core;
use super::admission::Promised;
use super::queue::{Waiter, WaiterId, WaitsFor};
use crate::capacity::{Capacity, Verdict};
use crate::eviction::Eviction;
use crate::id::{Id, KeyId};
use crate::usage::Usage;

impl<K, R, F, C, E> Core<K, R, F, C, E>
where
    K: Clone,
    F: Clone,
    C: Capacity,
    E: Eviction<K>,
{
    /// Asks no policy.
    ///
    /// # Panics
    /// If a sum, a list or a counter is not what counting again gives, or one of the invariants in the [module](super)'s head
    /// doesn't hold, as far as that can be told without asking the policies.
    pub(crate) fn assert_sound(&self) {
        self.assert_books();
        self.assert_keys();
        self.assert_queue();
        self.assert_nobody_waits_in_vain();
        assert!(self.effects.is_none(), "something was left to do and not done");
        assert!(!self.freed && self.touched.is_empty(), "what was freed was offered to those who wait");
    }

    /// Who waits for what, a line each, for whoever looks at a pool that does not move.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{}\nin the hands of who waits: {:?}\n", self.usage, self.threads);
        for (_, waiter) in self.queue.iter() {
            let Waiter { arrival, key, waits_for, who, given, .. } = waiter;
            let given = if given.is_some() { ", and was given something" } else { "" };
            let line = format!(
                "number {arrival} of thread {} waits for key {}: {waits_for:?}{given}\n",
                who.0,
                key.index()
            );
            text.push_str(&line);
        }
        text
    }

    fn assert_books(&self) {
        let usage = &self.usage;
        let sum = |idle: bool| {
            let these = self.entries.iter().filter(|(_, entry)| entry.is_idle() == idle);
            these.fold((0, 0), |(count, weight), (_, entry)| (count + 1, weight + entry.weight))
        };
        assert_eq!((usage.idle, usage.idle_weight), sum(true), "idle");
        assert_eq!((usage.leased, usage.leased_weight), sum(false), "leased");
        if usage.opening == 0 {
            assert_eq!((usage.opening_weight, usage.opening_residue), (0, 0), "reservations are given back");
        }
        if usage.dropping == 0 {
            assert_eq!(usage.dropping_weight, 0, "victims that are gone weigh nothing");
        }
        let (work, stuck) = self.threads.recount();
        assert!(
            work.opens <= usage.opening
                && work.drops <= usage.dropping
                && work.weight <= usage.dropping_weight,
            "threads do nothing that is not in the books"
        );
        assert_eq!(self.threads.stuck(), stuck, "what is in the hands of threads that wait");

        let stats = self.counters.snapshot(*usage, self.waits, 0);
        let leases: u64 = self.entries.iter().map(|(_, entry)| u64::from(entry.leases)).sum();
        assert_eq!(stats.acquired() - stats.ended(), leases, "every acquire has ended or is a lease");
        assert_eq!(stats.opened(), usage.opens, "every open is a miss with a reason");
        let gone = stats.dropped().total();
        assert!(
            gone + usage.idle + usage.leased <= stats.opened(),
            "nothing comes from nowhere or goes twice"
        );
        let shared: u64 = if self.share.is_some() {
            self.entries.iter().map(|(_, entry)| u64::from(entry.leases)).sum()
        } else {
            0
        };
        assert_eq!(self.shared_leases.len() as u64, shared, "each lease of a shared resource is somebody's");
        let leaving = self.entries.iter().filter(|(_, entry)| entry.leaving.is_some()).count();
        assert_eq!(self.leaving, if self.share.is_some() { 0 } else { leaving }, "leaving");
        assert_eq!(self.plain, self.is_plain(), "whether hits and returns are short");
    }

    /// Invariant 5, and what is known of each key.
    fn assert_keys(&self) {
        let mut opening = 0;
        for (id, record) in self.keys.iter() {
            let of_key = || self.entries.iter().filter(|(_, entry)| entry.key == id);
            assert_eq!(u64::from(record.idle), of_key().filter(|(_, entry)| entry.is_idle()).count() as u64);
            assert_eq!(u64::from(record.entries), of_key().count() as u64);
            let warm =
                of_key().filter(|(_, entry)| entry.resource.is_some() && entry.leaving.is_none()).count();
            let listed = std::iter::successors(record.newest(), |id| self.entries.older(*id));
            assert_eq!(listed.count(), warm, "the warm ones are those that hold their resource, and stay");
            let listed = std::iter::successors(record.oldest(), |id| self.entries.newer(*id));
            assert_eq!(listed.count(), warm, "also from the other end");
            let waiters = self.queue.iter().filter(|(_, waiter)| waiter.key == id).count();
            assert_eq!(record.pins as usize, waiters, "pinned by those who wait for it, and by nothing else");
            let dormant = record.entries + record.opening + record.pins == 0;
            assert_eq!(self.keys.is_dormant(id), dormant, "dormant is a key with nothing: {}", id.index());
            if let Some(leader) = record.leader {
                let leads = self.queue.iter().any(|(waiter, it)| {
                    waiter == leader && it.key == id && it.given.is_none() && self.waits_for_room(leader)
                });
                assert!(leads && self.share.is_some(), "the one that leads waits for room");
            }
            opening += u64::from(record.opening);
        }
        assert_eq!(self.usage.opening, opening, "opening");
        assert!(self.keys.dormant() <= self.keys.max_dormant(), "history is bounded");
        assert!(self.queue.iter().all(|(_, waiter)| self.keys.knows(waiter.key)), "who waits pins its key");
        assert!(self.entries.iter().all(|(_, entry)| self.keys.knows(entry.key)), "and so does an entry");
    }

    fn waits_for_room(&self, waiter: WaiterId) -> bool {
        matches!(self.queue[waiter].waits_for, WaitsFor::Room | WaitsFor::Victims | WaitsFor::Measure)
    }

    fn assert_queue(&self) {
        let waiting = |want: fn(WaitsFor) -> bool| {
            let mut all: Vec<(u64, WaiterId)> = self
                .queue
                .iter()
                .filter(|(_, waiter)| waiter.given.is_none() && want(waiter.waits_for))
                .map(|(id, waiter)| (waiter.arrival, id))
                .collect();
            all.sort_unstable();
            all
        };
        assert!(self.queue.room.iter().eq(waiting(|it| it == WaitsFor::Room)), "who waits for room");
        assert!(self.queue.promised.iter().eq(waiting(|it| it == WaitsFor::Victims)), "who was promised it");
        let mut promised = Promised::default();
        self.queue.promised.iter().for_each(|(_, waiter)| promised.add(&self.queue[waiter].need.expected));
        assert_eq!(self.queue.promised_in_all(), promised, "what they were promised");
        let measuring: Vec<_> = waiting(|it| it == WaitsFor::Measure).iter().map(|it| it.1).collect();
        assert_eq!(measuring, Vec::from_iter(self.measuring), "who measures memory");
        let keys: std::collections::BTreeSet<KeyId> = self.queue.iter().map(|(_, it)| it.key).collect();
        let mut by_key: Vec<_> = keys.into_iter().flat_map(|key| self.queue.of_key(key)).collect();
        by_key.sort_unstable();
        assert_eq!(by_key, waiting(|it| it != WaitsFor::Turnstile), "who would take what of its key");
        let counted = self.queue.iter().filter(|(_, it)| it.given.is_none() && it.counts).count();
        assert_eq!(self.usage.waiting, counted as u64, "waiting");
        assert!(!self.closed || waiting(|_| true).is_empty(), "nobody waits for a closed pool");
        for (_, waiter) in self.queue.iter().filter(|(_, it)| it.given.is_none()) {
            if waiter.waits_for == WaitsFor::Turnstile {
                assert!(
                    self.queue.is_shut_for(Some(waiter.arrival)),
                    "the turnstile is shut for those who wait behind it"
                );
            }
        }
    }

    /// Invariant 1, as far as no policy is asked, and invariant 2.
    fn assert_nobody_waits_in_vain(&self) {
        for (_, waiter) in self.queue.iter().filter(|(_, it)| it.given.is_none() && it.counts) {
            let record = &self.keys[waiter.key];
            if waiter.waits_for != WaitsFor::Turnstile {
                assert!(record.newest().is_none(), "its key is warm: {:?}", waiter.waits_for);
            }
            let has_reason = match waiter.waits_for {
                WaitsFor::Open => record.opening > 0 || record.leader.is_some(),
                WaitsFor::Lease => record.busy() > 0,
                WaitsFor::Victims => self.usage.dropping > 0,
                WaitsFor::Room | WaitsFor::Measure | WaitsFor::Turnstile => true,
            };
            assert!(has_reason, "what it waits for is not there: {:?}", waiter.waits_for);
        }
        if self.measuring.is_none() {
            assert_eq!(self.measure_from, None, "somebody is to measure, and nobody was told");
        }
        if self.usage.waiting > 0 {
            assert!(self.outstanding() > 0, "somebody waits, and nothing will end: {}", self.usage);
        }
    }

    /// What only the capacity policy can tell: what is idle stays only within the limits, and nobody waits for room who could
    /// have it. `gives_up` says that the eviction policy always names a victim where something is idle.
    ///
    /// # Panics
    /// If that is not so.
    pub(crate) fn assert_served(&self, gives_up: bool) {
        let usage = self.once_victims_are_gone();
        let kept = self.capacity.keep(&Usage { dropping: 0, dropping_weight: 0, ..usage }, 0);
        assert!(kept == Verdict::Fits || usage.idle == 0, "{kept:?} with {usage}");
        if self.needs_process_memory {
            return;
        }
        for (_, waiter) in self.queue.iter() {
            if waiter.given.is_some() || waiter.waits_for != WaitsFor::Room {
                continue;
            }
            let expected = &waiter.need.expected;
            let now = self.capacity.admit(&usage, expected);
            let without_idle = self.capacity.admit(&usage.with_idle(0, 0), expected);
            assert!(now != Verdict::Fits, "it waits for room, and there is some: {usage}");
            assert!(!matches!(now, Verdict::Never(_)), "no waiting helps, and it was not told so: {now:?}");
            let could_have_it = without_idle == Verdict::Fits && usage.idle > 0;
            assert!(!could_have_it || !gives_up, "something could be evicted for it: {usage}");
        }
    }
}

#[cfg(test)]
#[path = "../../tests/support/watchdog.rs"]
mod watchdog;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::capacity::{MaxIdle, MostOpening};
    use crate::core::Who;
    use crate::local::Pool;
    use crate::resource::Resource;

    struct Thing;

    impl Resource for Thing {
        type Error = ();
    }

    type Inner = Core<u32, Thing, Arc<()>, MostOpening<Box<dyn Capacity>>, Box<dyn Eviction<u32>>>;

    /// One that is gone, but remembered, and one of which something is idle.
    fn keys() -> [KeyId; 2] {
        [0, 1].map(KeyId::from_index)
    }

    /// A check that finds nothing proves nothing.
    #[test]
    fn mistakes_in_the_books_are_found() {
        let _watchdog = super::watchdog::watchdog();
        type Mistake = (&'static str, fn(&mut Inner));
        let mistakes: [Mistake; 6] = [
            ("idle", |core| core.usage.idle += 1),
            ("left: 2", |core| core.keys[keys()[1]].idle += 1),
            ("pinned by those who wait", |core| core.keys[keys()[1]].pins += 1),
            ("dormant is a key", |core| {
                core.keys.pin(keys()[0]);
                core.keys[keys()[0]].pins = 0;
            }),
            ("threads do nothing", |core| core.threads.opens(Who(7))),
            ("EvictAny", |core| core.capacity.capacity = Box::new(MaxIdle(0))),
        ];
        for (said, mistake) in mistakes {
            let pool: Pool<u32, Thing> = Pool::with_max_idle(1);
            drop(pool.acquire(&1, |_| Ok(Thing)).unwrap());
            pool.drain();
            drop(pool.acquire(&2, |_| Ok(Thing)).unwrap());
            pool.assert_sound();
            pool.assert_served(true);
            pool.tamper(mistake);
            let found = catch_unwind(AssertUnwindSafe(|| {
                pool.assert_sound();
                pool.assert_served(true);
            }));
            let found = found.expect_err(said);
            let text = found.downcast_ref::<&str>().copied();
            let found = text.or(found.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
            assert!(found.contains(said), "{said}: {found}");
            // Its own end would stumble over the mistake.
            std::mem::forget(pool);
        }
    }
}
