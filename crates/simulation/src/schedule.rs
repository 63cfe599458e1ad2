//! One schedule: a script that is run against a pool, and what is looked at meanwhile and afterwards.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pool_core::pool::{Builder, Granted, LeaseOf, Pool, TypesOf};
use pool_core::sync::CancellationToken;
use pool_core::{AcquireError, AcquireOptions, Capacity, Event, Eviction, Own, ProcessMemoryError};

use crate::choices::Choices;
use crate::config::Config;
use crate::mode::Virtual;
use crate::policies::Faulty;
use crate::script::{Acquire, Dropped, End, Outcome, Patience, Script, Step};
use crate::thing::{Injected, Ledger, Name, Thing, outside, set_faults};
use crate::umpire::guarded;
use crate::world::{self, Part, Played, Stage};

type Simulated =
    TypesOf<Name, Thing, Own, Faulty<Box<dyn Capacity>>, Faulty<Box<dyn Eviction<Name>>>, Virtual>;
type SimulatedPool = Pool<Simulated>;
type SimulatedLease = LeaseOf<Simulated>;

/// No schedule of these scripts needs as many.
const MOST_STEPS: u64 = 50_000;

/// What is shared by the threads of one schedule.
pub(crate) struct Scene {
    pub(crate) pool: SimulatedPool,
    pub(crate) ledger: Rc<Ledger>,
    pub(crate) config: Config,
    pub(crate) tokens: Vec<RefCell<CancellationToken>>,
    /// Whether the limits are others now.
    is_changed: Cell<bool>,
    /// Leases that were leaked.
    pub(crate) leaked: Cell<u64>,
    /// What was taken out of the pool.
    pub(crate) outside: RefCell<Vec<Thing>>,
    /// The first thing that was wrong.
    pub(crate) wrong: RefCell<Option<String>>,
    /// The step before which all acquires were cancelled last, because of leases that were leaked.
    pub(crate) gave_up: Cell<Option<u64>>,
    tally: Rc<Tally>,
    me: Weak<Self>,
}

/// How often what happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) leases: Cell<u64>,
    pub(crate) hits: Cell<u64>,
    pub(crate) errors: Cell<u64>,
    pub(crate) panics: Cell<u64>,
    pub(crate) deadlocks: Cell<u64>,
    pub(crate) waits: Cell<u64>,
}

fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// Runs `script` on `stage`.
pub(crate) fn play(
    stage: &mut Stage,
    config: &Config,
    script: &Script,
    choices: Choices,
    with_journal: bool,
    tally: &Rc<Tally>,
) -> Played {
    set_faults(config.faults);
    let ledger = Rc::new(Ledger::default());
    let scene = Rc::new_cyclic(|me| Scene {
        pool: pool(config, &ledger),
        ledger: Rc::clone(&ledger),
        config: config.clone(),
        tokens: script.0.iter().map(|_| RefCell::default()).collect(),
        is_changed: Cell::default(),
        leaked: Cell::default(),
        outside: RefCell::default(),
        wrong: RefCell::default(),
        gave_up: Cell::default(),
        tally: Rc::clone(tally),
        me: Weak::clone(me),
    });
    let parts = script.0.iter().enumerate().map(|(number, steps)| {
        let (scene, steps) = (Rc::clone(&scene), steps.clone());
        Box::new(move || scene.perform(number, &steps)) as Part
    });
    let mut umpire = Rc::clone(&scene);
    let mut played =
        stage.play(parts.collect(), choices, config.sticky, with_journal, MOST_STEPS, &mut umpire);
    drop(umpire);
    if played.end.is_ok() {
        played.end = guarded(|| Scene::end(scene));
    } else {
        // Coroutines that are in the middle of something refer to it.
        std::mem::forget(scene);
    }
    played
}

fn pool(config: &Config, ledger: &Rc<Ledger>) -> SimulatedPool {
    let ledger = Rc::clone(ledger);
    let read_memory = move || {
        outside("a measurement");
        if world::happens(20) {
            return Err(ProcessMemoryError::Unknown("not now".to_owned()));
        }
        let bytes = ledger.process_bytes();
        outside("what was measured may be out of date");
        Ok(bytes)
    };
    let clock = || {
        outside("the clock");
        world::now()
    };
    let observer = |_: Event<'_, Name>| outside("an observer");
    let builder = Builder::of_mode(
        Faulty(config.capacity()),
        Faulty(config.eviction()),
        Own,
        Box::new(clock) as Box<dyn pool_core::Clock>,
        Box::new(observer) as Box<dyn pool_core::Observer<Name>>,
        Box::new(read_memory) as Box<dyn Fn() -> Result<u64, ProcessMemoryError>>,
    );
    let builder = builder
        .create_or_wait(Faulty(config.create_or_wait()))
        .remembered_keys(config.remembered_keys)
        .max_opening(config.max_opening)
        .max_wait(None);
    if config.shared { builder.shared().build() } else { builder.build() }
}

