//! One database: what a hit costs one thread, and four threads that share two connections.

use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use benches::options::Options;
use benches::report::{Report, number, ratio};
use benches::rounds::{Effort, Medians, Subject};
use rusqlite::OpenFlags;
use sqlite_pool_example::{Connections, Key, open};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::census::Census;
use crate::pools::{self, R2d2Maker, ROWS, interact, select};

const OURS: &str = "pool-core";

/// One request for a row.
type Request = Box<dyn Fn(i64) -> usize + Sync>;

pub(crate) fn measure(options: &Options, runtime: &Handle, folder: &Path, report: &mut Report) {
    let key: Key = (pools::database(folder, "one.db"), OpenFlags::default());
    report.note("One database, a hit, one thread:");
    let alone = open(&key).expect("the file is there");
    let mut subjects = vec![by_one("a connection, no pool", Box::new(move |number| select(&alone, number)))];
    subjects.extend(requests(&key, 1, runtime).into_iter().map(|(name, request)| by_one(name, request)));
    let opened = key.clone();
    subjects.push(by_one(
        "a new connection each time",
        Box::new(move |number| select(&open(&opened).expect("the file is there"), number)),
    ));
    table(report, "one thread", &Medians::of(options.effort, subjects));

    // In a short turn one thread would be done before the next has begun.
    let effort = Effort { turn: options.effort.turn * 10, ..options.effort };
    report.note(&format!(
        "Four threads (or tasks), two connections; wall time for each request of any of them; turns of {:?}:",
        effort.turn
    ));
    let subjects = requests(&key, 2, runtime).into_iter().map(|(name, request)| by_four(name, request));
    table(report, "four threads, two connections", &Medians::of(effort, subjects.collect()));
}

fn table(report: &mut Report, title: &str, medians: &Medians) {
    let ours = medians.get(OURS);
    let row = |(name, nanos): (&str, f64)| vec![name.to_owned(), number(nanos / 1e3), ratio(nanos / ours)];
    report.table(&[title, "µs", "/ pool-core"], &medians.iter().map(row).collect::<Vec<_>>());
}

/// The pools of `most` connections each.
fn requests(key: &Key, most: u32, runtime: &Handle) -> Vec<(&'static str, Request)> {
    let r2d2 = R2d2Maker::new(Census::default());
    let [tested, untested] = [true, false].map(|tested| r2d2.pool(&key.0, most, tested));
    let [interacting, locking] = [(); 2].map(|()| pools::deadpool(&key.0, most as usize, &r2d2.census));
    let (hooked, unhooked) = (pools::ours(most.into()), pools::unhooked(most.into()).build());
    let from_tasks = pools::ours(most.into());
    let [one, two, three] = [(); 3].map(|()| runtime.clone());
    let [first, second, third] = [(); 3].map(|()| key.clone());
    vec![
        (OURS, Box::new(move |number| by_key(&hooked, &first, number))),
        ("pool-core, no hooks", Box::new(move |number| by_key(&unhooked, &second, number))),
        ("r2d2_sqlite", Box::new(move |number| select(&tested.get().expect("the file is there"), number))),
        (
            "r2d2_sqlite, untested",
            Box::new(move |number| select(&untested.get().expect("the file is there"), number)),
        ),
        ("pool-core, task", Box::new(move |number| one.block_on(by_task(&from_tasks, &third, number)))),
        ("deadpool-sqlite, task", Box::new(move |number| two.block_on(interact(&interacting, number)))),
        (
            "deadpool-sqlite, lock",
            Box::new(move |number| {
                let connection = three.block_on(locking.get()).expect("the file is there");
                let connection = connection.lock().expect("nobody has panicked");
                select(&connection, number)
            }),
        ),
    ]
}

fn by_key(pool: &Connections, (path, flags): &Key, number: i64) -> usize {
    let lease = pool.acquire((path.as_path(), flags), open).expect("the file is there");
    select(&lease, number)
}

async fn by_task(pool: &Connections, (path, flags): &Key, number: i64) -> usize {
    let lease = pool.acquire_async((path.as_path(), flags), async |key: &Key| open(key)).await;
    let lease = lease.expect("the file is there");
    spawn_blocking(move || select(&lease, number)).await.expect("no panic")
}

fn by_one(name: &'static str, request: Box<dyn Fn(i64) -> usize>) -> Subject<'static> {
    let mut number = 0;
    Subject::new(name, move || {
        number = (number + 389) % ROWS;
        request(number)
    })
}

fn by_four(name: &'static str, request: Request) -> Subject<'static> {
    Subject::timed(name, move |count| {
        let (each, together) = (count.div_ceil(4), Barrier::new(4));
        let share = |first: i64| {
            together.wait();
            let start = Instant::now();
            for turn in 0..each as i64 {
                request((first + turn * 389) % ROWS);
            }
            (start, Instant::now())
        };
        let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
            let threads = [0, 1, 2, 3].map(|first| scope.spawn(move || share(first)));
            threads.map(|thread| thread.join().expect("no request fails")).into()
        });
        let start = times.iter().map(|(start, _)| *start).min();
        let end = times.iter().map(|(_, end)| *end).max();
        end.zip(start).map_or(Duration::ZERO, |(end, start)| end - start)
    })
}
