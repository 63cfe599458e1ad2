//! Risk: a damaged, deleted, full or locked database gives an error that nobody can tell from others; or it takes room, keeps others
//! waiting, or leaves the pool with books that don't agree.

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use pool_core::sync::Lease;
use pool_core::{AcquireError, DropReason};
use rusqlite::{Connection, ErrorCode};
use sqlite_pool_example::{Connections, Error, Key, open, open_with, pool};
use support::{CREATE, WRITE, assert_books, database, rows, watchdog};

type Opened = rusqlite::Result<Connection>;

/// Asks as an application does, but never waits.
fn ask(pool: &Connections, path: &Path, open: impl Fn(&Key) -> Opened) -> Result<u32, Error> {
    let lease = pool.try_acquire((path, &WRITE), open)?;
    Ok(rows(&lease)?)
}

/// No wait for the locks of others.
fn impatient(key: &Key) -> Opened {
    open_with(key, Duration::ZERO)
}

/// What SQLite said, when there was no connection.
fn at_open(answer: Result<u32, Error>) -> Option<ErrorCode> {
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Acquire(AcquireError::Open { .. })), "{error:?}");
    error.sqlite()
}

/// What SQLite said, when there was a connection.
fn at_query(answer: Result<u32, Error>) -> Option<ErrorCode> {
    let error = answer.unwrap_err();
    assert!(matches!(error, Error::Query(_)), "{error:?}");
    error.sqlite()
}

/// Another database can be had without waiting, in a pool of one, and its books agree.
fn assert_usable(pool: &Connections, folder: &Path) {
    assert_eq!(ask(pool, &database(folder, "usable.db", 3), open).unwrap(), 3);
    assert_books(pool, 1);
}

#[test]
fn a_file_that_is_no_database_is_found_out_by_the_open() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = folder.path().join("a.db");
    fs::write(&path, [b'x'; 5000]).unwrap();
    for _ in 0..2 {
        assert_eq!(at_open(ask(&pool, &path, open)), Some(ErrorCode::NotADatabase));
    }
    assert_eq!((pool.stats().opens_failed, pool.usage().live()), (2, 0));
    assert_usable(&pool, folder.path());
}

#[test]
fn a_file_that_is_damaged_further_on_is_found_out_by_the_query() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1000);
    // Page 1, with the schema, stays as it is.
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xff; (length - 4096) as usize], 4096).unwrap();
    assert_eq!(at_query(ask(&pool, &path, open)), Some(ErrorCode::DatabaseCorrupt));
    assert_usable(&pool, folder.path());
}

#[test]
fn a_file_deleted_before_the_open_is_not_made_anew_unless_that_is_asked_for() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(at_open(ask(&pool, &path, open)), Some(ErrorCode::CannotOpen));
    assert!(!path.exists());
    drop(pool.acquire((&*path, &CREATE), open).unwrap());
    assert!(path.exists());
    assert_usable(&pool, folder.path());
}

#[test]
fn a_file_deleted_while_a_connection_is_idle_is_noticed_by_the_next_acquire() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    assert_eq!(ask(&pool, &path, open).unwrap(), 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(at_open(ask(&pool, &path, open)), Some(ErrorCode::CannotOpen));
    assert_eq!(pool.stats().dropped().get(DropReason::Stale), 1);
    assert_usable(&pool, folder.path());
}

#[test]
fn a_file_deleted_under_a_lease_is_noticed_when_it_ends() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    let lease = pool.acquire((&*path, &WRITE), open).unwrap();
    fs::remove_file(&path).unwrap();
    drop(lease);
    assert_eq!((pool.stats().dropped().get(DropReason::Stale), pool.len()), (1, 0));
    assert_usable(&pool, folder.path());
}

#[test]
fn a_file_that_was_replaced_is_what_invalidate_is_for() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    assert_eq!(ask(&pool, &path, open).unwrap(), 1);
    fs::rename(database(folder.path(), "new.db", 2), &path).unwrap();
    assert_eq!(
        ask(&pool, &path, open).unwrap(),
        1,
        "the old one: if that changes, so must the docs of `health`"
    );
    assert_eq!(pool.invalidate((&*path, &WRITE)), 1);
    assert_eq!(ask(&pool, &path, open).unwrap(), 2);
    assert_usable(&pool, folder.path());
}

#[test]
fn a_full_disk_is_an_error_of_that_lease_and_undoes_what_it_did() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 10);
    // SQLite answers as it does on a full disk: `SQLITE_FULL`, from the same place in its pager.
    let small_disk = |key: &Key| {
        let connection = open(key)?;
        let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |_| Ok(()))?;
        Ok(connection)
    };
    let fill = |lease: &mut Connection| -> Result<u32, Error> {
        lease.execute_batch("BEGIN")?;
        for number in 0..10_000 {
            lease.execute("INSERT INTO numbers VALUES (?1, hex(zeroblob(100)))", [number])?;
        }
        unreachable!("it does not fit")
    };
    for turn in 0..2 {
        let mut lease = pool.acquire((&*path, &WRITE), small_disk).unwrap();
        assert_eq!(Lease::was_hit(&lease), turn == 1);
        assert_eq!(at_query(fill(&mut lease)), Some(ErrorCode::DiskFull));
    }
    assert_eq!(ask(&pool, &path, small_disk).unwrap(), 10);
    assert_usable(&pool, folder.path());
}

#[test]
fn a_locked_database_is_an_error_at_once_and_can_be_had_once_it_is_not() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    let other = Connection::open(&path).unwrap();
    // With none of it idle, and then with one.
    for warm in [false, true] {
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let answer = ask(&pool, &path, impatient);
        let code = if warm { at_query(answer) } else { at_open(answer) };
        assert_eq!(code, Some(ErrorCode::DatabaseBusy));
        assert_eq!(pool.usage().live(), u64::from(warm), "a lock is no fault of the connection");
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(ask(&pool, &path, impatient).unwrap(), 1);
    }
    assert_eq!((pool.stats().opened(), pool.stats().opens_failed), (1, 1));
    let wait = |open: fn(&Key) -> Opened| {
        let key = (path.clone(), WRITE);
        open(&key).unwrap().query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!((wait(impatient), wait(open)), (0, 5000), "milliseconds");
    assert_usable(&pool, folder.path());
}

#[test]
fn a_lease_that_panics_with_a_transaction_open_leaves_no_lock_behind() {
    let _watchdog = watchdog();
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool(1, 64 << 20));
    let path = database(folder.path(), "a.db", 1);
    let in_vain = std::thread::scope(|scope| {
        let panics = scope.spawn(|| {
            let lease = pool.acquire((&*path, &WRITE), impatient).unwrap();
            lease.execute_batch("BEGIN EXCLUSIVE; DELETE FROM numbers").unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        panics.join()
    });
    assert!(in_vain.is_err());
    assert_eq!(pool.stats().dropped().get(DropReason::Panicked), 1);
    assert_eq!(ask(&pool, &path, impatient).unwrap(), 1);
    assert_usable(&pool, folder.path());
}

#[test]
fn an_error_says_which_database_and_why() {
    let pool = pool(1, 64 << 20);
    let error = ask(&pool, Path::new("no/such.db"), open).unwrap_err();
    assert!(error.to_string().contains("no/such.db"), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("unable to open database file"), "{source}");
    pool.close();
    assert_eq!(ask(&pool, Path::new("a.db"), open).unwrap_err().sqlite(), None);
}
