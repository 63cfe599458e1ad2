//! Risk: the short way of a hit on an exclusive resource, and of its return, leaves out what the long way does.
//!
//! The resources here are exclusive by their type (`SHAREABLE` is false), which is what makes the way short.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::capacity::MaxIdle;
use pool_core::eviction::{IdleTimeout, Lru};
use pool_core::pool::LeaseOf;
use pool_core::{
    DropReason, EntryId, Eviction, Health, Id, KeyId, MissReason, Now, Opened, Removal, Resource, Returned,
    Victim, local, sync,
};
use watchdog::watchdog;

/// Exclusive, by its type as well.
struct Thing {
    id: u32,
    health: Rc<Cell<Health>>,
    asked: Rc<Cell<u32>>,
    dropped: Rc<RefCell<Vec<u32>>>,
}
impl Resource for Thing {
    type Error = ();
    fn health(&mut self) -> Health {
        self.asked.set(self.asked.get() + 1);
        self.health.get()
    }
}
impl Drop for Thing {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.id);
    }
}
#[derive(Clone)]
struct Made {
    next: Rc<Cell<u32>>,
    health: Rc<Cell<Health>>,
    asked: Rc<Cell<u32>>,
    dropped: Rc<RefCell<Vec<u32>>>,
}
impl Made {
    fn new() -> Self {
        Self {
            next: Rc::default(),
            health: Rc::new(Cell::new(Health::Reusable)),
            asked: Rc::default(),
            dropped: Rc::default(),
        }
    }
    fn open<K>(&self) -> impl FnOnce(&K) -> Result<Thing, ()> + use<K> {
        let me = self.clone();
        move |_| {
            let id = me.next.get();
            me.next.set(id + 1);
            Ok(Thing { id, health: me.health, asked: me.asked, dropped: me.dropped })
        }
    }
}

/// Panics once in one hook, before the policy within hears of it.
struct Once<E>(E, &'static str, Rc<Cell<bool>>);
impl<E> Once<E> {
    fn call(&self, hook: &str) {
        assert!(hook != self.1 || !self.2.take(), "once");
    }
}
impl<K: ?Sized, E: Eviction<K>> Eviction<K> for Once<E> {
    fn on_key(&mut self, key: KeyId, name: &K) {
        self.call("on_key");
        self.0.on_key(key, name);
    }
    fn on_forget(&mut self, key: KeyId) {
        self.call("on_forget");
        self.0.on_forget(key);
    }
    fn on_open(&mut self, entry: EntryId, key: KeyId, opened: &Opened, now: Now) {
        self.call("on_open");
        self.0.on_open(entry, key, opened, now);
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        self.call("on_acquire");
        self.0.on_acquire(entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        self.call("on_release");
        self.0.on_release(entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.call("on_remove");
        self.0.on_remove(entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        self.0.victim(incoming, now)
    }
}

#[test]
fn exclusive_resource_whose_open_its_policy_missed_goes_with_its_lease() {
    let _watchdog = watchdog();
    let (made, trips) = (Made::new(), Rc::new(Cell::new(true)));
    let pool: local::Pool<u32, Thing> =
        local::Pool::builder().eviction(Once(Lru::new(), "on_open", trips)).build();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(pool.acquire(&1, made.open())))).is_err());
    pool.assert_sound();
    assert_eq!((pool.len(), pool.stats().releases_dropped.get(DropReason::Panicked)), (0, 1));
}

#[test]
fn unfit_resource_is_asked_once_at_a_hit() {
    let _watchdog = watchdog();
    let made = Made::new();
    let pool: local::Pool<u32, Thing> = local::Pool::with_max_idle(2);
    drop(pool.acquire(&1, made.open()).unwrap());
    made.health.set(Health::Stale);
    let before = made.asked.get();
    assert!(pool.acquire_warm(&1).is_none());
    assert_eq!(made.asked.get() - before, 1);
}

#[test]
fn sync_unfit_resource_is_asked_once_and_is_why_the_next_is_opened() {
    let _watchdog = watchdog();
    let made = Made::new();
    let pool: sync::Pool<u32, Thing> = sync::Pool::with_max_idle(2);
    let _busy = pool.acquire(&1, made.open()).unwrap();
    drop(pool.acquire(&1, made.open()).unwrap());
    made.health.set(Health::Stale);
    let before = made.asked.get();
    let _fresh = pool.acquire(&1, made.open()).unwrap();
    assert_eq!(made.asked.get() - before, 1);
    assert_eq!(pool.stats().misses.get(MissReason::Stale), 1, "not Busy, though another is leased");
}

#[test]
fn of_a_key_that_is_named_the_one_that_is_idle_for_longest_goes() {
    let _watchdog = watchdog();
    let made = Made::new();
    // What an open costs decides as well, so time stands still.
    let pool: local::Pool<u32, Thing> = local::Pool::builder().capacity(MaxIdle(2)).clock(|| 0).build();
    let (a, b) = (pool.acquire(&1, made.open()).unwrap(), pool.acquire(&1, made.open()).unwrap());
    drop(b);
    drop(a);
    for _ in 0..3 {
        drop(pool.acquire(&2, made.open()).unwrap());
    }
    assert_eq!(*made.dropped.borrow(), [1], "b, which came back first");
}

/// Names a key that the pool never told it.
struct Invents;
impl Eviction<u32> for Invents {
    fn on_acquire(&mut self, _: EntryId, _: KeyId, _: Now) {}
    fn on_release(&mut self, _: EntryId, _: KeyId, _: &Returned, _: Now) {}
    fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {}
    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        Some(Victim::OldestOf(KeyId::from_index(99)))
    }
}

