//! Risk: a policy is not told what it decides by: the capacity, why an entry is gone, that memory may be given back.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use pool_core::capacity::{
    Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive, MaxLiveWeight, MaxOpens, Unbounded,
};
use pool_core::eviction::{IdleTimeout, Lru, MaxAge, TinyLfu};
use pool_core::local::Pool;
use pool_core::pool::LeaseOf;
use pool_core::{
    AcquireOptions, Bounds, Capacity, EntryId, Eviction, Health, KeyId, Now, Removal, Resource, Returned,
    Victim,
};
use watchdog::watchdog;

/// What a policy was told.
#[derive(Default)]
struct Told {
    capacity: RefCell<Vec<Bounds>>,
    gone: RefCell<Vec<Removal>>,
    shrunk: Cell<usize>,
    reopened: RefCell<Vec<KeyId>>,
}

/// `Lru` that keeps a record, and names what has just come back while it is told to.
struct Listens {
    inner: Lru,
    told: Rc<Told>,
    rejects: Rc<Cell<bool>>,
}

impl<K: ?Sized> Eviction<K> for Listens {
    fn on_reopen(&mut self, key: KeyId, _: &K) {
        self.told.reopened.borrow_mut().push(key);
    }
    fn on_capacity(&mut self, capacity: &Bounds) {
        self.told.capacity.borrow_mut().push(*capacity);
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        Eviction::<K>::on_acquire(&mut self.inner, entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        Eviction::<K>::on_release(&mut self.inner, entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        self.told.gone.borrow_mut().push(why);
        Eviction::<K>::on_remove(&mut self.inner, entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        if self.rejects.get() {
            return incoming.map(Victim::Entry);
        }
        Eviction::<K>::victim(&mut self.inner, incoming, now)
    }
    fn shrink_to_fit(&mut self) {
        self.told.shrunk.set(self.told.shrunk.get() + 1);
    }
}

struct Thing(Rc<Cell<Health>>);

impl Resource for Thing {
    type Error = ();
    fn health(&mut self) -> Health {
        self.0.get()
    }
}

#[test]
fn why_an_entry_is_gone_is_told_for_each_way_to_go() {
    let _watchdog = watchdog();
    let (told, rejects, time) = (Rc::new(Told::default()), Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let health = Rc::new(Cell::new(Health::Reusable));
    let inner = Listens { inner: Lru::new(), told: Rc::clone(&told), rejects: Rc::clone(&rejects) };
    // Through every filter.
    let hour = Duration::from_secs(3600);
    let policy = IdleTimeout::new(Duration::from_nanos(100), MaxAge::new(hour, TinyLfu::new(inner)));
    let clock = Rc::clone(&time);
    let pool: Pool<u32, Thing> =
        Pool::builder().capacity(MaxIdle(2)).eviction(policy).clock(move || clock.get()).build();
    let open = |_: &u32| Ok(Thing(Rc::clone(&health)));
    let ask = |key: u32| drop(pool.acquire(&key, open).unwrap());
    let expect = |what: &str, expected: &[Removal]| {
        assert_eq!(told.gone.take(), expected, "{what}");
        pool.assert_sound();
    };

    ask(1);
    ask(2);
    expect("room for both", &[]);
    ask(3);
    expect("1 made room", &[Removal::Evicted]);
    rejects.set(true);
    ask(4);
    rejects.set(false);
    expect("4 was named as it came back", &[Removal::Rejected]);
    time.set(1000);
    ask(2);
    expect("2 and 3 lay idle for too long", &[Removal::Expired, Removal::Expired]);
    health.set(Health::Stale);
    assert!(pool.acquire_warm(&2).is_none());
    health.set(Health::Reusable);
    expect("found stale", &[Removal::Unfit]);
    let lease = pool.acquire(&5, open).unwrap();
    health.set(Health::Broken);
    drop(lease);
    health.set(Health::Reusable);
    expect("came back broken", &[Removal::Unfit]);
    LeaseOf::discard(pool.acquire(&5, open).unwrap());
    expect("discarded", &[Removal::Unfit]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _lease = pool.acquire(&5, open).unwrap();
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    expect("its lease panicked", &[Removal::Unfit]);
    drop(LeaseOf::into_inner(pool.acquire(&5, open).unwrap()));
    expect("its user kept it", &[Removal::Taken]);
    ask(6);
    assert_eq!(told.shrunk.get(), 0);
    pool.drain();
    expect("drained", &[Removal::Drained]);
    assert_eq!(told.shrunk.get(), 1, "after a drain memory may be given back");
}

#[test]
fn a_key_is_told_again_when_it_has_an_entry_again_and_only_then() {
    let _watchdog = watchdog();
    let told = Rc::new(Told::default());
    let inner = Listens { inner: Lru::new(), told: Rc::clone(&told), rejects: Rc::default() };
    let hour = Duration::from_secs(3600);
    let policy = IdleTimeout::new(hour, MaxAge::new(hour, TinyLfu::new(inner)));
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxIdle(2)).eviction(policy).clock(|| 0).build();
    let open = |_: &u32| Ok(Thing(Rc::new(Cell::new(Health::Reusable))));
    let lease = pool.acquire(&1, open).unwrap();
    drop(pool.acquire(&1, open).unwrap()); // it has another
    drop(lease);
    drop(pool.acquire(&1, open).unwrap()); // a hit
    assert_eq!(told.reopened.take(), []);
    pool.drain();
    assert!(pool.acquire(&1, |_| Err(())).is_err());
    assert_eq!(told.reopened.take(), [], "no open, no entry");
    drop(pool.acquire(&1, open).unwrap());
    assert_eq!(told.reopened.take().len(), 1);
    drop(pool.acquire(&2, open).unwrap());
    assert_eq!(told.reopened.take(), [], "new");
}

#[test]
fn time_is_told_as_it_is_also_where_a_lease_that_is_discarded_makes_room() {
    struct Timed(Lru, Rc<Cell<u64>>, Rc<Cell<u32>>);
    impl Eviction<u32> for Timed {
        fn needs_clock(&self) -> bool {
            true
        }
        fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
            Eviction::<u32>::on_acquire(&mut self.0, entry, key, now);
        }
        fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
            Eviction::<u32>::on_release(&mut self.0, entry, key, returned, now);
        }
        fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
            Eviction::<u32>::on_remove(&mut self.0, entry, key, why);
        }
        fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
            assert_eq!(now.nanos, self.1.get());
            self.2.set(self.2.get() + 1);
            Eviction::<u32>::victim(&mut self.0, incoming, now)
        }
    }
    struct Heavy;
    impl Resource for Heavy {
        type Error = ();
        fn weight(&self) -> u64 {
            5
        }
    }
    let _watchdog = watchdog();
    let (time, asked) = (Rc::new(Cell::new(100)), Rc::<Cell<u32>>::default());
    let (clock, policy) = (Rc::clone(&time), Timed(Lru::new(), Rc::clone(&time), Rc::clone(&asked)));
    let pool: Pool<u32, Heavy> =
        Pool::builder().capacity(MaxLiveWeight(10)).eviction(policy).clock(move || clock.get()).build();
    let leased = pool.acquire(&1, |_| Ok(Heavy)).unwrap();
    drop(pool.acquire(&2, |_| Ok(Heavy)).unwrap());
    let mut waits = pool.request_with(&3, &AcquireOptions::new().expect_weight(10));
    assert!(Pin::new(&mut waits).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    time.set(200);
    LeaseOf::discard(leased); // and 2 goes as well, for 3
    assert_eq!((asked.get(), pool.usage().live()), (1, 1));
    assert!(Pin::new(&mut waits).poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn capacity_is_told_once_when_the_pool_is_built_through_every_filter() {
    let _watchdog = watchdog();
    let told = Rc::new(Told::default());
    let inner = Listens { inner: Lru::new(), told: Rc::clone(&told), rejects: Rc::default() };
    let hour = Duration::from_secs(3600);
    let policy: Box<dyn Eviction<u32>> =
        Box::new(IdleTimeout::new(hour, MaxAge::new(hour, TinyLfu::new(inner))));
    let limits = Both(MaxIdle(7), MaxIdleWeight(1000));
    let pool: Pool<u32, Thing> = Pool::builder().capacity(limits).eviction(policy).build();
    drop(pool.acquire(&1, |_| Ok(Thing(Rc::new(Cell::new(Health::Reusable))))));
    assert_eq!(*told.capacity.borrow(), [Bounds::of_entries(7).and(Bounds::of_bytes(1000))]);
}

#[test]
fn each_capacity_policy_says_what_it_bounds() {
    let _watchdog = watchdog();
    let of = |capacity: &dyn Capacity| {
        let bounds = capacity.bounds();
        (bounds.entries, bounds.bytes)
    };
    assert_eq!(of(&MaxIdle(3)), (Some(3), None));
    assert_eq!(of(&MaxLive(4)), (Some(4), None));
    assert_eq!(of(&MaxIdleWeight(5)), (None, Some(5)));
    assert_eq!(of(&MaxLiveWeight(6)), (None, Some(6)));
    assert_eq!(of(&Unbounded), (None, None));
    assert_eq!(of(&MaxOpens(3)), (None, None));
    assert_eq!(of(&MaxIdlePerKey(3)), (None, None));
    assert_eq!(of(&Both(MaxLive(4), MaxIdle(3))), (Some(3), None));
    assert_eq!(of(&Both(MaxIdleWeight(9), Both(MaxLiveWeight(6), MaxLive(1)))), (Some(1), Some(6)));
    assert_eq!(of(&Box::new(MaxIdle(3))), (Some(3), None));
}

/// Panics once in the hook of that name.
struct Trips(Lru, &'static str);

impl Trips {
    fn step(&mut self, hook: &'static str) {
        if self.1 == hook {
            self.1 = "";
            panic!("expected panic in {hook}");
        }
    }
}

impl<K: ?Sized> Eviction<K> for Trips {
    fn on_reopen(&mut self, _: KeyId, _: &K) {
        self.step("on_reopen");
    }
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        Eviction::<K>::on_acquire(&mut self.0, entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        Eviction::<K>::on_release(&mut self.0, entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        Eviction::<K>::on_remove(&mut self.0, entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        Eviction::<K>::victim(&mut self.0, incoming, now)
    }
    fn shrink_to_fit(&mut self) {
        self.step("shrink_to_fit");
    }
}

#[test]
fn a_policy_that_panics_when_it_is_told_again_or_asked_for_memory_leaves_the_pool_whole() {
    let _watchdog = watchdog();
    for hook in ["on_reopen", "shrink_to_fit"] {
        let pool: Pool<u32, Thing> =
            Pool::builder().capacity(MaxIdle(2)).eviction(Trips(Lru::new(), hook)).build();
        let ask =
            |key: u32| drop(pool.acquire(&key, |_| Ok(Thing(Rc::new(Cell::new(Health::Reusable))))).unwrap());
        let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        ask(1);
        assert_eq!(panics(&|| _ = pool.drain()), hook == "shrink_to_fit", "{hook}");
        assert_eq!((pool.len(), pool.stats().drains), (0, 1), "{hook}: drained all the same");
        pool.assert_sound();
        assert_eq!(panics(&|| ask(1)), hook == "on_reopen", "{hook}");
        pool.assert_sound();
        [1, 2, 1, 3].into_iter().for_each(ask);
        assert_eq!(pool.len(), 2, "{hook}");
        pool.assert_sound();
    }
}
