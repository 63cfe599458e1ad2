//! Opening before anybody asks.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use super::{ErrorOf, LeaseOf, Pool, Shell, Types};
use crate::contain::contain;
use crate::error::AcquireError;
use crate::guard::{Guard as _, Sleep as _};
use crate::options::AcquireOptions;
use crate::sync::{Lock, ManyThreads, Parker};

/// What prewarming came to, of keys `K` whose opens fail with `X`.
pub struct Prewarmed<K, X> {
    /// Keys that were opened, and then given back to the pool: whether they stay is for its policies.
    pub opened: Vec<K>,
    /// Keys that were warm already, or being opened by another.
    pub skipped: Vec<K>,
    /// Keys that could not be opened, and why.
    pub failed: Vec<(K, AcquireError<X>)>,
    /// Keys whose open panicked, or whose job was dropped by its executor.
    pub lost: Vec<K>,
}

impl<K, X> Default for Prewarmed<K, X> {
    fn default() -> Self {
        Self { opened: Vec::new(), skipped: Vec::new(), failed: Vec::new(), lost: Vec::new() }
    }
}

impl<K: fmt::Debug, X> fmt::Debug for Prewarmed<K, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: Vec<&K> = self.failed.iter().map(|(key, _)| key).collect();
        let mut prewarmed = f.debug_struct("Prewarmed");
        prewarmed.field("opened", &self.opened).field("skipped", &self.skipped);
        prewarmed.field("failed", &failed).field("lost", &self.lost).finish()
    }
}

/// A job for an executor: it opens keys, one after the other, until none are left.
pub type Job = Box<dyn FnOnce() + Send>;

impl<T: Types> Pool<T>
where
    T::Key: Hash + Eq,
{
    /// Opens, in this thread and one after the other, those of `keys` that are not warm, and puts them into the pool.
    ///
    /// Never waits: what does not fit within the limits on live resources is [`Exhausted`](crate::AcquireError::Exhausted).
    /// (What does not fit among the idle ones is opened, and goes again: give no more keys than may be idle.)
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire); keys that were opened by then are in the pool.
    pub fn prewarm(
        &self,
        keys: impl IntoIterator<Item = T::Key>,
        open: impl Fn(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Prewarmed<T::Key, ErrorOf<T>> {
        let mut done = Prewarmed::default();
        for key in keys {
            self.prewarm_one(key, &open, &mut done);
        }
        done
    }

    fn prewarm_one(
        &self,
        key: T::Key,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
        done: &mut Prewarmed<T::Key, ErrorOf<T>>,
    ) {
        if self.is_warm(&key) {
            return done.skipped.push(key);
        }
        match self.acquire_with(&key, &AcquireOptions::new().never_wait(), open) {
            Ok(lease) if LeaseOf::was_hit(&lease) => done.skipped.push(key),
            Ok(_) => done.opened.push(key),
            Err(error) => done.failed.push((key, error)),
        }
    }
}

impl<T: Types<Mode = ManyThreads> + 'static> Pool<T>
where
    T::Key: Hash + Eq + Send + Sync,
    ErrorOf<T>: Send + Sync,
    Shell<T>: Send + Sync,
{
    /// As [`prewarm`](Pool::prewarm), on an executor: `spawn` is given at most `at_most` jobs, and no more than may be
    /// [opened at once](crate::pool::Builder::max_opening), each of which opens one key at a time. Returns at once; [`Prewarming::wait`] waits for all of them.
    ///
    /// ```
    /// use pool_core::sync::Pool;
    /// # struct Solver;
    /// # impl pool_core::Resource for Solver { type Error = std::convert::Infallible; }
    /// let pool: Pool<u32, Solver> = Pool::new(8);
    /// let done = pool.prewarm_on(1..=5, |_| Ok(Solver), 2, |job| drop(std::thread::spawn(job))).wait();
    /// assert_eq!((done.opened.len(), pool.len()), (5, 5));
    /// ```
    pub fn prewarm_on(
        &self,
        keys: impl IntoIterator<Item = T::Key>,
        open: impl Fn(&T::Key) -> Result<T::Resource, ErrorOf<T>> + Send + Sync + 'static,
        at_most: usize,
        mut spawn: impl FnMut(Job),
    ) -> Prewarming<T::Key, ErrorOf<T>> {
        let keys: VecDeque<T::Key> = keys.into_iter().collect();
        let most = usize::try_from(self.shell.max_opening).unwrap_or(usize::MAX);
        let jobs = at_most.clamp(1, most).min(keys.len());
        let work = Arc::new(Work {
            left: Lock::new(Left { keys, jobs, done: Prewarmed::default() }),
            parker: Parker::new(),
        });
        let open = Arc::new(open);
        for _ in 0..jobs {
            let ticket = JobEnd(Arc::clone(&work));
            let (pool, open) = (self.clone(), Arc::clone(&open));
            spawn(Box::new(move || {
                while let Some(key) = ticket.0.next() {
                    let mut done = Prewarmed::default();
                    let name = key.clone();
                    // A panic loses one key, not those that are left.
                    let outcome = contain(|| pool.prewarm_one(key, |key| open(key), &mut done));
                    if outcome.is_err() {
                        done.lost.push(name);
                    }
                    ticket.0.add(done);
                }
            }));
        }
        Prewarming(work)
    }
}

struct Work<K, X> {
    left: Lock<Left<K, X>>,
    parker: Parker,
}

struct Left<K, X> {
    keys: VecDeque<K>,
    jobs: usize,
    done: Prewarmed<K, X>,
}

impl<K, X> Work<K, X> {
    fn with<T>(&self, f: impl FnOnce(&mut Left<K, X>) -> T) -> T {
        f(&mut self.left.enter().expect("nothing that runs under this lock comes here again"))
    }

    fn next(&self) -> Option<K> {
        self.with(|left| left.keys.pop_front())
    }

    fn add(&self, mut done: Prewarmed<K, X>) {
        self.with(|left| {
            left.done.opened.append(&mut done.opened);
            left.done.skipped.append(&mut done.skipped);
            left.done.failed.append(&mut done.failed);
            left.done.lost.append(&mut done.lost);
        });
    }
}

/// Tells that a job has ended, or will never run.
struct JobEnd<K, X>(Arc<Work<K, X>>);

impl<K, X> Drop for JobEnd<K, X> {
    fn drop(&mut self) {
        let last = self.0.with(|left| {
            left.jobs -= 1;
            left.jobs == 0
        });
        if last {
            self.0.parker.waker().wake();
        }
    }
}

/// Prewarming that runs on an executor. Dropped, it goes on.
#[must_use = "prewarming goes on by itself; drop it on purpose, or wait for it"]
pub struct Prewarming<K, X>(Arc<Work<K, X>>);

impl<K, X> Prewarming<K, X> {
    /// Waits until all jobs have ended. Keys that are left because the executor dropped all jobs are lost.
    #[must_use]
    pub fn wait(self) -> Prewarmed<K, X> {
        loop {
            let done = self.0.with(|left| {
                (left.jobs == 0).then(|| {
                    let mut done = std::mem::take(&mut left.done);
                    done.lost.extend(left.keys.drain(..));
                    done
                })
            });
            match done {
                Some(done) => return done,
                None => self.0.parker.sleep(None),
            }
        }
    }
}

impl<K, X> fmt::Debug for Prewarming<K, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prewarming").finish_non_exhaustive()
    }
}
