//! Counts visits in three databases, with two connections: from threads, and from tasks.
//!
//! `cargo run -p sqlite-pool-example`
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use sqlite_pool_example::{Connections, Error, Key, open, pool};
use tokio::task::{JoinSet, spawn_blocking};

const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);
const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY;

fn visit(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.execute_batch("CREATE TABLE IF NOT EXISTS visits (at INTEGER PRIMARY KEY)")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("INSERT INTO visits DEFAULT VALUES", [])?;
    let count = transaction.query_row("SELECT count(*) FROM visits", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(count)
}

// ANCHOR: threads
fn visit_from_a_thread(pool: &Connections, path: &Path) -> Result<i64, Error> {
    let mut connection = pool.acquire((path, &WRITE), open)?; // waits for its turn
    Ok(visit(&mut connection)?)
} // the connection goes to the next who waits, or back to the pool
// ANCHOR_END: threads

// ANCHOR: tasks
async fn visit_from_a_task(pool: Connections, path: PathBuf) -> Result<i64, Error> {
    let open = async |key: &Key| {
        let key = key.clone();
        spawn_blocking(move || open(&key)).await.expect("open does not panic") // it reads the file
    };
    let mut connection = pool.acquire_async((&*path, &WRITE), open).await?; // waits without a thread
    // SQLite blocks its thread. The lease goes along, and ends there.
    let count = spawn_blocking(move || visit(&mut connection)).await.expect("visit does not panic");
    Ok(count?)
}
// ANCHOR_END: tasks

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let paths = ["a.db", "b.db", "c.db"].map(|name| folder.path().join(name));
    let pool = pool(2, 16 << 20);

    std::thread::scope(|scope| {
        let visits = (0..30).map(|turn| (&pool, &paths[turn % 3]));
        let visits: Vec<_> =
            visits.map(|(pool, path)| scope.spawn(|| visit_from_a_thread(pool, path))).collect();
        visits.into_iter().try_for_each(|visit| visit.join().expect("no panic").map(drop))
    })?;

    tokio::runtime::Runtime::new()?.block_on(async {
        let visits = (0..30).map(|turn| visit_from_a_task(pool.clone(), paths[turn % 3].clone()));
        let visits: JoinSet<_> = visits.collect();
        visits.join_all().await.into_iter().try_for_each(|visit| visit.map(drop))
    })?;

    for path in &paths {
        let connection = pool.acquire((&**path, &READ), open)?;
        let count: i64 = connection.query_row("SELECT count(*) FROM visits", [], |row| row.get(0))?;
        assert_eq!(count, 20);
    }
    let missing = pool.acquire((Path::new("no/such.db"), &READ), open).map_err(Error::from);
    assert_eq!(missing.err().and_then(|error| error.sqlite()), Some(ErrorCode::CannotOpen));
    println!("{} acquires, {} opens; {}", pool.stats().acquired(), pool.stats().opened(), pool.usage());
    assert!(pool.stats().peaks.live <= 2);
    Ok(())
}
