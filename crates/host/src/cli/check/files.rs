//! Checking the files: how the run begins, and how it ends.

use std::error::Error;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use leanpool::lake::LakeProject;
use leanpool::lean_worker::{
    self as worker, Cache, CancelToken, CheckTimes, Event, File, Limits, Places, Plain, Snapshots,
    Surroundings, ToCheck, Toolchain, check_files,
};
#[cfg(target_os = "linux")]
use leanpool::lean_worker::{Kept, Workers};

use super::super::worker::{ensure, launcher};
use super::super::{FAILED, interrupt, wrong_usage};
use super::report::{Outcome, Report};
use super::source;
use super::summary::Summary;
use super::{Args, Engine, Isolate};

/// How long what was asked to end may take to print what it has.
const TO_END: Duration = Duration::from_millis(900);

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let begun = Instant::now();
    let project =
        args.project.as_ref().map(|root| LakeProject::open(root).unwrap_or_else(|error| wrong_usage(&error)));
    let search_path = search_path(args, project.as_ref())?;
    let toolchain = Places::from_env().toolchain(args.project.as_deref())?;
    if let Some(project) = project.as_ref().filter(|_| !args.quiet) {
        for warning in warnings(project, &toolchain) {
            // If nobody reads it, what Lean says of the imports has to do.
            let _ = writeln!(io::stderr(), "leanpool: {warning}");
        }
    }
    let around = Arc::new(Surroundings {
        worker: program(args, &toolchain)?,
        stack_size: toolchain.stack_size(),
        sysroot: toolchain.sysroot.clone(),
        search_path,
        setup: None,
        options: (args.max_heartbeats > 0)
            .then(|| format!("maxHeartbeats={}", args.max_heartbeats))
            .into_iter()
            .collect(),
        project: args.project.as_ref().map(|root| std::path::absolute(root).unwrap_or_else(|_| root.clone())),
    });
    let engines = Engines::new(args, &toolchain);
    let token = CancelToken::new();
    let report = Shared(Arc::new(Mutex::new(Report::new(args))));
    report.obey_signals(&token)?;
    let (mut places, mut files) = (Vec::new(), Vec::new());
    for (place, path) in args.files.iter().enumerate() {
        match source::read(path) {
            Ok(text) => {
                places.push(place);
                let file = File { module: module(path), ..File::new(path.to_string_lossy(), text) };
                files.push(ToCheck { file, around: around.clone() });
            }
            Err(failure) => {
                if report.lock().take(place, Outcome::Failed(failure)).is_err() {
                    token.cancel();
                }
            }
        }
    }
    let times = CheckTimes { timeout: args.timeout, grace: args.grace };
    let jobs = NonZero::new(args.jobs).unwrap_or(NonZero::<usize>::MIN);
    check_files(engines.engine(), &files, jobs, times, &token, |at, event| {
        let Event::Verdict(verdict) = event else { return };
        if report.lock().take(places[at], Outcome::Checked(verdict)).is_err() {
            // Whoever was reading has seen enough, or there is no room: no further file is of use.
            token.cancel();
        }
    })?;
    let summary = Summary { elapsed: begun.elapsed(), ..engines.summary() };
    let is_well = report.lock().end(&summary);
    if interrupt::asked() {
        // A zygote that does not listen is killed here; if that takes too long, another thread ends the process.
        drop(engines);
        std::process::exit(interrupt::code().into());
    }
    Ok(ExitCode::from(if is_well? { 0 } else { FAILED }))
}

/// What checks, and what it has done.
struct Engines {
    #[cfg(target_os = "linux")]
    workers: Option<Workers>,
    lean: Plain,
}

impl Engines {
    fn new(args: &Args, toolchain: &Toolchain) -> Self {
        #[cfg(target_os = "linux")]
        let most = Kept::default();
        #[cfg(target_os = "linux")]
        let kept = Kept { zygotes: args.capacity.max(1), memory: args.max_memory.unwrap_or(most.memory) };
        #[cfg(target_os = "linux")]
        let memory = Some(kept.memory);
        #[cfg(not(target_os = "linux"))]
        let memory = args.max_memory;
        let limits = Limits {
            // The imports have a share, too.
            memory: memory.map(|bytes| bytes / (args.jobs as u64 + 1)),
            files_a_child: if args.isolate == Isolate::File { 1 } else { Limits::default().files_a_child },
            sandbox: args.sandbox,
            ..Limits::default()
        };
        let snapshots = (args.engine == Engine::Lean && toolchain.saves_headers() && args.max_disk > 0)
            .then(|| Cache::new(args.cache.clone()).ok())
            .flatten()
            .map(|cache| Snapshots::new(&cache, args.max_disk));
        Self {
            #[cfg(target_os = "linux")]
            workers: (args.engine == Engine::Worker).then(|| Workers::new(kept, limits.clone(), launcher())),
            lean: Plain::new(limits, launcher(), snapshots),
        }
    }

