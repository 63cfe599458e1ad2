//! What has left the pool and has yet to be dropped, and what user code panicked with.

use crate::contain::{Panics, Payload, contain};
use crate::observer::Event;
use crate::stats::DropReason;

/// What a step of the sequential core leaves for its caller to do once the borrow or lock is over: resources and keys
/// to drop, and a panic to let go on.
#[must_use = "victims are dropped, and panics go on, outside the borrow or lock"]
pub(crate) struct Aftermath<K, R> {
    pub(crate) resources: Vec<Victim<K, R>>,
    pub(crate) keys: Vec<K>,
    pub(crate) panics: Panics,
}

pub(crate) struct Victim<K, R> {
    pub(crate) key: Option<K>,
    pub(crate) resource: R,
    /// Why the resource left, or `None` if this is only one handle of a resource that lives on.
    pub(crate) reason: Option<DropReason>,
}

impl<K, R> Aftermath<K, R> {
    pub(crate) fn none() -> Self {
        Self { resources: Vec::new(), keys: Vec::new(), panics: Panics::default() }
    }

    /// Drops all of it, each by itself, and tells of each resource before. What panicked is yet to go on.
    pub(crate) fn settle(self, observe: impl Fn(Event<'_, K>)) -> Panics {
        let Self { resources, keys, mut panics } = self;
        for victim in resources {
            if let (Some(key), Some(reason)) = (&victim.key, victim.reason) {
                panics.contain(|| observe(Event::Dropped { key, reason }));
            }
            panics.contain(|| drop(victim.resource));
            panics.contain(|| drop(victim.key));
        }
        for key in keys {
            panics.contain(|| drop(key));
        }
        panics
    }

    /// A resource, with its last handle.
    fn push(&mut self, (key, resource): (K, R), reason: DropReason) {
        self.resources.push(Victim { key: Some(key), resource, reason: Some(reason) });
    }

    /// One handle of a resource that lives on.
    pub(crate) fn push_handle(&mut self, key: Option<K>, resource: R) {
        self.resources.push(Victim { key, resource, reason: None });
    }
}

/// The aftermath of the steps since it was last taken, if there is any: a hit and a return have none.
pub(crate) struct Pending<K, R>(Option<Box<Aftermath<K, R>>>);

impl<K, R> Pending<K, R> {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Option<Box<Aftermath<K, R>>> {
        // Most often there is nothing to write.
        if self.0.is_none() { None } else { self.0.take() }
    }

    /// What `f` returns, or `None` if it panicked: the panic is kept.
    #[inline]
    pub(crate) fn contain<T>(&mut self, f: impl FnOnce() -> T) -> Option<T> {
        contain(f).map_err(|payload| self.keep(payload)).ok()
    }

    #[cold]
    fn keep(&mut self, payload: Payload) {
        self.get().panics.keep(payload);
    }

    #[cold]
    fn get(&mut self) -> &mut Aftermath<K, R> {
        self.0.get_or_insert_with(|| Box::new(Aftermath::none()))
    }

    /// A resource, with its last handle.
    pub(crate) fn push(&mut self, value: (K, R), reason: DropReason) {
        self.get().push(value, reason);
    }

    /// One handle of a resource that lives on.
    pub(crate) fn push_handle(&mut self, key: Option<K>, resource: R) {
        self.get().push_handle(key, resource);
    }

    pub(crate) fn push_keys(&mut self, keys: impl IntoIterator<Item = K>) {
        keys.into_iter().for_each(|key| self.get().keys.push(key));
    }
}
