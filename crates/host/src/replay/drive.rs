//! What a pool does with its policy, without the pool: where leases are exclusive and don't overlap, only idle entries are bounded, and the policy
//! wants no time. A key then has one entry at most, and nobody waits, so what is left is a few tables.
//!
//! The policy hears the same calls in the same order with the same ids as in the pool, and what is counted is the same; the tests compare both,
//! call by call. So there is no second implementation of a policy, and this is several times as fast.

use std::sync::Arc;

use mock_backend::Cost;
use pool_core::{
    Bounds, DropReason, EntryId, Eviction, Id as _, KeyId, MissReason, Names as Imports, Now, Opened, Order,
    Removal, Returned, Victim,
};

use super::report::Books;
use super::{Options, Served};
use crate::trace::Trace;

/// How many keys without entries a pool remembers by itself.
const REMEMBERED_KEYS: usize = 4096;

const NONE: u32 = u32::MAX;

/// Ids as the pool gives them: the one that was given back last comes first.
#[derive(Default)]
struct Ids {
    free: Vec<u32>,
    next: u32,
}

impl Ids {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

/// The ids of a list of the trace: its key's and its entry's, each `NONE` if it has none.
#[derive(Clone, Copy)]
struct Ours {
    key: u32,
    entry: u32,
}

/// A key that the pool would know.
#[derive(Clone, Copy)]
struct Known {
    /// The list's number.
    number: u32,
    /// Why its last entry went.
    gone: MissReason,
}

/// A pool without what a plain replay doesn't need.
pub(super) struct Driver<'a> {
    policy: Box<dyn Eviction<Imports>>,
    names: Arc<[Imports]>,
    costs: &'a [Cost],
    places: u64,
    idle: u64,
    /// By number of a list.
    ours: Vec<Ours>,
    /// By id of a key.
    known: Vec<Known>,
    /// By id of an entry: its key's id.
    owner_of: Vec<u32>,
    keys: Ids,
    entries: Ids,
    /// Keys without an entry, the latest to become so at the front.
    dormant: Order<KeyId>,
    remembered: usize,
    tick: u64,
    idle_weight: u64,
    books: Books,
}

/// Whether a replay needs no more than this. `costs` are by key.
pub(super) fn is_enough_for(
    options: &Options,
    policy: &dyn Eviction<Imports>,
    costs: &[Cost],
    requests: u64,
) -> bool {
    let plain = options.hold == 0
        && !options.share
        && options.max_idle_weight.is_none()
        && !options.is_timed()
        && !policy.needs_clock();
    // A pool's clock ends at its maximum, and so do its sums of bytes. They are not modelled here.
    let longest = costs.iter().map(|cost| cost.nanos).max().unwrap_or(0);
    let weights = costs.iter().try_fold(0_u64, |sum, cost| sum.checked_add(cost.weight));
    plain && longest.checked_mul(requests).is_some() && weights.is_some()
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        trace: &Trace,
        options: &Options,
        policy: Box<dyn Eviction<Imports>>,
        costs: &'a [Cost],
    ) -> Self {
        let mut driver = Self {
            policy,
            names: Arc::clone(trace.keys()),
            costs,
            places: options.capacity,
            idle: 0,
            ours: vec![Ours { key: NONE, entry: NONE }; costs.len()],
            known: Vec::new(),
            owner_of: Vec::new(),
            keys: Ids::default(),
            entries: Ids::default(),
            dormant: Order::new(),
            remembered: options.remembered_keys.unwrap_or(REMEMBERED_KEYS),
            tick: 0,
            idle_weight: 0,
            books: Books::default(),
        };
        driver.policy.on_capacity(&Bounds::of_entries(driver.places));
        driver
    }
}

impl Served for Driver<'_> {
    fn request(&mut self, number: u32, _: Option<u64>) -> bool {
        let cost = &self.costs[number as usize];
        self.tick += 1;
        let now = Now { tick: self.tick, nanos: 0 };
        let returned = Returned { weight: cost.weight, idle_of_key: 1 };
        let Ours { key, entry } = self.ours[number as usize];
        if entry != NONE {
            self.policy.on_acquire(entry_id(entry), key_id(key), now);
            self.policy.on_release(entry_id(entry), key_id(key), &returned, now);
            return true;
        }
        let key = self.key(number, key);
        let entry = self.entries.take();
        self.ours[number as usize].entry = entry;
        put(&mut self.owner_of, entry, key, NONE);
        let opened = Opened { cost_nanos: cost.nanos, weight: cost.weight, residue: cost.residue };
        self.policy.on_open(entry_id(entry), key_id(key), &opened, now);
        self.idle += 1;
        self.idle_weight += cost.weight;
        let books = &mut self.books;
        books.residue = books.residue.saturating_add(cost.residue);
        books.peak_live_weight = books.peak_live_weight.max(self.idle_weight);
        self.policy.on_release(entry_id(entry), key_id(key), &returned, now);
        while self.idle > self.places {
            // Where nothing can stay, nobody is asked.
            let gone = if self.places == 0 { entry } else { self.victim(entry, now) };
            if gone == entry {
                self.remove(gone, DropReason::Rejected, Removal::Rejected);
                break;
            }
            self.remove(gone, DropReason::Evicted, Removal::Evicted);
        }
        self.books.peak_idle_weight = self.books.peak_idle_weight.max(self.idle_weight);
        false
    }

    fn books(&self) -> Books {
        self.books.clone()
    }
}

