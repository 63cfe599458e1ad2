//! What opens mock environments, and what they are.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use pool_core::{Health, Names as Imports, Resource};

use crate::clock::VirtualClock;
use crate::cost::{Cost, CostModel};
use crate::journal::Journal;
use crate::script::{Outcome, Script, Step};

const MILLISECOND: u64 = 1_000_000;

/// Why a mock open failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MockError {
    /// [`Outcome::Fail`].
    #[error("the script made the open of '{imports}' fail")]
    Scripted {
        /// What was opened.
        imports: Imports,
    },
    /// [`Outcome::Never`], ended by [`MockBackend::abandon`].
    #[error("the open of '{imports}' never ended and was abandoned")]
    Abandoned {
        /// What was opened.
        imports: Imports,
    },
}

/// Opens [`MockEnvironment`]s: takes virtual time for it, follows a script, keeps a journal and counts what lives.
/// Clones are the same backend, from whichever thread.
#[derive(Clone)]
pub struct MockBackend(Arc<Shared>);

struct Shared {
    model: CostModel,
    clock: VirtualClock,
    journal: Option<Journal>,
    inner: Mutex<Inner>,
    /// Signals changes of `stuck` and `abandoned`.
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    script: Script,
    /// What the model said before.
    costs: HashMap<Imports, Cost>,
    opened: u64,
    live: u64,
    live_weight: u64,
    residue: u64,
    /// Opens that hang, and whether they are let go.
    stuck: u64,
    abandoned: bool,
}

impl MockBackend {
    /// A backend with that cost model, no script and no journal.
    #[must_use]
    pub fn new(model: CostModel) -> Self {
        Self(Arc::new(Shared {
            model,
            clock: VirtualClock::new(),
            journal: None,
            inner: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// The same, writing to `journal` what it does.
    ///
    /// # Panics
    /// If the backend has been cloned: set it up first.
    #[must_use]
    pub fn with_journal(self, journal: Journal) -> Self {
        self.changed(|shared| shared.journal = Some(journal))
    }

    /// Adds to what is scripted; possible at any time.
    pub fn script(&self, script: Script) {
        self.inner().script.extend(script);
    }

    /// Its time.
    #[must_use]
    pub fn clock(&self) -> VirtualClock {
        self.0.clock.clone()
    }

    /// What opening `imports` takes.
    #[must_use]
    pub fn cost(&self, imports: &Imports) -> Cost {
        let mut inner = self.inner();
        if let Some(cost) = inner.costs.get(imports) {
            return *cost;
        }
        let cost = self.0.model.cost(imports);
        inner.costs.insert(imports.clone(), cost);
        cost
    }

    /// Environments that were opened and have a handle left.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.inner().live
    }

    /// Bytes of the live environments.
    #[must_use]
    pub fn live_weight(&self) -> u64 {
        self.inner().live_weight
    }

    /// Bytes that opens left for good.
    #[must_use]
    pub fn residue(&self) -> u64 {
        self.inner().residue
    }

    /// Opens an environment: virtual time passes by its cost.
    ///
    /// # Errors
    /// As scripted.
    ///
    /// # Panics
    /// As scripted.
    pub fn open(&self, imports: &Imports) -> Result<MockEnvironment, MockError> {
        let cost = self.cost(imports);
        let outcome = self.inner().script.take(Step::Open, imports);
        let factor = if let Outcome::Slow(factor) = outcome { factor } else { 1 };
        if outcome == Outcome::Never {
            self.journal_line(format_args!("open of {imports} hangs"));
            self.hang();
            self.journal_line(format_args!("open of {imports} abandoned"));
            return Err(MockError::Abandoned { imports: imports.clone() });
        }
        self.0.clock.advance(cost.nanos.saturating_mul(u64::from(factor)));
        match outcome {
            Outcome::Fail => {
                self.journal_line(format_args!("open of {imports} fails"));
                return Err(MockError::Scripted { imports: imports.clone() });
            }
            Outcome::Panic => self.panic(Step::Open, imports),
            _ => {}
        }
        let number = {
            let mut inner = self.inner();
            inner.opened += 1;
            inner.live += 1;
            inner.live_weight = inner.live_weight.saturating_add(cost.weight);
            inner.residue = inner.residue.saturating_add(cost.residue);
            inner.opened
        };
        let stale = AtomicBool::new(outcome == Outcome::Stale);
        let backend = self.clone();
        let environment = Environment { number, imports: imports.clone(), cost, stale, backend };
        self.journal_line(format_args!("open #{number} {imports}"));
        Ok(MockEnvironment(Arc::new(environment)))
    }

    /// Lets opens that hang ([`Outcome::Never`]) return with an error, those now and those to come.
    pub fn abandon(&self) {
        self.inner().abandoned = true;
        self.0.changed.notify_all();
    }

    /// Waits until `count` opens hang.
    pub fn wait_until_stuck(&self, count: u64) {
        let enough = self.0.changed.wait_while(self.inner(), |inner| inner.stuck < count);
        drop(enough.unwrap_or_else(PoisonError::into_inner));
    }

    fn hang(&self) {
        let mut inner = self.inner();
        inner.stuck += 1;
        self.0.changed.notify_all();
        let over = self.0.changed.wait_while(inner, |inner| !inner.abandoned);
        over.unwrap_or_else(PoisonError::into_inner).stuck -= 1;
    }

    fn panic(&self, step: Step, imports: &Imports) -> ! {
        self.journal_line(format_args!("{step:?} of {imports} panics"));
        panic!("the script made {step:?} of '{imports}' panic")
    }

    fn journal_line(&self, line: fmt::Arguments<'_>) {
        if let Some(journal) = &self.0.journal {
            journal.write(line);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::get_mut(&mut self.0).expect("a mock backend is set up before it is cloned or opens"));
        self
    }
}

impl fmt::Debug for MockBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockBackend").field("live", &self.live()).finish_non_exhaustive()
    }
}

/// A handle to an environment that was not really imported.
pub struct MockEnvironment(Arc<Environment>);

struct Environment {
    number: u64,
    imports: Imports,
    cost: Cost,
    stale: AtomicBool,
    backend: MockBackend,
}

impl MockEnvironment {
    /// Which open of its backend this was, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// What it was opened for.
    #[must_use]
    pub fn imports(&self) -> &Imports {
        &self.0.imports
    }

