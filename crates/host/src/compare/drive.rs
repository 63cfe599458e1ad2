//! What a pool does with its policy, without the pool: where leases are exclusive and don't overlap, only idle entries are bounded, and the policy
//! wants no time. A key then has one entry at most, and nobody waits, so what is left is a few tables.
//!
//! The policy hears the same calls in the same order with the same ids as in the pool; the tests compare them call by call. So there is no second
//! implementation of a policy, and this is several times as fast.

use std::sync::atomic::{AtomicBool, Ordering};

use pool_core::{
    Bounds, EntryId, Eviction, Id as _, KeyId, Names as Imports, Now, Opened, Order, Removal, Returned,
    Victim,
};

use super::workload::Workload;
use super::{Spent, assumed};

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

struct Driver<'a> {
    policy: Box<dyn Eviction<Imports>>,
    names: &'a [Imports],
    places: u64,
    idle: u64,
    /// By number of a list: the key's id, and its entry's.
    key_of: Vec<u32>,
    entry_of: Vec<u32>,
    /// By id of a key: the list's number; by id of an entry: its key's id.
    number_of: Vec<u32>,
    owner_of: Vec<u32>,
    keys: Ids,
    entries: Ids,
    /// Keys without an entry, the latest to become so at the front.
    dormant: Order<KeyId>,
    remembered: usize,
    tick: u64,
}

/// What a policy that wants no time does in `places`. `None` if it was told to stop.
pub(super) fn drive(
    policy: Box<dyn Eviction<Imports>>,
    names: &[Imports],
    workload: &Workload<'_>,
    places: u64,
    remembered_keys: Option<usize>,
    stop: &AtomicBool,
) -> Option<Spent> {
    let mut driver = Driver {
        policy,
        names,
        places,
        idle: 0,
        key_of: vec![NONE; names.len()],
        entry_of: vec![NONE; names.len()],
        number_of: Vec::new(),
        owner_of: Vec::new(),
        keys: Ids::default(),
        entries: Ids::default(),
        dormant: Order::new(),
        remembered: remembered_keys.unwrap_or(REMEMBERED_KEYS),
        tick: 0,
    };
    driver.policy.on_capacity(&Bounds::of_entries(places));
    let (mut misses, mut nanos, mut assumed_opens) = (0, 0_u64, 0);
    for request in 0..workload.requests.len() {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        let cost = workload.cost(request);
        let opened = Opened { cost_nanos: cost.nanos, weight: cost.weight, residue: cost.residue };
        if !driver.request(workload.requests[request], &opened) && request >= workload.warm_up {
            misses += 1;
            nanos = nanos.saturating_add(cost.nanos);
            assumed_opens += assumed(cost);
        }
    }
    Some(Spent { misses, nanos, assumed: Some(assumed_opens), exact: false })
}

