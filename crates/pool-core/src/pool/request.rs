//! Asking from a task: a future that needs a waker and nothing else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::turn::{Asked, Outcome, Turn, Waits};
use super::waiting::Granted as Given;
use super::{Acquired, ErrorOf, LeaseOf, PlaceOf, Pool, Types};
use crate::contain::{hold_through, in_drop};
#[cfg(doc)]
use crate::error::AcquireError;
use crate::key::Query;
use crate::options::{AcquireOptions, GivesUp};
use crate::sync::Wakes;
use crate::time::Clock as _;

/// What a [`request`](Pool::request) gives.
#[must_use = "what is dropped at once goes to the next who waits, or back to the pool"]
pub enum Granted<T: Types> {
    /// A resource that was warm, or that another opened.
    Lease(LeaseOf<T>),
    /// A place for one, which whoever asked is to open.
    Place(PlaceOf<T>),
}

impl<T: Types> fmt::Debug for Granted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lease(_) => "Lease",
            Self::Place(_) => "Place",
        })
    }
}

impl<T: Types> Pool<T> {
    /// Leases the resource of a key, as [`acquire`](Pool::acquire) does, from a task: it waits without a thread, in one queue with
    /// all others, and what it opens is a future. Needs no runtime.
    ///
    /// It may be dropped at any time: while it waits it leaves the queue, what it was given goes to the next, and an open that is
    /// dropped half-way gives its place to the next. The pool has no timer: for a deadline, put it into the caller's (`tokio::time::timeout`,
    /// `smol::future::or`). Without one it waits for as long as it takes.
    ///
    /// An open that blocks its thread (a file, a compiler) belongs where the runtime has threads for that: clone the key, and await
    /// `tokio::task::spawn_blocking(move || connect(&key))` or the like.
    ///
    /// A task that holds a lease and waits for another never waits behind others who came first. What a victim's destructor does, it does
    /// in the task that makes room.
    ///
    /// ```
    /// use pool_core::sync::Pool;
    /// # struct Solver;
    /// # impl pool_core::Resource for Solver { type Error = std::io::Error; }
    /// # pollster::block_on(async {
    /// let pool: Pool<String, Solver> = Pool::new(8);
    /// let solver = pool.acquire_async("arrays", async |theory: &String| {
    ///     # let _ = theory;
    ///     Ok(Solver) // connect, start a process …
    /// });
    /// let solver = solver.await?;
    /// # drop(solver);
    /// # Ok::<(), pool_core::AcquireError<std::io::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`acquire`](Pool::acquire).
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire).
    pub async fn acquire_async<Q, O>(&self, query: Q, open: O) -> Acquired<LeaseOf<T>, T>
    where
        Q: Query<T::Key>,
        O: AsyncFnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    {
        match self.request(query).await? {
            Granted::Lease(lease) => Ok(lease),
            Granted::Place(place) => match open(place.key()).await {
                Ok(resource) => place.fill(resource),
                Err(error) => Err(place.fail(error)),
            },
        }
    }

    /// The first half of [`acquire_async`](Pool::acquire_async): a lease, or a place to fill.
    ///
    /// # Errors
    /// As [`acquire`](Pool::acquire), when it is awaited.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire), when it is awaited.
    pub fn request<Q: Query<T::Key>>(&self, query: Q) -> Request<T, Q> {
        self.request_with(query, &AcquireOptions::new().wait_forever())
    }

    /// As [`request`](Pool::request), with options. Its token wakes the task. Its time is only looked at whenever the future is polled: nothing
    /// polls it for that.
    ///
    /// # Errors
    /// As [`acquire_with`](Pool::acquire_with), when it is awaited.
    ///
    /// # Panics
    /// As [`acquire`](Pool::acquire), when it is awaited.
    pub fn request_with<Q: Query<T::Key>>(&self, query: Q, options: &AcquireOptions) -> Request<T, Q> {
        Request { state: State::New { pool: self.clone(), query, options: options.clone() } }
    }
}

