//! Risk: a task that waits is lost, holds up a thread, or takes what it was given with it when it is dropped; and the pool needs a
//! runtime that the program has not.

#[path = "support/threads.rs"]
mod threads;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_core::capacity::{MaxIdle, MaxLive};
use pool_core::pool::{Granted, LeaseOf};
use pool_core::sync::{CancellationToken, Pool};
use pool_core::{AcquireError, AcquireOptions, local};
use threads::{Exclusive, Ledger, Shared, Thing, Time, builder, panicked, pool, until, watchdog};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A future that is polled by hand.
fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(count));
    std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// What every test of a runtime does.
async fn take_and_give(pool: Exclusive, ledger: Ledger, key: u32) {
    let open = async |_: &u32| {
        tokio::task::yield_now().await;
        ledger.open()
    };
    let lease = pool.acquire_async(&key, open).await.unwrap();
    tokio::task::yield_now().await;
    drop(lease);
}

#[test]
fn ten_thousand_tasks_on_eight_resources_run_through_on_one_thread() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(8)), Ledger::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..10_000)
            .map(|number| tokio::spawn(take_and_give(pool.clone(), ledger.clone(), number % 16)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(pool.stats().acquired(), 10_000);
    assert!(pool.stats().peaks.live <= 8);
    pool.assert_sound();
}

#[test]
fn it_works_on_smol_on_pollster_and_on_many_threads() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(2)), Ledger::default());
    smol::block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|number| smol::spawn(take_and_give(pool.clone(), ledger.clone(), number % 3)))
            .collect();
        for task in tasks {
            task.await;
        }
    });
    pollster::block_on(take_and_give(pool.clone(), ledger.clone(), 7));
    runtime().block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|number| tokio::spawn(take_and_give(pool.clone(), ledger.clone(), number % 3)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(pool.stats().acquired(), 101);
    pool.assert_sound();
}

#[test]
fn threads_and_tasks_share_one_queue() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let count = Arc::<Count>::default();
    let mut first = pool.request(&1);
    assert!(poll(&mut first, &count).is_pending());
    std::thread::scope(|scope| {
        let second = scope.spawn(|| drop(pool.acquire(&1, |_| ledger.open()).unwrap()));
        until(|| pool.usage().waiting == 2);
        drop(held);
        assert_eq!((count.0.load(SeqCst), pool.usage().waiting), (1, 1), "the task came first");
        let Poll::Ready(Ok(Granted::Lease(lease))) = poll(&mut first, &count) else { panic!("it was woken") };
        drop(lease);
        second.join().unwrap();
    });
    assert_eq!(ledger.opened(), 1);
    pool.assert_sound();
}

#[test]
fn request_that_is_dropped_while_it_waits_leaves_and_what_it_was_given_goes_on() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let count = Arc::<Count>::default();
    let [mut gives_up, mut is_given, mut last] = [(); 3].map(|()| pool.request(&1));
    for request in [&mut gives_up, &mut is_given, &mut last] {
        assert!(poll(request, &count).is_pending());
    }
    drop(gives_up);
    assert_eq!((pool.usage().waiting, pool.stats().waits.cancelled_waiting), (2, 1));
    drop(held);
    assert_eq!(count.0.load(SeqCst), 1);
    drop(is_given); // it has not looked yet
    assert_eq!(count.0.load(SeqCst), 2);
    assert!(matches!(poll(&mut last, &count), Poll::Ready(Ok(Granted::Lease(_)))));
    pool.assert_sound();
}

#[test]
fn place_that_is_dropped_half_way_goes_to_the_next_who_waits_for_it() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool::<true>(MaxLive(1)), Ledger::default());
    let count = Arc::<Count>::default();
    let never = async |_: &u32| std::future::pending().await;
    let mut opens = Box::pin(pool.acquire_async(&1, never));
    assert!(poll(&mut opens, &count).is_pending());
    let mut waits = pool.request(&1);
    assert!(poll(&mut waits, &count).is_pending());
    assert_eq!((pool.usage().opening, pool.usage().waiting), (1, 1));
    drop(opens);
    let Poll::Ready(Ok(Granted::Place(place))) = poll(&mut waits, &count) else { panic!("it opens now") };
    assert_eq!(*place.key(), 1);
    let lease = place.fill(ledger.open().unwrap()).unwrap();
    assert!(!LeaseOf::was_hit(&lease));
    pool.assert_sound();
}

#[test]
fn open_that_fails_is_told_to_all_who_wait_for_it_threads_and_tasks() {
    let _watchdog = watchdog();
    let pool: Shared = pool::<true>(MaxLive(1));
    let count = Arc::<Count>::default();
    let Poll::Ready(Ok(Granted::Place(place))) = poll(&mut pool.request(&1), &count) else { panic!("empty") };
    let mut waits = pool.request(&1);
    assert!(poll(&mut waits, &count).is_pending());
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| pool.acquire(&1, |_| unreachable!()).err().unwrap().into_open());
        until(|| pool.usage().waiting == 2);
        assert_eq!(*place.fail("no").into_open().unwrap(), "no");
        assert_eq!(*thread.join().unwrap().unwrap(), "no");
    });
    let Poll::Ready(Err(AcquireError::Open { error, .. })) = poll(&mut waits, &count) else { panic!("told") };
    assert_eq!(*error, "no");
    assert_eq!(pool.usage().live(), 0);
    pool.assert_sound();
}

