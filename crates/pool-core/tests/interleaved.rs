//! Risk: what `cargo simulate` found comes back: places, handles and waiters that are lost where two things happen at once.

#[path = "support/threads.rs"]
mod threads;

use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdle, MaxLive, MaxLiveWeight, ProcessMemory};
use pool_core::eviction::{Lru, RejectIncoming};
use pool_core::pool::LeaseOf;
use pool_core::sync::Pool;
use pool_core::{AcquireError, AcquireOptions, Capacity, Opened, Query, Resource, Usage, Verdict};
use threads::{Expected, Time, panicked, until, watchdog};

/// A resource whose weight can change and whose destructor does what it is told.
#[derive(Default)]
struct Thing {
    weight: Arc<AtomicU64>,
    at_its_end: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Thing {
    fn of(weight: u64) -> Self {
        Self { weight: Arc::new(weight.into()), at_its_end: Mutex::default() }
    }

    fn that_ends_with(act: impl FnOnce() + Send + 'static) -> Self {
        Self { weight: Arc::default(), at_its_end: Mutex::new(Some(Box::new(act))) }
    }
}

impl Resource for Thing {
    type Error = ();

    fn weight(&self) -> u64 {
        self.weight.load(SeqCst)
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        let act = self.at_its_end.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }
}

/// The same, shared.
#[derive(Clone)]
struct Handle(Arc<Thing>);

impl Resource for Handle {
    type Error = ();

    fn weight(&self) -> u64 {
        self.0.weight()
    }
}

/// Asks for a key, and does what it is told in between.
struct Asks<'a> {
    key: u32,
    in_is_key: &'a dyn Fn(),
}

impl Query<u32> for Asks<'_> {
    fn hash_into<H: Hasher>(&self, hasher: &mut H) {
        self.key.hash(hasher);
    }

    fn is_key(&self, key: &u32) -> bool {
        (self.in_is_key)();
        self.key == *key
    }

    fn to_key(&self) -> u32 {
        self.key
    }
}

/// A destructor's own victim keeps its place, so something else has to go for what it asks for.
#[test]
fn destructor_that_needs_room_does_not_count_on_the_place_of_its_own_victim() {
    let _watchdog = watchdog();
    let pool: Arc<Pool<u32, Thing>> =
        Arc::new(Pool::builder().capacity(Both(MaxLive(2), MaxIdle(1))).eviction(Lru::new()).build());
    let (weak, got) = (Arc::downgrade(&pool), Arc::new(AtomicBool::new(false)));
    let has_got = Arc::clone(&got);
    let at_its_end = move || {
        let pool = Weak::upgrade(&weak).unwrap();
        has_got.store(pool.acquire(&3, |_| Ok(Thing::of(0))).is_ok(), SeqCst);
    };
    drop(pool.acquire(&1, |_| Ok(Thing::that_ends_with(at_its_end))));
    drop(pool.acquire(&2, |_| Ok(Thing::of(0)))); // and 1 goes, whose destructor asks for 3
    assert!(got.load(SeqCst), "2 went for it");
    assert!(pool.is_warm(&3) && !pool.is_warm(&2));
    pool.assert_sound();
}

/// However many handles there are: the last one is gone before the place is.
#[test]
fn shared_resource_holds_its_place_until_its_destructor_has_ended() {
    let _watchdog = watchdog();
    let pool: Arc<Pool<u32, Handle>> = Arc::new(Pool::builder().capacity(MaxLive(1)).shared().build());
    let (weak, seen) = (Arc::downgrade(&pool), Arc::new(Mutex::new(None)));
    let sees = Arc::clone(&seen);
    let at_its_end = move || *sees.lock().unwrap() = weak.upgrade().map(|pool| pool.usage());
    let thing = Thing::that_ends_with(at_its_end);
    let one = pool.acquire(&1, move |_| Ok(Handle(Arc::new(thing)))).unwrap();
    let two = pool.acquire(&1, |_| unreachable!()).unwrap();
    LeaseOf::discard(one);
    assert!(seen.lock().unwrap().is_none(), "it lives on with the other lease");
    drop(two);
    let seen = seen.lock().unwrap().take().unwrap();
    assert_eq!((seen.live(), seen.dropping), (1, 1), "{seen}");
    assert_eq!(pool.usage().live(), 0);
}

