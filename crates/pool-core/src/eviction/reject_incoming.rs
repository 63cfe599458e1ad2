use super::{Eviction, Removal, Victim};
use crate::id::{EntryId, KeyId};
use crate::time::Now;
use crate::usage::Returned;

/// What lies idle stays; what comes back to a full pool goes. The rule of lean-rs-host's `SessionPool`, and the
/// baseline: it keeps no state, and the first keys to come stay for ever.
///
/// With a limit on live resources it gives up nothing for an open, so a pool full of idle resources is exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectIncoming;

impl<K: ?Sized> Eviction<K> for RejectIncoming {
    fn on_acquire(&mut self, _: EntryId, _: KeyId, _: Now) {}

    fn on_release(&mut self, _: EntryId, _: KeyId, _: &Returned, _: Now) {}

    fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {}

    fn victim(&mut self, incoming: Option<EntryId>, _: Now) -> Option<Victim> {
        incoming.map(Victim::Entry)
    }
}