#[test]
fn key_that_is_not_known_is_no_victim() {
    let _watchdog = watchdog();
    let made = Made::new();
    let pool: local::Pool<u32, Thing> = local::Pool::builder().capacity(MaxIdle(1)).eviction(Invents).build();
    for key in 0..3 {
        drop(pool.acquire(&key, made.open()).unwrap());
    }
    assert_eq!((pool.len(), &*made.dropped.borrow()), (1, &vec![1, 2]), "the incoming ones");
    pool.assert_sound();
}

#[test]
fn exclusive_hit_counts_what_it_saved() {
    let _watchdog = watchdog();
    let (made, time) = (Made::new(), Rc::new(Cell::new(0)));
    let now = Rc::clone(&time);
    let pool: local::Pool<u32, Thing> = local::Pool::builder().clock(move || now.get()).build();
    let open = made.open();
    drop(
        pool.acquire(&1, |key| {
            time.set(7);
            open(key)
        })
        .unwrap(),
    );
    drop(pool.acquire(&1, made.open()).unwrap());
    assert_eq!(pool.stats().saved_nanos, 7);
}

#[test]
fn sync_lease_made_and_dropped_while_unwinding_comes_back() {
    let _watchdog = watchdog();
    struct InDrop<'a>(&'a sync::Pool<u32, Thing>, &'a Made);
    impl Drop for InDrop<'_> {
        fn drop(&mut self) {
            drop(self.0.acquire(&1, self.1.open()).unwrap());
        }
    }
    let made = Made::new();
    let pool: sync::Pool<u32, Thing> = sync::Pool::with_max_idle(2);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _acquires = InDrop(&pool, &made);
        panic!("unwinds");
    }));
    assert_eq!(pool.len(), 1);
}

thread_local!(static KEPT: RefCell<Option<Box<dyn FnOnce()>>> = RefCell::default());
/// Lets go of what is kept when it is compared.
#[derive(Clone, Debug)]
struct Drops(u32);
impl std::hash::Hash for Drops {
    fn hash<H: std::hash::Hasher>(&self, h: &mut H) {
        self.0.hash(h);
    }
}
impl PartialEq for Drops {
    fn eq(&self, other: &Self) -> bool {
        if let Some(kept) = KEPT.take() {
            kept();
        }
        self.0 == other.0
    }
}
impl Eq for Drops {}

macro_rules! postponed {
    ($name:ident, $pool:ident) => {
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            let made = Made::new();
            let pool: &'static $pool::Pool<Drops, Thing> = Box::leak(Box::new($pool::Pool::with_max_idle(4)));
            let other = pool.acquire(&Drops(2), made.open()).unwrap();
            drop(pool.acquire(&Drops(1), made.open()).unwrap());
            KEPT.set(Some(Box::new(move || drop(other))));
            let hit = pool.acquire(&Drops(1), made.open()).unwrap();
            assert!(LeaseOf::was_hit(&hit));
            assert_eq!(
                (pool.usage().leased, pool.usage().idle),
                (1, 1),
                "taken in as soon as the borrow ended"
            );
            drop(hit);
        }
    };
}
postponed!(lease_dropped_in_an_exclusive_hit_is_taken_in_at_once, local);
postponed!(sync_lease_dropped_in_an_exclusive_hit_is_taken_in_at_once, sync);

macro_rules! postponed_in_time {
    ($name:ident, $pool:ident) => {
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            let made = Made::new();
            let late = 1 << 40;
            let builder = $pool::Pool::builder().capacity(MaxIdle(4)).clock(move || late);
            let timeout = IdleTimeout::new(Duration::from_secs(1), Lru::new());
            let pool: &'static $pool::Pool<Drops, Thing> =
                Box::leak(Box::new(builder.eviction(timeout).build()));
            let other = pool.acquire(&Drops(2), made.open()).unwrap();
            drop(pool.acquire(&Drops(1), made.open()).unwrap());
            KEPT.set(Some(Box::new(move || drop(other))));
            drop(pool.acquire(&Drops(1), made.open()).unwrap());
            assert_eq!((pool.evict_expired(), pool.usage().idle), (0, 2), "it came back just now");
        }
    };
}
postponed_in_time!(lease_whose_end_was_put_off_came_back_when_it_did, local);
postponed_in_time!(sync_lease_whose_end_was_put_off_came_back_when_it_did, sync);

