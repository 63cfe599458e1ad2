//! What the tests with threads share: a ledger of what lives, resources that panic when they are told to, a clock that is
//! moved by hand, and a way to wait for another thread without a clock.
#![allow(dead_code, reason = "each test target uses a part of it")]

mod watchdog;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use pool_core::sync::{Builder, Pool};
use pool_core::{Capacity, Clock, Health, Resource};
#[allow(unused_imports, reason = "not each test target runs threads")]
pub(crate) use watchdog::{watchdog, watchdog_that_says};

pub(crate) type Error = &'static str;
pub(crate) type Exclusive = Pool<u32, Thing<false>>;
pub(crate) type Shared = Pool<u32, Thing<true>>;

/// A pool on time that stands still, unless its clock is told otherwise.
pub(crate) fn builder<const SHARED: bool>(
    capacity: impl Capacity + Send + 'static,
    time: &Time,
) -> Builder<u32, Thing<SHARED>> {
    let builder = Pool::builder()
        .capacity(capacity)
        .eviction(pool_core::eviction::Lru::new())
        .clock(time.clone())
        .max_opening(64);
    if SHARED { builder.shared() } else { builder }
}

pub(crate) fn pool<const SHARED: bool>(capacity: impl Capacity + Send + 'static) -> Pool<u32, Thing<SHARED>> {
    builder(capacity, &Time::default()).build()
}

/// Returns when `there` is: other threads run meanwhile.
pub(crate) fn until(mut there: impl FnMut() -> bool) {
    for _ in 0..50_000_000_u64 {
        if there() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never came to that");
}

/// Nanoseconds that pass only by [`advance`](Time::advance).
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn advance(&self, nanos: u64) {
        self.0.fetch_add(nanos, SeqCst);
    }
}

impl Clock for Time {
    fn nanos(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// The payload of panics that tests ask for: no message is printed.
pub(crate) struct Expected;

/// The next step of that name panics, once.
#[derive(Clone, Default)]
pub(crate) struct Bomb(Arc<Mutex<Option<&'static str>>>);

impl Bomb {
    /// `health` panics, but not before `weight` was asked: so not at a release, which asks both, but at the acquire after it.
    pub(crate) const HEALTH_AFTER_WEIGHT: &'static str = "health, after weight";

    pub(crate) fn arm(&self, step: &'static str) {
        *self.0.lock().unwrap() = Some(step);
    }

    pub(crate) fn step(&self, step: &'static str) {
        let armed = {
            let mut armed = self.0.lock().unwrap();
            if *armed == Some(Self::HEALTH_AFTER_WEIGHT) && step == "weight" {
                *armed = Some("health");
            }
            armed.take_if(|armed| *armed == step)
        };
        if armed.is_some() {
            resume_unwind(Box::new(Expected));
        }
    }

    pub(crate) fn went_off(&self) -> bool {
        self.0.lock().unwrap().is_none()
    }
}

/// Whether `f` panicked, as it was told.
pub(crate) fn panicked(f: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(()) => false,
        Err(payload) if payload.is::<Expected>() => true,
        Err(payload) => resume_unwind(payload),
    }
}

/// All that one test opened, and which of them were dropped.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Books>);

#[derive(Default)]
struct Books {
    opened: AtomicU64,
    dropped: Mutex<Vec<u64>>,
    bomb: Bomb,
    weight: AtomicU64,
}

impl Ledger {
    pub(crate) fn open<const SHARED: bool>(&self) -> Result<Thing<SHARED>, Error> {
        let id = self.0.opened.fetch_add(1, SeqCst) + 1;
        let weight = self.0.weight.load(SeqCst);
        Ok(Thing(Arc::new(Core { id, weight, ledger: self.clone() })))
    }

    pub(crate) fn bomb(&self) -> &Bomb {
        &self.0.bomb
    }

    /// What is opened from now on weighs that.
    pub(crate) fn weigh(&self, bytes: u64) {
        self.0.weight.store(bytes, SeqCst);
    }

    pub(crate) fn opened(&self) -> u64 {
        self.0.opened.load(SeqCst)
    }

    pub(crate) fn live(&self) -> u64 {
        self.opened() - self.0.dropped.lock().unwrap().len() as u64
    }

    pub(crate) fn assert_all_dropped_once(&self) {
        let mut dropped = self.0.dropped.lock().unwrap().clone();
        dropped.sort_unstable();
        assert_eq!(dropped, (1..=self.opened()).collect::<Vec<_>>());
    }
}

struct Core {
    id: u64,
    weight: u64,
    ledger: Ledger,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.ledger.0.dropped.lock().unwrap().push(self.id);
        self.ledger.bomb().step("drop");
    }
}

/// A resource; if it is `SHARED`, a handle of one.
pub(crate) struct Thing<const SHARED: bool>(Arc<Core>);

impl<const SHARED: bool> Thing<SHARED> {
    /// The first that was opened is 1.
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
}

impl<const SHARED: bool> Resource for Thing<SHARED> {
    type Error = Error;

    fn weight(&self) -> u64 {
        self.0.ledger.bomb().step("weight");
        self.0.weight
    }

    fn residue(&self) -> u64 {
        self.0.ledger.bomb().step("residue");
        0
    }

    fn health(&mut self) -> Health {
        self.0.ledger.bomb().step("health");
        Health::Reusable
    }
}

/// Another handle, for pools that share.
impl<const SHARED: bool> Clone for Thing<SHARED> {
    fn clone(&self) -> Self {
        self.0.ledger.bomb().step("share");
        Self(Arc::clone(&self.0))
    }
}
