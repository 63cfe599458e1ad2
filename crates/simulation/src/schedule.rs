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
use crate::config::{Config, Faults};
use crate::mode::Virtual;
use crate::policies::Faulty;
use crate::script::{Acquire, Dropped, End, Outcome, Patience, Script, Step};
use crate::thing::{Injected, Ledger, Name, Thing, outside, set_faults};
use crate::world::{self, Part, Played, Stage, Umpire};

type Simulated =
    TypesOf<Name, Thing, Own, Faulty<Box<dyn Capacity>>, Faulty<Box<dyn Eviction<Name>>>, Virtual>;
type SimulatedPool = Pool<Simulated>;
type SimulatedLease = LeaseOf<Simulated>;

/// No schedule of these scripts needs as many.
const MOST_STEPS: u64 = 50_000;

/// What is shared by the threads of one schedule.
struct Scene {
    pool: SimulatedPool,
    ledger: Rc<Ledger>,
    config: Config,
    tokens: Vec<RefCell<CancellationToken>>,
    /// Whether the limits are others now.
    is_changed: Cell<bool>,
    /// Leases that were leaked.
    leaked: Cell<u64>,
    /// What was taken out of the pool.
    outside: RefCell<Vec<Thing>>,
    /// The first thing that was wrong.
    wrong: RefCell<Option<String>>,
    /// The step before which all acquires were cancelled last, because of leases that were leaked.
    gave_up: Cell<Option<u64>>,
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
        Ok(ledger.process_bytes())
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

/// What `f` panicked with, if that was not meant to be.
fn guarded(f: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result,
        Err(payload) if payload.is::<Injected>() => Ok(()),
        Err(_) => Err(crate::last_panic()),
    }
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

impl Umpire for Rc<Scene> {
    fn check(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        guarded(|| {
            self.pool.assert_sound();
            if self.config.faults < Faults::Policies {
                self.pool.assert_served(self.config.gives_up());
            }
            self.check_limits()
        })
        .map_err(|what| format!("{what}\n{}", self.pool.describe()))
    }

    fn unblock(&mut self) -> Result<(), String> {
        let step = world::steps();
        if self.leaked.get() == 0 || self.gave_up.replace(Some(step)) == Some(step) {
            return Err(format!("nobody can go on:\n{}", self.pool.describe()));
        }
        world::note(|| "all who wait for leases that were leaked give up".to_owned());
        for token in &self.tokens {
            token.take().cancel();
        }
        Ok(())
    }
}

impl Scene {
    /// Limits, by what really lives.
    fn check_limits(&self) -> Result<(), String> {
        let Self { ledger, config, .. } = self;
        let (opening, usage) = (ledger.opening.get(), self.pool.usage());
        if config.changes.is_some() {
            // What is leased under a limit that is lowered goes on.
            return Ok(());
        }
        let (live, weight) = ledger.live();
        let met = |kind: &str, is: u64| match config.limit(kind) {
            Some(limit) if is > limit => Err(format!("{kind}({limit}) is exceeded: {is} with {usage}")),
            _ => Ok(()),
        };
        met("MaxLive", live + opening)?;
        met("MaxIdle", usage.idle)?;
        if config.exact_weights {
            met("MaxLiveWeight", weight)?;
        }
        if config.faults == Faults::Opens {
            met("MaxOpens", ledger.opened() + opening)?;
        }
        Ok(())
    }

    /// Nobody waits at the end, and the books agree.
    fn end(scene: Rc<Self>) -> Result<(), String> {
        let holds = |what: &str, holds: bool| {
            if holds { Ok(()) } else { Err(format!("at the end: {what}; {}", scene.pool.describe())) }
        };
        if let Some(wrong) = scene.wrong.take() {
            return Err(wrong);
        }
        let (usage, stats, leaked) = (scene.pool.usage(), scene.pool.stats(), scene.leaked.get());
        let is_left = |count: u64| if scene.config.shared { count <= leaked } else { count == leaked };
        holds("nobody waits", usage.waiting == 0)?;
        holds("nothing is opened or dropped", usage.opening + usage.dropping == 0)?;
        holds("only what was leaked is leased", is_left(usage.leased))?;
        holds("every acquire has ended", stats.acquired() == stats.ended() + leaked)?;
        holds("every open was counted", stats.opened() <= scene.ledger.opened())?;
        if scene.config.faults == Faults::Opens {
            holds("every open was counted once", stats.opened() == scene.ledger.opened())?;
        }
        let idle = scene.pool.drain() as u64;
        holds("all that was idle was drained", idle == usage.idle)?;
        scene.outside.take();
        holds("all else is gone", is_left(scene.ledger.live().0))?;
        scene.pool.assert_sound();
        let ledger = Rc::clone(&scene.ledger);
        let scene = Rc::try_unwrap(scene).map_err(|_| "somebody still holds the pool".to_owned())?;
        drop(scene);
        let alive = ledger.opened() - ledger.dropped();
        if alive > leaked { Err(format!("{alive} live on, and {leaked} were leaked")) } else { Ok(()) }
    }
}
