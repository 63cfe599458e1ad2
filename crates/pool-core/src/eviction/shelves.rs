use crate::id::{EntryId, Id, KeyId};
use crate::order::{Chain, Link};

/// The idle entries of each key, in the order in which they became idle.
///
/// Every operation is O(1) and may be repeated without harm. Memory is bounded by the largest ids seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelves {
    /// By key; the most recently released at the front.
    shelves: Vec<Chain>,
    /// By entry: its links, and whose it is.
    links: Vec<Link>,
    keys: Vec<Option<KeyId>>,
}

impl Shelves {
    /// An entry became idle. How many of its key are now.
    pub(super) fn put(&mut self, entry: EntryId, key: KeyId) -> usize {
        self.take(entry);
        if key.index() >= self.shelves.len() {
            self.shelves.resize(key.index() + 1, Chain::new());
        }
        if entry.index() >= self.links.len() {
            self.links.resize(entry.index() + 1, Link::unlinked());
            self.keys.resize(entry.index() + 1, None);
        }
        self.keys[entry.index()] = Some(key);
        let shelf = &mut self.shelves[key.index()];
        shelf.push_front(&mut self.links, entry.index() as u32);
        shelf.len()
    }

    /// An entry is idle no longer. Whose it was, if it was idle.
    pub(super) fn take(&mut self, entry: EntryId) -> Option<KeyId> {
        let key = self.keys.get_mut(entry.index())?.take()?;
        self.shelves[key.index()].remove(&mut self.links, entry.index() as u32);
        Some(key)
    }

    /// How many of a key are idle.
    pub(super) fn idle_of(&self, key: KeyId) -> usize {
        self.shelves.get(key.index()).map_or(0, Chain::len)
    }

    /// The one of a key that has been idle for longest.
    pub(super) fn longest_idle(&self, key: KeyId) -> Option<EntryId> {
        let back = self.shelves.get(key.index())?.back()?;
        Some(EntryId::from_index(back as usize))
    }
}
