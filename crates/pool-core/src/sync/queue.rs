//! Who asks, who waits, and what they get.

use std::sync::Arc;

use super::lock::{Parking, ThreadId};
use crate::aftermath::Aftermath;
use crate::resource::Resource;
use crate::state::{Denied, KeyFacts, Reserved, Taken};
use crate::stats::DropReason;

/// How often one who waits may be passed over before all who came later have to wait for it.
pub(super) const MOST_PASSED_OVER: u32 = 64;

/// A place in the queue: who has the lower one came first.
pub(super) type Ticket = u64;

pub(super) struct Waiter<K> {
    pub(super) hash: u64,
    /// Taken when it is kept by the core.
    pub(super) key: Option<K>,
    pub(super) parking: Arc<Parking>,
    pub(super) thread: ThreadId,
    pub(super) unfit: Option<DropReason>,
    /// It was not served before, because there was no room.
    pub(super) for_room: bool,
    /// It waits for a lease of its key to end, and not for room.
    pub(super) for_lease: bool,
    /// It waits for an open of its key that runs.
    pub(super) for_open: bool,
    pub(super) passed_over: u32,
}

impl<K> Waiter<K> {
    /// Whether all who came after it have to let it go first.
    pub(super) fn has_priority(&self) -> bool {
        self.for_room && self.passed_over >= MOST_PASSED_OVER
    }
}

/// What lies there for one who waited.
pub(super) struct Collected<K, R: Resource> {
    pub(super) grant: Grant<K, R>,
    /// How often others went before it.
    pub(super) passed_over: u32,
}

/// What one who waited gets.
pub(super) enum Grant<K, R: Resource> {
    Warm(Taken<K, R>),
    Room(Reserved),
    /// The open that it waited for failed.
    Failed(Arc<R::Error>),
    Denied(Denied),
    /// It should measure the memory of the process and ask again.
    AskAgain,
    Closed,
}

/// Somebody who asks, after a miss.
pub(super) struct Ask<'a, K> {
    pub(super) hash: u64,
    /// Kept if it is not known, or if its owner has to wait.
    pub(super) key: &'a mut Option<K>,
    pub(super) parking: &'a Arc<Parking>,
    pub(super) thread: ThreadId,
    pub(super) may_wait: bool,
    /// Whether the policy may have it wait for a lease of its key to end.
    pub(super) may_wait_for_lease: bool,
    /// Its place in the queue, if it has waited before.
    pub(super) ticket: Option<Ticket>,
    /// How often others went before it then.
    pub(super) passed_over: u32,
    pub(super) unfit: Option<DropReason>,
    pub(super) process_bytes: Option<u64>,
    pub(super) nanos: u64,
}

pub(super) enum Answer<K, R: Resource> {
    Granted(Grant<K, R>),
    /// It waits; for at most so many nanoseconds if it is for a lease of its key to end.
    Wait(Ticket, Option<u64>),
    OwnOpen,
}

/// What one waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Room,
    Lease,
    Open,
}

/// What a step left to do once the lock is over.
#[must_use = "who was served has to be woken, and victims are dropped, outside the lock"]
pub(super) struct LeftOver<K, R> {
    pub(super) aftermath: Option<Box<Aftermath<K, R>>>,
    pub(super) wakes: Vec<Arc<Parking>>,
}

/// Whether an open of the key runs whose resource is going to be shared, as far as is known.
pub(super) fn is_shared_open(facts: &KeyFacts, shareable: bool) -> bool {
    shareable && facts.opening > 0 && !facts.exclusive
}
