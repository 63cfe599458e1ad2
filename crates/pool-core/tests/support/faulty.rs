//! Policies that panic when they are told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use pool_core::{
    Bounds, Capacity, EntryId, Eviction, KeyId, Now, Opened, Removal, Returned, Usage, Verdict, Victim,
};

use super::Act;

pub(crate) const HOOKS: [&str; 8] =
    ["on_key", "on_forget", "on_open", "on_acquire", "on_release", "on_remove", "victim", "expired"];

/// What a [`Faulty`] policy does in its hooks.
#[derive(Default)]
pub(crate) struct Plan {
    /// How often each hook was called, while nothing was counted down.
    pub(crate) calls: RefCell<BTreeMap<&'static str, u32>>,
    /// This hook panics the n-th time from now.
    pub(crate) once: Cell<Option<(&'static str, u32)>>,
    pub(crate) always: Cell<bool>,
    /// Whether leases share a resource.
    pub(crate) shared: Cell<bool>,
    /// Whether a panic came while the thread was unwinding already.
    pub(crate) hidden: Cell<bool>,
    /// Called at each hook.
    pub(crate) act: RefCell<Option<Act>>,
}

impl Plan {
    fn hook(&self, name: &'static str) {
        *self.calls.borrow_mut().entry(name).or_default() += 1;
        self.call(name);
        let now = match self.once.get() {
            Some((hook, nth)) if hook == name => {
                self.once.set((nth > 1).then_some((hook, nth - 1)));
                nth == 1
            }
            _ => false,
        };
        if now || self.always.get() {
            self.hidden.set(self.hidden.get() || std::thread::panicking());
            panic!("expected panic in {name}");
        }
    }

    fn call(&self, name: &'static str) {
        let act = self.act.borrow().clone();
        act.iter().for_each(|act| act(name));
    }

    pub(crate) fn calm(&self) {
        self.once.set(None);
        self.always.set(false);
        *self.act.borrow_mut() = None;
    }
}

/// Runs the plan before each hook of `inner`, or after it: whether `inner` misses the event or hears of it.
pub(crate) struct Faulty<P> {
    pub(crate) inner: P,
    pub(crate) plan: Rc<Plan>,
    pub(crate) after: bool,
}

impl<P> Faulty<P> {
    pub(crate) fn new(plan: &Rc<Plan>, inner: P) -> Self {
        Self { inner, plan: Rc::clone(plan), after: false }
    }

    fn run<T>(&mut self, name: &'static str, hook: impl FnOnce(&mut P) -> T) -> T {
        if self.after {
            let result = hook(&mut self.inner);
            self.plan.hook(name);
            return result;
        }
        self.plan.hook(name);
        hook(&mut self.inner)
    }
}

impl<P: Eviction<u32>> Eviction<u32> for Faulty<P> {
    fn needs_clock(&self) -> bool {
        true
    }
    fn on_key(&mut self, key: KeyId, name: &u32) {
        self.run("on_key", |inner| inner.on_key(key, name));
    }
    fn on_forget(&mut self, key: KeyId) {
        self.run("on_forget", |inner| inner.on_forget(key));
    }
    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.run("on_open", |inner| inner.on_open(entry, key, opened, now));
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.run("on_acquire", |inner| inner.on_acquire(entry, key, now));
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.run("on_release", |inner| inner.on_release(entry, key, returned, now));
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.run("on_remove", |inner| inner.on_remove(entry, key, why));
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.run("victim", |inner| inner.victim(incoming, now))
    }
    fn expired(&mut self, now: Now) -> Option<EntryId> {
        self.run("expired", |inner| inner.expired(now))
    }
}

/// The same for a capacity policy.
pub(crate) struct FaultyCapacity<C>(pub(crate) C, pub(crate) Rc<Plan>);

impl<C: Capacity> Capacity for FaultyCapacity<C> {
    fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
        self.1.hook("admit");
        self.0.admit(usage, expected)
    }
    fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
        self.1.hook("keep");
        self.0.keep(usage, weight)
    }
    fn bounds(&self) -> Bounds {
        // May be asked once, by the builder: it calls the act, but does not panic.
        self.1.call("bounds");
        self.0.bounds()
    }
}