fn put(all: &mut Vec<u32>, place: u32, value: u32) {
    let place = place as usize;
    if place >= all.len() {
        all.resize(place + 1, NONE);
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
    /// Whether it is a hit.
    fn request(&mut self, number: u32, opened: &Opened) -> bool {
        self.tick += 1;
        let now = Now { tick: self.tick, nanos: 0 };
        let returned = Returned { weight: opened.weight, idle_of_key: 1 };
        let (key, entry) = (self.key_of[number as usize], self.entry_of[number as usize]);
        if entry != NONE {
            self.policy.on_acquire(entry_id(entry), key_id(key), now);
            self.policy.on_release(entry_id(entry), key_id(key), &returned, now);
            return true;
        }
        let key = self.key(number, key);
        let entry = self.entries.take();
        self.entry_of[number as usize] = entry;
        put(&mut self.owner_of, entry, key);
        self.policy.on_open(entry_id(entry), key_id(key), opened, now);
        self.idle += 1;
        self.policy.on_release(entry_id(entry), key_id(key), &returned, now);
        while self.idle > self.places {
            // Where nothing can stay, nobody is asked.
            let gone = if self.places == 0 { entry } else { self.victim(entry, now) };
            let why = if gone == entry { Removal::Rejected } else { Removal::Evicted };
            self.remove(gone, why);
            if gone == entry {
                break;
            }
        }
        false
    }

    /// The id of the key of a list that has no entry.
    fn key(&mut self, number: u32, known: u32) -> u32 {
        let name = &self.names[number as usize];
        if known != NONE {
            self.dormant.remove(key_id(known));
            self.policy.on_reopen(key_id(known), name);
            return known;
        }
        let key = self.keys.take();
        self.key_of[number as usize] = key;
        put(&mut self.number_of, key, number);
        self.policy.on_key(key_id(key), name);
        key
    }

    /// What goes: what the policy names, if that is idle; the incoming one, if it names nothing.
    fn victim(&mut self, incoming: u32, now: Now) -> u32 {
        let of_key = |key: u32| {
            self.number_of.get(key as usize).map_or(NONE, |&number| self.entry_of[number as usize])
        };
        let named = match self.policy.victim(Some(entry_id(incoming)), now) {
            None => return incoming,
            Some(Victim::Entry(entry)) => entry.index() as u32,
            Some(Victim::OldestOf(key)) => of_key(key.index() as u32),
        };
        let owner = self.owner_of.get(named as usize).copied().unwrap_or(NONE);
        // A policy that names what there is not has broken its contract.
        if owner == NONE { incoming } else { named }
    }

    fn remove(&mut self, entry: u32, why: Removal) {
        let key = std::mem::replace(&mut self.owner_of[entry as usize], NONE);
        self.entry_of[self.number_of[key as usize] as usize] = NONE;
        self.entries.free.push(entry);
        self.idle -= 1;
        self.policy.on_remove(entry_id(entry), key_id(key), why);
        self.dormant.push_front(key_id(key));
        if self.dormant.len() > self.remembered {
            if let Some(oldest) = self.dormant.back() {
                self.dormant.remove(oldest);
                let forgotten = oldest.index() as u32;
                self.key_of[self.number_of[forgotten as usize] as usize] = NONE;
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

    use mock_backend::Regions;

    use super::*;
    use crate::policy::{Circumstances, Policy};
    use crate::replay::{Options, replay_with};
    use crate::synthetic::Synthetic;
    use crate::trace::Trace;

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
    fn every_policy_hears_call_by_call_what_it_hears_in_the_pool() {
        let circumstances = Circumstances { by_weight: false, lists: true };
        let workloads = ["zipf:0.8:keys=60:n=700", "scan:9:every=20:keys=20:n=500", "shift:40:keys=25:n=400"];
        for (workload, warm_up) in workloads.into_iter().zip([0, 100, 1]) {
            let trace: Trace = workload.parse::<Synthetic>().unwrap().trace();
            let workload = Workload::new(trace.requests(), trace.costs(Regions::Shared), 0, warm_up);
            let admission = "tiny-lfu:window=0.2:over=lirs".parse().unwrap();
            for policy in Policy::all().into_iter().chain([admission]) {
                for (places, remembered_keys) in
                    [(0, None), (1, Some(0)), (2, Some(3)), (8, None), (20, Some(5))]
                {
                    let what = format!("{}, {places} places of {}", policy.name(), trace.name);
                    let heard = [Rc::default(), Rc::default()];
                    let make =
                        |heard: &Rc<_>| Box::new(Overheard(policy.make(circumstances), Rc::clone(heard)));
                    let driven = drive(
                        make(&heard[0]),
                        trace.keys(),
                        &workload,
                        places,
                        remembered_keys,
                        &AtomicBool::new(false),
                    );
                    let options =
                        Options { capacity: places, warm_up, remembered_keys, ..Options::default() };
                    let report = replay_with(&trace, &options, make(&heard[1]), &workload.costs, |_| {
                        ControlFlow::Continue(())
                    });
                    let pooled = Spent {
                        misses: report.misses,
                        nanos: report.open_nanos(),
                        assumed: Some(report.assumed_opens),
                        exact: false,
                    };
                    assert_eq!(driven, Some(pooled), "{what}");
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
}