impl Scene {
    /// What one thread does.
    fn perform(&self, number: usize, steps: &[Step]) {
        for step in steps {
            world::hand_over();
            if self.wrong.borrow().is_some() {
                return;
            }
            world::note(|| format!("{step}"));
            let done = catch_unwind(AssertUnwindSafe(|| self.step(number, step)));
            if let Err(payload) = done {
                if payload.is::<Injected>() {
                    count(&self.tally.panics);
                } else {
                    self.is_wrong(crate::last_panic());
                }
            }
        }
    }

    fn is_wrong(&self, what: String) {
        self.wrong.borrow_mut().get_or_insert(what);
    }

    fn step(&self, number: usize, step: &Step) {
        let pool = &self.pool;
        match step {
            Step::Acquire(acquire) => self.acquire(number, acquire),
            Step::Pass(nanos) => world::pass(*nanos),
            Step::Drain => drop(pool.drain()),
            Step::EvictExpired => drop(pool.evict_expired()),
            Step::DropStale(key) => drop(pool.drop_stale(|name, _| name.id() == *key)),
            Step::Prewarm(keys) => {
                let open = |name: &Name| self.open(number, name.id(), &crate::script::Open::plain());
                drop(pool.prewarm(keys.iter().map(|key| Name::query(*key)), open));
            }
            Step::Invalidate(Some(key)) => drop(pool.invalidate(&Name::query(*key))),
            Step::Invalidate(None) => drop(pool.invalidate_all()),
            Step::ChangeLimits => {
                let is_changed = !self.is_changed.replace(!self.is_changed.get());
                let name = self.config.changes.filter(|_| is_changed).unwrap_or(self.config.capacity);
                drop(pool.set_capacity(Faulty(crate::config::capacity(name))));
            }
            Step::Cancel(thread) => self.tokens[usize::from(*thread)].take().cancel(),
            Step::Close => drop(pool.close()),
            Step::CloseAndWait(nanos) => {
                if pool.close_and_wait(Duration::from_nanos(*nanos)).is_ok() {
                    let usage = pool.usage();
                    assert_eq!(usage.live(), 0, "closed, and waited for: {usage}");
                }
            }
            Step::Look => {
                let (stats, usage) = (pool.stats(), pool.usage());
                assert!(stats.acquired() >= stats.ended(), "{usage}");
                pool.is_warm(&Name::query(0));
                let _ = format!("{pool:?}");
            }
        }
    }

