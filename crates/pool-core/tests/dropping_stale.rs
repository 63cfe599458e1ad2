//! Risk: dropping what has become stale takes what has not, runs destructors under the lock, or is upset by a panic.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use pool_core::capacity::{Both, MaxIdle, MaxLive};
use pool_core::pool::LeaseOf;
use pool_core::{DropReason, MissReason, Resource, local, sync};
use watchdog::watchdog;

struct Solver {
    epoch: u32,
    dropped: Option<Box<dyn Fn() + Send>>,
}

impl Resource for Solver {
    type Error = ();
}

impl Drop for Solver {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            dropped();
        }
    }
}

fn solver(epoch: u32) -> Result<Solver, ()> {
    Ok(Solver { epoch, dropped: None })
}

#[test]
fn only_what_is_idle_and_stale_goes_and_is_counted_so() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Solver> = local::Pool::with_max_idle(8);
    let held = pool.acquire(&0, |_| solver(1)).unwrap();
    for key in 1..5 {
        drop(pool.acquire(&key, |_| solver(key % 2)).unwrap());
    }
    let asked = Cell::new(0);
    let stale = |_: &u32, solver: &mut Solver| {
        asked.set(asked.get() + 1);
        solver.epoch == 1
    };
    assert_eq!((pool.drop_stale(stale), asked.get()), (2, 4), "what is leased is not asked about");
    assert_eq!(pool.drop_stale(|_, solver| solver.epoch == 1), 0);
    pool.assert_sound();
    assert_eq!((pool.len(), pool.stats().idle_dropped.get(DropReason::Stale)), (2, 2));
    drop(held);
    assert!(LeaseOf::was_hit(&pool.acquire(&0, |_| solver(0)).unwrap()));
    assert!(LeaseOf::was_hit(&pool.acquire(&2, |_| solver(0)).unwrap()));
    assert!(!LeaseOf::was_hit(&pool.acquire(&1, |_| solver(0)).unwrap()));
    assert_eq!(pool.stats().misses.get(MissReason::Stale), 1, "and it is remembered why it went");
}

#[test]
fn destructors_may_use_the_pool() {
    let _watchdog = watchdog();
    let pool: Arc<sync::Pool<u32, Solver>> = Arc::new(sync::Pool::with_max_idle(8));
    let seen = Arc::new(Mutex::new(Vec::new()));
    for key in 0..3 {
        let (inner, seen) = (Arc::downgrade(&pool), Arc::clone(&seen));
        let dropped = move || {
            if let Some(pool) = inner.upgrade() {
                seen.lock().unwrap().push(pool.len());
            }
        };
        drop(pool.acquire(&key, |_| Ok(Solver { epoch: key, dropped: Some(Box::new(dropped)) })).unwrap());
    }
    assert_eq!(pool.drop_stale(|key, _| *key > 0), 2);
    assert_eq!(*seen.lock().unwrap(), [1, 1]);
}

#[test]
fn panic_of_the_question_loses_nothing() {
    let _watchdog = watchdog();
    let pool: Rc<local::Pool<u32, Solver>> = Rc::new(local::Pool::with_max_idle(8));
    for key in 0..4 {
        drop(pool.acquire(&key, |_| solver(key)).unwrap());
    }
    let result = catch_unwind(AssertUnwindSafe(|| {
        pool.drop_stale(|key, _| {
            assert_ne!(*key, 1, "one that can't be asked about");
            true
        })
    }));
    assert!(result.is_err());
    pool.assert_sound();
    assert_eq!(pool.len(), 1, "the others went; that one stays");
    assert!(LeaseOf::was_hit(&pool.acquire(&1, |_| solver(9)).unwrap()));
    // Using the pool in there is a mistake that is named, and harms nothing.
    let result = catch_unwind(AssertUnwindSafe(|| pool.drop_stale(|_, _| pool.is_empty())));
    assert!(result.is_err());
    pool.assert_sound();
    assert_eq!(pool.drain(), 1);
}

#[test]
fn room_that_it_makes_goes_to_who_waits() {
    let _watchdog = watchdog();
    let pool: sync::Pool<u32, Solver> = sync::Pool::builder().capacity(Both(MaxLive(1), MaxIdle(1))).build();
    let opened = AtomicU32::new(0);
    let open = |_: &u32| {
        opened.fetch_add(1, Ordering::Relaxed);
        solver(0)
    };
    drop(pool.acquire(&0, open).unwrap());
    assert_eq!(pool.drop_stale(|_, _| true), 1);
    // Not a hit on what is gone, and there is room.
    assert!(!LeaseOf::was_hit(&pool.try_acquire(&0, open).unwrap()));
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}
