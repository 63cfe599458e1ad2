//! Room for an open that is running; what comes of it is for all who wait for it.

use std::fmt;
use std::sync::Arc;

use super::lease::Origin;
use super::{Acquired, ErrorOf, LeaseOf, Pool, Taken, Types};
use crate::contain::{Panics, contain, hold_through, in_drop};
use crate::core::{Reserved, Who};
use crate::error::{AcquireError, Situation, Step};
use crate::manage::Manage as _;
use crate::observer::Event;
use crate::options::{AcquireOptions, GivesUp};
use crate::time::Clock as _;
use crate::usage::Opened;

/// Room for one open, in the books of the pool. Dropped, it gives the room to the next who waits.
pub(super) struct Reservation<T: Types> {
    pool: Pool<T>,
    reserved: Option<Reserved>,
}

impl<T: Types> Reservation<T> {
    pub(super) fn new(pool: Pool<T>, reserved: Reserved) -> Self {
        Self { pool, reserved: Some(reserved) }
    }

    fn give_back(&self, reserved: Reserved, error: Option<&Arc<ErrorOf<T>>>) {
        let shell = &*self.pool.shell;
        let mut panics = Panics::default();
        let nanos = shell.nanos_or_panic_later(&mut panics);
        panics.contain(|| shell.enter_and_finish(|core| core.open_failed(reserved, error, nanos)));
        panics.resume();
    }
}

impl<T: Types> Drop for Reservation<T> {
    fn drop(&mut self) {
        if let Some(reserved) = self.reserved.take() {
            in_drop(|| self.give_back(reserved, None));
        }
    }
}

/// A place in the pool for one resource, to be filled with what its holder opens: what
/// [`request`](Pool::request) gives where nothing is warm.
///
/// It counts as an open that runs. Whoever wants the same key may be waiting for it, so open at once, and
/// [`fill`](PlaceOf::fill) it, or [`fail`](PlaceOf::fail) it with the error. Dropped, also in the middle of an open, it gives the place to the
/// next who waits: nothing is lost.
#[must_use = "a place that is dropped at once is given to the next who waits"]
pub struct PlaceOf<T: Types> {
    reservation: Reservation<T>,
    key: T::Key,
    who: Who,
    options: AcquireOptions,
    deadline: Option<u64>,
    /// When the open began, in nanoseconds of the pool's clock.
    start: u64,
}

impl<T: Types> PlaceOf<T> {
    pub(super) fn new(
        reservation: Reservation<T>,
        key: T::Key,
        who: Who,
        options: AcquireOptions,
        deadline: Option<u64>,
    ) -> Self {
        match contain(|| reservation.pool.shell.clock.nanos()) {
            Ok(start) => Self { reservation, key, who, options, deadline, start },
            Err(payload) => {
                Self { reservation, key, who, options, deadline, start: 0 }.unwind(Panics::of(payload))
            }
        }
    }

    /// The key to open for.
    #[must_use]
    pub fn key(&self) -> &T::Key {
        &self.key
    }

    /// Opens. However that ends, the room is an entry afterwards, or free.
    pub(super) fn open(
        self,
        open: impl FnOnce(&T::Key) -> Result<T::Resource, ErrorOf<T>>,
    ) -> Acquired<LeaseOf<T>, T> {
        // Contained, so that whoever waits has been told before the thread unwinds.
        match contain(|| open(&self.key)) {
            Ok(Ok(resource)) => self.fill(resource),
            Ok(Err(error)) => Err(self.fail(error)),
            Err(payload) => self.unwind(Panics::of(payload)),
        }
    }

    /// Gives the room back, and then lets a panic go on.
    fn unwind(self, mut panics: Panics) -> ! {
        let Self { reservation, key, options, .. } = self;
        // One by one: two panics at once would end the process.
        panics.drop(key);
        panics.drop(options);
        panics.drop(reservation);
        panics.go_on()
    }