    fn acquire(&self, number: usize, acquire: &Acquire) {
        let Acquire { key, patience, cancellable, open, .. } = acquire;
        let mut options = AcquireOptions::new();
        match patience {
            Patience::Forever => {}
            Patience::Never => options = options.never_wait(),
            Patience::For(nanos) => options = options.timeout(Duration::from_nanos(*nanos)),
        }
        if *cancellable || self.config.leaks {
            options = options.until_cancelled(&self.tokens[number].borrow());
        }
        if self.config.exact_weights {
            options = options.expect_weight(open.weight);
        }
        let started = world::now();
        let acquired = match acquire.task {
            None => self
                .pool
                .acquire_with(&Name::query(*key), &options, |name| self.open(number, name.id(), open)),
            Some(dropped) => match self.acquire_as_task(number, acquire, &options, dropped) {
                Some(acquired) => acquired,
                None => return world::note(|| format!("dropped the task that wanted k{key}")),
            },
        };
        let lease = match acquired {
            Ok(lease) => lease,
            Err(error) => {
                let (time_is_over, is_closed) = match patience {
                    Patience::For(nanos) => (world::now() >= started + nanos, self.pool.is_closed()),
                    _ => (false, self.pool.is_closed()),
                };
                match &error {
                    AcquireError::TimedOut { .. } if !time_is_over => {
                        self.is_wrong(format!("{error}, too early"));
                    }
                    AcquireError::Closed { .. } if !is_closed => {
                        self.is_wrong(format!("{error}, and it is not"));
                    }
                    _ => {}
                }
                let what = match error {
                    AcquireError::Open { .. } => "its open failed",
                    AcquireError::Exhausted { by, .. } => by,
                    AcquireError::Refused { .. } => "refused",
                    AcquireError::Memory { .. } => "not measured",
                    AcquireError::TimedOut { .. } => "timed out",
                    AcquireError::Cancelled { .. } => "cancelled",
                    AcquireError::Closed { .. } => "closed",
                    AcquireError::Deadlock { .. } => {
                        count(&self.tally.deadlocks);
                        "would wait for itself"
                    }
                    _ => "an error",
                };
                world::note(|| format!("no k{key}: {what}"));
                return count(&self.tally.errors);
            }
        };
        count(&self.tally.leases);
        if LeaseOf::was_hit(&lease) {
            count(&self.tally.hits);
        }
        if world::now() > started {
            count(&self.tally.waits);
        }
        world::note(|| format!("has k{key}, #{}", lease.number()));
        if let Err(what) = lease.lease(*key, self.config.shared) {
            self.is_wrong(what);
        }
        /// Ended before the lease is.
        struct Holds<'a>(&'a Thing);
        impl Drop for Holds<'_> {
            fn drop(&mut self) {
                self.0.end_lease();
            }
        }
        let holds = Holds(&lease);
        world::pass(acquire.hold);
        if let Some(during) = &acquire.during {
            self.acquire(number, during);
        }
        if acquire.end == End::Panic && !std::thread::panicking() {
            resume_unwind(Box::new(Injected));
        }
        drop(holds);
        match acquire.end {
            End::Release | End::Panic => drop(lease),
            End::Discard => LeaseOf::discard(lease),
            End::Detach => {
                // Before it is: others go on before it is here.
                lease.detach(self.config.shared);
                let thing = LeaseOf::into_inner(lease);
                self.outside.borrow_mut().push(thing);
            }
            End::Leak => {
                self.leaked.set(self.leaked.get() + 1);
                std::mem::forget(lease);
            }
        }
    }

    /// `None` if it was dropped.
    fn acquire_as_task(
        &self,
        number: usize,
        acquire: &Acquire,
        options: &AcquireOptions,
        dropped: Dropped,
    ) -> Option<Result<SimulatedLease, AcquireError<&'static str>>> {
        let (name, flag) = (Name::query(acquire.key), Arc::<world::Flag>::default());
        let waker = flag.waker();
        let until = match acquire.patience {
            Patience::For(nanos) => Some(world::now() + nanos),
            Patience::Forever | Patience::Never => None,
        };
        let wakes = options.clone();
        let mut request = pin!(self.pool.request_with(&name, &wakes));
        let mut polls = 0;
        let granted = loop {
            match request.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(granted) => break granted,
                Poll::Pending => {
                    polls += 1;
                    if dropped == Dropped::Waiting(polls) {
                        return None;
                    }
                    // The caller's timer.
                    world::sleep(&flag, until.map(|until| until.saturating_sub(world::now()).max(1)));
                }
            }
        };
        match granted {
            Err(error) => Some(Err(error)),
            Ok(Granted::Lease(lease)) => Some(Ok(lease)),
            Ok(Granted::Place(place)) => {
                world::hand_over();
                if dropped == Dropped::Opening {
                    world::pass(acquire.open.takes);
                    return None;
                }
                Some(match self.open(number, place.key().id(), &acquire.open) {
                    Ok(thing) => place.fill(thing),
                    Err(error) => Err(place.fail(error)),
                })
            }
        }
    }

    fn open(&self, number: usize, key: u16, open: &crate::script::Open) -> Result<Thing, &'static str> {
        /// An open that runs.
        struct Runs<'a>(&'a Ledger);
        impl Drop for Runs<'_> {
            fn drop(&mut self) {
                self.0.opening.set(self.0.opening.get() - 1);
            }
        }
        let ledger = &self.ledger;
        count(&ledger.opens);
        count(&ledger.opening);
        let runs = Runs(ledger);
        world::hand_over();
        world::pass(open.takes);
        if let Some(during) = &open.during {
            world::note(|| format!("in the open of k{key}: {during}"));
            self.acquire(number, during);
        }
        match open.outcome {
            Outcome::Opens => {}
            Outcome::Fails => return Err("failed, as it was told"),
            Outcome::Panics => resume_unwind(Box::new(Injected)),
        }
        drop(runs);
        let thing = Thing::open(ledger, key, open.weight, open.residue, self.config.exact_weights);
        if let Some(will) = &open.last_will {
            let (scene, will) = (Weak::clone(&self.me), will.clone());
            // By whoever drops it.
            thing.set_last_will(Box::new(move || {
                if let Some(scene) = scene.upgrade() {
                    world::note(|| format!("in a destructor: {will}"));
                    scene.acquire(world::current() - 1, &will);
                }
            }));
        }
        Ok(thing)
    }
}
