//! Who is served next? What is free goes through the queue, and nothing past those who waited too long.

use super::broken;
use super::desk::Desk;
use super::queue::{Collected, Grant, Ticket, Waiter, is_shared_open};
use crate::capacity::Capacity;
use crate::eviction::Eviction;
use crate::id::{EntryId, KeyId};
use crate::resource::Resource;
use crate::state::{Denied, Taken};
use crate::stats::add;

impl<K, R, C, E> Desk<K, R, C, E>
where
    K: Clone + Eq,
    R: Resource,
    C: Capacity,
    E: Eviction<K>,
{
    /// Gives what is free to those who wait, the first first.
    pub(super) fn serve(&mut self, nanos: u64) {
        self.tell_closers();
        if self.waiting.is_empty() || broken::forgets_who_waits() {
            return;
        }
        let tickets: Vec<Ticket> = self.waiting.keys().copied().collect();
        for ticket in tickets {
            let Some(mut waiter) = self.waiting.remove(&ticket) else { continue };
            match self.try_serve(&mut waiter, nanos) {
                Some(grant) => {
                    let asks_again = matches!(grant, Grant::AskAgain);
                    self.grant(ticket, waiter, grant);
                    if asks_again {
                        break;
                    }
                    self.pass_over_all_before(Some(ticket));
                }
                None => {
                    let has_priority = waiter.has_priority();
                    self.waiting.insert(ticket, waiter);
                    if has_priority {
                        break;
                    }
                }
            }
        }
    }

    fn try_serve(&mut self, waiter: &mut Waiter<K>, nanos: u64) -> Option<Grant<K, R>> {
        let found = self.find(waiter.hash, waiter.key.as_ref());
        if let Some(taken) = self.take_known(found, waiter.hash, waiter.key.as_ref(), nanos) {
            let count =
                if waiter.for_open { &mut self.waits.opens_shared } else { &mut self.waits.hand_offs };
            add(count, 1);
            return Some(Grant::Warm(taken));
        }
        let facts = self.state.facts(found);
        waiter.for_open = is_shared_open(&facts, R::SHAREABLE);
        let waits_for_lease = waiter.for_lease && facts.leased + facts.opening > 0;
        waiter.for_room = !waiter.for_open && !waits_for_lease;
        if !waiter.for_room {
            return None;
        }
        if self.needs_process_memory {
            return Some(Grant::AskAgain);
        }
        let why = (waiter.unfit, None);
        match self.state.reserve_known(found, waiter.hash, &mut waiter.key, why, nanos) {
            Ok(reserved) => {
                self.opens.push((waiter.thread, reserved.key()));
                Some(Grant::Room(reserved))
            }
            Err(Denied::Exhausted { .. }) => None,
            Err(denied) => {
                self.state.count_refused();
                Some(Grant::Denied(denied))
            }
        }
    }

    /// The next one after `ticket` asks again: who had that has found no room.
    pub(super) fn ask_again_after(&mut self, ticket: Ticket) {
        let next =
            self.waiting.range(ticket + 1..).find(|(_, waiter)| waiter.for_room).map(|(next, _)| *next);
        if let Some(waiter) = next.and_then(|next| self.waiting.remove(&next)) {
            self.grant(next.unwrap_or_default(), waiter, Grant::AskAgain);
        }
    }

    pub(super) fn grant(&mut self, ticket: Ticket, waiter: Waiter<K>, grant: Grant<K, R>) {
        self.state.give_away(waiter.key);
        self.granted.insert(ticket, Collected { grant, passed_over: waiter.passed_over });
        self.wakes.push(waiter.parking);
    }

    /// Whether somebody with the place `ticket`, or none yet, has to let one before it go first.
    pub(super) fn must_queue(&self, ticket: Option<Ticket>) -> bool {
        let before = ticket.unwrap_or(Ticket::MAX);
        self.waiting.range(..before).any(|(_, waiter)| waiter.has_priority())
    }

    /// Somebody with the place `ticket`, or none yet, is served.
    pub(super) fn pass_over_all_before(&mut self, ticket: Option<Ticket>) {
        for (_, waiter) in self.waiting.range_mut(..ticket.unwrap_or(Ticket::MAX)) {
            waiter.passed_over = waiter.passed_over.saturating_add(u32::from(waiter.for_room));
        }
    }

    pub(super) fn is_waited_for(&mut self, entry: EntryId) -> bool {
        let key = self.state.key_of(entry);
        let Self { state, waiting, .. } = self;
        for waiter in waiting.values() {
            let same = waiter
                .key
                .as_ref()
                .is_some_and(|name| state.contain(|known| known == name, key).unwrap_or(false));
            if same || waiter.has_priority() {
                return same;
            }
        }
        false
    }

    pub(super) fn is_key(&mut self, key: KeyId, waiter: &Waiter<K>) -> bool {
        let name = waiter.key.as_ref();
        name.is_some_and(|name| self.state.contain(|known| known == name, key).unwrap_or(false))
    }

    pub(super) fn find(&mut self, hash: u64, key: Option<&K>) -> Option<KeyId> {
        self.state.find(hash, |known| Some(known) == key)
    }

    pub(super) fn take_known(
        &mut self,
        found: Option<KeyId>,
        hash: u64,
        key: Option<&K>,
        nanos: u64,
    ) -> Option<Taken<K, R>> {
        found.filter(|&found| self.state.has_warm(found))?;
        self.state.take(hash, |known| Some(known) == key, nanos)
    }
}
