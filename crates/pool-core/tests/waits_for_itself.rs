//! Risk: an open or a destructor waits for what only its own end would give, and nobody is told.

#[path = "support/thing.rs"]
mod thing;
#[path = "support/threads.rs"]
mod threads;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use pool_core::capacity::MaxLive;
use pool_core::pool::LeaseOf;
use pool_core::sync::Pool;
use pool_core::{AcquireError, AcquireOptions, Resource};
use thing::{Thing, handle, sharing, thing};
use threads::{until, watchdog};

#[test]
fn opens_that_wait_for_each_other_are_told_so() {
    let _watchdog = watchdog();
    let pool = sharing(4);
    // Something else is out all the while, and ends by itself.
    let _other = pool.acquire(&3, |_| handle(3)).unwrap();
    let barrier = Barrier::new(2);
    let told = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (mine, others) in [(1_u32, 2_u32), (2, 1)] {
            let (pool, barrier, told) = (&pool, &barrier, &told);
            scope.spawn(move || {
                let open = |_: &u32| {
                    barrier.wait();
                    match pool.acquire(&others, |_| handle(0)) {
                        Err(AcquireError::Deadlock { .. }) => drop(told.fetch_add(1, SeqCst)),
                        shared => assert!(LeaseOf::was_hit(&shared.unwrap())),
                    }
                    handle(mine.into())
                };
                drop(pool.acquire(&mine, open).unwrap());
            });
        }
    });
    assert_eq!(told.load(SeqCst), 1, "the one that came last; the other gets what that opens");
    pool.assert_sound();
}

#[test]
fn open_that_would_wait_for_its_own_place_is_told_so() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let held = pool.acquire(&9, |_| thing(0)).unwrap();
    let lease = pool.acquire(&1, |_| {
        thread::scope(|scope| {
            // While a lease is out there is something to wait for; when it has come back and gone again, there is not.
            let inner = pool.acquire_with(&2, &AcquireOptions::new().never_wait(), |_| thing(0));
            assert!(matches!(inner, Err(AcquireError::Exhausted { .. })));
            let other = scope.spawn(|| pool.acquire(&9, |_| thing(0)).map(std::mem::forget));
            until(|| pool.usage().waiting == 1);
            drop(held);
            other.join().unwrap().unwrap();
        });
        thing(0)
    });
    drop(lease.unwrap());
    let alone: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(1)).build();
    let lease = alone.acquire(&1, |_| {
        let inner = alone.acquire(&2, |_| thing(0));
        assert!(matches!(inner, Err(AcquireError::Deadlock { .. })), "{inner:?}");
        thing(0)
    });
    drop(lease.unwrap());
    pool.assert_sound();
    alone.assert_sound();
}

#[test]
fn open_that_waits_for_its_own_place_since_the_limit_was_lowered_is_told_so() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let held = pool.acquire(&9, |_| thing(0)).unwrap();
    let open = |_: &u32| {
        let inner = pool.acquire(&2, |_| thing(0));
        assert!(matches!(inner, Err(AcquireError::Deadlock { .. })), "{inner:?}");
        thing(0)
    };
    thread::scope(|scope| {
        let opener = scope.spawn(|| drop(pool.acquire(&1, open).unwrap()));
        until(|| pool.usage().waiting == 1);
        pool.set_capacity(Box::new(MaxLive(1)));
        assert_eq!(pool.usage().waiting, 1, "a lease is still out");
        drop(held);
        opener.join().unwrap();
    });
    pool.assert_sound();
}

#[test]
fn opens_that_hold_all_places_and_wait_for_another_are_told_so_one_after_the_other() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing> = Pool::builder().capacity(MaxLive(2)).build();
    let (barrier, told) = (Barrier::new(2), AtomicUsize::new(0));
    thread::scope(|scope| {
        for mine in [1_u32, 2] {
            let (pool, barrier, told) = (&pool, &barrier, &told);
            scope.spawn(move || {
                let open = |_: &u32| {
                    barrier.wait();
                    match pool.acquire(&(mine + 10), |_| thing(0)) {
                        Err(AcquireError::Deadlock { .. }) => drop(told.fetch_add(1, SeqCst)),
                        lease => drop(lease.unwrap()),
                    }
                    thing(0)
                };
                drop(pool.acquire(&mine, open).unwrap());
            });
        }
    });
    assert!((1..=2).contains(&told.load(SeqCst)), "the other may find room once the first is done");
    assert_eq!((pool.usage().waiting, pool.usage().opening), (0, 0));
    pool.assert_sound();
}

/// A destructor runs while its resource still holds its place.
#[test]
fn destructor_that_would_wait_for_its_own_place_is_told_so() {
    let _watchdog = watchdog();
    type WeakPool = std::sync::Weak<Pool<u32, Nosy>>;
    struct Nosy(Arc<Mutex<Option<WeakPool>>>, Arc<AtomicBool>);
    impl Resource for Nosy {
        type Error = ();
    }
    impl Drop for Nosy {
        fn drop(&mut self) {
            let pool = self.0.lock().unwrap().take().and_then(|pool| pool.upgrade());
            if let Some(pool) = pool {
                let got = pool.acquire(&7, |_| Ok(Nosy(Arc::default(), Arc::default())));
                self.1.store(matches!(got, Err(AcquireError::Deadlock { .. })), SeqCst);
            }
        }
    }
    let told = Arc::new(AtomicBool::new(false));
    let pool = Arc::new(Pool::builder().capacity(MaxLive(1)).build());
    let weak = Arc::new(Mutex::new(Some(Arc::downgrade(&pool))));
    drop(pool.acquire(&1, |_| Ok(Nosy(weak, Arc::clone(&told)))).unwrap());
    drop(pool.acquire(&2, |_| Ok(Nosy(Arc::default(), Arc::default()))).unwrap());
    assert!(told.load(SeqCst));
    assert_eq!((pool.usage().live(), pool.usage().dropping), (1, 0));
    pool.assert_sound();
}
