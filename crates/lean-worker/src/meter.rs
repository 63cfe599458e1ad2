//! How much memory all processes have of their own, and how much it was at most.

use std::sync::atomic::{AtomicU64, Ordering};

/// A sum of bytes, and the largest that it was.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) counts: Counts,
    now: AtomicU64,
    peak: AtomicU64,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) zygotes: AtomicU64,
    pub(crate) zygote_deaths: AtomicU64,
    pub(crate) children: AtomicU64,
    pub(crate) forked_ahead: AtomicU64,
    pub(crate) deaths: AtomicU64,
}

impl Meter {
    /// One part of it was `before`, and is `after`.
    pub(crate) fn change(&self, before: u64, after: u64) {
        // A sum of parts that change by themselves: for a moment one may be counted and the other not yet.
        let now = self.now.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        self.peak.fetch_max(now.wrapping_add(after.wrapping_sub(before)), Ordering::Relaxed);
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

/// Bytes of anonymous memory that are resident in a process, shared with its parent or not; `None` if it is gone. Quick: one short line is read.
pub(crate) fn anonymous_bytes(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split(' ').skip(1).map_while(|pages| pages.parse::<u64>().ok());
    let (resident, shared) = (pages.next()?, pages.next()?);
    Some(resident.saturating_sub(shared) * page_bytes())
}

#[cfg(unix)]
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

#[cfg(not(unix))]
fn page_bytes() -> u64 {
    4096
}