    /// The open has given a resource: it is leased from now on, and what it cost and weighs is in the books.
    ///
    /// # Errors
    /// [`Closed`](AcquireError::Closed) if the pool was closed meanwhile, and [`Cancelled`](AcquireError::Cancelled) if the
    /// acquire was: the resource is dropped then, or goes to another who waits for it.
    ///
    /// # Panics
    /// If user code does: `weight`, `residue`, a clone, the clock, a policy, an observer.
    pub fn fill(self, resource: T::Resource) -> Acquired<LeaseOf<T>, T> {
        let pool = self.reservation.pool.clone();
        let shell = &*pool.shell;
        let measured = contain(|| {
            let end = shell.clock.nanos();
            let opened = Opened {
                cost_nanos: end.saturating_sub(self.start),
                weight: shell.manager.weight(&resource),
                residue: shell.manager.residue(&resource),
            };
            let prototype = shell.share.map(|share| (self.key.clone(), share(&resource)));
            // The last chance of the clock to panic before the resource is in the books.
            (opened, prototype, if shell.needs_clock { shell.clock.nanos() } else { end })
        });
        let (opened, prototype, nanos) = match measured {
            Ok(measured) => measured,
            Err(payload) => {
                let mut panics = Panics::of(payload);
                panics.drop(resource);
                self.unwind(panics)
            }
        };
        let Self { mut reservation, key, who, options, deadline, .. } = self;
        let reserved = reservation.reserved.take().expect("a place is filled once");
        let reason = reserved.reason;
        let ((lease, closed), effects) = shell.enter(|core| {
            let lease = core.opened(reserved, prototype, opened, who, nanos);
            (lease, core.is_closed())
        });
        let taken = Taken::<T> { lease, key, resource };
        let lease = LeaseOf::new(pool.clone(), taken, Origin::OPENED);
        let lease = hold_through(lease, |lease| {
            // The open is told before what it evicted, as it happened; a panic of either must not hide the other.
            let mut panics = Panics::default();
            panics.contain(|| shell.observe(Event::Opened { key: LeaseOf::key(lease), reason, opened }));
            panics.contain(|| shell.finish(effects));
            panics.resume();
        });
        if closed {
            let key = Situation::text_of(LeaseOf::key(&lease));
            drop(lease);
            return Err(AcquireError::Closed { at: shell.situation_of(Some(key)) });
        }
        if options.is_cancelled() {
            // Nobody wants it any more here, but others may.
            let key = Situation::text_of(LeaseOf::key(&lease));
            drop(lease);
            shell.enter_and_finish(|core| core.count_gave_up(GivesUp::Cancelled, Step::Open));
            return Err(GivesUp::Cancelled.error(Step::Open, shell.situation_of(Some(key))));
        }
        let Some(deadline) = deadline else { return Ok(lease) };
        let mut is_late = false;
        let mut lease = hold_through(lease, |_| {
            is_late = shell.clock.nanos() >= deadline;
            if is_late {
                shell.enter_and_finish(|core| core.count_gave_up(GivesUp::TimedOut, Step::Open));
            }
        });
        lease.set_late(is_late);
        Ok(lease)
    }

    /// The open has failed: all who wait for it get the error, and it is returned as what the acquire comes to.
    ///
    /// # Panics
    /// If user code does: a policy, an observer.
    #[must_use]
    pub fn fail(self, error: ErrorOf<T>) -> AcquireError<ErrorOf<T>> {
        let Self { mut reservation, key, .. } = self;
        let error = Arc::new(error);
        if let Some(reserved) = reservation.reserved.take() {
            reservation.give_back(reserved, Some(&error));
        }
        let shell = &*reservation.pool.shell;
        shell.observe(Event::OpenFailed { key: &key });
        AcquireError::Open { error, at: shell.situation(Some(&key)) }
    }
}

impl<T: Types> fmt::Debug for PlaceOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("key", &self.key).finish_non_exhaustive()
    }
}
