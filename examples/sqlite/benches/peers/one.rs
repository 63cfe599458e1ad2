//! One database: what a hit costs one thread, and four threads that share two connections.

use std::hint::black_box;
use std::path::Path;
use std::sync::{Barrier, Mutex};

use benches::options::Options;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use rusqlite::OpenFlags;
use sqlite_pool_example::{Connections, Key, open};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::census::Census;
use crate::clock::Processor;
use crate::pools::{self, R2d2Maker, ROWS, interact, select};

const OURS: &str = "pool-core";

/// One request for a row.
type Request = Box<dyn Fn(i64) -> usize + Sync>;

pub(crate) fn measure(options: &Options, runtime: &Handle, folder: &Path, report: &mut Report) {
    let key: Key = (pools::database(folder, "one.db"), OpenFlags::default());
    report.note("One database, a hit, one thread:");
    let processor = Processor::default();
    let alone = Mutex::new(open(&key).expect("the file is there"));
    let mut all: Vec<(&str, Request)> = vec![(
        "a connection in a mutex",
        Box::new(move |number| select(&alone.lock().expect("no panic"), number)),
    )];
    all.extend(requests(&key, 1, runtime));
    let opened = key.clone();
    all.push((
        "a new connection each time",
        Box::new(move |number| select(&open(&opened).expect("the file is there"), number)),
    ));
    let subjects = all.into_iter().map(|(name, request)| by_one(&processor, name, request)).collect();
    table(report, "one thread", &Medians::of(options.effort, subjects), &processor);

    report.note("Four threads (or tasks), two connections; for each request of any of them:");
    let processor = Processor::default();
    let all = requests(&key, 2, runtime).into_iter();
    let subjects = all.map(|(name, request)| by_four(&processor, name, request)).collect();
    table(report, "four threads, two connections", &Medians::of(options.effort, subjects), &processor);
}

fn table(report: &mut Report, title: &str, medians: &Medians, processor: &Processor) {
    let row = |(name, nanos): (&str, f64)| {
        let spent = processor.median(name);
        let beside = [nanos / medians.get(OURS), spent / processor.median(OURS)].map(ratio);
        let [first, second] = beside;
        vec![name.to_owned(), number(nanos / 1e3), first, number(spent / 1e3), second]
    };
    let columns = [title, "µs", "/ pool-core", "µs of processor", "/ pool-core"];
    report.table(&columns, &medians.iter().map(row).collect::<Vec<_>>());
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

fn by_one<'a>(processor: &'a Processor, name: &'static str, request: Request) -> Subject<'a> {
    let mut at = 0;
    processor.watch(name, 200, move |count| {
        for _ in 0..count {
            at = (at + 389) % ROWS;
            black_box(request(at));
        }
    })
}

/// With so many requests in a turn that no thread is done before the next has begun.
fn by_four<'a>(processor: &'a Processor, name: &'static str, request: Request) -> Subject<'a> {
    processor.watch(name, 4000, move |count| {
        let (each, together, request) = (count.div_ceil(4) as i64, &Barrier::new(4), &request);
        std::thread::scope(|scope| {
            for first in 0..4 {
                scope.spawn(move || {
                    together.wait();
                    for turn in 0..each {
                        black_box(request((first + turn * 389) % ROWS));
                    }
                });
            }
        });
    })
}
