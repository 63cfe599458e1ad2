//! Risk: what happens while one measures the memory of the process is missed, or counted twice, and somebody waits for ever or the limit is exceeded.

#[path = "support/thing.rs"]
mod thing;
#[path = "support/threads.rs"]
mod threads;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use pool_core::capacity::{MaxLive, ProcessMemory};
use pool_core::eviction::{IdleTimeout, Lru};
use pool_core::pool::LeaseOf;
use pool_core::sync::{CancellationToken, Lease, Pool};
use pool_core::{AcquireError, AcquireOptions, ProcessMemoryError, Resource};
use thing::{Thing, thing};
use threads::{Time, until, watchdog};

#[test]
fn one_who_fails_to_measure_memory_hands_its_turn_on() {
    let _watchdog = watchdog();
    let memory = Arc::new(AtomicU64::new(0));
    let fails = Arc::new(AtomicBool::new(false));
    let (measured, fail) = (Arc::clone(&memory), Arc::clone(&fails));
    let pool: Pool<u32, Thing> = Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .process_memory(move || {
            if fail.swap(false, SeqCst) {
                return Err(ProcessMemoryError::Unknown("once".into()));
            }
            Ok(measured.load(SeqCst))
        })
        .build();
    let lease = pool.acquire(&1, |_| thing(50)).unwrap();
    memory.store(100, SeqCst);
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.acquire(&2, |_| thing(50)).is_err());
        until(|| pool.usage().waiting == 1);
        let second = scope.spawn(|| pool.acquire(&3, |_| thing(50)).is_ok());
        until(|| pool.usage().waiting == 2);
        fails.store(true, SeqCst);
        memory.store(50, SeqCst);
        LeaseOf::discard(lease);
        assert!(first.join().unwrap(), "it could not measure");
        assert!(second.join().unwrap(), "there was room, and it was told");
    });
    pool.assert_sound();
}

#[test]
fn one_who_measures_too_much_memory_lets_the_next_measure() {
    let _watchdog = watchdog();
    struct Large(u64, Arc<AtomicU64>);
    impl Resource for Large {
        type Error = ();
        fn weight(&self) -> u64 {
            self.0
        }
    }
    impl Drop for Large {
        fn drop(&mut self) {
            self.1.store(75, SeqCst);
        }
    }
    let (memory, token) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let measured = Arc::clone(&memory);
    let pool: Pool<u32, Large> = Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .process_memory(move || Ok(measured.load(SeqCst)))
        .build();
    let get = |key: u32, bytes| {
        let options = AcquireOptions::new().expect_weight(bytes).until_cancelled(&token);
        pool.acquire_with(&key, &options, |_| Ok(Large(bytes, Arc::clone(&memory))))
    };
    let [one, _two] = [(1, 30), (2, 60)].map(|(key, bytes)| get(key, bytes).unwrap());
    memory.store(100, SeqCst);
    thread::scope(|scope| {
        let heavy = scope.spawn(|| get(3, 50).is_err());
        until(|| pool.usage().waiting == 1);
        let light = scope.spawn(|| get(4, 20));
        until(|| pool.usage().waiting == 2);
        LeaseOf::discard(one);
        let _light = light.join().unwrap().unwrap();
        assert_eq!(pool.usage().waiting, 1, "50 are too many");
        token.cancel();
        assert!(heavy.join().unwrap());
    });
    pool.assert_sound();
}

/// What is given back, or opened, by another thread while one who asks measures memory: `meanwhile` is called once it was read.
fn measuring(
    time: &Time,
    memory: &Arc<AtomicU64>,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Pool<u32, Thing> {
    let memory = Arc::clone(memory);
    Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .eviction(Lru::new())
        .clock(time.clone())
        .process_memory(move || {
            let measured = memory.load(SeqCst);
            meanwhile();
            Ok(measured)
        })
        .build()
}

#[test]
fn what_ends_while_one_measures_memory_is_not_missed() {
    let _watchdog = watchdog();
    for others in [0, 20] {
        let (memory, held) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<Lease<u32, Thing>>)));
        let (freed, given_back) = (Arc::clone(&memory), Arc::clone(&held));
        let pool = measuring(&Time::default(), &memory, move || {
            if let Some(lease) = given_back.lock().unwrap().take() {
                thread::scope(|scope| scope.spawn(|| LeaseOf::discard(lease)).join().unwrap());
                freed.store(others, SeqCst);
            }
        });
        let get = |key: u32, bytes| {
            pool.acquire_with(&key, &AcquireOptions::new().expect_weight(bytes), |_| thing(bytes))
        };
        let one = get(1, 80).unwrap();
        // With another lease out it would wait for that, and without one be told that nothing helps.
        let _other = (others > 0).then(|| get(2, others).unwrap());
        memory.store(80 + others, SeqCst);
        *held.lock().unwrap() = Some(one);
        assert!(get(3, 50).is_ok(), "{others} bytes of others");
        pool.assert_sound();
    }
}

