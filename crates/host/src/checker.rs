//! Checking many files, over shared environments: what `leanpool check` does, without printing. (Feature `lean`.)
//!
//! Files with the same header share one import. They are checked one after the other, so that each import is done once
//! whatever the pool's capacity.

mod in_hand;
mod run;
mod source;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lean_backend::{Checked, InternedOptions, LeanCancellationToken, LeanError, LeanResult, LeanRuntime};
use pool_core::Stats;

pub use crate::source::Failure;
pub use in_hand::InHand;
use run::{Group, Run};
use source::Source;
use watch::Watch;

/// How files are checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many files at the same time; at least 1.
    pub jobs: usize,
    /// The most idle environments to keep.
    pub capacity: u64,
    /// How long a file's check may take, without its import and without waiting for others.
    pub timeout: Option<Duration>,
    /// How long a check may take to come back once its time is over. Lean looks whether it is to stop, but loops in compiled code don't.
    pub grace: Duration,
    /// How long one declaration may take, in the unit of Lean's option `maxHeartbeats`; 0 is Lean's own limit.
    pub max_heartbeats: u64,
}

impl Default for Settings {
    /// One file at a time, 8 environments, Lean's own limits, 5 seconds of grace.
    fn default() -> Self {
        Self { jobs: 1, capacity: 8, timeout: None, grace: Duration::from_secs(5), max_heartbeats: 0 }
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
    /// Its time was over, and Lean did not come back within the grace: what runs in it looks at nothing.
    Overdue,
    /// It was not begun, because everything was cancelled before, or another file was overdue.
    Cancelled,
}

/// What checking came to.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// What the pool did.
    pub pool: Stats,
    /// Modules that the process keeps read; `None` if it could not be asked any more.
    pub shared_modules: Option<u64>,
    /// Time in all.
    pub elapsed: Duration,
    /// Whether a file was overdue. Then Lean still runs it, on a thread that nothing can stop, imports can't be done any more, and the process is
    /// to be ended ([`end_process`](lean_backend::end_process)).
    pub is_stuck: bool,
}

/// Checks `files`, and calls `each` with the report of each, on this thread, as soon as it is known. Cancelling `token` ends it
/// early: what is being checked then is reported as far as it has come, and every file is reported. `in_hand` tells at any moment which
/// files are being checked, for whoever has to end the process in between.
///
/// If a file is [overdue](Outcome::Overdue), no further file is begun; those that are being checked at that moment have as much time as
/// each has in all.
///
/// # Errors
/// What keeps all files from being checked: the system gives no threads.
pub fn check_files(
    runtime: &'static LeanRuntime,
    options: &InternedOptions,
    files: &[PathBuf],
    settings: &Settings,
    token: &LeanCancellationToken,
    in_hand: &InHand,
    mut each: impl FnMut(FileReport),
) -> LeanResult<Summary> {
    let start = Instant::now();
    let jobs = settings.jobs.clamp(1, files.len().max(1));
    let sources = source::read_all(runtime, token, files, jobs)?;
    let groups = grouped(options, &sources);
    let run = Run::new(runtime, settings, token, files, sources, groups);
    let mut watch = Watch::begin(&run, jobs, in_hand)?;
    while let Some(report) = watch.next() {
        each(report);
    }
    let is_stuck = watch.end()?;
    let shared_modules = if is_stuck { None } else { Some(runtime.shared_modules()?) };
    Ok(Summary { pool: run.stats(), shared_modules, elapsed: start.elapsed(), is_stuck })
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

/// Starts up to `jobs` threads, each with a piece of work of its own; fewer where the system gives no more, but one.
fn spawn<H>(jobs: usize, mut start: impl FnMut(thread::Builder) -> std::io::Result<H>) -> LeanResult<Vec<H>> {
    let mut workers = Vec::new();
    for _ in 0..jobs {
        match start(thread::Builder::new()) {
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

/// An error only if none could do its work: the others have done that of those that could not.
fn joined(ended: impl Iterator<Item = thread::Result<LeanResult<()>>>) -> LeanResult<()> {
    let ended: Vec<LeanResult<()>> =
        ended.map(|ended| ended.unwrap_or_else(|payload| std::panic::resume_unwind(payload))).collect();
    if ended.iter().any(Result::is_ok) { Ok(()) } else { ended.into_iter().collect() }
}

/// The words of an error, without those that say that they are Lean's.
fn what_lean_says(error: &LeanError) -> String {
    match error {
        LeanError::LeanException { message, .. } => message.clone(),
        error => error.to_string(),
    }
}

/// What all who check have in common, which a thread that is never to end may outlive.
type Common = Arc<Run>;
