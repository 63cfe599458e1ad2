//! Which file is next, and checking it in an environment of the pool.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::vec::IntoIter;

use lean_backend::{
    CheckOptions, EnvironmentKey, InternedOptions, LeanCancellationToken, LeanError, LeanResult, LeanRuntime,
    SharedEnvironment, Watch,
};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Recall;
use pool_core::sync::{Lease, Pool};
use pool_core::{AcquireError, Health, Names as Imports, Query, Resource as _, Stats};

use super::source::Source;
use super::{Common, Failure, Outcome, Settings, what_lean_says};

/// Files with the same header.
pub(super) struct Group {
    key: EnvironmentKey,
    /// The place of its first file.
    pub(super) first: usize,
    /// Why its import failed: what fails once is not tried for each file.
    failed: OnceLock<LeanError>,
}

impl Group {
    pub(super) fn new(options: &InternedOptions, header: &[String], first: usize) -> Self {
        let key = EnvironmentKey { options: options.clone(), imports: Imports::new(header) };
        Self { key, first, failed: OnceLock::new() }
    }

    pub(super) fn is_of(&self, header: &[String]) -> bool {
        header.is_key(&self.key.imports)
    }
}

/// What all who check have in common.
pub(super) struct Run {
    pub(super) runtime: &'static LeanRuntime,
    pub(super) settings: Settings,
    token: LeanCancellationToken,
    pub(super) files: Vec<PathBuf>,
    sources: Vec<Result<Source, Outcome>>,
    groups: Vec<Group>,
    /// What is left to do: places of files, with those of their groups.
    queue: Mutex<IntoIter<(Option<usize>, usize)>>,
    pool: Pool<EnvironmentKey, SharedEnvironment>,
    /// Of the environment that was acquired last.
    epoch: AtomicU64,
}

/// An environment on loan.
pub(super) type Loan<'r> = Lease<EnvironmentKey, SharedEnvironment>;

/// A file whose turn it is, with the environment that it asks for, if it can be checked.
pub(super) struct Turn<'r> {
    pub(super) place: usize,
    environment: Option<(&'r Group, LeanResult<Loan<'r>>)>,
}

impl Run {
    pub(super) fn new(
        runtime: &'static LeanRuntime,
        settings: &Settings,
        token: &LeanCancellationToken,
        files: &[PathBuf],
        sources: Vec<Result<Source, Outcome>>,
        (groups, order): (Vec<Group>, Vec<(Option<usize>, usize)>),
    ) -> Common {
        let names = |key: &EnvironmentKey, each: &mut dyn FnMut(&str)| key.imports.iter().for_each(each);
        let pool = Pool::builder()
            .capacity(MaxIdle(settings.capacity))
            .eviction(Recall::with_names(names))
            .shared()
            // An import takes as long as it takes, and its token ends a wait for it.
            .max_wait(None)
            .build();
        Common::new(Self {
            runtime,
            settings: settings.clone(),
            token: token.clone(),
            files: files.to_vec(),
            sources,
            groups,
            queue: Mutex::new(order.into_iter()),
            pool,
            epoch: AtomicU64::new(0),
        })
    }

    pub(super) fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// The next file, and a lease on the environment that it asks for. One at a time: the import that may be needed excludes
    /// everything else anyway.
    pub(super) fn next(&self) -> Option<Turn<'_>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (group, place) = queue.next()?;
        let environment = group.map(|group| (&self.groups[group], self.environment(&self.groups[group])));
        Some(Turn { place, environment })
    }

    /// Forgets what is left to do, unless somebody is waiting for the next environment: who never gets one holds nobody up.
    pub(super) fn stop(&self) {
        if let Ok(mut queue) = self.queue.try_lock() {
            queue.by_ref().for_each(drop);
        }
    }

    /// Checks the file whose turn it is. The lease comes back, to be kept until the next turn. `tell` hears of it if the file is overdue.
    pub(super) fn check<'r>(
        &'r self,
        turn: Turn<'r>,
        tell: &(dyn Fn() + Sync),
    ) -> (Outcome, Option<Loan<'r>>) {
        let (source, file) = (&self.sources[turn.place], &self.files[turn.place]);
        let (source, (group, environment)) = match (source, turn.environment) {
            (Ok(source), Some(environment)) => (source, environment),
            (Ok(_), None) => return (Outcome::Cancelled, None),
            (Err(outcome), _) => return (outcome.clone(), None),
        };
        let failed = |error: &LeanError| match error {
            LeanError::Cancelled => Outcome::Cancelled,
            error => Outcome::Failed(Failure::of_file(what_lean_says(error))),
        };
        let file_label = file.to_string_lossy();
        let module_path = module_path(file);
        let mut options = CheckOptions::new()
            .file_label(&file_label)
            .module_path(&module_path)
            .max_heartbeats(self.settings.max_heartbeats)
            .cancellation(&self.token)
            .overdue(self.settings.grace, tell);
        if let Some(timeout) = self.settings.timeout {
            options = options.timeout(timeout);
        }
        let mut environment = environment;
        // An import for another file may make an environment stale between its lease and its check; seldom, and never for ever:
        // each time some library has been imported for the first time.
        loop {
            let loan = match environment {
                Ok(loan) => loan,
                Err(error) => return (failed(&error), None),
            };
            match loan.check(&source.text, &options) {
                Ok(checked) => return (Outcome::Checked(checked), Some(loan)),
                Err(LeanError::Stale { .. }) => {
                    drop(loan);
                    environment = self.environment(group);
                }
                Err(error) => return (failed(&error), Some(loan)),
            }
        }
    }

    /// Drops what is idle and stale, if `epoch` is another than it was: an import has registered an extension.
    fn sweep_stale(&self, epoch: u64) {
        if self.epoch.swap(epoch, Ordering::Relaxed) != epoch {
            self.pool.drop_stale(|_, environment| environment.health() != Health::Reusable);
        }
    }

    fn environment(&self, group: &Group) -> LeanResult<Loan<'_>> {
        if self.token.is_cancelled() {
            return Err(LeanError::Cancelled);
        }
        if let Some(error) = group.failed.get() {
            return Err(error.clone());
        }
        let watch = Watch { cancellation: Some(&self.token), progress: None };
        let open = |key: &EnvironmentKey| {
            SharedEnvironment::import(self.runtime, &key.options, &key.words(), &watch)
        };
        let acquired = self.pool.acquire(&group.key, open);
        if let Ok(loan) = &acquired {
            self.sweep_stale(loan.epoch());
        }
        acquired.map_err(|error| match error {
            AcquireError::Open { error, .. } => {
                let error = (*error).clone();
                if error != LeanError::Cancelled {
                    let _ = group.failed.set(error.clone());
                }
                error
            }
            refused => LeanError::resource_exhausted(&refused.to_string()),
        })
    }
}

/// The path of `file` below the working folder, without its ending; empty if it is not there. The command `lean` names the module by it.
fn module_path(file: &Path) -> String {
    let below = || {
        let folder = std::env::current_dir().ok()?.canonicalize().ok()?;
        let file = file.canonicalize().ok()?;
        let path = file.strip_prefix(folder).ok()?.with_extension("");
        Some(path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"))
    };
    below().unwrap_or_default()
}
