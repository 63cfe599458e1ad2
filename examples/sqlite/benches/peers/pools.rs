//! The pools, each in its best fair setting, and what all do with a connection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deadpool_sqlite as deadpool;
use pool_core::Hooks;
use pool_core::capacity::MaxLive;
use pool_core::sync::{Builder, Pool};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags};
use scheduled_thread_pool::ScheduledThreadPool;
use sqlite_pool_example::{Connections, Key, open};

use crate::census::Census;

/// What setting each has, for the output.
pub(crate) const SETTINGS: &str = "Settings. All connections are opened with the same flags, and read their schema at once. A request is \
    acquire, `SELECT text FROM numbers WHERE number = ?` (a prepared statement, from the connection's cache; 1 000 rows, all in the page cache), release. \
    *pool-core*: `sync::Pool` with the hooks of `examples/sqlite`: on a hit `SELECT 1` and a look whether the file is there, at the release the \
    same, a look whether a transaction is open, and the weight. *no hooks*: none of that. *r2d2_sqlite*: no idle timeout, no maximal lifetime, \
    `SELECT 1` on each check-out, as is its default; *untested*: without. *deadpool-sqlite*: as it is: a `SELECT` in a thread for blocking calls on \
    each check-out, and another such call for the request (`interact`), from a task; *lock*: the request in the task itself. *pool-core, task*: \
    `acquire_async`, and the request in a thread for blocking calls. *µs of processor*: what all threads of the process spend for a request, which other work on \
    the machine changes less than the time that passes.";

pub(crate) type R2d2 = r2d2::Pool<SqliteConnectionManager>;
pub(crate) type Deadpool = deadpool::Pool;

pub(crate) const ROWS: i64 = 1000;

pub(crate) fn database(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let mut connection = Connection::open(&path).expect("the folder can be written");
    let transaction = connection.transaction().expect("nobody else is there");
    transaction
        .execute_batch("CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)")
        .expect("it is new");
    for number in 0..ROWS {
        let row = transaction.execute("INSERT INTO numbers VALUES (?1, 'number ' || ?1)", [number]);
        row.expect("the disk is not full");
    }
    transaction.commit().expect("the disk is not full");
    path
}

/// What each request asks.
pub(crate) fn select(connection: &Connection, number: i64) -> usize {
    let select = connection.prepare_cached("SELECT text FROM numbers WHERE number = ?1");
    let row =
        select.and_then(|mut select| select.query_row([number], |row| Ok(row.get_ref(0)?.as_str()?.len())));
    row.expect("the row is there")
}

/// As the example opens, and counted.
pub(crate) fn counted(census: &Census) -> impl Fn(&Key) -> rusqlite::Result<Connection> + '_ {
    move |key| {
        let connection = open(key)?;
        census.enroll(&connection)?;
        Ok(connection)
    }
}

/// What [`open`] does after SQLite's own open, for pools that do that themselves.
fn prepared(connection: &Connection, census: &Census) -> rusqlite::Result<()> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    census.enroll(connection)
}

pub(crate) fn ours(most: u64) -> Connections {
    sqlite_pool_example::pool(most, u64::MAX)
}

pub(crate) fn unhooked(most: u64) -> Builder<Key, Connection, Hooks<Connection, rusqlite::Error>> {
    Pool::hooks_builder(Hooks::new()).capacity(MaxLive(most))
}

/// Its threads are shared by all pools.
pub(crate) struct R2d2Maker {
    pub(crate) census: Census,
    threads: Arc<ScheduledThreadPool>,
}

impl R2d2Maker {
    pub(crate) fn new(census: Census) -> Self {
        Self { census, threads: Arc::new(ScheduledThreadPool::new(3)) }
    }

    pub(crate) fn pool(&self, path: &Path, most: u32, tested: bool) -> R2d2 {
        let census = self.census.clone();
        let manager = SqliteConnectionManager::file(path).with_flags(OpenFlags::default());
        let manager = manager.with_init(move |connection| prepared(connection, &census));
        let pool = r2d2::Pool::builder().max_size(most).test_on_check_out(tested);
        let pool = pool.idle_timeout(None).max_lifetime(None).thread_pool(self.threads.clone());
        pool.build(manager).expect("the file is there")
    }
}

pub(crate) fn deadpool(path: &Path, most: usize, census: &Census) -> Deadpool {
    let census = census.clone();
    let manager = deadpool::Manager::from_config(&deadpool::Config::new(path), deadpool::Runtime::Tokio1);
    let enroll = deadpool::Hook::sync_fn(move |connection, _| {
        let connection = connection.lock().expect("nobody has panicked");
        prepared(&connection, &census).map_err(deadpool::HookError::Backend)
    });
    Deadpool::builder(manager).max_size(most).post_create(enroll).build().expect("no timeouts are set")
}

pub(crate) async fn interact(pool: &Deadpool, number: i64) -> usize {
    let connection = pool.get().await.expect("the file is there");
    connection.interact(move |connection| select(connection, number)).await.expect("no panic")
}
