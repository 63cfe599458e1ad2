use crate::id::{EntryId, Id, KeyId};
use crate::order::{Chain, Link, Links};

/// The idle entries of each key, in the order in which they became idle.
///
/// A lease moves nothing, and a release nothing if it is of the key's entry that was released last, which is the one
/// that a pool leases first. Every operation is O(1), finding the longest idle of a key amortised: each step of it undoes a
/// lease. All may be repeated without harm. Memory is bounded by the largest ids seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelves {
    shelves: Vec<Shelf>,
    nodes: Vec<Node>,
}

/// A key's.
#[derive(Clone, Copy, Debug)]
struct Shelf {
    /// The most recently released at the front, the leased ones among them.
    entries: Chain,
    idle: u32,
}

/// An entry's.
#[derive(Clone, Copy, Debug)]
struct Node {
    link: Link,
    /// On whose shelf it is. Only then the rest means anything.
    key: Option<KeyId>,
    idle: bool,
}

impl Links for Vec<Node> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self[index as usize].link
    }
}

impl Shelves {
    /// An entry became idle. How many of its key are now.
    #[inline]
    pub(super) fn put(&mut self, entry: EntryId, key: KeyId) -> usize {
        let at_its_place = (self.nodes.get_mut(entry.index()), self.shelves.get_mut(key.index()));
        match at_its_place {
            (Some(node), Some(shelf))
                if node.key == Some(key)
                    && !node.idle
                    && shelf.entries.front() == Some(entry.index() as u32) =>
            {
                node.idle = true;
                shelf.idle += 1;
                shelf.idle as usize
            }
            _ => self.put_first(entry, key),
        }
    }

    #[inline(never)]
    fn put_first(&mut self, entry: EntryId, key: KeyId) -> usize {
        self.grow(entry, key);
        self.remove(entry);
        let index = entry.index() as u32;
        self.nodes[entry.index()] = Node { link: Link::unlinked(), key: Some(key), idle: true };
        let shelf = &mut self.shelves[key.index()];
        shelf.entries.push_front(&mut self.nodes, index);
        shelf.idle += 1;
        shelf.idle as usize
    }

    fn grow(&mut self, entry: EntryId, key: KeyId) {
        if key.index() >= self.shelves.len() {
            self.shelves.resize(key.index() + 1, Shelf { entries: Chain::new(), idle: 0 });
        }
        if entry.index() >= self.nodes.len() {
            self.nodes.resize(entry.index() + 1, Node { link: Link::unlinked(), key: None, idle: false });
        }
    }

    /// An entry is leased. Whose it is, if it was idle.
    #[inline]
    pub(super) fn take(&mut self, entry: EntryId) -> Option<KeyId> {
        let node = self.nodes.get_mut(entry.index()).filter(|node| node.idle)?;
        node.idle = false;
        let key = node.key?;
        self.shelves[key.index()].idle -= 1;
        Some(key)
    }

    /// An entry is gone. Whose it was, if it was idle.
    pub(super) fn remove(&mut self, entry: EntryId) -> Option<KeyId> {
        let idle = self.take(entry);
        let key = self.nodes.get_mut(entry.index())?.key.take()?;
        self.shelves[key.index()].entries.remove(&mut self.nodes, entry.index() as u32);
        idle
    }

    /// How many of a key are idle.
    pub(super) fn idle_of(&self, key: KeyId) -> usize {
        self.shelves.get(key.index()).map_or(0, |shelf| shelf.idle as usize)
    }

    /// The one of a key that has been idle for longest.
    pub(super) fn longest_idle(&mut self, key: KeyId) -> Option<EntryId> {
        let shelf = self.shelves.get_mut(key.index()).filter(|shelf| shelf.idle > 0)?;
        loop {
            let back = shelf.entries.back()?;
            if self.nodes[back as usize].idle {
                return Some(EntryId::from_index(back as usize));
            }
            shelf.entries.remove(&mut self.nodes, back);
        }
    }
}
