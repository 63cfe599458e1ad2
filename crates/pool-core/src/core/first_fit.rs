//! Who waits for room, in the order of arrival: the first whose need fits is found in O(log n).
//!
//! A treap (Seidel and Aragon, "Randomized search trees", Algorithmica 1996) by arrival, in which each node knows the least
//! and the most that is needed below it. "First fit" is Johnson's (1973), who finds the first bin with room in a tree
//! of this kind. Its priorities are hashes of the order of arrival, by a fixed seed, so that nothing here is random.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::queue::WaiterId;
use crate::usage::Opened;

/// What one who waits for room needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// What its open is expected to take.
    pub(crate) expected: Opened,
    /// Private bytes of the process once all victims are gone, if memory was measured for it.
    pub(crate) process_bytes: Option<u64>,
    /// Bytes of victims that were being dropped then, and counted as gone: nobody knows whether they were measured.
    pub(crate) dropping_weight: u64,
}

impl Need {
    /// Each figure by itself.
    fn combine(self, other: Self, pick: impl Fn(u64, u64) -> u64) -> Self {
        let (a, b) = (self.expected, other.expected);
        let expected = Opened {
            cost_nanos: pick(a.cost_nanos, b.cost_nanos),
            weight: pick(a.weight, b.weight),
            residue: pick(a.residue, b.residue),
        };
        let process_bytes = match (self.process_bytes, other.process_bytes) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (a, b) => a.or(b),
        };
        let dropping_weight = pick(self.dropping_weight, other.dropping_weight);
        Self { expected, process_bytes, dropping_weight }
    }
}

type Index = u32;

const NONE: Index = Index::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    arrival: u64,
    waiter: WaiterId,
    need: Need,
    /// Of all nodes from here on downwards.
    least: Need,
    most: Need,
    left: Index,
    right: Index,
}

impl Node {
    fn priority(&self) -> u64 {
        FixedState::with_seed(0).hash_one(self.arrival)
    }
}

#[derive(Debug)]
pub(crate) struct FirstFit {
    nodes: Vec<Node>,
    free: Vec<Index>,
    root: Index,
}