#[test]
fn what_opens_while_one_measures_memory_does_not_exceed_the_limit() {
    let _watchdog = watchdog();
    type Shared = Arc<Mutex<Option<Pool<u32, Thing>>>>;
    let (memory, other) = (Arc::new(AtomicU64::new(10)), Shared::default());
    let leases = Arc::new(Mutex::new(Vec::new()));
    let (grows, opens, opened) = (Arc::clone(&memory), Arc::clone(&other), Arc::clone(&leases));
    let pool = measuring(&Time::default(), &memory, move || {
        let pool = opens.lock().unwrap().take();
        let open = |pool: Pool<u32, Thing>| {
            let lease = pool.acquire_with(&1, &AcquireOptions::new().expect_weight(80), |_| thing(80));
            grows.fetch_add(80, SeqCst);
            lease.unwrap()
        };
        let lease = pool.map(|pool| thread::scope(|scope| scope.spawn(|| open(pool)).join().unwrap()));
        opened.lock().unwrap().extend(lease);
    });
    *other.lock().unwrap() = Some(pool.clone());
    let options = AcquireOptions::new().expect_weight(50).timeout(Duration::ZERO);
    let late = pool.acquire_with(&2, &options, |_| thing(50));
    assert!(matches!(late, Err(AcquireError::TimedOut { .. })), "{late:?}");
    leases.lock().unwrap().clear();
    pool.assert_sound();
}

/// Each time that it measures, something has ended meanwhile, and it is asked to measure again.
#[test]
fn one_who_measures_memory_again_and_again_gives_up_when_its_time_is_over_and_holds_up_no_task() {
    let _watchdog = watchdog();
    for by_task in [false, true] {
        let (time, memory) = (Time::default(), Arc::new(AtomicU64::new(0)));
        let held = Arc::new(Mutex::new(Vec::<Lease<u32, Thing>>::new()));
        let (passing, given_back) = (time.clone(), Arc::clone(&held));
        let pool = measuring(&time, &memory, move || {
            let lease = given_back.lock().unwrap().pop();
            if let Some(lease) = lease {
                passing.advance(10);
                LeaseOf::discard(lease);
            }
        });
        let get = |key: u32| {
            pool.acquire_with(&key, &AcquireOptions::new().expect_weight(1), |_| thing(1)).unwrap()
        };
        let leases: Vec<_> = (0..100).map(get).collect();
        memory.store(100, SeqCst);
        *held.lock().unwrap() = leases;
        let options = AcquireOptions::new().expect_weight(50).timeout(Duration::from_nanos(45));
        if by_task {
            let mut request = pool.request_with(&1000, &options);
            let mut context = Context::from_waker(Waker::noop());
            let polls = (1..100).find(|_| match Pin::new(&mut request).poll(&mut context) {
                Poll::Pending => false,
                Poll::Ready(done) => {
                    assert!(matches!(done, Err(AcquireError::TimedOut { .. })));
                    true
                }
            });
            assert_eq!(polls, Some(4), "at most two measurements a poll");
        } else {
            let late = pool.acquire_with(&1000, &options, |_| thing(50));
            assert!(matches!(late, Err(AcquireError::TimedOut { .. })), "{late:?}");
        }
        assert_eq!(held.lock().unwrap().len(), 95, "five times of 10 ns each");
        held.lock().unwrap().clear();
        pool.assert_sound();
    }
}

/// A limit that refuses sheds load at once, also where something ends all the time.
#[test]
fn one_who_is_refused_for_what_the_process_holds_measures_twice_at_most() {
    let _watchdog = watchdog();
    let (held, reads) = (Arc::new(Mutex::new(Vec::<Lease<u32, Thing>>::new())), Arc::new(AtomicU64::new(0)));
    let (given_back, counted, memory) = (Arc::clone(&held), Arc::clone(&reads), Arc::new(AtomicU64::new(0)));
    let measured = Arc::clone(&memory);
    let pool: Pool<u32, Thing> = Pool::builder()
        .capacity(ProcessMemory::refuse_above(100))
        .process_memory(move || {
            counted.fetch_add(1, SeqCst);
            let lease = given_back.lock().unwrap().pop();
            lease.into_iter().for_each(LeaseOf::discard);
            Ok(measured.load(SeqCst))
        })
        .build();
    let leases: Vec<_> = (0..50).map(|key| pool.acquire(&key, |_| thing(1)).unwrap()).collect();
    memory.store(1000, SeqCst);
    *held.lock().unwrap() = leases;
    reads.store(0, SeqCst);
    let refused = pool.acquire(&100, |_| thing(1));
    assert!(matches!(refused, Err(AcquireError::Refused { by: "ProcessMemory", .. })), "{refused:?}");
    assert_eq!(reads.load(SeqCst), 2, "the second one waits in the queue, and misses nothing");
    held.lock().unwrap().clear();
    pool.assert_sound();
}

