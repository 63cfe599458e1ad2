//! What the tests share: a resource with knobs, a ledger of what lives, and a quiet way to expect panics.
#![allow(dead_code, reason = "each test target uses a part of it")]

pub(crate) mod faulty;
pub(crate) mod keys;
mod watchdog;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use pool_core::local::{Lease, Pool};
use pool_core::pool::LeaseOf;
use pool_core::{Capacity, DropReason, Eviction, Health, Own, Query, Resource, Stats};
use watchdog::{Watchdog, watchdog};

/// Something to do when the thing of that name is asked or called.
pub(crate) type Act = Rc<dyn Fn(&'static str)>;

/// A pool as most tests want it.
pub(crate) type Things = Pool<u32, Thing>;

thread_local! {
    static WATCHDOG: Cell<Option<Watchdog>> = const { Cell::new(None) };
}

/// All things that one test opened: what was dropped, in which order. Made, it sets a watchdog: until the thread makes another, or ends.
#[derive(Clone)]
pub(crate) struct Ledger(Rc<Books>);

impl Default for Ledger {
    #[track_caller]
    fn default() -> Self {
        WATCHDOG.set(Some(watchdog()));
        Self(Rc::default())
    }
}

#[derive(Default)]
struct Books {
    opened: Cell<u64>,
    dropped: RefCell<Vec<u64>>,
}

impl Ledger {
    /// A thing; the first is number 1.
    pub(crate) fn thing(&self) -> Thing {
        let id = self.0.opened.get() + 1;
        self.0.opened.set(id);
        Thing(Rc::new(Core { id, ledger: self.clone(), knobs: Rc::default() }))
    }

    pub(crate) fn open<K>(&self) -> impl Fn(&K) -> Result<Thing, &'static str> + use<K> {
        self.open_with(|_| ())
    }

    /// Opens things after `set` has turned their knobs.
    pub(crate) fn open_with<K, F: Fn(&Knobs)>(
        &self,
        set: F,
    ) -> impl Fn(&K) -> Result<Thing, &'static str> + use<K, F> {
        let ledger = self.clone();
        move |_| {
            let thing = ledger.thing();
            set(&thing.0.knobs);
            Ok(thing)
        }
    }

    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.get()
    }

    /// The numbers of those that were dropped, in that order.
    pub(crate) fn dropped(&self) -> Vec<u64> {
        self.0.dropped.borrow().clone()
    }

    pub(crate) fn live(&self) -> u64 {
        self.opened() - self.0.dropped.borrow().len() as u64
    }

    pub(crate) fn assert_all_dropped_once(&self) {
        let mut dropped = self.dropped();
        dropped.sort_unstable();
        assert_eq!(dropped, (1..=self.opened()).collect::<Vec<_>>(), "each is dropped, once");
    }
}

/// What a thing answers, and in what it panics.
pub(crate) struct Knobs {
    pub(crate) health: Cell<Health>,
    pub(crate) weight: Cell<u64>,
    pub(crate) residue: Cell<u64>,
    pub(crate) survives_panic: Cell<bool>,
    /// The method that panics, as long as it is set.
    pub(crate) panics_in: Cell<Option<&'static str>>,
    /// Called by `health`, `weight`, `residue`, `share`, `survives_panic` and `drop` with their name.
    pub(crate) asked: RefCell<Option<Act>>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            health: Cell::new(Health::Reusable),
            weight: Cell::new(0),
            residue: Cell::new(0),
            survives_panic: Cell::new(false),
            panics_in: Cell::new(None),
            asked: RefCell::new(None),
        }
    }
}

impl Knobs {
    pub(crate) fn when_asked(&self, f: impl Fn(&'static str) + 'static) {
        *self.asked.borrow_mut() = Some(Rc::new(f));
    }

    fn ask(&self, what: &'static str) {
        let asked = self.asked.borrow().clone();
        asked.iter().for_each(|asked| asked(what));
        if self.panics_in.get() == Some(what) {
            panic!("expected panic in {what}");
        }
    }
}

/// A handle to a resource whose end the ledger writes down.
pub(crate) struct Thing(Rc<Core>);

struct Core {
    id: u64,
    ledger: Ledger,
    knobs: Rc<Knobs>,
}

impl Thing {
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// How many handles there are to this resource, the pool's own included.
    pub(crate) fn handles(&self) -> usize {
        Rc::strong_count(&self.0)
    }

    pub(crate) fn knobs(&self) -> Rc<Knobs> {
        Rc::clone(&self.0.knobs)
    }
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thing {}", self.id())
    }
}