impl FirstFit {
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.root == NONE
    }

    /// Adds who arrived `arrival`-th and is not in it.
    pub(crate) fn insert(&mut self, arrival: u64, waiter: WaiterId, need: Need) {
        let node = Node { arrival, waiter, need, least: need, most: need, left: NONE, right: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                Index::try_from(self.nodes.len() - 1).expect("fewer than 2^32 waiters")
            }
        };
        let (before, after) = self.split(self.root, arrival);
        let head = self.merge(before, index);
        self.root = self.merge(head, after);
    }

    /// Takes out who arrived `arrival`-th, if it is in it.
    pub(crate) fn remove(&mut self, arrival: u64) {
        let (before, rest) = self.split(self.root, arrival);
        let (it, after) = self.split(rest, arrival + 1);
        self.root = self.merge(before, after);
        self.free.extend((it != NONE).then_some(it));
        if self.is_empty() {
            // A crowd that is gone leaves nothing behind.
            (self.nodes, self.free) = (Vec::new(), Vec::new());
        }
    }

    /// Who arrived first.
    pub(crate) fn first(&self) -> Option<(u64, WaiterId)> {
        self.first_from(0)
    }

    /// Who arrived first of those that arrived `arrival`-th or later.
    pub(crate) fn first_from(&self, arrival: u64) -> Option<(u64, WaiterId)> {
        let (mut found, mut at) = (None, self.root);
        while at != NONE {
            let node = &self.nodes[at as usize];
            if node.arrival >= arrival {
                found = Some((node.arrival, node.waiter));
                at = node.left;
            } else {
                at = node.right;
            }
        }
        found
    }

    /// Who arrived first of those whose need fits. `fits` must not be false for a need and true for a greater one.
    pub(crate) fn first_that_fits(&self, mut fits: impl FnMut(&Need) -> bool) -> Option<(u64, WaiterId)> {
        self.search(self.root, &|node| node.least, &mut fits)
    }

    /// Who arrived first of those whose need is too much. `exceeds` must not be true for a need and false for a greater one.
    pub(crate) fn first_that_exceeds(
        &self,
        mut exceeds: impl FnMut(&Need) -> bool,
    ) -> Option<(u64, WaiterId)> {
        self.search(self.root, &|node| node.most, &mut exceeds)
    }

    /// The first that `is_it`, which may be one below a node only if it holds of that node's `bound`. (It may be none all the
    /// same, where needs have several figures: the bound has each figure's own extreme.)
    fn search(
        &self,
        at: Index,
        bound: &impl Fn(&Node) -> Need,
        is_it: &mut impl FnMut(&Need) -> bool,
    ) -> Option<(u64, WaiterId)> {
        if at == NONE {
            return None;
        }
        let node = &self.nodes[at as usize];
        if !is_it(&bound(node)) {
            return None;
        }
        self.search(node.left, bound, is_it)
            .or_else(|| is_it(&node.need).then_some((node.arrival, node.waiter)))
            .or_else(|| self.search(node.right, bound, is_it))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, WaiterId)> {
        std::iter::successors(self.first(), |(arrival, _)| self.first_from(arrival + 1))
    }

    /// Those below `at` that arrived before `arrival`, and the others.
    fn split(&mut self, at: Index, arrival: u64) -> (Index, Index) {
        if at == NONE {
            return (NONE, NONE);
        }
        let node = self.nodes[at as usize];
        if node.arrival < arrival {
            let (before, after) = self.split(node.right, arrival);
            self.nodes[at as usize].right = before;
            self.update(at);
            (at, after)
        } else {
            let (before, after) = self.split(node.left, arrival);
            self.nodes[at as usize].left = after;
            self.update(at);
            (before, at)
        }
    }

    /// One tree of two, of which all in `a` arrived before all in `b`.
    fn merge(&mut self, a: Index, b: Index) -> Index {
        if a == NONE || b == NONE {
            return if a == NONE { b } else { a };
        }
        let (first, second) = (self.nodes[a as usize], self.nodes[b as usize]);
        if first.priority() >= second.priority() {
            self.nodes[a as usize].right = self.merge(first.right, b);
            self.update(a);
            a
        } else {
            self.nodes[b as usize].left = self.merge(a, second.left);
            self.update(b);
            b
        }
    }

    fn update(&mut self, at: Index) {
        let node = self.nodes[at as usize];
        let (mut least, mut most) = (node.need, node.need);
        for child in [node.left, node.right].into_iter().filter(|&child| child != NONE) {
            let child = &self.nodes[child as usize];
            least = least.combine(child.least, u64::min);
            most = most.combine(child.most, u64::max);
        }
        let node = &mut self.nodes[at as usize];
        (node.least, node.most) = (least, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn need(weight: u64, residue: u64) -> Need {
        Need { expected: Opened { weight, residue, ..Opened::default() }, ..Need::default() }
    }

    fn xorshift(seed: &mut u64, below: u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed % below
    }

    #[test]
    fn it_finds_what_a_walk_through_all_finds() {
        let mut seed = 0x2545_f491_4f6c_dd1d;
        let (mut queue, mut naive) = (FirstFit::new(), BTreeMap::new());
        assert!(queue.is_empty());
        for _ in 0..20_000 {
            let arrival = xorshift(&mut seed, 200);
            if xorshift(&mut seed, 5) < 2 {
                queue.remove(arrival);
                naive.remove(&arrival);
            } else if let std::collections::btree_map::Entry::Vacant(place) = naive.entry(arrival) {
                let need = need(xorshift(&mut seed, 50), xorshift(&mut seed, 50));
                queue.insert(arrival, WaiterId::from_index(arrival as usize), need);
                place.insert(need);
            }
            let limits = need(xorshift(&mut seed, 60), xorshift(&mut seed, 60)).expected;
            let fits = |need: &Need| {
                need.expected.weight <= limits.weight && need.expected.residue <= limits.residue
            };
            let arrivals = |found: Option<(u64, WaiterId)>| {
                found.inspect(|(arrival, waiter)| assert_eq!(waiter.index() as u64, *arrival)).map(|it| it.0)
            };
            let walk = |is_it: &dyn Fn(&Need) -> bool| {
                naive.iter().find(|(_, need)| is_it(need)).map(|(arrival, _)| *arrival)
            };
            assert_eq!(arrivals(queue.first_that_fits(fits)), walk(&fits));
            assert_eq!(arrivals(queue.first_that_exceeds(|need| !fits(need))), walk(&|need| !fits(need)));
            assert_eq!(arrivals(queue.first()), naive.keys().next().copied());
            let from = xorshift(&mut seed, 210);
            assert_eq!(arrivals(queue.first_from(from)), naive.range(from..).next().map(|(it, _)| *it));
            assert_eq!(queue.is_empty(), naive.is_empty());
        }
        assert!(queue.iter().map(|(arrival, _)| arrival).eq(naive.keys().copied()));
    }

    #[test]
    fn a_light_one_behind_many_heavy_ones_is_found_in_few_looks() {
        let mut queue = FirstFit::new();
        for arrival in 0..10_000 {
            let weight = if arrival == 9_000 { 1 } else { 100 };
            queue.insert(arrival, WaiterId::from_index(arrival as usize), need(weight, 0));
        }
        let mut looks = 0;
        let found = queue.first_that_fits(|need| {
            looks += 1;
            need.expected.weight <= 10
        });
        assert_eq!(found.map(|(arrival, _)| arrival), Some(9_000));
        assert!(looks <= 200, "{looks} looks");
    }
}