#[test]
fn one_who_asks_while_the_limit_becomes_one_on_memory_measures_it() {
    let _watchdog = watchdog();
    for nth in 0..6 {
        type Shared = Arc<Mutex<Option<Pool<u32, Thing>>>>;
        let (slot, left) = (Shared::default(), AtomicUsize::new(nth));
        let changing = Arc::clone(&slot);
        let pool: Pool<u32, Thing> = Pool::builder()
            .capacity(MaxLive(1))
            .eviction(IdleTimeout::new(Duration::from_secs(1), Lru::new()))
            .clock(move || {
                let pool = changing.lock().unwrap().take_if(|_| left.fetch_sub(1, SeqCst) == 0);
                if let Some(pool) = pool {
                    pool.set_capacity(Box::new(ProcessMemory::evict_above(100)));
                }
                0
            })
            .process_memory(|| Ok(0))
            .build();
        *slot.lock().unwrap() = Some(pool.clone());
        let got = pool.acquire(&1, |_| thing(1));
        assert!(got.is_ok(), "read {nth}: {got:?}");
        *slot.lock().unwrap() = None;
    }
}

/// A resource whose destructor gives back its memory, and then does something before it ends.
struct Page {
    bytes: u64,
    memory: Arc<AtomicU64>,
    last_will: Option<Box<dyn FnOnce() + Send>>,
}

impl Resource for Page {
    type Error = ();

    fn weight(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.memory.fetch_sub(self.bytes, SeqCst);
        if let Some(last_will) = self.last_will.take() {
            last_will();
        }
    }
}

type Pages = Pool<u32, Page>;

/// A pool of 100 bytes, and what it takes.
fn pages() -> (Pages, Arc<AtomicU64>) {
    let memory = Arc::new(AtomicU64::new(0));
    let measured = Arc::clone(&memory);
    let builder = Pool::builder().capacity(ProcessMemory::evict_above(100)).eviction(Lru::new());
    (builder.process_memory(move || Ok(measured.load(SeqCst))).build(), memory)
}

fn page(
    pool: &Pages,
    memory: &Arc<AtomicU64>,
    key: u32,
    bytes: u64,
    token: &CancellationToken,
    last_will: Option<Box<dyn FnOnce() + Send>>,
) -> Result<Lease<u32, Page>, AcquireError<()>> {
    let options = AcquireOptions::new().expect_weight(bytes).wait_forever().until_cancelled(token);
    pool.acquire_with(&key, &options, |_| {
        assert!(memory.fetch_add(bytes, SeqCst) + bytes <= 100, "the limit is exceeded");
        Ok(Page { bytes, memory: Arc::clone(memory), last_will })
    })
}

#[test]
fn what_a_victim_has_given_back_before_it_is_gone_does_not_count_twice() {
    let _watchdog = watchdog();
    let ((pool, memory), token) = (pages(), CancellationToken::new());
    let _other = page(&pool, &memory, 1, 70, &token, None).unwrap();
    let waits = Arc::new(Mutex::new(None));
    let last_will = {
        let (pool, memory, waits, token) = (pool.clone(), memory.clone(), Arc::clone(&waits), token.clone());
        move || {
            let (theirs, until_then) = (pool.clone(), token);
            let late = thread::spawn(move || page(&theirs, &memory, 3, 60, &until_then, None).is_ok());
            *waits.lock().unwrap() = Some(late);
            until(|| pool.usage().waiting == 1);
        }
    };
    let victim = page(&pool, &memory, 2, 30, &token, Some(Box::new(last_will))).unwrap();
    LeaseOf::discard(victim);
    token.cancel();
    assert!(!waits.lock().unwrap().take().unwrap().join().unwrap(), "70 bytes are leased");
    pool.assert_sound();
}

#[test]
fn what_was_opened_since_room_was_promised_is_not_forgotten() {
    let _watchdog = watchdog();
    let ((pool, memory), token) = (pages(), CancellationToken::new());
    let _other = page(&pool, &memory, 1, 30, &token, None).unwrap();
    let opened = Arc::new(Mutex::new(None));
    let last_will = {
        let (pool, memory, opened, token) =
            (pool.clone(), memory.clone(), Arc::clone(&opened), token.clone());
        move || {
            let open = || page(&pool, &memory, 3, 40, &token, None).unwrap();
            *opened.lock().unwrap() = Some(thread::scope(|scope| scope.spawn(open).join().unwrap()));
            token.cancel();
        }
    };
    drop(page(&pool, &memory, 2, 50, &token, Some(Box::new(last_will))).unwrap());
    assert!(page(&pool, &memory, 4, 60, &token, None).is_err(), "70 bytes are leased");
    opened.lock().unwrap().take();
    pool.assert_sound();
}
