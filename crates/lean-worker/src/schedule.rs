//! Which file is next, and what can be printed: decisions without input and output.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The order in which files are begun: as given, but those of one group (one header) follow each other, so that few zygotes are needed at a time.
#[derive(Debug)]
pub(crate) struct Schedule {
    order: Vec<Turn>,
    next: usize,
}

/// A file whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its place among the files that were given.
    pub(crate) place: usize,
    /// The number of its group, counted up from 0 in the order of their first files.
    pub(crate) group: usize,
    /// Whether another file of that group is left.
    pub(crate) has_more: bool,
}

impl Schedule {
    pub(crate) fn new<G: Hash + Eq>(groups: impl IntoIterator<Item = G>) -> Self {
        let mut known = HashMap::new();
        let mut order: Vec<Turn> = (0..)
            .zip(groups)
            .map(|(place, group)| {
                let number = known.len();
                Turn { place, group: *known.entry(group).or_insert(number), has_more: false }
            })
            .collect();
        order.sort_by_key(|turn| (turn.group, turn.place));
        for at in 1..order.len() {
            order[at - 1].has_more = order[at - 1].group == order[at].group;
        }
        Self { order, next: 0 }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.order.last().map_or(0, |turn| turn.group + 1)
    }

    pub(crate) fn next(&mut self) -> Option<Turn> {
        let turn = self.order.get(self.next).copied();
        self.next += usize::from(turn.is_some());
        turn
    }
}

/// Whether a child is to be forked before anybody asks for it: while a processor has nothing to do, and somebody will ask.
pub(crate) fn fork_ahead(running: usize, processors: usize, has_more: bool) -> bool {
    has_more && running < processors
}

/// Holds things back until those before them are there.
#[derive(Debug)]
pub struct InOrder<T> {
    early: BTreeMap<usize, T>,
    next: usize,
}

impl<T> Default for InOrder<T> {
    /// Nothing has come yet; the first place is 0.
    fn default() -> Self {
        Self { early: BTreeMap::new(), next: 0 }
    }
}

impl<T> InOrder<T> {
    /// Takes what belongs to `place`, each place once.
    pub fn put(&mut self, place: usize, thing: T) {
        self.early.insert(place, thing);
    }

    /// The next in order, if it is there.
    #[expect(clippy::should_implement_trait, reason = "it may have more later")]
    pub fn next(&mut self) -> Option<T> {
        let thing = self.early.remove(&self.next)?;
        self.next += 1;
        Some(thing)
    }

    /// All that is held back, in order, though something before it is not there.
    pub fn take_all(&mut self) -> Vec<T> {
        std::mem::take(&mut self.early).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_header_follow_each_other_in_the_order_of_the_first() {
        let mut schedule = Schedule::new(["a", "b", "a", "c", "b", "a"]);
        assert_eq!(schedule.groups(), 3);
        let turns: Vec<_> = std::iter::from_fn(|| schedule.next())
            .map(|turn| (turn.place, turn.group, turn.has_more))
            .collect();
        let expected =
            [(0, 0, true), (2, 0, true), (5, 0, false), (1, 1, true), (4, 1, false), (3, 2, false)];
        assert_eq!(turns, expected);
        assert_eq!(schedule.next(), None, "and again");
        assert_eq!(Schedule::new::<u8>([]).groups(), 0);
    }

    #[test]
    fn child_is_forked_ahead_only_for_somebody_and_where_a_processor_is_idle() {
        assert!(fork_ahead(1, 2, true));
        assert!(!fork_ahead(2, 2, true) && !fork_ahead(1, 2, false) && !fork_ahead(9, 2, true));
    }

    #[test]
    fn everything_comes_out_once_and_in_order() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..200 {
            let count = random.usize(0..20);
            let mut places: Vec<usize> = (0..count).collect();
            random.shuffle(&mut places);
            let (mut order, mut out) = (InOrder::default(), Vec::new());
            let stop = random.usize(0..=count);
            for &place in &places[..stop] {
                order.put(place, place);
                out.extend(std::iter::from_fn(|| order.next()));
            }
            assert!(out.iter().copied().eq(0..out.len()));
            out.extend(order.take_all());
            let mut expected = places[..stop].to_vec();
            expected.sort_unstable();
            assert_eq!(out, expected);
        }
    }
}
