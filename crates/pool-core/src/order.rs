//! Intrusive doubly linked lists over dense ids: every operation O(1), no pointers, no allocation once grown.

use std::marker::PhantomData;

use crate::id::Id;

const END: u32 = u32::MAX;
const UNLINKED: u32 = u32::MAX - 1;

/// One node's neighbours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    prev: u32,
    next: u32,
}

impl Link {
    #[inline]
    pub(crate) const fn unlinked() -> Self {
        Self { prev: UNLINKED, next: UNLINKED }
    }

    fn is_linked(self) -> bool {
        self.prev != UNLINKED
    }
}

/// Where the links of a [`Chain`] are kept.
pub(crate) trait Links {
    fn link(&mut self, index: u32) -> &mut Link;
}

impl Links for Vec<Link> {
    fn link(&mut self, index: u32) -> &mut Link {
        &mut self[index as usize]
    }
}

/// The two ends of a list whose nodes live elsewhere. A node may be in one chain at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    front: u32,
    back: u32,
}

impl Chain {
    pub(crate) const fn new() -> Self {
        Self { front: END, back: END }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.front == END
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<u32> {
        (self.front != END).then_some(self.front)
    }

    pub(crate) fn back(&self) -> Option<u32> {
        (self.back != END).then_some(self.back)
    }

    /// Puts `index`, which is in no chain, at the front.
    #[inline]
    pub(crate) fn push_front(&mut self, links: &mut impl Links, index: u32) {
        *links.link(index) = Link { prev: END, next: self.front };
        match self.front {
            END => self.back = index,
            old => links.link(old).prev = index,
        }
        self.front = index;
    }

    /// Puts `index`, which is in no chain, into an empty one; false if this is not. Needs no links but its own.
    #[inline]
    pub(crate) fn push_only(&mut self, own: &mut Link, index: u32) -> bool {
        if !self.is_empty() {
            return false;
        }
        *own = Link { prev: END, next: END };
        *self = Self { front: index, back: index };
        true
    }

    /// Takes the only node out; false if there are others. Needs no links but its own.
    #[inline]
    pub(crate) fn remove_only(&mut self, own: &mut Link) -> bool {
        if self.front != self.back {
            return false;
        }
        *own = Link::unlinked();
        *self = Self::new();
        true
    }

    /// Puts `index`, which is in no chain, at the back.
    pub(crate) fn push_back(&mut self, links: &mut impl Links, index: u32) {
        *links.link(index) = Link { prev: self.back, next: END };
        match self.back {
            END => self.front = index,
            old => links.link(old).next = index,
        }
        self.back = index;
    }

    /// Takes `index` out; false if it was in no chain. It must not be in another one.
    #[inline]
    pub(crate) fn remove(&mut self, links: &mut impl Links, index: u32) -> bool {
        let link = std::mem::replace(links.link(index), Link::unlinked());
        if !link.is_linked() {
            return false;
        }
        match link.prev {
            END => self.front = link.next,
            prev => links.link(prev).next = link.next,
        }
        match link.next {
            END => self.back = link.prev,
            next => links.link(next).prev = link.prev,
        }
        true
    }
}

/// The neighbour of `link` towards the front.
pub(crate) fn before(link: Link) -> Option<u32> {
    (link.prev < UNLINKED).then_some(link.prev)
}

/// The neighbour of `link` towards the back.
pub(crate) fn after(link: Link) -> Option<u32> {
    (link.next < UNLINKED).then_some(link.next)
}

/// Gives back memory of the indices past the last one that is in a chain.
pub(crate) fn shrink_links(links: &mut Vec<Link>) {
    let used = links.iter().rposition(|link| link.is_linked()).map_or(0, |last| last + 1);
    links.truncate(used);
    links.shrink_to_fit();
}

/// An ordered set of ids, for policies: a list in which each id stands at most once.
///
/// Every operation is O(1) and may be repeated without harm (pushing an id moves it, removing one that is not there
/// does nothing), so a policy that missed an event stays sound. Memory is 8 bytes for each id up to the largest seen, until
/// [`shrink_to_fit`](Order::shrink_to_fit).
#[derive(Clone, Debug)]
pub struct Order<I> {
    links: Vec<Link>,
    chain: Chain,
    len: usize,
    ids: PhantomData<I>,
}

impl<I: Id> Order<I> {
    /// An empty order.
    #[must_use]
    pub const fn new() -> Self {
        Self { links: Vec::new(), chain: Chain::new(), len: 0, ids: PhantomData }
    }

    /// How many ids are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no id is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Whether `id` is in it.
    #[must_use]
    pub fn contains(&self, id: I) -> bool {
        self.links.get(id.index()).is_some_and(|link| link.is_linked())
    }

    /// The id at the front.
    #[must_use]
    pub fn front(&self) -> Option<I> {
        self.chain.front().map(|index| I::from_index(index as usize))
    }

    /// The id at the back.
    #[must_use]
    pub fn back(&self) -> Option<I> {
        self.chain.back().map(|index| I::from_index(index as usize))
    }

    /// The ids from the back to the front.
    pub fn iter_from_back(&self) -> impl Iterator<Item = I> + '_ {
        let step = |index: &u32| before(self.links[*index as usize]);
        std::iter::successors(self.chain.back(), step).map(|index| I::from_index(index as usize))
    }

    /// Gives back memory of the ids past the largest that is in it.
    pub fn shrink_to_fit(&mut self) {
        shrink_links(&mut self.links);
    }

    /// Every id that is in it has a smaller index.
    pub(crate) fn bound(&self) -> usize {
        self.links.len()
    }

    /// Puts `id` at the front, from wherever it was.
    pub fn push_front(&mut self, id: I) {
        let index = self.detach(id);
        self.chain.push_front(&mut self.links, index);
    }

    /// Puts `id` at the back, from wherever it was.
    pub fn push_back(&mut self, id: I) {
        let index = self.detach(id);
        self.chain.push_back(&mut self.links, index);
    }

    /// Takes `id` out; false if it was not there.
    pub fn remove(&mut self, id: I) -> bool {
        let removed = self.contains(id) && self.chain.remove(&mut self.links, id.index() as u32);
        self.len -= usize::from(removed);
        removed
    }

    /// Allocates what putting `id` in takes, so that a later hit need not.
    pub fn make_room_for(&mut self, id: I) {
        if id.index() >= self.links.len() {
            self.links.resize(id.index() + 1, Link::unlinked());
        }
    }

    /// To be put in again.
    fn detach(&mut self, id: I) -> u32 {
        self.make_room_for(id);
        let index = id.index() as u32;
        let was_in = self.chain.remove(&mut self.links, index);
        self.len += usize::from(!was_in);
        index
    }
}

impl<I: Id> Default for Order<I> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EntryId;

    #[test]
    fn repeated_and_missing_operations_keep_the_list_sound() {
        let id = |index| EntryId::from_index(index);
        let mut order = Order::new();
        assert!(!order.remove(id(7)), "never seen");
        for index in [3, 1, 2, 1, 1] {
            order.push_front(id(index));
        }
        assert_eq!(order.iter_from_back().collect::<Vec<_>>(), [id(3), id(2), id(1)]);
        assert!(order.remove(id(2)) && !order.remove(id(2)));
        order.push_back(id(9));
        assert_eq!(order.iter_from_back().collect::<Vec<_>>(), [id(9), id(3), id(1)]);
        assert_eq!((order.front(), order.back(), order.len()), (Some(id(1)), Some(id(9)), 3));
        for index in 0..12 {
            order.remove(id(index));
        }
        assert!(order.is_empty() && order.front().is_none() && order.back().is_none());
    }
}
