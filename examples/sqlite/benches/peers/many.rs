//! 64 databases, and a bound on all connections together: what each has to do for it.

use std::path::{Path, PathBuf};

use benches::options::Options;
use benches::report::{Report, number, ratio};
use benches::rounds::Medians;
use pool_core::eviction::Lru;
use rusqlite::OpenFlags;
use sqlite_pool_example::Connections;
use tokio::runtime::Handle;

use crate::census::Census;
use crate::clock::Processor;
use crate::pools::{self, Deadpool, R2d2, R2d2Maker, ROWS, counted, interact, select};

const DATABASES: usize = 64;
const BOUND: usize = 16;
const OURS: &str = "pool-core, at most 16";

/// A request for a row of a database.
type Request<'a> = Box<dyn FnMut(usize, i64) + 'a>;

/// One way to have connections, and how they are counted.
struct Way<'a> {
    name: &'static str,
    keeps_bound: bool,
    census: Census,
    request: Request<'a>,
}

pub(crate) fn measure(options: &Options, runtime: &Handle, folder: &Path, report: &mut Report) {
    let requests = zipf(if options.is_smoke() { 200 } else { 4000 });
    let paths: Vec<PathBuf> = (0..DATABASES).map(|at| pools::database(folder, &format!("{at}.db"))).collect();
    report.note(&format!(
        "{DATABASES} databases, {} requests in an order drawn by Zipf's law (exponent 1, a fixed seed), one thread, and at most {BOUND} connections \
         wanted in all. pool-core is told so. r2d2 and deadpool have no keys: a pool of one connection for each database holds no bound. *16 pools*: to hold it, whoever uses \
         them keeps 16 pools, the latest used, and drops and makes pools as needed. *Opened*: connections in the first pass over the requests, from nothing. *Live at most*: \
         connections that there were at once, ever, as SQLite counts them. The default policy goes by what opens took, so what it opened differs a little from run to run. Time is for a request, in passes after the first.",
        requests.len()
    ));

    let mut ways = ways(&paths, runtime);
    let opened: Vec<u64> = ways
        .iter_mut()
        .map(|way| {
            pass(&requests, &mut way.request);
            way.census.opened()
        })
        .collect();
    let kept: Vec<(&'static str, bool, Census)> =
        ways.iter().map(|way| (way.name, way.keeps_bound, way.census.clone())).collect();
    let processor = Processor::default();
    let subjects = ways.into_iter().map(|mut way| {
        let requests = &requests;
        let passes = move |count| (0..count).for_each(|_| pass(requests, &mut way.request));
        processor.watch(way.name, 0, passes).units(requests.len())
    });
    let medians = Medians::of(options.effort.at_most(11), subjects.collect());

    let rows = kept.iter().zip(opened).map(|((name, keeps_bound, census), opened)| {
        assert!(!keeps_bound || census.most() <= BOUND as u64, "{name}: {} connections", census.most());
        let nanos = medians.get(name);
        let of_all = format!("{:.1} %", 100.0 * opened as f64 / requests.len() as f64);
        let counts = [opened.to_string(), of_all, census.most().to_string()];
        let spent = processor.median(name);
        let beside = [nanos / medians.get(OURS), spent / processor.median(OURS)].map(ratio);
        let [first, second] = beside;
        let times = [number(nanos / 1e3), first, number(spent / requests.len() as f64 / 1e3), second];
        [(*name).to_owned()].into_iter().chain(counts).chain(times).collect()
    });
    let columns = [
        "64 databases",
        "opened",
        "of requests",
        "live at most",
        "µs",
        "/ pool-core",
        "µs of processor",
        "/ pool-core",
    ];
    report.table(&columns, &rows.collect::<Vec<_>>());
}

fn pass(requests: &[usize], request: &mut Request<'_>) {
    for (turn, database) in requests.iter().enumerate() {
        request(*database, (turn as i64 * 389) % ROWS);
    }
}

fn ways<'a>(paths: &'a [PathBuf], runtime: &'a Handle) -> Vec<Way<'a>> {
    let way = |name, keeps_bound, make: &dyn Fn(Census) -> Request<'a>| {
        let census = Census::default();
        Way { name, keeps_bound, request: make(census.clone()), census }
    };
    let keyed = |pool: Connections, census: Census| -> Request<'a> {
        let flags = OpenFlags::default();
        Box::new(move |database, number| {
            let lease = pool.acquire((paths[database].as_path(), &flags), counted(&census));
            select(&lease.expect("the file is there"), number);
        })
    };
    vec![
        way(OURS, true, &|census| keyed(pools::ours(BOUND as u64), census)),
        way("pool-core, at most 16, no hooks", true, &|census| {
            keyed(pools::unhooked(BOUND as u64).build(), census)
        }),
        way("pool-core, at most 16, no hooks, Lru", true, &|census| {
            keyed(pools::unhooked(BOUND as u64).eviction(Lru::new()).build(), census)
        }),
        way("r2d2_sqlite, 64 pools", false, &|census| {
            let maker = R2d2Maker::new(census);
            let pools: Vec<R2d2> = paths.iter().map(|path| maker.pool(path, 1, true)).collect();
            Box::new(move |database, number| {
                select(&pools[database].get().expect("the file is there"), number);
            })
        }),
        way("r2d2_sqlite, 16 pools", false, &|census| {
            let maker = R2d2Maker::new(census);
            let mut pools = Latest::new(move |database: usize| maker.pool(&paths[database], 1, true));
            Box::new(move |database, number| {
                select(&pools.of(database).get().expect("the file is there"), number);
            })
        }),
        way("deadpool-sqlite, 64 pools", false, &|census| {
            let pools: Vec<Deadpool> = paths.iter().map(|path| pools::deadpool(path, 1, &census)).collect();
            Box::new(move |database, number| {
                runtime.block_on(interact(&pools[database], number));
            })
        }),
        way("deadpool-sqlite, 16 pools", false, &|census| {
            let mut pools = Latest::new(move |database: usize| pools::deadpool(&paths[database], 1, &census));
            Box::new(move |database, number| {
                runtime.block_on(interact(pools.of(database), number));
            })
        }),
        way("a new connection each time", false, &|census| {
            Box::new(move |database, number| {
                let key = (paths[database].clone(), OpenFlags::default());
                select(&counted(&census)(&key).expect("the file is there"), number);
            })
        }),
    ]
}

/// Pools of the databases that were asked for last. One is dropped before another is made.
struct Latest<P, F> {
    make: F,
    pools: Vec<(usize, P)>,
}

impl<P, F: Fn(usize) -> P> Latest<P, F> {
    fn new(make: F) -> Self {
        Self { make, pools: Vec::with_capacity(BOUND) }
    }

    fn of(&mut self, database: usize) -> &P {
        let pool = match self.pools.iter().position(|(known, _)| *known == database) {
            Some(place) => self.pools.remove(place),
            None => {
                if self.pools.len() == BOUND {
                    self.pools.remove(0);
                }
                (database, (self.make)(database))
            }
        };
        self.pools.push(pool);
        &self.pools.last().expect("one was just pushed").1
    }
}

/// Databases by Zipf's law: the first is asked for twice as often as the second, three times as often as the third.
fn zipf(count: usize) -> Vec<usize> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=DATABASES)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(1);
    let draw = |_| {
        let at = random.f64() * sum;
        sums.partition_point(|sum| *sum <= at).min(DATABASES - 1)
    };
    (0..count).map(draw).collect()
}
