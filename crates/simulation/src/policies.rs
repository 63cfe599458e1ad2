//! Policies that panic now and then, around those under test.

use pool_core::sync::{CreateOrWait, Queue};
use pool_core::{
    Bounds, Capacity, EntryId, Eviction, KeyId, Now, Opened, Removal, Returned, Usage, Verdict, Victim,
};

use crate::thing::{Name, inside};

/// A policy that panics where the configuration says so.
pub(crate) struct Faulty<P>(pub(crate) P);

impl<P: Capacity> Capacity for Faulty<P> {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        inside("`admit`");
        self.0.admit(usage, expected)
    }

    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        inside("`keep`");
        self.0.keep(usage, weight)
    }

    fn bounds(&self) -> Bounds {
        inside("`bounds`");
        self.0.bounds()
    }

    fn needs_process_memory(&self) -> bool {
        self.0.needs_process_memory()
    }
}

impl<P: Eviction<Name>> Eviction<Name> for Faulty<P> {
    fn needs_clock(&self) -> bool {
        self.0.needs_clock()
    }

    fn on_key(&mut self, key: KeyId, name: &Name) {
        inside("`on_key`");
        self.0.on_key(key, name);
    }

    fn on_forget(&mut self, key: KeyId) {
        inside("`on_forget`");
        self.0.on_forget(key);
    }

    fn on_capacity(&mut self, bounds: &Bounds) {
        self.0.on_capacity(bounds);
    }

    fn on_reopen(&mut self, key: KeyId, name: &Name) {
        inside("`on_reopen`");
        self.0.on_reopen(key, name);
    }

    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        inside("`on_open`");
        self.0.on_open(entry, key, opened, now);
    }

    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        inside("`on_acquire`");
        self.0.on_acquire(entry, key, now);
    }

    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        inside("`on_release`");
        self.0.on_release(entry, key, returned, now);
    }

    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        inside("`on_remove`");
        self.0.on_remove(entry, key, why);
    }

    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        inside("`victim`");
        self.0.victim(incoming, now)
    }

    fn expired(&mut self, now: Now) -> Option<EntryId> {
        inside("`expired`");
        self.0.expired(now)
    }

    fn shrink_to_fit(&mut self) {
        inside("`shrink_to_fit`");
        self.0.shrink_to_fit();
    }
}

impl<P: CreateOrWait> CreateOrWait for Faulty<P> {
    fn wait(&self, queue: &Queue) -> Option<u64> {
        inside("`wait`");
        self.0.wait(queue)
    }

    fn needs_hold_times(&self) -> bool {
        self.0.needs_hold_times()
    }
}