    fn engine(&self) -> worker::Engine<'_> {
        #[cfg(target_os = "linux")]
        if let Some(workers) = &self.workers {
            return worker::Engine::Worker { workers, lean: Some(&self.lean) };
        }
        worker::Engine::Lean(&self.lean)
    }

    fn summary(&self) -> Summary {
        Summary {
            elapsed: Duration::ZERO,
            saved_headers: self.lean.snapshots().map(Snapshots::used_and_opened),
            #[cfg(target_os = "linux")]
            workers: self.workers.as_ref().map(Workers::stats),
        }
    }
}

/// The worker program, if one is needed.
fn program(args: &Args, toolchain: &Toolchain) -> Result<PathBuf, Box<dyn Error>> {
    if args.engine == Engine::Lean {
        return Ok(PathBuf::new());
    }
    match &args.worker {
        Some(program) if program.is_file() => Ok(std::path::absolute(program)?),
        Some(program) => {
            wrong_usage(&format_args!("{} is no file: give --worker a program", program.display()))
        }
        None => Ok(ensure(&Cache::new(args.cache.clone())?, toolchain, args.quiet)?),
    }
}

/// The report, which whoever ends the process early finishes.
#[derive(Clone)]
struct Shared(Arc<Mutex<Report>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first signal ends what is being checked; the second, or a moment, ends the process.
    fn obey_signals(&self, token: &CancelToken) -> Result<(), Box<dyn Error>> {
        let end = {
            let report = self.clone();
            move || {
                report.lock().end_early();
                std::process::exit(interrupt::code().into())
            }
        };
        let (token, later) = (token.clone(), end.clone());
        let first = move || {
            token.cancel();
            let later = later.clone();
            // Not on this thread, which the second signal needs. If there is none to be had, the second signal has to do.
            let _ = thread::Builder::new().spawn(move || {
                thread::sleep(TO_END);
                later();
            });
        };
        Ok(interrupt::watch_and(first, end)?)
    }
}

/// Folders with compiled modules: those of LEAN_PATH first, as for `lean`.
fn search_path(args: &Args, project: Option<&LakeProject>) -> Result<Vec<String>, Box<dyn Error>> {
    if let Some(path) = args.paths.iter().find(|path| !path.is_dir()) {
        wrong_usage(&format_args!(
            "{} is no folder: give --path a folder of compiled modules",
            path.display()
        ));
    }
    let lean_path = std::env::var_os("LEAN_PATH").unwrap_or_default();
    let lean_path = std::env::split_paths(&lean_path).filter(|path| !path.as_os_str().is_empty());
    let project = project.into_iter().flat_map(LakeProject::search_path);
    let all = lean_path.chain(project).chain(args.paths.iter().cloned());
    // A worker may work in another folder.
    let all = all.map(|path| std::path::absolute(&path).unwrap_or(path));
    all.map(|path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| {
            format!("{} is not UTF-8, which Lean needs: rename the folder", path.display()).into()
        })
    })
    .collect()
}

/// Why a project's modules are likely not to be found, in words of ours: Lean only says that a module is unknown, or that
/// a header is not compatible.
fn warnings(project: &LakeProject, toolchain: &Toolchain) -> Vec<String> {
    let version = &toolchain.version;
    let other = project
        .toolchain()
        .filter(|named| !named.ends_with(version.as_str()) && named.contains(|c: char| c.is_ascii_digit()));
    let other = other.map(|named| {
        format!("the project is built with {named}, whose modules Lean {version} can't read: imports of them will fail")
    });
    let folders = project.search_path().filter(|folder| !folder.is_dir());
    let not_built = folders.map(|folder| {
        let root = project.roots()[0].display();
        format!("{} is not there: run `lake build` in {root} for imports from it", folder.display())
    });
    other.into_iter().chain(not_built).collect()
}

/// The parts of the path of `file` below the working folder, without its ending; none if it is not there. The command `lean` names the module by it.
fn module(file: &Path) -> Vec<String> {
    let below = || {
        let folder = std::env::current_dir().ok()?.canonicalize().ok()?;
        let file = file.canonicalize().ok()?;
        let path = file.strip_prefix(folder).ok()?.with_extension("");
        Some(path.iter().map(|part| part.to_string_lossy().into_owned()).collect())
    };
    below().unwrap_or_default()
}
