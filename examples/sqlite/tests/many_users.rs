//! Risk: where many threads and tasks share a few connections, a change is lost, or one lease sees what another left undone; or more are
//! connected than the pool allows.

#[path = "support/census.rs"]
mod census;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use census::Census;
use rusqlite::{Connection, TransactionBehavior};
use sqlite_pool_example::{Connections, Key, open, open_with, pool};
use support::{CREATE, assert_books, rows, watchdog};
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};

const MOST: u64 = 6;
const DATABASES: i64 = 4;

struct Site {
    folder: TempDir,
    pool: Connections,
    census: Census,
    /// Numbers that were committed, by database.
    committed: [AtomicI64; DATABASES as usize],
}

impl Site {
    fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        for database in 0..DATABASES {
            support::database(folder.path(), &format!("{database}.db"), 0);
        }
        let (pool, census) = (pool(MOST, 64 << 20), Census::default());
        Arc::new(Self { folder, pool, census, committed: Default::default() })
    }

    fn path(&self, database: i64) -> PathBuf {
        self.folder.path().join(format!("{database}.db"))
    }

    fn open(&self, key: &Key) -> rusqlite::Result<Connection> {
        let connection = open_with(key, Duration::from_secs(240))?; // slow machines are not tested
        connection.pragma_update(None, "synchronous", "OFF")?; // power cuts are not tested
        self.census.enroll(&connection)?;
        Ok(connection)
    }

    /// What one user does with a lease: every third leaves a transaction open, with a number in it that must never be seen.
    fn work(&self, connection: &mut Connection, turn: i64) {
        assert!(connection.is_autocommit(), "a transaction was left by the lease before");
        if turn % 3 == 0 {
            connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO numbers VALUES (-1, NULL)").unwrap();
            return;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        transaction.execute("INSERT INTO numbers VALUES (?1, NULL)", [turn]).unwrap();
        transaction.commit().unwrap();
        self.committed[(turn % DATABASES) as usize].fetch_add(turn, SeqCst);
    }

    fn assert_nothing_lost(&self) {
        for database in 0..DATABASES {
            let connection = Connection::open(self.path(database)).unwrap();
            let sums = "SELECT sum(number), sum(number < 0) FROM numbers";
            let sums: (i64, i64) =
                connection.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(sums, (self.committed[database as usize].load(SeqCst), 0));
        }
        assert_books(&self.pool, MOST);
        let (census, stats) = (&self.census, self.pool.stats());
        assert_eq!((census.now(), census.opened()), (stats.usage.live(), stats.opened()));
        assert!(census.most() <= MOST);
        self.pool.drain();
        assert_eq!(census.now(), 0, "all were closed");
    }
}

#[test]
fn thirty_two_threads_lose_nothing() {
    let _watchdog = watchdog();
    let site = Site::new();
    std::thread::scope(|scope| {
        for thread in 0..32 {
            let site = &site;
            scope.spawn(move || {
                for turn in thread * 25..(thread + 1) * 25 {
                    let path = site.path(turn % DATABASES);
                    let mut lease = site.pool.acquire((&*path, &CREATE), |key| site.open(key)).unwrap();
                    site.work(&mut lease, turn);
                }
            });
        }
    });
    assert_eq!(site.pool.stats().acquired(), 32 * 25);
    site.assert_nothing_lost();
}

#[test]
fn a_thousand_tasks_lose_nothing() {
    let _watchdog = watchdog();
    let site = Site::new();
    let task = |turn| {
        let site = site.clone();
        async move {
            let path = site.path(turn % DATABASES);
            let open = async |key: &Key| {
                let (site, key) = (site.clone(), key.clone());
                spawn_blocking(move || site.open(&key)).await.unwrap()
            };
            let mut lease = site.pool.acquire_async((&*path, &CREATE), open).await.unwrap();
            let site = site.clone();
            spawn_blocking(move || site.work(&mut lease, turn)).await.unwrap();
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async { (0..1000).map(task).collect::<JoinSet<_>>().join_all().await });
    assert_eq!(site.pool.stats().acquired(), 1000);
    site.assert_nothing_lost();
}

#[test]
fn what_one_lease_leaves_undone_the_next_does_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::database(folder.path(), "a.db", 1);
    let pool = pool(1, 64 << 20);
    for _ in 0..2 {
        let lease = pool.acquire((&*path, &CREATE), open).unwrap();
        assert_eq!(rows(&lease), Ok(1));
        lease.execute_batch("BEGIN IMMEDIATE; DELETE FROM numbers").unwrap();
        assert_eq!(rows(&lease), Ok(0));
    }
    assert_eq!((pool.stats().opened(), pool.stats().reused), (1, 1));
    assert_books(&pool, 1);
}

#[test]
fn a_connection_weighs_what_its_cache_can_hold_and_no_more_than_its_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let weight = |path: &Path| {
        let pool = pool(1, 64 << 20);
        let lease = pool.acquire((path, &CREATE), open).unwrap();
        let cache: i64 = lease.query_row("PRAGMA cache_size", [], |row| row.get(0)).unwrap();
        assert_eq!(cache, -2000, "in KiB, where it is negative");
        drop(lease);
        pool.usage().idle_weight
    };
    let small = support::database(folder.path(), "small.db", 1);
    assert_eq!(weight(&small), (80 << 10) + std::fs::metadata(&small).unwrap().len());
    let large = support::database(folder.path(), "large.db", 20_000);
    assert!(std::fs::metadata(&large).unwrap().len() > 2000 << 10);
    assert_eq!(weight(&large), 2080 << 10);
    assert_eq!(weight(Path::new(":memory:")), 80 << 10);
}

#[test]
fn idle_connections_are_dropped_where_they_would_weigh_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [0, 1, 2].map(|name| support::database(folder.path(), &format!("{name}.db"), 20_000));
    let pool = pool(3, 5000 << 10);
    let leases = paths.each_ref().map(|path| pool.acquire((&**path, &CREATE), open).unwrap());
    drop(leases);
    assert_eq!((pool.usage().idle, pool.usage().idle_weight), (2, 4160 << 10));
    assert_books(&pool, 3);
}
