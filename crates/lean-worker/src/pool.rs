//! Zygotes and saved headers as resources of pools. The only file that knows the pool.

use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::time::Duration;

use pool_core::capacity::{Both, MaxLive, MaxLiveWeight};
use pool_core::eviction::Recall;
use pool_core::sync::{CancellationToken, Lease, Pool};
use pool_core::{AcquireError, AcquireOptions, Health, Resource, Stats};

use crate::cancel::{Call, CancelToken};
#[cfg(target_os = "linux")]
use crate::header::Header;
use crate::snapshots::{NotSaved, Snapshot};
#[cfg(target_os = "linux")]
use crate::surroundings::Surroundings;
#[cfg(target_os = "linux")]
use crate::zygote::{StartError, Zygote};

/// What a zygote is for.
#[cfg(target_os = "linux")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) around: Arc<Surroundings>,
    pub(crate) header: Arc<Header>,
}

#[cfg(target_os = "linux")]
impl Resource for Zygote {
    type Error = StartError;

    fn weight(&self) -> u64 {
        self.bytes()
    }

    fn health(&mut self) -> Health {
        if self.is_gone() {
            Health::Broken
        } else if self.is_stale() {
            Health::Stale
        } else {
            Health::Reusable
        }
    }

    /// What a lease does is done in other processes.
    fn survives_panic(&self) -> bool {
        true
    }
}

#[cfg(target_os = "linux")]
/// Zygotes that are kept, shared by all who check.
pub(crate) struct Zygotes(Pool<Key, Zygote>);

#[cfg(target_os = "linux")]
/// A zygote on loan.
pub(crate) type Loan = Lease<Key, Zygote>;

#[cfg(target_os = "linux")]
impl Zygotes {
    /// At most so many, with at most so many bytes of their own in all.
    pub(crate) fn new(number: u64, bytes: u64) -> Self {
        let names =
            |key: &Key, each: &mut dyn FnMut(&str)| key.header.words().iter().for_each(|word| each(word));
        let pool = Pool::builder()
            .capacity(Both(MaxLive(number), MaxLiveWeight(bytes)))
            .eviction(Recall::with_names(names))
            .shared()
            // The check's own time, and its token, end a wait.
            .max_wait(None)
            .build();
        Self(pool)
    }

    /// The zygote for `key`: the one that is there, or what `start` makes, once for all who ask meanwhile. It waits for room: with
    /// `patience` no longer than that, once nothing is being started.
    pub(crate) fn lend(
        &self,
        key: &Key,
        patience: Option<Duration>,
        cancel: &CancelToken,
        start: impl Fn(&Key) -> Result<Zygote, StartError>,
    ) -> Result<Loan, StartError> {
        let (token, _call) = until(cancel);
        let mut options = AcquireOptions::new().until_cancelled(&token);
        if let Some(patience) = patience {
            options = options.timeout(patience);
        }
        let lent = loop {
            match self.0.acquire_with(key, &options, &start) {
                // What is being started may be what is waited for.
                Err(AcquireError::TimedOut { at, .. }) if at.usage.opening > 0 => {}
                lent => break lent,
            }
        };
        lent.map_err(|error| match error {
            AcquireError::Open { error, .. } => (*error).clone(),
            AcquireError::Cancelled { .. } | AcquireError::Closed { .. } => StartError::Cancelled,
            AcquireError::TimedOut { at, .. } => StartError::NotStarted(format!(
                "there is no room for it: {} imports are in use; end a session, or raise --max-memory or --capacity",
                at.usage.leased
            )),
            refused => StartError::NotStarted(format!(
                "there is no room for it: {refused}; raise --max-memory or --capacity"
            )),
        })
    }

    /// What is there for `key` goes, what is on loan when it comes back.
    pub(crate) fn give_up(&self, key: &Key) {
        self.0.invalidate(key);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl Resource for Snapshot {
    type Error = NotSaved;

    fn weight(&self) -> u64 {
        self.bytes()
    }

    fn health(&mut self) -> Health {
        if self.is_stale() { Health::Stale } else { Health::Reusable }
    }

    fn survives_panic(&self) -> bool {
        true
    }
}

/// Saved headers, by the path of their file, shared by all who check.
pub(crate) struct SavedHeaders(Pool<PathBuf, Snapshot>);

/// A saved header on loan: its file stays until this is dropped.
pub(crate) struct SnapshotLoan(Lease<PathBuf, Snapshot>);

impl SnapshotLoan {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl SavedHeaders {
    /// At most so many bytes in all.
    pub(crate) fn new(bytes: u64) -> Self {
        let builder = Pool::builder().capacity(MaxLiveWeight(bytes)).eviction(Recall::new());
        // The check's own time, and its token, end a wait.
        Self(builder.shared().max_wait(None).build())
    }

    /// The one that is there, or what `open` makes, once for all who ask meanwhile.
    pub(crate) fn lend(
        &self,
        path: &PathBuf,
        cancel: &CancelToken,
        open: impl FnOnce(&PathBuf) -> Result<Snapshot, NotSaved>,
    ) -> Option<SnapshotLoan> {
        let (token, _call) = until(cancel);
        self.0.acquire_with(path, &AcquireOptions::new().until_cancelled(&token), open).ok().map(SnapshotLoan)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.0.stats()
    }
}

/// The pool's own token, cancelled with ours until what comes with it is dropped.
fn until(cancel: &CancelToken) -> (CancellationToken, Call) {
    let token = CancellationToken::new();
    let call = cancel.call({
        let token = token.clone();
        move || token.cancel()
    });
    (token, call)
}