/// Asks for a resource when it is awaited. Made by [`Pool::request`].
///
/// Once polled, it is to be polled when it is woken, or dropped. What was given to it lies there until then; and in a pool that measures memory,
/// others wait for it to measure.
#[must_use = "a future does nothing until it is awaited"]
pub struct Request<T: Types, Q> {
    state: State<T, Q>,
}

enum State<T: Types, Q> {
    New {
        pool: Pool<T>,
        query: Q,
        options: AcquireOptions,
    },
    Asks(Turn<T, Q>),
    Waits {
        turn: Turn<T, Q>,
        start: u64,
        /// Its token wakes it as well.
        wakes: Option<Wakes>,
    },
    Done,
}

// Nothing in it refers to itself.
impl<T: Types, Q> Unpin for Request<T, Q> {}

impl<T: Types, Q: Query<T::Key>> Future for Request<T, Q> {
    type Output = Acquired<Granted<T>, T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut has_measured = false;
        loop {
            let granted = match std::mem::replace(&mut self.state, State::Done) {
                State::New { pool, query, options } => match pool.find_fit(&query) {
                    Ok(lease) => {
                        let lease = hold_through(lease, |_| drop((pool, query, options)));
                        return Poll::Ready(Ok(Granted::Lease(lease)));
                    }
                    Err((hash, unfit)) => {
                        let turn = Turn::new(&pool, query, hash, unfit, options, &Waits::Task);
                        self.state = State::Asks(turn);
                        continue;
                    }
                },
                State::Asks(mut turn) => {
                    let start = turn.waiting.pool.shell.clock.nanos();
                    match turn.ask(context.waker().clone()) {
                        Ok(Asked::Granted(granted)) => (turn, granted),
                        // There is no timer that could end a wait for a lease: it ends with the lease.
                        Ok(Asked::Waits(_)) => {
                            self.state = State::Waits { turn, start, wakes: None };
                            continue;
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                State::Waits { mut turn, start, wakes } => {
                    let granted = turn.waiting.collect_or_wake(context.waker());
                    let measures = matches!(granted, Some(Given::Measure));
                    if granted.is_some() && !measures {
                        // A waker that panics when it is dropped must not take with it what was granted.
                        let granted = hold_through(granted, |_| drop(wakes));
                        turn.waited(start, None);
                        (turn, granted.expect("it was there"))
                    } else if let Some(gives_up) = turn.gives_up(turn.waiting.pool.shell.clock.nanos()) {
                        let last = hold_through(turn.waiting.leave(), |_| drop(wakes));
                        turn.waited(start, last.is_none().then_some(gives_up));
                        match last {
                            // What was given at the last moment is taken.
                            Some(granted) => (turn, granted),
                            None => return Poll::Ready(Err(turn.error_of(gives_up))),
                        }
                    } else if measures && !has_measured {
                        has_measured = true;
                        drop(wakes);
                        turn.waited(start, None);
                        (turn, Given::Measure)
                    } else {
                        // One who is cancelled just now is woken at once.
                        let token = turn.options.token();
                        let wakes = token.map(|token| token.wakes(context.waker().clone())).or(wakes);
                        self.state = State::Waits { turn, start, wakes };
                        if measures {
                            // Others are polled before it measures once more.
                            context.waker().wake_by_ref();
                        }
                        return Poll::Pending;
                    }
                }
                State::Done => panic!("a request was polled after it was done"),
            };
            let (mut turn, granted) = granted;
            match turn.accept(granted) {
                None => self.state = State::Asks(turn),
                Some(Ok(outcome)) => {
                    // What is left of it may panic when it is dropped: what was granted must not be lost by that.
                    return Poll::Ready(Ok(match hold_through(outcome, |_| drop(turn)) {
                        Outcome::Lease(lease) => Granted::Lease(lease),
                        Outcome::Place(place) => Granted::Place(place),
                    }));
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// One who waits and is dropped has given up.
impl<T: Types, Q> Drop for Request<T, Q> {
    fn drop(&mut self) {
        if let State::Waits { turn, start, .. } = std::mem::replace(&mut self.state, State::Done) {
            in_drop(|| {
                turn.waited(start, Some(GivesUp::Cancelled));
                drop(turn);
            });
        }
    }
}

impl<T: Types, Q> fmt::Debug for Request<T, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}