    /// What opening it took.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.0.cost
    }

    /// Makes all handles to it stale.
    pub fn make_stale(&self) {
        self.0.stale.store(true, Ordering::Relaxed);
    }

    /// What is scripted for `step`, after it was slow or panicked if that was scripted.
    fn step(&self, step: Step) -> Outcome {
        let Environment { imports, backend, .. } = &*self.0;
        let outcome = backend.inner().script.take(step, imports);
        match outcome {
            Outcome::Slow(times) => backend.0.clock.advance(u64::from(times) * MILLISECOND),
            Outcome::Panic => backend.panic(step, imports),
            _ => {}
        }
        outcome
    }
}

impl Resource for MockEnvironment {
    type Error = MockError;

    fn weight(&self) -> u64 {
        self.step(Step::Weight);
        self.0.cost.weight
    }

    fn residue(&self) -> u64 {
        self.0.cost.residue
    }

    fn health(&mut self) -> Health {
        match self.step(Step::Health) {
            Outcome::Fail => return Health::Broken,
            Outcome::Stale => self.make_stale(),
            _ => {}
        }
        if self.0.stale.load(Ordering::Relaxed) { Health::Stale } else { Health::Reusable }
    }
}

/// Another handle to the same environment, for a pool that shares.
impl Clone for MockEnvironment {
    fn clone(&self) -> Self {
        self.step(Step::Share);
        Self(Arc::clone(&self.0))
    }
}

impl fmt::Debug for MockEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {}", self.0.number, self.0.imports)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let Self { number, imports, cost, backend, .. } = self;
        let outcome = {
            let mut inner = backend.inner();
            inner.live -= 1;
            inner.live_weight = inner.live_weight.saturating_sub(cost.weight);
            inner.script.take(Step::Drop, imports)
        };
        backend.journal_line(format_args!("drop #{number} {imports}"));
        match outcome {
            Outcome::Slow(times) => backend.0.clock.advance(u64::from(times) * MILLISECOND),
            Outcome::Panic => backend.panic(Step::Drop, imports),
            _ => {}
        }
    }
}
