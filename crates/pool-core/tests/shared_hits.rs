//! Risk: when user code panics around a shared resource, its handle is dropped inside the pool's borrow, or not at all.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use pool_core::eviction::Lru;
use pool_core::local::Pool;
use pool_core::pool::LeaseOf;
use pool_core::{EntryId, Eviction, KeyId, Now, Removal, Resource, Returned, Victim};
use watchdog::watchdog;

thread_local! {
    static CLONE_PANICS: Cell<bool> = const { Cell::new(false) };
    static KEY_DROP_PANICS: Cell<bool> = const { Cell::new(false) };
    static SHARE_PANICS: Cell<bool> = const { Cell::new(false) };
    /// What the next key to be dropped does.
    static ON_KEY_DROP: RefCell<Option<Box<dyn FnOnce()>>> = RefCell::default();
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
        if let Some(act) = ON_KEY_DROP.take() {
            act();
        }
        assert!(!KEY_DROP_PANICS.take(), "expected panic in a key's drop");
    }
}

struct Handle(Rc<()>);

impl Clone for Handle {
    fn clone(&self) -> Self {
        assert!(!SHARE_PANICS.take(), "expected panic in a resource's clone");
        Self(Rc::clone(&self.0))
    }
}

impl Resource for Handle {
    type Error = ();
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
fn key_that_no_lease_came_of_is_dropped_outside_the_borrow() {
    let _watchdog = watchdog();
    let pool: &'static Pool<Key, Handle> = Box::leak(Box::new(Pool::builder().shared().build()));
    drop(pool.acquire(&Key(1), |_| Ok(Handle(Rc::new(())))).unwrap());
    let seen = Rc::new(Cell::new(None));
    let see = Rc::clone(&seen);
    ON_KEY_DROP.set(Some(Box::new(move || see.set(Some(pool.len())))));
    SHARE_PANICS.set(true);
    let key = Key(1);
    let result = catch_unwind(AssertUnwindSafe(|| drop(pool.acquire(&key, |_| unreachable!()))));
    assert_eq!((message(result), seen.get()), ("expected panic in a resource's clone", Some(0)));
    pool.assert_sound();
    assert_eq!(pool.len(), 0, "what can't be shared is not offered again");
}

#[test]
fn key_that_panics_when_cloned_keeps_no_resource_from_others() {
    let _watchdog = watchdog();
    let pool: Pool<Key, Handle> = Pool::builder().shared().build();
    let all = Rc::new(());
    drop(pool.acquire(&Key(1), |_| Ok(Handle(Rc::clone(&all)))).unwrap());
    CLONE_PANICS.set(true);
    let key = Key(1);
    let result = catch_unwind(AssertUnwindSafe(|| drop(pool.acquire(&key, |_| unreachable!()))));
    assert_eq!((message(result), Rc::strong_count(&all)), ("expected panic in clone", 2));
    pool.assert_sound();
    assert!(LeaseOf::was_hit(&pool.acquire(&key, |_| unreachable!()).unwrap()));
}

#[test]
fn key_that_panics_when_dropped_keeps_no_handle_and_no_place() {
    let _watchdog = watchdog();
    let trips = Rc::new(Cell::new(false));
    let pool = Pool::builder().eviction(Trips(Lru::new(), Rc::clone(&trips))).shared().build();
    let all = Rc::new(());
    let lease = pool.acquire(&Key(1), |_| Ok(Handle(Rc::clone(&all)))).unwrap();
    trips.set(true);
    KEY_DROP_PANICS.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| drop(lease)));
    assert_eq!(message(result), "expected panic in a key's drop", "the first of two");
    assert!(!trips.get(), "the lease has ended all the same");
    assert_eq!((Rc::strong_count(&all), pool.usage().live()), (1, 0), "every handle is gone");
    pool.assert_sound();
}