fn put<T: Copy>(all: &mut Vec<T>, place: u32, value: T, between: T) {
    let place = place as usize;
    if place >= all.len() {
        all.resize(place + 1, between);
    }
    all[place] = value;
}

fn key_id(id: u32) -> KeyId {
    KeyId::from_index(id as usize)
}

fn entry_id(id: u32) -> EntryId {
    EntryId::from_index(id as usize)
}

impl Driver<'_> {
    /// The id of the key of a list that has no entry.
    fn key(&mut self, number: u32, known: u32) -> u32 {
        let name = &self.names[number as usize];
        if known != NONE {
            self.books.misses.count(self.known[known as usize].gone);
            self.dormant.remove(key_id(known));
            self.policy.on_reopen(key_id(known), name);
            return known;
        }
        self.books.misses.count(MissReason::Cold);
        let key = self.keys.take();
        self.ours[number as usize].key = key;
        let of = Known { number, gone: MissReason::Cold };
        put(&mut self.known, key, of, of);
        self.policy.on_key(key_id(key), name);
        key
    }

    /// What goes: what the policy names, if that is idle; the incoming one, if it names nothing.
    fn victim(&mut self, incoming: u32, now: Now) -> u32 {
        let of_key = |key: usize| self.known.get(key).map_or(NONE, |of| self.ours[of.number as usize].entry);
        let named = match self.policy.victim(Some(entry_id(incoming)), now) {
            None => return incoming,
            Some(Victim::Entry(entry)) => entry.index() as u32,
            Some(Victim::OldestOf(key)) => of_key(key.index()),
        };
        let owner = self.owner_of.get(named as usize).copied().unwrap_or(NONE);
        // A policy that names what there is not has broken its contract.
        if owner == NONE { incoming } else { named }
    }

    fn remove(&mut self, entry: u32, reason: DropReason, why: Removal) {
        let key = std::mem::replace(&mut self.owner_of[entry as usize], NONE);
        let of = &mut self.known[key as usize];
        of.gone = reason.into();
        self.ours[of.number as usize].entry = NONE;
        self.idle_weight -= self.costs[of.number as usize].weight;
        self.entries.free.push(entry);
        self.idle -= 1;
        self.books.dropped.count(reason);
        self.policy.on_remove(entry_id(entry), key_id(key), why);
        self.dormant.push_front(key_id(key));
        if self.dormant.len() > self.remembered {
            if let Some(oldest) = self.dormant.back() {
                self.dormant.remove(oldest);
                let forgotten = oldest.index() as u32;
                self.ours[self.known[forgotten as usize].number as usize].key = NONE;
                self.keys.free.push(forgotten);
                self.policy.on_forget(oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::ops::ControlFlow;
    use std::rc::Rc;

    use std::time::Duration;

    use mock_backend::Regions;
    use pool_core::eviction::IdleTimeout;

    use super::super::{pooled::replay_in_pool, run};
    use super::*;
    use crate::policy::{Circumstances, Policy};
    use crate::synthetic::Synthetic;

    /// A policy, and what it heard and said.
    struct Overheard(Box<dyn Eviction<Imports>>, Rc<RefCell<Vec<String>>>);

    impl Overheard {
        fn note(&self, line: String) {
            self.1.borrow_mut().push(line);
        }
    }

    impl Eviction<Imports> for Overheard {
        fn on_capacity(&mut self, capacity: &Bounds) {
            self.note(format!("capacity {capacity:?}"));
            self.0.on_capacity(capacity);
        }

        fn on_key(&mut self, key: KeyId, name: &Imports) {
            self.note(format!("key {key:?} {name}"));
            self.0.on_key(key, name);
        }

        fn on_forget(&mut self, key: KeyId) {
            self.note(format!("forget {key:?}"));
            self.0.on_forget(key);
        }

        fn on_reopen(&mut self, key: KeyId, name: &Imports) {
            self.note(format!("reopen {key:?} {name}"));
            self.0.on_reopen(key, name);
        }

        fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
            self.note(format!("open {entry:?} {key:?} {opened:?} {now:?}"));
            self.0.on_open(entry, key, opened, now);
        }

        fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
            self.note(format!("acquire {entry:?} {key:?} {now:?}"));
            self.0.on_acquire(entry, key, now);
        }

        fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
            self.note(format!("release {entry:?} {key:?} {returned:?} {now:?}"));
            self.0.on_release(entry, key, returned, now);
        }

        fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
            self.note(format!("remove {entry:?} {key:?} {why:?}"));
            self.0.on_remove(entry, key, why);
        }

        fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
            let victim = self.0.victim(incoming, now);
            self.note(format!("victim {incoming:?} {now:?}: {victim:?}"));
            victim
        }
    }

    #[test]
    fn every_policy_hears_call_by_call_what_it_hears_in_the_pool_and_the_report_is_the_same() {
        let circumstances = Circumstances { by_weight: false, lists: true };
        let workloads = ["zipf:0.8:keys=60:n=700", "scan:9:every=20:keys=20:n=500", "shift:40:keys=25:n=400"];
        for ((workload, warm_up), repeat) in workloads.into_iter().zip([0, 100, 1]).zip([1, 1, 2]) {
            let trace: Trace = workload.parse::<Synthetic>().unwrap().trace();
            let costs = trace.costs(Regions::Isolated);
            let admission = "tiny-lfu:window=0.2:over=lirs".parse().unwrap();
            for policy in Policy::all().into_iter().chain([admission]) {
                for (places, remembered_keys) in
                    [(0, None), (1, Some(0)), (2, Some(3)), (8, None), (20, Some(5))]
                {
                    let what = format!("{}, {places} places of {}", policy.name(), trace.name);
                    let options = Options {
                        capacity: places,
                        eviction: policy.clone(),
                        warm_up,
                        repeat,
                        remembered_keys,
                        ..Options::default()
                    };
                    let heard = [Rc::default(), Rc::default()];
                    let make =
                        |heard: &Rc<_>| Box::new(Overheard(policy.make(circumstances), Rc::clone(heard)));
                    let on = |_| ControlFlow::Continue(());
                    let driven = run(
                        &trace,
                        &options,
                        &costs,
                        Driver::new(&trace, &options, make(&heard[0]), &costs),
                        on,
                    );
                    let pooled = replay_in_pool(&trace, &options, make(&heard[1]), &costs, on);
                    assert_eq!(driven, pooled, "{what}");
                    let [driven, pooled] = heard.map(Rc::unwrap_or_clone).map(RefCell::into_inner);
                    // The pool says good-bye to what is left.
                    for (place, (ours, pools)) in driven.iter().zip(&pooled).enumerate() {
                        assert_eq!(ours, pools, "call {place}: {what}");
                    }
                    let rest = &pooled[driven.len()..];
                    assert!(
                        rest.iter().all(|call| call.ends_with("Drained") || call.starts_with("forget")),
                        "{what}: {rest:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_a_driver_does_not_model_goes_through_the_pool() {
        let policy = |name: &str| {
            name.parse::<Policy>().unwrap().make(Circumstances { by_weight: false, lists: true })
        };
        let lru = policy("lru");
        let cost = |nanos, weight| Cost { nanos, weight, ..Cost::default() };
        let costs = [cost(5, 7), cost(3, 1)];
        let plain = Options::default();
        let is_enough = |options: &Options| is_enough_for(options, &*lru, &costs, 100);
        assert!(is_enough(&plain));
        assert!(!is_enough(&Options { hold: 1, ..plain.clone() }));
        assert!(!is_enough(&Options { share: true, ..plain.clone() }));
        assert!(!is_enough(&Options { max_idle_weight: Some(9), ..plain.clone() }));
        assert!(!is_enough(&Options { idle_timeout: Some(Duration::from_secs(1)), ..plain.clone() }));
        assert!(!is_enough(&Options { max_age: Some(Duration::from_secs(1)), ..plain.clone() }));
        let timed = IdleTimeout::new(Duration::from_secs(1), policy("lru"));
        assert!(!is_enough_for(&plain, &timed, &costs, 100));
        assert!(!is_enough_for(&plain, &*lru, &costs, u64::MAX / 4), "the clock would end");
        assert!(!is_enough_for(&plain, &*lru, &[cost(0, u64::MAX), cost(0, 1)], 100));
    }
}
