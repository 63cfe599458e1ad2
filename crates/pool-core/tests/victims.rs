//! Risk: what is evicted counts as gone while its destructor runs, or its room is promised twice.

#[path = "support/threads.rs"]
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use pool_core::capacity::{Both, MaxLive, MaxLiveWeight, MaxResidue, ProcessMemory};
use pool_core::sync::Pool;
use pool_core::{AcquireError, Capacity, Resource};
use threads::{until, watchdog};

#[test]
fn no_more_exists_than_max_live_while_a_victim_is_being_dropped() {
    let _watchdog = watchdog();
    static LIVE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    struct Port<'a>(&'a AtomicBool);
    impl Resource for Port<'_> {
        type Error = ();
    }
    impl Drop for Port<'_> {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
            LIVE.fetch_sub(1, SeqCst);
        }
    }
    let go_on = AtomicBool::new(false);
    let open = |_: &u32| {
        MOST.fetch_max(LIVE.fetch_add(1, SeqCst) + 1, SeqCst);
        Ok(Port(&go_on))
    };
    let pool: Pool<u32, Port<'_>> = Pool::builder().capacity(MaxLive(1)).build();
    let lease = pool.acquire(&1, open).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| drop(pool.acquire(&2, open).unwrap()));
        until(|| pool.usage().waiting == 1);
        scope.spawn(|| drop(lease)); // 1 is evicted for 2, by this thread; 2 is opened by the other one
        until(|| pool.usage().dropping == 1);
        let usage = pool.usage();
        assert_eq!((usage.live(), usage.waiting, other.is_finished()), (1, 1, false), "{usage}");
        assert!(pool.try_acquire(&3, open).is_err(), "the place is not free yet");
        go_on.store(true, SeqCst);
        other.join().unwrap();
    });
    assert_eq!(MOST.load(SeqCst), 1);
    pool.assert_sound();
}

#[test]
fn who_needs_the_place_of_a_victim_that_another_drops_waits_for_it_and_nobody_else_does() {
    let _watchdog = watchdog();
    struct Slow(Arc<AtomicBool>);
    impl Resource for Slow {
        type Error = ();
        fn weight(&self) -> u64 {
            5
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
        }
    }
    type Limit = Box<dyn Capacity + Send>;
    let limits: [(Limit, Limit); 3] = [
        (Box::new(MaxLive(1)), Box::new(MaxLive(2))),
        (Box::new(MaxLiveWeight(5)), Box::new(MaxLiveWeight(10))),
        (Box::new(ProcessMemory::evict_above(14)), Box::new(ProcessMemory::evict_above(15))),
    ];
    let each = limits.into_iter().flat_map(|(tight, ample)| [(true, tight), (false, ample)]);
    for (is_tight, limit) in each {
        let go_on = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&go_on);
        let measure = move || Ok(if gone.load(SeqCst) { 5 } else { 10 });
        let pool: Pool<u32, Slow> = Pool::builder().capacity(limit).process_memory(measure).build();
        let open = |_: &u32| Ok(Slow(Arc::clone(&go_on)));
        drop(pool.acquire(&1, open).unwrap());
        thread::scope(|scope| {
            scope.spawn(|| pool.drain());
            until(|| pool.usage().dropping == 1);
            assert!(!is_tight || pool.try_acquire(&3, open).is_err());
            let other = scope.spawn(|| drop(pool.acquire(&2, open).unwrap()));
            if is_tight {
                until(|| pool.usage().waiting == 1);
            } else {
                until(|| other.is_finished());
            }
            go_on.store(true, SeqCst);
            other.join().unwrap();
        });
        pool.assert_sound();
    }
}

/// One has evicted something, and waits in its destructor. It was promised the room.
#[test]
fn room_that_is_promised_to_one_is_not_promised_to_the_next() {
    let _watchdog = watchdog();
    struct Slow(Arc<AtomicBool>);
    impl Resource for Slow {
        type Error = ();
        fn weight(&self) -> u64 {
            5
        }
        fn residue(&self) -> u64 {
            40
        }
    }
    impl Drop for Slow {
        fn drop(&mut self) {
            until(|| self.0.load(SeqCst));
        }
    }
    let go_on = Arc::new(AtomicBool::new(false));
    let open = |_: &u32| Ok(Slow(Arc::clone(&go_on)));
    let pool: Pool<u32, Slow> = Pool::with_max_idle(2);
    drop([1, 2].map(|key| pool.acquire(&key, open).unwrap()));
    let limits: [Box<dyn Capacity + Send>; 2] = [Box::new(MaxLive(2)), Box::new(MaxLiveWeight(10))];
    for (key, limit) in [3, 5].into_iter().zip(limits) {
        go_on.store(false, SeqCst);
        pool.set_capacity(limit);
        thread::scope(|scope| {
            let evicts = |key: u32| drop(pool.acquire(&key, open).unwrap());
            scope.spawn(move || evicts(key));
            until(|| pool.usage().dropping == 1);
            scope.spawn(move || evicts(key + 1));
            until(|| pool.usage().dropping == 2);
            go_on.store(true, SeqCst);
        });
    }
    assert_eq!((pool.usage().idle, pool.stats().opened()), (2, 6));
    go_on.store(false, SeqCst);
    pool.set_capacity(Box::new(Both(MaxLive(2), MaxResidue(280))));
    thread::scope(|scope| {
        let other = scope.spawn(|| drop(pool.acquire(&7, open).unwrap()));
        until(|| pool.usage().dropping == 1);
        let refused = pool.acquire(&8, open);
        assert!(matches!(refused, Err(AcquireError::Refused { by: "MaxResidue", .. })), "280 are promised");
        go_on.store(true, SeqCst);
        other.join().unwrap();
    });
    pool.assert_sound();
}
