//! The limit on the process's memory: measured once an open, never on a hit, and never guessed.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::Cell;
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pool_core::capacity::{Both, MaxIdle, ProcessMemory};
use pool_core::eviction::Lru;
use pool_core::local::Pool;
use pool_core::pool::{Granted, LeaseOf};
use pool_core::{AcquireError, AcquireOptions, Capacity, ProcessMemoryError, Resource, Usage, Verdict};
use watchdog::watchdog;

/// A process whose memory is what the resources in it weigh, and what a test sets.
#[derive(Default)]
struct Process {
    bytes: Cell<u64>,
    reads: Cell<u32>,
}

struct Heavy(u64, Rc<Process>);

impl Resource for Heavy {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.0
    }
}

impl Drop for Heavy {
    fn drop(&mut self) {
        self.1.bytes.set(self.1.bytes.get() - self.0);
    }
}

type Opened = Result<Heavy, &'static str>;

fn pool(process: &Rc<Process>, capacity: impl Capacity + 'static) -> Pool<u32, Heavy> {
    let process = Rc::clone(process);
    Pool::builder()
        .capacity(capacity)
        .eviction(Lru::new())
        .process_memory(move || {
            process.reads.set(process.reads.get() + 1);
            Ok(process.bytes.get())
        })
        .build()
}

fn open(process: &Rc<Process>, weight: u64) -> impl Fn(&u32) -> Opened {
    let process = Rc::clone(process);
    move |_| {
        process.bytes.set(process.bytes.get() + weight);
        Ok(Heavy(weight, Rc::clone(&process)))
    }
}

#[test]
fn a_hit_measures_nothing_and_a_miss_measures_once() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, ProcessMemory::evict_above(100));
    for key in [1, 2, 3] {
        drop(pool.acquire(&key, open(&process, 10)).unwrap());
    }
    assert_eq!(process.reads.get(), 3);
    for key in [1, 2, 3, 1, 2, 3] {
        drop(pool.acquire(&key, open(&process, 10)).unwrap());
        assert!(pool.acquire_warm(&key).is_some());
    }
    assert_eq!(process.reads.get(), 3, "hits read nothing");
}

#[test]
fn a_pool_without_the_limit_never_measures() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, MaxIdle(1));
    drop(pool.acquire(&1, open(&process, 10)).unwrap());
    assert_eq!(process.reads.get(), 0);
}

#[test]
fn evict_above_drops_as_many_as_it_must_before_the_open_and_no_more() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    process.bytes.set(1000);
    let pool = pool(&process, ProcessMemory::evict_above(1045));
    for key in 0..4 {
        drop(pool.acquire(&key, open(&process, 10)).unwrap());
    }
    assert_eq!((pool.usage().idle, process.bytes.get()), (4, 1040));
    // A new key is expected to weigh the mean, 10: one must go, though it turns out to weigh 30.
    let lease = pool.acquire(&9, open(&process, 30)).unwrap();
    assert_eq!((pool.usage().idle, process.bytes.get()), (3, 1060));
    drop(lease);
    // Now 1060 are measured, and 14 more expected: three must go.
    drop(pool.acquire(&10, open(&process, 1)).unwrap());
    assert_eq!(pool.usage().idle, 2, "{:?}", pool.stats());
    assert!(pool.is_warm(&9) && pool.is_warm(&10));
    assert_eq!(pool.usage().process_bytes, None, "known only while a miss is decided");
}

#[test]
fn nothing_is_evicted_if_all_of_it_would_not_help() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, ProcessMemory::evict_above(100));
    drop(pool.acquire(&1, open(&process, 10)).unwrap());
    let lease = pool.acquire(&2, open(&process, 60)).unwrap();
    process.bytes.set(95);
    // 95 and the 60 that are typical: the idle 10 don't help, the leased 60 would.
    let error = pool.acquire(&3, open(&process, 10)).err().unwrap();
    let AcquireError::Exhausted { by: "ProcessMemory", at, .. } = error else { panic!("{error}") };
    assert_eq!((at.usage.process_bytes, at.usage.idle), (Some(95), 1));
    assert!(at.usage.to_string().ends_with(", 95 private dirty bytes in the process"));
    // The rest of the process is too large: nothing of the pool's helps.
    process.bytes.set(500);
    let error = pool.acquire(&3, open(&process, 10)).err().unwrap();
    assert!(matches!(error, AcquireError::Refused { by: "ProcessMemory", .. }), "{error}");
    assert!(pool.is_warm(&1), "nothing went for what can't be");
    drop(lease);
}

#[test]
fn refuse_above_keeps_what_is_warm() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, ProcessMemory::refuse_above(25));
    for key in [1, 2] {
        drop(pool.acquire(&key, open(&process, 10)).unwrap());
    }
    let error = pool.acquire(&3, open(&process, 10)).err().unwrap();
    assert!(matches!(error, AcquireError::Refused { by: "ProcessMemory", .. }), "{error}");
    assert_eq!((pool.usage().idle, pool.stats().refused), (2, 1));
    assert_eq!(error.usage().process_bytes, Some(20));
    assert!(
        LeaseOf::was_hit(&pool.acquire(&1, open(&process, 10)).unwrap()),
        "a warm key is still to be had"
    );
}

