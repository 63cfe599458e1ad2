//! Waiting: what those who wait cost those who don't, and what serving them costs. Who waits is a task that was polled once, so that there are 10 000 of them.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use benches::options::Options;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use benches::{Free, used};
use pool_core::capacity::MaxLive;
use pool_core::pool::Granted;
use pool_core::sync::Pool;

const WAITING: [usize; 4] = [0, 1, 100, 1_000];
const SERVED: [usize; 4] = [10, 100, 1_000, 10_000];
static BUSY: u64 = 0;
static OTHER: u64 = 1;

type Asks = Vec<Pin<Box<dyn Future<Output = Lease>>>>;
type Lease = pool_core::sync::Lease<u64, Free>;

pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section("Waiting: those who wait, and those who don't");
    report.note(
        "Nanoseconds, `sync::Pool` with its default policies. *Hit of another key*: acquire and release, while so many wait for what one opens. \
         *Served*: so many wait for one key; each gets it when the one before gives it back, and gives it back at once; for each who waits. Asking is not measured.",
    );
    let most = if options.is_smoke() { 2 } else { WAITING.len() };
    let subjects = WAITING[..most].iter().map(|waiting| hit_of_another(*waiting)).collect();
    let medians = Medians::of(options.effort, subjects);
    let none = medians.get("0 wait");
    let row = |(name, nanos): (&str, f64)| vec![name.to_owned(), number(nanos), ratio(nanos / none)];
    report.table(&["hit of another key", "ns", "/ none"], &medians.iter().map(row).collect::<Vec<_>>());
    for (name, nanos) in medians.iter().skip(1) {
        report.at_most(&format!("hit of another key, {name} / none"), nanos / none, 2.0);
    }

    let most = if options.is_smoke() { 1 } else { SERVED.len() };
    let subjects = SERVED[..most].iter().map(|count| served(*count)).collect();
    let medians = Medians::of(options.effort, subjects);
    let few = medians.get("10 served");
    let row = |(name, nanos): (&str, f64)| vec![name.to_owned(), number(nanos), ratio(nanos / few)];
    report.table(&["for each who waits", "ns", "/ 10"], &medians.iter().map(row).collect::<Vec<_>>());
    for (name, nanos) in medians.iter().skip(1) {
        report.at_most(&format!("for each who waits, {name} / 10"), nanos / few, 2.5);
    }

    let mut command = Command::new(env!("CARGO_BIN_EXE_bookkeeping"));
    let count = if options.is_smoke() { "1000" } else { "100000" };
    let output = command.args(["--drained", count]).output().expect("cargo built it");
    assert!(output.status.success(), "bookkeeping: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let bytes: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    report.note(&format!(
        "Bytes that a pool of {count} idle entries has, and that it keeps once it was drained:"
    ));
    report.table(
        &["before", "after", "share"],
        &[vec![number(bytes[0]), number(bytes[1]), ratio(bytes[1] / bytes[0])]],
    );
    report.at_most(&format!("bytes kept after a drain of {count} / before"), bytes[1] / bytes[0], 0.05);
}

/// So many who wait for `BUSY`, which is leased, or which somebody opens.
fn asks(pool: &Pool<u64, Free>, count: usize) -> Asks {
    let mut context = Context::from_waker(Waker::noop());
    let mut asks: Asks = Vec::with_capacity(count);
    for _ in 0..count {
        let request = pool.request(&BUSY);
        let mut ask: Pin<Box<dyn Future<Output = Lease>>> = Box::pin(async {
            match request.await.expect("the pool is open") {
                Granted::Lease(lease) => lease,
                Granted::Place(_) => unreachable!("there is no room for another"),
            }
        });
        assert!(ask.as_mut().poll(&mut context).is_pending(), "it waits");
        asks.push(ask);
    }
    asks
}

fn hit_of_another(waiting: usize) -> Subject<'static> {
    let pool: Pool<u64, Free> = Pool::builder().capacity(MaxLive(2)).shared().build();
    used(pool.acquire(&OTHER, |_| Ok(Free(0))).expect("there is room"));
    // One who opens, and never comes to an end.
    let mut opening = Box::pin(pool.request(&BUSY));
    let Poll::Ready(Ok(Granted::Place(place))) =
        opening.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        unreachable!("there is room")
    };
    let asks = asks(&pool, waiting);
    Subject::new(format!("{waiting} wait"), move || {
        let _ = (&place, &asks);
        used(pool.acquire(black_box(&OTHER), |_| unreachable!("it is warm")).expect("it is warm"));
    })
}

fn served(count: usize) -> Subject<'static> {
    Subject::timed(format!("{count} served"), move |times| (0..times).map(|_| serve(count)).sum())
        .units(count)
}

fn serve(count: usize) -> Duration {
    let pool: Pool<u64, Free> = Pool::builder().capacity(MaxLive(1)).build();
    let busy = pool.acquire(&BUSY, |_| Ok(Free(0))).expect("there is room");
    let mut asks = asks(&pool, count);
    let mut context = Context::from_waker(Waker::noop());
    let begin = Instant::now();
    drop(busy);
    for ask in &mut asks {
        match ask.as_mut().poll(&mut context) {
            Poll::Ready(lease) => drop(lease),
            Poll::Pending => unreachable!("it is its turn"),
        }
    }
    begin.elapsed()
}
