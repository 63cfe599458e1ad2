//! Risk: when user code panics around a shared resource, its handle is dropped inside the pool's borrow, or not at all.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use pool_core::eviction::Lru;
use pool_core::local::Pool;
use pool_core::{EntryId, Eviction, KeyId, Now, Removal, Resource, Returned, Victim};

thread_local! {
    static CLONE_PANICS: Cell<bool> = const { Cell::new(false) };
    static KEY_DROP_PANICS: Cell<bool> = const { Cell::new(false) };
    /// What the next handle to be dropped does.
    static ON_DROP: RefCell<Option<Box<dyn FnOnce()>>> = RefCell::default();
}

#[derive(PartialEq, Eq, Hash, Debug)]
struct Key(u32);

impl Clone for Key {
    fn clone(&self) -> Self {
        assert!(!CLONE_PANICS.take(), "expected panic in clone");
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        assert!(!KEY_DROP_PANICS.take(), "expected panic in a key's drop");
    }
}

struct Handle(Rc<()>);

impl Resource for Handle {
    type Error = ();
    const SHAREABLE: bool = true;

    fn share(&self) -> Option<Self> {
        Some(Self(Rc::clone(&self.0)))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(act) = ON_DROP.take() {
            act();
        }
    }
}

/// Panics when anything becomes idle, if it is told to.
struct Trips(Lru, Rc<Cell<bool>>);

impl Eviction<Key> for Trips {
    fn on_acquire(&mut self, entry: EntryId, key: KeyId, now: Now) {
        Eviction::<Key>::on_acquire(&mut self.0, entry, key, now);
    }
    fn on_release(&mut self, entry: EntryId, key: KeyId, returned: &Returned, now: Now) {
        assert!(!self.1.take(), "expected panic in on_release");
        Eviction::<Key>::on_release(&mut self.0, entry, key, returned, now);
    }
    fn on_remove(&mut self, entry: EntryId, key: KeyId, why: Removal) {
        Eviction::<Key>::on_remove(&mut self.0, entry, key, why);
    }
    fn victim(&mut self, incoming: Option<EntryId>, now: Now) -> Option<Victim> {
        Eviction::<Key>::victim(&mut self.0, incoming, now)
    }
}

fn message(result: std::thread::Result<()>) -> &'static str {
    result.expect_err("it panics").downcast_ref::<&'static str>().copied().unwrap_or("another panic")
}

#[test]
fn handle_that_no_lease_came_of_is_dropped_outside_the_borrow() {
    let pool: &'static Pool<Key, Handle> = Box::leak(Box::new(Pool::with_max_idle(2)));
    drop(pool.acquire(&Key(1), |_| Ok(Handle(Rc::new(())))).unwrap());
    let seen = Rc::new(Cell::new(None));
    let see = Rc::clone(&seen);
    ON_DROP.set(Some(Box::new(move || see.set(Some(pool.len())))));
    CLONE_PANICS.set(true);
    let key = Key(1);
    let result = catch_unwind(AssertUnwindSafe(|| drop(pool.acquire(&key, |_| unreachable!()))));
    assert_eq!((message(result), seen.get()), ("expected panic in clone", Some(1)));
    pool.assert_consistent();
    assert!(pool.acquire(&key, |_| unreachable!()).unwrap().was_hit());
}

#[test]
fn key_that_panics_when_dropped_does_not_hide_the_policys_panic_nor_keep_a_handle() {
    let trips = Rc::new(Cell::new(false));
    let pool = Pool::builder().eviction(Trips(Lru::new(), Rc::clone(&trips))).build();
    let all = Rc::new(());
    let lease = pool.acquire(&Key(1), |_| Ok(Handle(Rc::clone(&all)))).unwrap();
    trips.set(true);
    KEY_DROP_PANICS.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| drop(lease)));
    assert_eq!(message(result), "expected panic in on_release");
    assert!(!KEY_DROP_PANICS.get(), "a key was dropped");
    assert_eq!((Rc::strong_count(&all), pool.usage().live()), (1, 0), "every handle is gone");
    pool.assert_consistent();
}