#[test]
fn a_deadline_is_the_callers_timer() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    runtime().block_on(async {
        let waits = pool.acquire_async(&1, async |_| unreachable!());
        assert!(tokio::time::timeout(Duration::from_millis(1), waits).await.is_err());
    });
    assert_eq!((pool.usage().waiting, pool.stats().waits.cancelled_waiting), (0, 1));
    drop(held);
    pool.assert_sound();
}

#[test]
fn options_of_a_request_are_looked_at_when_it_is_polled() {
    let _watchdog = watchdog();
    let time = Time::default();
    let (pool, ledger) = (builder::<false>(MaxLive(1), &time).build(), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let (count, token) = (Arc::<Count>::default(), CancellationToken::new());
    let options = AcquireOptions::new();
    let mut never = pool.request_with(&1, &options.clone().never_wait());
    assert!(matches!(poll(&mut never, &count), Poll::Ready(Err(AcquireError::Exhausted { .. }))));
    let mut timed = pool.request_with(&1, &options.clone().timeout(Duration::from_nanos(10)));
    let mut cancelled = pool.request_with(&1, &options.until_cancelled(&token));
    assert!(poll(&mut timed, &count).is_pending() && poll(&mut cancelled, &count).is_pending());
    time.advance(10);
    token.cancel();
    assert_eq!(count.0.load(SeqCst), 1, "the token wakes it");
    assert!(matches!(poll(&mut timed, &count), Poll::Ready(Err(AcquireError::TimedOut { .. }))));
    assert!(matches!(poll(&mut cancelled, &count), Poll::Ready(Err(AcquireError::Cancelled { .. }))));
    drop(held);
    pool.assert_sound();
}

#[test]
fn closing_tells_tasks_that_wait_and_that_open() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let count = Arc::<Count>::default();
    let Poll::Ready(Ok(Granted::Place(place))) = poll(&mut pool.request(&1), &count) else { panic!("empty") };
    let mut waits = pool.request(&2);
    assert!(poll(&mut waits, &count).is_pending());
    pool.close();
    assert!(matches!(poll(&mut waits, &count), Poll::Ready(Err(AcquireError::Closed { .. }))));
    assert!(matches!(place.fill(ledger.open().unwrap()), Err(AcquireError::Closed { .. })));
    assert_eq!(pool.usage().live(), 0);
    pool.assert_sound();
}

#[test]
fn task_that_moves_is_woken_where_it_was_polled_last() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let (before, now) = (Arc::<Count>::default(), Arc::<Count>::default());
    let token = CancellationToken::new();
    let mut request = pool.request_with(&1, &AcquireOptions::new().until_cancelled(&token));
    assert!(poll(&mut request, &before).is_pending() && poll(&mut request, &now).is_pending());
    drop(held);
    assert_eq!((before.0.load(SeqCst), now.0.load(SeqCst)), (0, 1));
    drop(request);
    let kept = [before, now].map(|count| Arc::strong_count(&count) - 1);
    assert_eq!(kept, [0, 0], "neither the pool nor the token keeps what it does not need");
}

#[test]
fn open_that_panics_in_a_task_gives_its_place_to_the_next() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let count = Arc::<Count>::default();
    let mut waits = pool.request(&1);
    assert!(panicked(|| {
        let panics = async |_: &u32| {
            assert!(poll(&mut waits, &count).is_pending());
            std::panic::resume_unwind(Box::new(threads::Expected))
        };
        drop(pollster::block_on(pin!(pool.acquire_async(&1, panics))));
    }));
    let Poll::Ready(Ok(Granted::Place(place))) = poll(&mut waits, &count) else { panic!("it opens now") };
    drop(place.fill(ledger.open().unwrap()).unwrap());
    assert_eq!((pool.usage().live(), pool.len()), (1, 1));
    pool.assert_sound();
}

/// Tasks of one thread may wait for each other, though the thread may not.
#[test]
fn tasks_of_one_thread_wait_for_each_other_in_a_local_pool() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing<false>> = local::Pool::new(1);
    let ledger = Ledger::default();
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let count = Arc::<Count>::default();
    let mut waits = pool.request(&1);
    assert!(poll(&mut waits, &count).is_pending());
    assert!(matches!(pool.acquire(&1, |_| unreachable!()), Err(AcquireError::Exhausted { .. })));
    drop(held);
    assert!(matches!(poll(&mut waits, &count), Poll::Ready(Ok(Granted::Lease(_)))));
}

