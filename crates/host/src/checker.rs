//! Checking many files, over shared environments: what `leanpool check` does, without printing. (Feature `lean`.)
//!
//! Files with the same header share one import. They are checked one after the other, so that each import is done once
//! whatever the pool's capacity; reports come in the order of the files.

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use lean_backend::{
    CheckOptions, Checked, EnvironmentKey, InternedOptions, LeanCancellationToken, LeanError, LeanResult,
    LeanRuntime, SharedEnvironment, Watch,
};
use pool_core::capacity::MaxIdle;
use pool_core::eviction::Worth;
use pool_core::sync::Pool;
use pool_core::{AcquireError, Imports, Stats};

use source::Source;

/// How files are checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many files at the same time; at least 1.
    pub jobs: usize,
    /// The most idle environments to keep.
    pub capacity: u64,
    /// How long a file's check may take, without its import.
    pub timeout: Option<Duration>,
    /// How long one declaration may take, in the unit of Lean's option `maxHeartbeats`; 0 is Lean's own limit.
    pub max_heartbeats: u64,
}

impl Default for Settings {
    /// One file at a time, 8 environments, Lean's own limits.
    fn default() -> Self {
        Self { jobs: 1, capacity: 8, timeout: None, max_heartbeats: 0 }
    }
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its place among the files that were given.
    pub place: usize,
    /// What came of it.
    pub outcome: Outcome,
    /// Time that its check took, without its import.
    pub elapsed: Duration,
}

/// What came of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was checked, to its end or until it was interrupted.
    Checked(Checked),
    /// It could not be checked.
    Failed(Failure),
    /// It was not begun, because everything was cancelled before.
    Cancelled,
}

/// Why a file could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line it is about, from 1.
    pub line: u64,
    /// The column, in characters, from 0.
    pub column: u64,
    /// What is wrong, and what to do if that is known.
    pub message: String,
}

impl Failure {
    fn of_file(message: impl Into<String>) -> Self {
        Self { line: 1, column: 0, message: message.into() }
    }
}

/// What checking came to.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// What the pool did.
    pub pool: Stats,
    /// Modules that the process keeps read.
    pub shared_modules: u64,
    /// Time in all.
    pub elapsed: Duration,
}

type Environments = Pool<EnvironmentKey, SharedEnvironment>;

/// Files with the same header.
struct Group {
    key: EnvironmentKey,
    /// Why its import failed: what fails once is not tried for each file.
    failed: OnceLock<LeanError>,
}

/// What all who check have in common.
struct Run<'a> {
    runtime: &'static LeanRuntime,
    settings: &'a Settings,
    token: &'a LeanCancellationToken,
    pool: Environments,
}

/// Checks `files`, and calls `each` with the report of each, in their order, on this thread, as soon as it is known and those
/// before it are. Cancelling `token` ends it early: what is checked then is reported as far as it has come.
///
/// # Errors
/// What keeps all files from being checked: the system gives no threads.
pub fn check_files(
    runtime: &'static LeanRuntime,
    options: &InternedOptions,
    files: &[PathBuf],
    settings: &Settings,
    token: &LeanCancellationToken,
    mut each: impl FnMut(FileReport),
) -> LeanResult<Summary> {
    let start = Instant::now();
    let names = |key: &EnvironmentKey, each: &mut dyn FnMut(&str)| key.imports.iter().for_each(each);
    let pool = Environments::builder()
        .capacity(MaxIdle(settings.capacity))
        .eviction(Worth::with_names(names))
        .build();
    let run = Run { runtime, settings, token, pool };

    let jobs = settings.jobs.clamp(1, files.len().max(1));
    let sources = run.read(files, jobs)?;
    let (groups, order) = grouped(options, &sources);
    let (sender, reports) = mpsc::channel();
    let next = AtomicUsize::new(0);
    let work = |sender: mpsc::Sender<FileReport>| {
        runtime.run(|_| {
            while let Some(&(group, place)) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let report =
                    run.check(group.map(|group| &groups[group]), place, &sources[place], &files[place]);
                // If nobody listens any more, there is no need to go on.
                if sender.send(report).is_err() {
                    break;
                }
            }
        })
    };
    thread::scope(|scope| {
        let spawn = |_| {
            let (work, sender) = (&work, sender.clone());
            scope.spawn(move || work(sender))
        };
        let workers: Vec<_> = (0..jobs).map(spawn).collect();
        drop(sender);
        let mut early = BTreeMap::new();
        let mut place = 0;
        // Ends when all workers have.
        for report in reports {
            early.insert(report.place, report);
            while let Some(report) = early.remove(&place) {
                each(report);
                place += 1;
            }
        }
        workers.into_iter().try_for_each(join)
    })?;
    Ok(Summary {
        pool: run.pool.stats(),
        shared_modules: runtime.shared_modules()?,
        elapsed: start.elapsed(),
    })
}