impl Resource for Thing {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.0.knobs.ask("weight");
        self.0.knobs.weight.get()
    }

    fn residue(&self) -> u64 {
        self.0.knobs.ask("residue");
        self.0.knobs.residue.get()
    }

    fn health(&mut self) -> Health {
        self.0.knobs.ask("health");
        self.0.knobs.health.get()
    }

    fn survives_panic(&self) -> bool {
        self.0.knobs.ask("survives_panic");
        self.0.knobs.survives_panic.get()
    }
}

/// Another handle, for pools that share.
impl Clone for Thing {
    fn clone(&self) -> Self {
        self.0.knobs.ask("share");
        Self(Rc::clone(&self.0))
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.ledger.0.dropped.borrow_mut().push(self.id);
        self.knobs.ask("drop");
    }
}

/// For acquires that have to hit.
pub(crate) fn no_open<K>(_: &K) -> Result<Thing, &'static str> {
    panic!("this should have been a hit");
}

/// A hit on `key`: which thing it is, and back with it.
pub(crate) fn hit<K, C, E>(pool: &Pool<K, Thing, Own, C, E>, key: impl Query<K>) -> u64
where
    K: Clone + std::fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
{
    let lease = pool.acquire(key, no_open).expect("a hit opens nothing");
    assert!(LeaseOf::was_hit(&lease));
    lease.id()
}

/// Opens a thing for each of `keys`, with all leased at the same time, and gives them back in that order.
pub(crate) fn fill<K, C, E>(pool: &Pool<K, Thing, Own, C, E>, ledger: &Ledger, keys: &[K])
where
    K: Hash + Eq + Clone + std::fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
{
    let open = |key: &K| -> Lease<K, Thing, Own, C, E> { pool.acquire(key, ledger.open()).unwrap() };
    let leases: Vec<_> = keys.iter().map(open).collect();
    leases.into_iter().for_each(drop);
}

/// The sums that hold always.
pub(crate) fn assert_sums(stats: &Stats) {
    assert_eq!(stats.opened() + stats.reused, stats.acquired());
    assert_eq!(stats.released_to_pool + stats.released_dropped() + stats.detached, stats.ended());
}

/// The pool's books are right and, once it is drained, it opens `key`, which has no lease, and reuses it.
pub(crate) fn assert_usable<K, C, E>(pool: &Pool<K, Thing, Own, C, E>, ledger: &Ledger, key: &K)
where
    K: Hash + Eq + Clone + std::fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
{
    pool.assert_sound();
    assert_sums(&pool.stats());
    pool.drain();
    let before = pool.stats();
    let lease = pool.acquire(key, ledger.open()).expect("the place was given back");
    let id = lease.id();
    assert!(!LeaseOf::was_hit(&lease));
    drop(lease);
    assert_eq!(hit(pool, key), id);
    let after = pool.stats();
    assert_eq!((after.opened() - before.opened(), after.reused - before.reused), (1, 1));
    assert_eq!(after.ended() - before.ended(), 2);
    pool.assert_sound();
}

/// Drops of `reason`, idle or returned.
pub(crate) fn dropped_as<K, C, E>(pool: &Pool<K, Thing, Own, C, E>, reason: DropReason) -> u64
where
    K: Clone + std::fmt::Debug,
    C: Capacity,
    E: Eviction<K>,
{
    pool.stats().dropped().get(reason)
}

/// What `f` panics with.
#[track_caller]
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match caught(f) {
        Err(message) => message,
        Ok(_) => panic!("a panic was to come"),
    }
}

/// What `f` returns, or what it panics with.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    quieten();
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| text(&*payload).to_owned())
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("not a text")
}

/// Prints nothing of panics that say "expected panic".
fn quieten() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !text(info.payload()).contains("expected panic") {
                loud(info);
            }
        }));
    });
}

/// Runs `f` in a `Drop`, while the thread is unwinding, and returns what it returned.
pub(crate) fn while_unwinding<T>(f: impl FnOnce() -> T) -> T {
    struct InDrop<'a, F: FnOnce() -> T, T>(Option<F>, &'a mut Option<T>);
    impl<F: FnOnce() -> T, T> Drop for InDrop<'_, F, T> {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            *self.1 = self.0.take().map(|f| f());
        }
    }
    let mut result = None;
    let message = panic_of(|| {
        let _in_drop = InDrop(Some(f), &mut result);
        panic!("expected panic that unwinds");
    });
    assert_eq!(message, "expected panic that unwinds");
    result.expect("it ran in the drop")
}