/// What is left of a shared resource that nobody else may have ends while its successor is being opened.
#[test]
fn end_of_what_was_discarded_opens_no_second_successor() {
    let _watchdog = watchdog();
    let (pool, ledger): (Shared, _) = (pool(MaxLive(9)), Ledger::default());
    let [one, two] = [(); 2].map(|()| pool.acquire(&1, |_| ledger.open()).unwrap());
    LeaseOf::discard(one);
    let count = Arc::<Count>::default();
    let [mut opens, mut waits] = [(); 2].map(|()| pool.request(&1));
    let Poll::Ready(Ok(Granted::Place(place))) = poll(&mut opens, &count) else { panic!("it opens") };
    assert!(poll(&mut waits, &count).is_pending());
    drop(two);
    assert!(poll(&mut waits, &count).is_pending());
    drop(place.fill(ledger.open().unwrap()).unwrap());
    assert!(matches!(poll(&mut waits, &count), Poll::Ready(Ok(Granted::Lease(_)))));
    pool.assert_sound();
}

/// A task is not its thread: that goes on, though the task waits.
#[test]
fn task_that_is_polled_inside_an_open_may_wait_for_the_place_of_that_open() {
    let _watchdog = watchdog();
    let pool: local::Pool<u32, Thing<false>> = local::Pool::new(1);
    let (ledger, count) = (Ledger::default(), Arc::<Count>::default());
    let mut waits = pool.request(&2);
    let open = |_: &u32| {
        assert!(poll(&mut waits, &count).is_pending());
        ledger.open()
    };
    drop(pool.acquire(&1, open).unwrap());
    assert!(matches!(poll(&mut waits, &count), Poll::Ready(Ok(Granted::Place(_)))));
}

#[test]
fn request_allocates_nothing_and_waits_not_at_all_where_something_is_warm() {
    let _watchdog = watchdog();
    let pool: Pool<u32, Thing<false>> = Pool::builder().capacity(MaxIdle(1)).build();
    let ledger = Ledger::default();
    drop(pool.acquire(&1, |_| ledger.open()).unwrap());
    let waker = Waker::noop();
    let allocated = allocation_counter::measure(|| {
        let mut request = pool.request(&1);
        let polled = std::pin::Pin::new(&mut request).poll(&mut Context::from_waker(waker));
        assert!(matches!(polled, Poll::Ready(Ok(Granted::Lease(_)))));
    });
    assert_eq!(allocated.count_total, 0);
}

/// Panics when it is woken, or when the last of it is dropped.
struct Panics {
    woken: bool,
    dropped: bool,
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        if self.woken {
            std::panic::resume_unwind(Box::new(threads::Expected));
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if self.dropped {
            std::panic::resume_unwind(Box::new(threads::Expected));
        }
    }
}

#[test]
fn token_wakes_all_others_where_a_waker_panics() {
    let _watchdog = watchdog();
    let (pool, ledger) = (pool::<false>(MaxLive(1)), Ledger::default());
    let held = pool.acquire(&1, |_| ledger.open()).unwrap();
    let token = CancellationToken::new();
    let options = AcquireOptions::new().wait_forever().until_cancelled(&token);
    let panics = Waker::from(Arc::new(Panics { woken: true, dropped: false }));
    let mut first = pool.request_with(&1, &options);
    assert!(std::pin::Pin::new(&mut first).poll(&mut Context::from_waker(&panics)).is_pending());
    let count = Arc::<Count>::default();
    let mut second = pool.request_with(&1, &options);
    assert!(poll(&mut second, &count).is_pending());
    assert!(panicked(|| token.cancel()));
    assert_eq!(count.0.load(SeqCst), 1);
    assert!(matches!(poll(&mut second, &count), Poll::Ready(Err(AcquireError::Cancelled { .. }))));
    drop((first, held));
    pool.assert_sound();
}

#[test]
fn waker_whose_drop_panics_takes_nothing_with_it_that_was_given() {
    let _watchdog = watchdog();
    for gives_up in [false, true] {
        let (time, ledger) = (Time::default(), Ledger::default());
        let pool: Exclusive = builder(MaxLive(1), &time).build();
        let held = pool.acquire(&1, |_| ledger.open()).unwrap();
        let token = CancellationToken::new();
        let options = AcquireOptions::new().timeout(Duration::from_nanos(1)).until_cancelled(&token);
        let panics = Waker::from(Arc::new(Panics { woken: false, dropped: true }));
        let mut request = pool.request_with(&1, &options);
        assert!(std::pin::Pin::new(&mut request).poll(&mut Context::from_waker(&panics)).is_pending());
        drop(panics);
        if gives_up {
            // The queue's waker is dropped first, and then the token's: the last.
            time.advance(1);
        }
        drop(held);
        assert!(panicked(|| drop(poll(&mut request, &Arc::default()))));
        drop(request);
        let usage = pool.usage();
        assert_eq!((usage.leased, usage.opening, usage.waiting), (0, 0, 0), "{usage}");
        pool.assert_sound();
    }
}
