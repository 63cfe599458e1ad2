//! Checking many files, over shared environments: what `leanpool check` does, without printing. (Feature `lean`.)
//!
//! Files with the same header share one import. They are checked one after the other, so that each import is done once
//! whatever the pool's capacity.

mod run;
mod source;

use std::path::PathBuf;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use lean_backend::{Checked, InternedOptions, LeanCancellationToken, LeanError, LeanResult, LeanRuntime};
use pool_core::Stats;

use run::{Group, Run};
use source::Source;

/// How files are checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many files at the same time; at least 1.
    pub jobs: usize,
    /// The most idle environments to keep.
    pub capacity: u64,
    /// How long a file's check may take, without its import and without waiting for others.
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

/// Checks `files`, and calls `each` with the report of each, on this thread, as soon as it is known. Cancelling `token` ends it
/// early: what is being checked then is reported as far as it has come, and every file is reported.
///
/// # Errors
/// What keeps all files from being checked: the system gives no threads.
pub fn check_files(
    runtime: &'static LeanRuntime,
    options: &InternedOptions,
    files: &[PathBuf],
    settings: &Settings,
    token: &LeanCancellationToken,
    each: impl FnMut(FileReport),
) -> LeanResult<Summary> {
    let start = Instant::now();
    let run = Run::new(runtime, settings, token);
    let jobs = settings.jobs.clamp(1, files.len().max(1));
    let sources = run.read(files, jobs)?;
    let (groups, order) = grouped(options, &sources);
    let queue = Mutex::new(order.into_iter());
    let (sender, reports) = mpsc::channel();
    let work = |sender: mpsc::Sender<FileReport>| {
        runtime.run(|_| {
            // Each file's lease is kept until the next file is chosen, and a lease is taken together with the choice: so between
            // two files of a group there is always one out, and none is evicted that the next one needs.
            let mut last = None;
            while let Some(turn) = run.next(&queue, &groups) {
                drop(last);
                let place = turn.place;
                let (outcome, lease) = run.check(turn, &sources[place], &files[place]);
                last = lease;
                // If nobody listens any more, there is no need to go on.
                if sender.send(FileReport { place, outcome }).is_err() {
                    break;
                }
            }
        })
    };
    thread::scope(|scope| {
        let work = &work;
        let workers = spawn(scope, jobs, || {
            let sender = sender.clone();
            move || work(sender)
        })?;
        drop(sender);
        // Ends when all workers have.
        reports.into_iter().for_each(each);
        join(workers)
    })?;
    Ok(Summary { pool: run.stats(), shared_modules: runtime.shared_modules()?, elapsed: start.elapsed() })
}

type Worker<'s> = thread::ScopedJoinHandle<'s, LeanResult<()>>;

/// Up to `jobs` threads, each with a piece of work of its own; fewer where the system gives no more, but one.
fn spawn<'s, W: FnOnce() -> LeanResult<()> + Send + 's>(
    scope: &'s thread::Scope<'s, '_>,
    jobs: usize,
    mut work: impl FnMut() -> W,
) -> LeanResult<Vec<Worker<'s>>> {
    let mut workers = Vec::new();
    for _ in 0..jobs {
        match thread::Builder::new().spawn_scoped(scope, work()) {
            Ok(worker) => workers.push(worker),
            Err(_) if !workers.is_empty() => break,
            Err(error) => {
                return Err(LeanError::resource_exhausted(&format!(
                    "the system gives no thread ({error}): raise the limit on threads (`ulimit -u`)"
                )));
            }
        }
    }
    Ok(workers)
}

/// Waits for them. An error only if none could do its work: the others have done that of those that could not.
fn join(workers: Vec<Worker<'_>>) -> LeanResult<()> {
    let ended: Vec<LeanResult<()>> = workers
        .into_iter()
        .map(|worker| worker.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)))
        .collect();
    if ended.iter().any(Result::is_ok) { Ok(()) } else { ended.into_iter().collect() }
}

/// Groups of files with the same header, and the order in which files are checked, each with the place of its group if it can be
/// checked: as given, but those of a group together.
fn grouped(
    options: &InternedOptions,
    sources: &[Result<Source, Outcome>],
) -> (Vec<Group>, Vec<(Option<usize>, usize)>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut order = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let Ok(source) = source else {
            order.push((place, None, place));
            continue;
        };
        let known = groups.iter().position(|group| group.is_of(&source.header));
        let group = known.unwrap_or_else(|| {
            groups.push(Group::new(options, &source.header, place));
            groups.len() - 1
        });
        order.push((groups[group].first, Some(group), place));
    }
    order.sort();
    (groups, order.into_iter().map(|(_, group, place)| (group, place)).collect())
}

/// The words of an error, without those that say that they are Lean's.
fn what_lean_says(error: &LeanError) -> String {
    match error {
        LeanError::LeanException { message, .. } => message.clone(),
        error => error.to_string(),
    }
}
