//! Contention: one and two threads, one key and many, leases that are held for no time and for a microsecond.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::Free;
use benches::options::Options;
use benches::report::{Report, number, ratio};
use benches::rounds::{Medians, Subject};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Lru;
use pool_core::sync::Pool;
use pool_core::{Capacity, Eviction, Own};

use crate::peers;

const MANY: u64 = 8;
/// By threads and hold time.
const CASES: [(u64, Duration); 4] =
    [(1, Duration::ZERO), (1, Duration::from_micros(1)), (2, Duration::ZERO), (2, Duration::from_micros(1))];
const POOL: &str = "sync";
const ALONE: &str = "holding alone";

pub(crate) fn measure(options: &Options, report: &mut Report) {
    report.section("Contention: 1 and 2 threads");
    report.note(
        "Nanoseconds of wall time for one acquire + hold + release of any thread: two threads that don't hinder each other take half of \
         what one takes. In brackets: beside our pool. Holding is a loop that reads the clock. There are always enough resources \
         for both. One key: our pool holds 7 others, too. Many: 8 keys with two resources each, asked for in turn. Whoever knows no keys has a pool for \
         each, in a `HashMap` that nobody writes to.",
    );
    for (keys, title) in [(1, "one key"), (MANY, "many keys")] {
        let mut subjects = Vec::new();
        for case in CASES {
            subjects.extend(of_case(keys, case));
        }
        let medians = Medians::of(options.effort, subjects);
        let suffix = named("", CASES[0]);
        let rows: Vec<Vec<String>> = medians
            .iter()
            .filter_map(|(name, _)| name.strip_suffix(&suffix))
            .map(|name| {
                let cell = |case| {
                    let nanos = medians.get(&named(name, case));
                    format!("{} ({})", number(nanos), ratio(nanos / medians.get(&named(POOL, case))))
                };
                [name.to_owned()].into_iter().chain(CASES.map(cell)).collect()
            })
            .collect();
        report.table(&[title, "1 thread", "1 thread, 1 µs", "2 threads", "2 threads, 1 µs"], &rows);
        let alone = |case| medians.get(&named(ALONE, case));
        let parallel = alone(CASES[1]) / alone(CASES[3]);
        report.note(&format!(
            "Two threads that only hold got {parallel:.2} times as much done as one.{}",
            if parallel < 1.7 {
                " So the machine had no second core to give, and the columns of two threads say nothing about contention."
            } else {
                ""
            }
        ));
    }
}

fn named(name: &str, (threads, hold): (u64, Duration)) -> String {
    format!("{name} {threads} {}", hold.as_nanos())
}

fn of_case(keys: u64, case: (u64, Duration)) -> Vec<Subject<'static>> {
    let hold = case.1;
    let all: Vec<u64> = (0..keys).collect();
    let mutexes = Mutex::new(all.iter().map(|&key| (key, vec![Free(0), Free(1)])).collect::<Map<_>>());
    let stack = Mutex::new(vec![Free(0), Free(1)]);
    let (r2d2, deadpool) = (each(&all, peers::r2d2), each(&all, peers::deadpool));
    let objects = each(&all, peers::object_pool);
    let boxed = filled(Pool::with_max_idle(2 * MANY), keys);
    let inline = filled(Pool::builder().static_policies(MaxIdle(2 * MANY), Lru::new()).build(), keys);

    let subject = |name, cycle| threads(named(name, case), case.0, keys, cycle);
    let mutex: (&str, Cycle) = if keys == 1 {
        (
            "std::sync::Mutex<Vec>",
            Box::new(move |_| {
                let value = stack.lock().unwrap().pop().unwrap();
                spin(hold);
                stack.lock().unwrap().push(black_box(value));
            }),
        )
    } else {
        (
            "std::sync::Mutex<HashMap<_, Vec>>",
            Box::new(move |key| {
                let value = mutexes.lock().unwrap().get_mut(&key).unwrap().pop().unwrap();
                spin(hold);
                mutexes.lock().unwrap().get_mut(&key).unwrap().push(black_box(value));
            }),
        )
    };
    vec![
        subject(ALONE, Box::new(move |_| spin(hold))),
        subject(POOL, Box::new(move |key| cycle(&boxed, key, hold))),
        subject("sync, static Lru", Box::new(move |key| cycle(&inline, key, hold))),
        subject(mutex.0, mutex.1),
        subject(
            "r2d2",
            Box::new(move |key| {
                let lease = black_box(r2d2[&key].get().unwrap());
                spin(hold);
                drop(lease);
            }),
        ),
        subject(
            "deadpool managed",
            Box::new(move |key| {
                let lease = black_box(pollster::block_on(deadpool[&key].get()).unwrap());
                spin(hold);
                drop(lease);
            }),
        ),
        subject(
            "object-pool",
            Box::new(move |key| {
                let lease = black_box(objects[&key].try_pull().unwrap());
                spin(hold);
                drop(lease);
            }),
        ),
    ]
}

/// One acquire, hold and release of a key.
type Cycle = Box<dyn Fn(u64) + Sync>;
type Map<T> = HashMap<u64, T, foldhash::fast::RandomState>;

fn each<T>(keys: &[u64], make: fn() -> T) -> Map<T> {
    keys.iter().map(|&key| (key, make())).collect()
}

/// Two resources of each key, and of others as many as there is room for.
fn filled<C: Capacity, E: Eviction<u64>>(
    pool: Pool<u64, Free, Own, C, E>,
    keys: u64,
) -> Pool<u64, Free, Own, C, E> {
    (0..MANY - keys).for_each(|other| drop(pool.acquire(&(100 + other), |_| Ok(Free(0)))));
    let both = |key| [pool.acquire(&key, |_| Ok(Free(0))), pool.acquire(&key, |_| Ok(Free(0)))];
    let leases: Vec<_> = (0..keys).map(both).collect();
    drop(leases);
    pool
}

fn cycle<C: Capacity, E: Eviction<u64>>(pool: &Pool<u64, Free, Own, C, E>, key: u64, hold: Duration) {
    let lease = black_box(pool.acquire(black_box(&key), |_| unreachable!("it is warm")));
    spin(hold);
    drop(lease);
}

fn spin(hold: Duration) {
    if hold > Duration::ZERO {
        let start = Instant::now();
        while start.elapsed() < hold {
            std::hint::spin_loop();
        }
    }
}

/// `threads` at once, each of which does its share.
fn threads(name: String, threads: u64, keys: u64, cycle: Cycle) -> Subject<'static> {
    let share = move |count: u64, first: u64| {
        let start = Instant::now();
        for turn in first..first + count {
            cycle(turn % keys);
        }
        (start, Instant::now())
    };
    Subject::timed(name, move |count| {
        if threads == 1 {
            let (start, end) = share(count, 0);
            return end - start;
        }
        let each = count.div_ceil(threads);
        let arrived = AtomicU64::new(0);
        let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
            let spawn = |thread| {
                let (arrived, share) = (&arrived, &share);
                scope.spawn(move || {
                    // Together, and without the time that waking up takes.
                    arrived.fetch_add(1, Ordering::Relaxed);
                    while arrived.load(Ordering::Relaxed) < threads {
                        std::hint::spin_loop();
                    }
                    share(each, thread * keys / threads)
                })
            };
            let threads: Vec<_> = (0..threads).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("no cycle fails")).collect()
        });
        let start = times.iter().map(|(start, _)| *start).min();
        let end = times.iter().map(|(_, end)| *end).max();
        end.zip(start).map_or(Duration::ZERO, |(end, start)| end - start)
    })
}
