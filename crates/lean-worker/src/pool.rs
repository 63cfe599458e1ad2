//! Zygotes as resources of a pool. The only file that knows the pool.

use std::sync::Arc;

use pool_core::capacity::{Both, MaxLive, MaxLiveWeight};
use pool_core::eviction::Recall;
use pool_core::sync::{CancellationToken, Lease, Pool};
use pool_core::{AcquireError, AcquireOptions, Health, Resource, Stats};

use crate::cancel::CancelToken;
use crate::header::Header;
use crate::surroundings::Surroundings;
use crate::zygote::{StartError, Zygote};

/// What a zygote is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) around: Arc<Surroundings>,
    pub(crate) header: Arc<Header>,
}

impl Resource for Zygote {
    type Error = StartError;

    fn weight(&self) -> u64 {
        self.bytes()
    }

    fn health(&self) -> Health {
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

/// Zygotes that are kept, shared by all who check.
pub(crate) struct Zygotes(Pool<Key, Zygote>);

/// A zygote on loan.
pub(crate) type Loan<'p> = Lease<'p, Key, Zygote>;

impl Zygotes {
    /// At most so many, with at most so many bytes of their own in all.
    pub(crate) fn new(number: u64, bytes: u64) -> Self {
        let names =
            |key: &Key, each: &mut dyn FnMut(&str)| key.header.words().iter().for_each(|word| each(word));
        let pool = Pool::builder()
            .capacity(Both(MaxLive(number), MaxLiveWeight(bytes)))
            .eviction(Recall::with_names(names))
            .shared()
            .build();
        Self(pool)
    }

    /// The zygote for `key`: the one that is there, or what `start` makes, once for all who ask meanwhile.
    pub(crate) fn lend(
        &self,
        key: &Key,
        cancel: &CancelToken,
        start: impl FnOnce(&Key) -> Result<Zygote, StartError>,
    ) -> Result<Loan<'_>, StartError> {
        let token = CancellationToken::new();
        let _call = cancel.call({
            let token = token.clone();
            move || token.cancel()
        });
        let options = AcquireOptions::new().until_cancelled(&token);
        self.0.acquire_with(key, &options, start).map_err(|error| match error {
            AcquireError::Open { error, .. } => (*error).clone(),
            AcquireError::Cancelled { .. } | AcquireError::Closed { .. } => StartError::Cancelled,
            refused => StartError::NotStarted(format!(
                "there is no room for it: {refused}; raise --max-memory or --capacity"
            )),
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.0.stats()
    }
}
