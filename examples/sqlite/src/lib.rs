//! SQLite connections of many databases in one pool. Copy what you need; `main.rs` uses it from threads and from tasks.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_core::capacity::{Both, MaxIdleWeight, MaxLive};
use pool_core::sync::Pool;
use pool_core::{AcquireError, Health, Hooks};
use rusqlite::{Connection, ErrorCode, OpenFlags};

// ANCHOR: key
/// What tells connections apart: the file, and how it was opened. Looked up by `(&Path, &OpenFlags)`, without allocating.
/// Two paths to one file are two keys.
pub type Key = (PathBuf, OpenFlags);
// ANCHOR_END: key

// ANCHOR: pool
/// The type is rusqlite's own: hooks tell the pool what it must know.
pub type Connections = Pool<Key, Connection, Hooks<Connection, rusqlite::Error>>;

/// At most `most` connections at a time, whatever their databases. Those that are idle weigh at most `idle_bytes`.
#[must_use]
pub fn pool(most: u64, idle_bytes: u64) -> Connections {
    let hooks = Hooks::new().reset(reset).health(health).weight(weight);
    Pool::hooks_builder(hooks).capacity(Both(MaxLive(most), MaxIdleWeight(idle_bytes))).build()
}

/// At each return: rolls back what the lease left open. What else it changed stays (temporary tables, `ATTACH`, most
/// `PRAGMA`s): after those end the lease by `Lease::discard`.
fn reset(connection: &mut Connection) -> Health {
    let clean = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
    if clean { Health::Reusable } else { Health::Broken }
}

/// At each return and on each hit. Where the file is gone, the connection would go on writing to what nobody can find.
/// A file that was *replaced* is not noticed: whoever replaces one calls `pool.invalidate((path, &flags))`.
fn health(connection: &mut Connection) -> Health {
    let is_there = file(connection).is_none_or(Path::exists);
    let select = connection.prepare_cached("SELECT 1");
    match select.and_then(|mut select| select.query_row([], |_| Ok(()))) {
        Ok(()) if is_there => Health::Reusable,
        Ok(()) => Health::Stale,
        Err(_) => Health::Broken,
    }
}

/// After the open and at each return: what a connection takes at the most, to some 5 %, that is once all pages were read that
/// its cache has room for. Not what it takes now: SQLite would know (`sqlite3_db_status`), but rusqlite has no safe call for
/// that. A large schema and prepared statements come on top. Takes no lock on the file, as `PRAGMA page_count` would.
fn weight(connection: &Connection) -> u64 {
    let length = file(connection).and_then(|path| path.metadata().ok()).map_or(0, |file| file.len());
    ITSELF_KIB * 1024 + length.min(PAGE_CACHE_KIB * 1024)
}

/// What a connection takes that has not read much, as measured: most of it SQLite's lookaside memory.
const ITSELF_KIB: u64 = 80;
/// SQLite's default: who sets `PRAGMA cache_size` in the open changes this, too.
const PAGE_CACHE_KIB: u64 = 2000;

/// `None` for a database in memory.
fn file(connection: &Connection) -> Option<&Path> {
    connection.path().filter(|path| !path.is_empty()).map(Path::new)
}

/// Opens a connection, which waits up to five seconds for the locks of others.
///
/// # Errors
/// SQLite's.
pub fn open(key: &Key) -> Result<Connection, rusqlite::Error> {
    open_with(key, Duration::from_secs(5))
}

/// The same, but waits for the locks of others as long as `busy`.
///
/// # Errors
/// SQLite's.
pub fn open_with((path, flags): &Key, busy: Duration) -> Result<Connection, rusqlite::Error> {
    // A lease is exclusive: SQLite needs no lock of its own for the connection.
    let connection = Connection::open_with_flags(path, *flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(busy)?;
    // SQLite looks at the file when it first reads, so a file that is no database would be found out too late.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}
// ANCHOR_END: pool

// ANCHOR: error
/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection. The message of the pool says for which key, and what to do.
    #[error(transparent)]
    Acquire(#[from] AcquireError<rusqlite::Error>),
    /// There is a connection, but no answer to what it was asked.
    #[error("SQLite gave no answer")]
    Query(#[from] rusqlite::Error),
}

impl Error {
    /// What SQLite said, to the open or to a query: `DiskFull`, `DatabaseBusy`, `DatabaseCorrupt`, `NotADatabase`, `CannotOpen` …
    /// `None` if it was not SQLite: the pool was exhausted or closed, or waiting took too long.
    #[must_use]
    pub fn sqlite(&self) -> Option<ErrorCode> {
        match self {
            Self::Acquire(error) => error.open_error()?.sqlite_error_code(),
            Self::Query(error) => error.sqlite_error_code(),
        }
    }
}
// ANCHOR_END: error
