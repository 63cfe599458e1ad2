//! What has left the pool and has yet to be dropped.

use smallvec::SmallVec;

use crate::stats::DropReason;

/// Resources and keys that the sequential core gave up. The shell owns this from before it borrows or locks the core,
/// so they are dropped afterwards, whatever happens in between.
pub(crate) struct Victims<K, R> {
    pub(crate) resources: SmallVec<[Victim<K, R>; 1]>,
    pub(crate) keys: SmallVec<[K; 1]>,
}

pub(crate) struct Victim<K, R> {
    pub(crate) key: Option<K>,
    pub(crate) resource: R,
    /// Why the resource left, or `None` if this is only one handle of a resource that lives on.
    pub(crate) reason: Option<DropReason>,
}

impl<K, R> Victims<K, R> {
    pub(crate) fn new() -> Self {
        Self { resources: SmallVec::new(), keys: SmallVec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.keys.is_empty()
    }

    /// A resource, with its last handle.
    pub(crate) fn push(&mut self, (key, resource): (K, R), reason: DropReason) {
        self.resources.push(Victim { key: Some(key), resource, reason: Some(reason) });
    }

    /// One handle of a resource that lives on.
    pub(crate) fn push_handle(&mut self, key: Option<K>, resource: R) {
        self.resources.push(Victim { key, resource, reason: None });
    }
}