#[test]
fn opens_that_run_are_expected_to_grow() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, ProcessMemory::refuse_above(25));
    drop(pool.acquire(&1, open(&process, 10)).unwrap());
    let nested = pool.acquire(&2, |_| {
        // 10 measured, 10 of this open, 10 of the nested one: too much, though nothing more is measured yet.
        let error = pool.acquire(&3, open(&process, 10)).err().unwrap();
        assert!(matches!(error, AcquireError::Refused { .. }), "{error}");
        open(&process, 10)(&2)
    });
    assert!(nested.is_ok());
}

#[test]
fn memory_that_is_not_known_opens_nothing_evicts_nothing_and_says_what_to_do() {
    let _watchdog = watchdog();
    let known = Rc::new(Cell::new(true));
    let process = Rc::<Process>::default();
    let reader = Rc::clone(&known);
    let pool: Pool<u32, Heavy> = Pool::builder()
        .capacity(ProcessMemory::evict_above(100))
        .process_memory(move || match reader.get() {
            true => Ok(0),
            false => Err(ProcessMemoryError::Unknown("plan9 has none".to_owned())),
        })
        .build();
    drop(pool.acquire(&1, open(&process, 10)).unwrap());
    known.set(false);
    let error = pool.acquire(&2, |_| -> Opened { panic!("must not open") }).err().unwrap();
    let said = error.to_string();
    assert!(said.contains("limit on memory") && !said.contains("plan9"), "{said}");
    let AcquireError::Memory { error, .. } = error else { panic!("{said}") };
    assert_eq!(error.to_string(), "plan9 has none", "the cause is apart");
    assert!(LeaseOf::was_hit(&pool.acquire(&1, open(&process, 10)).unwrap()), "hits go on");
    assert_eq!((pool.stats().refused, pool.usage().idle, pool.usage().opening), (1, 1, 0));
    known.set(true);
    assert!(pool.acquire(&2, open(&process, 10)).is_ok());
}

#[test]
fn a_reader_may_use_the_pool_and_its_panic_leaves_it_whole() {
    let _watchdog = watchdog();
    let act = Rc::new(Cell::new(0));
    let slot: Rc<std::cell::OnceCell<Rc<Pool<u32, Heavy>>>> = Rc::default();
    let (reader_act, reader_slot) = (Rc::clone(&act), Rc::clone(&slot));
    let process = Rc::<Process>::default();
    let pool: Rc<Pool<u32, Heavy>> = Rc::new(
        Pool::builder()
            .capacity(ProcessMemory::evict_above(100))
            .process_memory(move || {
                match reader_act.get() {
                    1 => drop(reader_slot.get().unwrap().drain()),
                    2 => panic!("expected"),
                    _ => {}
                }
                Ok(0)
            })
            .build(),
    );
    slot.set(Rc::clone(&pool)).ok().unwrap();
    drop(pool.acquire(&1, open(&process, 10)).unwrap());
    act.set(1);
    drop(pool.acquire(&2, open(&process, 10)).unwrap());
    assert_eq!(pool.usage().idle, 1, "the reader ran outside the borrow and drained the pool");
    act.set(2);
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(pool.acquire(&3, open(&process, 10)))));
    assert!(outcome.is_err());
    act.set(0);
    let usage = pool.usage();
    assert_eq!((usage.idle, usage.opening, usage.leased), (1, 0, 0));
    assert!(pool.acquire(&3, open(&process, 10)).is_ok());
}

#[test]
fn a_policy_around_it_passes_the_wish_on_or_is_told_what_is_missing() {
    let _watchdog = watchdog();
    let both = Both(MaxIdle(8), ProcessMemory::refuse_above(1));
    assert!(both.needs_process_memory() && Box::new(both).needs_process_memory());
    let verdict = both.admit(&Usage::default(), &pool_core::Opened::default());
    let Verdict::Never(by) = verdict else { panic!("{verdict:?}") };
    assert!(by.contains("Capacity::needs_process_memory"), "{by}");
}

/// What it takes goes again in the end, as a lease does.
#[test]
fn one_for_whom_an_open_that_runs_is_in_the_way_waits_for_it() {
    let _watchdog = watchdog();
    let process = Rc::<Process>::default();
    let pool = pool(&process, ProcessMemory::evict_above(100));
    for measured in [0, 60] {
        let (first, second) =
            (AcquireOptions::new().expect_weight(60), AcquireOptions::new().expect_weight(90));
        let (mut opens, mut waits) = (pool.request_with(&1, &first), pool.request_with(&2, &second));
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(Granted::Place(place))) = Pin::new(&mut opens).poll(&mut context) else {
            panic!("there is room")
        };
        // Some of it is there already, or nothing.
        process.bytes.set(measured);
        assert!(Pin::new(&mut waits).poll(&mut context).is_pending());
        process.bytes.set(0);
        LeaseOf::discard(place.fill(open(&process, 60)(&1).unwrap()).unwrap());
        assert!(matches!(Pin::new(&mut waits).poll(&mut context), Poll::Ready(Ok(_))));
    }
}
