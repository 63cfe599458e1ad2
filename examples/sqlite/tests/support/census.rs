//! How many connections there are, as SQLite knows it: a function of SQL is dropped with its connection, whatever pool it was in.
#![allow(dead_code, reason = "each test target, and the bench, uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Counts the connections that are enrolled in it. A handle: clones count together.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicU64,
    most: AtomicU64,
    opened: AtomicU64,
}

struct Resident(Census);

impl Census {
    pub(crate) fn enroll(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.opened.fetch_add(1, SeqCst);
        self.0.most.fetch_max(self.0.now.fetch_add(1, SeqCst) + 1, SeqCst);
        let resident = Resident(self.clone());
        connection.create_scalar_function("resident", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            let _ = &resident;
            Ok(0)
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.now.load(SeqCst)
    }

    pub(crate) fn most(&self) -> u64 {
        self.0.most.load(SeqCst)
    }

    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.load(SeqCst)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.0.0.now.fetch_sub(1, SeqCst);
    }
}