#[test]
fn what_comes_back_and_goes_for_one_who_waits_does_not_go_for_the_next_as_well() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).eviction(RejectIncoming).build();
    drop(pool.acquire(&1, |_| Ok(Thing::of(0))).unwrap()); // stays: this policy never lets go of what is idle
    let held = pool.acquire(&2, |_| Ok(Thing::of(0))).unwrap();
    thread::scope(|scope| {
        for key in [3, 4] {
            scope.spawn({
                let pool = &pool;
                move || drop(pool.acquire(&key, |_| Ok(Thing::of(0))).unwrap())
            });
        }
        until(|| pool.usage().waiting == 2);
        drop(held);
    });
    assert_eq!(pool.usage().waiting, 0);
    pool.assert_sound();
}

#[test]
fn one_whose_key_can_not_be_cloned_is_not_put_to_sleep_beside_what_is_warm() {
    let _watchdog = watchdog();
    #[derive(PartialEq, Eq, Hash, Debug)]
    struct Key(u32);
    static PANICS: AtomicBool = AtomicBool::new(false);
    impl Clone for Key {
        fn clone(&self) -> Self {
            if PANICS.swap(false, SeqCst) {
                resume_unwind(Box::new(Expected));
            }
            Self(self.0)
        }
    }
    struct AsksForOne<'a>(&'a Pool<Key, Handle>);
    impl Query<Key> for AsksForOne<'_> {
        fn hash_into<H: Hasher>(&self, hasher: &mut H) {
            Key(1).hash(hasher);
        }
        fn is_key(&self, key: &Key) -> bool {
            *key == Key(1)
        }
        fn to_key(&self) -> Key {
            // Another is faster.
            drop(self.0.acquire(&Key(1), |_| Ok(Handle(Arc::default()))).unwrap());
            PANICS.store(true, SeqCst);
            Key(1)
        }
    }
    let pool: Pool<Key, Handle> = Pool::builder().capacity(MaxLive(1)).shared().build();
    assert!(panicked(|| drop(pool.acquire(AsksForOne(&pool), |_| unreachable!()))));
    assert_eq!((pool.usage().waiting, pool.usage().live()), (0, 1));
    pool.assert_sound();
}

#[test]
fn one_who_gives_up_while_something_panics_leaves_once() {
    static PANICS: AtomicBool = AtomicBool::new(false);
    #[derive(Clone, PartialEq, Eq, Hash, Debug)]
    struct Key(u32);
    impl Drop for Key {
        fn drop(&mut self) {
            if PANICS.load(SeqCst) && self.0 == 2 && !thread::panicking() {
                PANICS.store(false, SeqCst);
                resume_unwind(Box::new(Expected));
            }
        }
    }
    let _watchdog = watchdog();
    let time = Time::default();
    let pool: Pool<Key, Thing> = Pool::builder().capacity(MaxLive(1)).remembered_keys(0).clock(time).build();
    let held = pool.acquire(&Key(1), |_| Ok(Thing::of(0))).unwrap();
    let key = Key(2);
    // Its time is over at once. The pool forgets the key, and drops its own.
    PANICS.store(true, SeqCst);
    assert!(panicked(|| drop(pool.acquire_timeout(&key, Duration::ZERO, |_| unreachable!()))));
    assert_eq!((pool.usage().waiting, PANICS.load(SeqCst)), (0, false));
    pool.assert_sound();
    drop(held);
}

#[test]
fn what_has_grown_when_one_of_its_leases_ends_leaves_no_more_idle_than_there_is_room_for() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Handle> = Pool::builder().capacity(MaxLiveWeight(20)).shared().build();
    drop(pool.acquire(&2, |_| Ok(Handle(Arc::new(Thing::of(8))))).unwrap());
    let thing = Arc::new(Thing::of(5));
    let one = pool.acquire(&1, |_| Ok(Handle(Arc::clone(&thing)))).unwrap();
    let two = pool.acquire(&1, |_| unreachable!()).unwrap();
    thing.weight.store(15, SeqCst);
    drop(one);
    assert_eq!((pool.usage().live_weight(), pool.usage().idle), (15, 0));
    drop(two);
}

#[test]
fn what_has_grown_when_it_is_handed_on_leaves_no_more_idle_than_there_is_room_for() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLiveWeight(20)).build();
    drop(pool.acquire(&2, |_| Ok(Thing::of(8))).unwrap());
    let held = pool.acquire(&1, |_| Ok(Thing::of(5))).unwrap();
    thread::scope(|scope| {
        let heavy = AcquireOptions::new().expect_weight(19);
        let (pool, held_on) = (&pool, mpsc::channel());
        let waiter = scope.spawn(move || {
            let lease = pool.acquire_with(&1, &heavy, |_| unreachable!()).unwrap();
            held_on.0.send(pool.usage()).unwrap();
            drop(lease);
        });
        until(|| pool.usage().waiting == 1);
        held.weight.store(15, SeqCst);
        drop(held);
        let usage = held_on.1.recv().unwrap();
        assert_eq!((usage.leased_weight, usage.idle), (15, 0), "{usage}");
        waiter.join().unwrap();
    });
}