fn join<T>(worker: thread::ScopedJoinHandle<'_, T>) -> T {
    worker.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

/// Groups of files with the same header, and all files, those of a group together; first those that can't be checked.
fn grouped(
    options: &InternedOptions,
    sources: &[Result<Source, Outcome>],
) -> (Vec<Group>, Vec<(Option<usize>, usize)>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut order = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let group = source.as_ref().ok().map(|source| {
            let imports = Imports::new(&source.header);
            groups.iter().position(|group| group.key.imports == imports).unwrap_or_else(|| {
                let key = EnvironmentKey { options: options.clone(), imports };
                groups.push(Group { key, failed: OnceLock::new() });
                groups.len() - 1
            })
        });
        order.push((group, place));
    }
    order.sort();
    (groups, order)
}

impl Run<'_> {
    /// Reads all files, and the header of each.
    fn read(&self, files: &[PathBuf], jobs: usize) -> LeanResult<Vec<Result<Source, Outcome>>> {
        let read = Mutex::new(Vec::new());
        let next = AtomicUsize::new(0);
        let work = || {
            self.runtime.run(|_| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(place) else { break };
                    let source = if self.token.is_cancelled() {
                        Err(Outcome::Cancelled)
                    } else {
                        Source::read(self.runtime, file).map_err(Outcome::Failed)
                    };
                    read.lock().expect("nothing panics under this lock").push((place, source));
                }
            })
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(join)
        })?;
        let mut read = read.into_inner().expect("nothing panics under this lock");
        read.sort_by_key(|(place, _)| *place);
        Ok(read.into_iter().map(|(_, source)| source).collect())
    }

    fn check(
        &self,
        group: Option<&Group>,
        place: usize,
        source: &Result<Source, Outcome>,
        file: &Path,
    ) -> FileReport {
        let mut elapsed = Duration::ZERO;
        let outcome = match (source, group) {
            (Err(outcome), _) => outcome.clone(),
            (Ok(_), _) if self.token.is_cancelled() => Outcome::Cancelled,
            (Ok(source), Some(group)) => match self.check_in(group, source, file, &mut elapsed) {
                Ok(checked) => Outcome::Checked(checked),
                Err(LeanError::Cancelled) => Outcome::Cancelled,
                Err(error) => Outcome::Failed(Failure::of_file(what_lean_says(&error))),
            },
            (Ok(_), None) => unreachable!("what was read has a group"),
        };
        FileReport { place, outcome, elapsed }
    }

    fn check_in(
        &self,
        group: &Group,
        source: &Source,
        file: &Path,
        elapsed: &mut Duration,
    ) -> LeanResult<Checked> {
        let file_label = file.to_string_lossy();
        // An import by another thread may make an environment stale between its lease and its check; seldom, and never for ever:
        // each time some library has been imported for the first time.
        loop {
            let environment = self.environment(group)?;
            let start = Instant::now();
            let mut options = CheckOptions::new()
                .file_label(&file_label)
                .max_heartbeats(self.settings.max_heartbeats)
                .cancellation(self.token);
            if let Some(deadline) = self.settings.timeout.and_then(|timeout| start.checked_add(timeout)) {
                options = options.deadline(deadline);
            }
            let checked = environment.check(&source.text, &options);
            *elapsed = start.elapsed();
            match checked {
                Err(LeanError::Stale { .. }) => {}
                checked => return checked,
            }
        }
    }

    fn environment(
        &self,
        group: &Group,
    ) -> LeanResult<pool_core::sync::Lease<'_, EnvironmentKey, SharedEnvironment>> {
        if let Some(error) = group.failed.get() {
            return Err(error.clone());
        }
        let watch = Watch { cancellation: Some(self.token), progress: None };
        let open = |key: &EnvironmentKey| {
            SharedEnvironment::import(self.runtime, &key.options, &key.words(), &watch)
        };
        self.pool.acquire(&group.key, open).map_err(|error| match error {
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

/// The words of an error, without those that say that they are Lean's.
fn what_lean_says(error: &LeanError) -> String {
    match error {
        LeanError::LeanException { message, .. } => message.clone(),
        error => error.to_string(),
    }
}