/// All of one hash.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Same(u32);
impl std::hash::Hash for Same {
    fn hash<H: std::hash::Hasher>(&self, h: &mut H) {
        0.hash(h);
    }
}

#[test]
fn exclusive_resources_of_keys_with_one_hash_are_told_apart() {
    let _watchdog = watchdog();
    let made = Made::new();
    let pool: local::Pool<Same, Thing> = local::Pool::with_max_idle(8);
    for _ in 0..2 {
        for key in 0..4 {
            drop(pool.acquire(&Same(key), made.open()).unwrap());
        }
    }
    assert_eq!((pool.stats().reused, made.next.get()), (4, 4));
}

/// Hears what tick it is.
struct Ticks(Rc<RefCell<Vec<u64>>>);
impl Eviction<u32> for Ticks {
    fn on_acquire(&mut self, _: EntryId, _: KeyId, now: Now) {
        self.0.borrow_mut().push(now.tick);
    }
    fn on_release(&mut self, _: EntryId, _: KeyId, _: &Returned, _: Now) {}
    fn on_remove(&mut self, _: EntryId, _: KeyId, _: Removal) {}
    fn victim(&mut self, _: Option<EntryId>, _: Now) -> Option<Victim> {
        None
    }
}
#[test]
fn each_look_for_a_warm_resource_is_a_tick() {
    let _watchdog = watchdog();
    let (made, ticks) = (Made::new(), Rc::<RefCell<Vec<u64>>>::default());
    let pool: local::Pool<u32, Thing> = local::Pool::builder().eviction(Ticks(ticks.clone())).build();
    for _ in 0..4 {
        drop(pool.acquire(&1, made.open()).unwrap());
    }
    assert_eq!(*ticks.borrow(), [2, 3, 4], "the first was a miss");
}

macro_rules! open_dropped {
    ($name:ident, $pool:ident) => {
        #[test]
        fn $name() {
            let _watchdog = watchdog();
            struct Trips;
            impl Drop for Trips {
                fn drop(&mut self) {
                    panic!("trips");
                }
            }
            let made = Made::new();
            let pool: &'static $pool::Pool<Drops, Thing> = Box::leak(Box::new($pool::Pool::with_max_idle(4)));
            let other = pool.acquire(&Drops(2), made.open()).unwrap();
            drop(pool.acquire(&Drops(1), made.open()).unwrap());
            KEPT.set(Some(Box::new(move || drop(other))));
            let (trips, open) = (Trips, made.open());
            let hit = catch_unwind(AssertUnwindSafe(|| {
                drop(pool.acquire(&Drops(1), move |key| {
                    let _trips = &trips;
                    open(key)
                }))
            }));
            assert!(hit.is_err());
            assert_eq!(pool.usage().leased, 0);
            pool.assert_sound();
        }
    };
}
open_dropped!(open_that_panics_when_dropped_on_a_hit_with_an_aftermath_leaves_no_lease, local);
open_dropped!(sync_open_that_panics_when_dropped_on_a_hit_with_an_aftermath_leaves_no_lease, sync);

struct Hears(Arc<Mutex<Vec<Option<u64>>>>);
impl sync::CreateOrWait for Hears {
    fn wait(&self, queue: &sync::Queue) -> Option<u64> {
        self.0.lock().unwrap().push(queue.mean_hold_nanos);
        None
    }
    fn needs_hold_times(&self) -> bool {
        true
    }
}
/// So that a hit needs no clock.
#[test]
fn holds_are_counted_of_leases_that_began_with_an_open() {
    let _watchdog = watchdog();
    let (made, time, heard) = (Made::new(), Arc::new(AtomicU64::new(1000)), Arc::<Mutex<Vec<_>>>::default());
    let now = Arc::clone(&time);
    let pool: sync::Pool<u32, Thing> = sync::Pool::builder()
        .create_or_wait(Hears(heard.clone()))
        .clock(move || now.load(Ordering::Relaxed))
        .build();
    let pass = |nanos| time.fetch_add(nanos, Ordering::Relaxed);
    let twice = |key: &u32| drop([(); 2].map(|()| pool.acquire(key, made.open()).unwrap()));
    for hold in [10, 50, 500] {
        // The last one is a hit.
        let lease = if hold == 50 { pool.acquire(&2, made.open()) } else { pool.acquire(&1, made.open()) };
        pass(hold);
        drop(lease.unwrap());
        pass(100);
    }
    // One that ends by accident is not counted.
    let ends_by_a_panic = AssertUnwindSafe(|| {
        let _lease = pool.acquire(&4, made.open()).unwrap();
        pass(1000);
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(catch_unwind(ends_by_a_panic).is_err());
    twice(&1);
    assert_eq!(heard.lock().unwrap().pop(), Some(Some(10)), "of its key");
    twice(&3);
    assert_eq!(
        heard.lock().unwrap().pop(),
        Some(Some(20)),
        "of all, where none of its key has ended: 10, 50, and 0 just now"
    );
}
