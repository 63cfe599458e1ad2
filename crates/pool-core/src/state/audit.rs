//! Does the bookkeeping agree with what is there? For tests: everything is counted again.

use super::State;
use crate::id::Id;

impl<K, R, C, E> State<K, R, C, E> {
    /// # Panics
    /// If a sum, a list or a counter is not what counting again gives.
    pub(crate) fn assert_consistent(&self) {
        let usage = &self.usage;
        let sum = |want: fn(u64, bool) -> bool| {
            let these = self.entries.iter().filter(|(_, entry)| want(entry.leases, entry.is_idle()));
            these.fold((0, 0), |(count, weight), (_, entry)| (count + 1, weight + entry.weight))
        };
        let (idle, leased) = (sum(|_, idle| idle), sum(|leases, _| leases > 0));
        assert_eq!((usage.idle, usage.idle_weight), idle, "idle");
        assert_eq!((usage.leased, usage.leased_weight), leased, "leased");
        assert_eq!(idle.0 + leased.0, self.entries.iter().count() as u64, "an entry is idle or leased");

        let mut opening = 0;
        for (id, record) in self.keys.iter() {
            let of_key = || self.entries.iter().filter(|(_, entry)| entry.key == id);
            assert_eq!(u64::from(record.idle), of_key().filter(|(_, entry)| entry.is_idle()).count() as u64);
            assert_eq!(
                u64::from(record.leased()),
                of_key().filter(|(_, entry)| entry.leases > 0).count() as u64
            );
            let warm = of_key().filter(|(_, entry)| entry.resource.is_some()).count();
            let listed = std::iter::successors(record.newest(), |id| self.entries.older(*id));
            assert_eq!(listed.count(), warm, "the warm ones are those that hold their resource");
            let listed = std::iter::successors(record.oldest(), |id| self.entries.newer(*id));
            assert_eq!(listed.count(), warm, "also from the other end");
            let dormant = record.entries + record.opening == 0;
            assert_eq!(self.keys.is_dormant(id), dormant, "dormant is a key with nothing: {}", id.index());
            opening += u64::from(record.opening);
        }
        assert_eq!(usage.opening, opening, "opening");
        if opening == 0 {
            assert_eq!((usage.opening_weight, usage.opening_residue), (0, 0), "reservations are given back");
        }

        let stats = self.counters.snapshot(*usage, 0);
        let leases: u64 = self.entries.iter().map(|(_, entry)| entry.leases).sum();
        assert_eq!(stats.acquired() - stats.ended(), leases, "every acquire has ended or is a lease");
        assert_eq!(stats.opened(), usage.opens, "every open is a miss with a reason");
        let gone = stats.dropped().total();
        assert!(gone + idle.0 + leased.0 <= stats.opened(), "nothing comes from nowhere or goes twice");
        assert!(self.aftermath.is_none(), "something was left to do and not done");
    }
}
