//! What the tests share: databases, and a watchdog.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sqlite_pool_example::Connections;

#[path = "../../../../crates/pool-core/tests/support/watchdog.rs"]
mod watched;
pub(crate) use watched::Watchdog;

/// Longer than anything here takes, also where everything is ten times slower: a hang is a failure.
#[track_caller]
pub(crate) fn watchdog() -> Watchdog {
    watched::watchdog_of(300, String::new)
}

pub(crate) const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE;
pub(crate) const CREATE: OpenFlags = WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

/// A database with one table of `rows` rows, and nobody connected to it. What is lost in a power cut is not tested: so it need not
/// wait for the disk.
pub(crate) fn database(folder: &Path, name: &str, rows: u32) -> PathBuf {
    let path = folder.join(name);
    let mut connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE numbers (number INTEGER, text TEXT)").unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..rows {
        transaction.execute("INSERT INTO numbers VALUES (?1, hex(zeroblob(100)))", [number]).unwrap();
    }
    transaction.commit().unwrap();
    path
}

pub(crate) fn rows(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))
}

/// Whether the books of a pool without leases agree, and `most` was kept.
pub(crate) fn assert_books(pool: &Connections, most: u64) {
    let stats = pool.stats();
    assert_eq!((stats.usage.leased, stats.usage.opening, stats.usage.waiting), (0, 0, 0), "{stats:?}");
    assert_eq!(stats.acquired(), stats.ended(), "{stats:?}");
    assert_eq!(stats.opened(), stats.usage.idle + stats.dropped().total(), "{stats:?}");
    assert!(stats.peaks.live <= most, "{stats:?}");
    pool.assert_sound();
}