/// Who measures memory is waited for, until it no longer does.
#[test]
fn one_who_panics_after_it_measured_leaves_nobody_waiting_for_it() {
    one_measures_while_another_waits_for_itself(true);
}

/// Nobody else could end anything then but who waits for itself, and is told so.
#[test]
fn one_who_measured_in_vain_waits_on_while_another_is_told_that_it_waits_for_itself() {
    one_measures_while_another_waits_for_itself(false);
}

fn one_measures_while_another_waits_for_itself(and_panics: bool) {
    let _watchdog = watchdog();
    let (blocks, blocked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (blocks_it, is_blocked) = (Arc::clone(&blocks), Arc::clone(&blocked));
    let read = move || {
        if thread::current().name() == Some("measurer") && blocks_it.load(SeqCst) {
            is_blocked.store(true, SeqCst);
            until(|| !blocks_it.load(SeqCst));
        }
        Ok(1)
    };
    let pool: Pool<u32, Thing> = Pool::builder()
        .capacity(Both(MaxLive(1), ProcessMemory::evict_above(100)))
        .process_memory(read)
        .build();
    // It is known from then on, so it is looked for among those with its hash.
    LeaseOf::discard(pool.acquire(&3, |_| Ok(Thing::of(0))).unwrap());
    let (asks, panics) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let opener = scope.spawn(|| {
            let open = |_: &u32| {
                until(|| asks.load(SeqCst));
                let inner = pool.acquire(&2, |_| unreachable!());
                assert!(matches!(inner, Err(AcquireError::Deadlock { .. })), "it has the only place itself");
                Ok(Thing::of(0))
            };
            drop(pool.acquire(&1, open).unwrap());
        });
        until(|| pool.usage().opening == 1);
        let measure = || {
            let is_key = || {
                if panics.load(SeqCst) {
                    resume_unwind(Box::new(Expected));
                }
            };
            let query = Asks { key: 3, in_is_key: &is_key };
            panicked(|| drop(pool.acquire(query, |_| Ok(Thing::of(0))).unwrap()))
        };
        let measurer = thread::Builder::new().name("measurer".into()).spawn_scoped(scope, measure).unwrap();
        until(|| pool.usage().waiting == 1);
        blocks.store(true, SeqCst);
        // One who comes and leaves has the other measure anew.
        assert!(pool.acquire_timeout(&4, Duration::ZERO, |_| unreachable!()).is_err());
        until(|| blocked.load(SeqCst));
        asks.store(true, SeqCst);
        until(|| pool.usage().waiting == 2);
        panics.store(and_panics, SeqCst);
        blocks.store(false, SeqCst);
        assert_eq!(measurer.join().unwrap(), and_panics);
        opener.join().unwrap();
    });
    assert_eq!(pool.usage().waiting, 0);
    pool.assert_sound();
}

#[test]
fn capacity_policy_that_panics_when_who_waits_could_be_served_leaves_nobody_asleep() {
    struct Trips(Arc<AtomicBool>);
    impl Capacity for Trips {
        fn admit(&self, usage: &Usage, expected: &Opened) -> Verdict {
            if self.0.load(SeqCst) {
                resume_unwind(Box::new(Expected));
            }
            MaxLive(1).admit(usage, expected)
        }
        fn keep(&self, usage: &Usage, weight: u64) -> Verdict {
            MaxLive(1).keep(usage, weight)
        }
    }
    let _watchdog = watchdog();
    let trips = Arc::new(AtomicBool::new(false));
    let pool: Pool<u32, Thing> = Pool::builder().capacity(Trips(Arc::clone(&trips))).build();
    let held = pool.acquire(&1, |_| Ok(Thing::of(0))).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.acquire(&2, |_| Ok(Thing::of(0))).map(drop));
        until(|| pool.usage().waiting == 1);
        trips.store(true, SeqCst);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(held)));
        trips.store(false, SeqCst);
        assert!(dropped.is_err_and(|payload| payload.is::<Expected>()), "it goes on to whose step it was");
        let told = waiter.join().unwrap();
        assert!(
            matches!(told, Err(AcquireError::Refused { by: "a panic in the capacity policy", .. })),
            "{told:?}"
        );
    });
    pool.assert_sound();
}
