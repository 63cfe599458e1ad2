//! Checking the files: how the run begins, and how it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use leanpool::lean_worker::{
    self as worker, Asked, Cache, CancelToken, CheckTimes, Ending, Event, File, Limits, Plain, Snapshots,
    Surroundings, ToCheck, Verdict, check_files,
};
#[cfg(target_os = "linux")]
use leanpool::lean_worker::{Kept, Workers};
use leanpool::site::{Site, SiteError, Sites};
use leanpool::source::Failure;

use super::super::worker::launcher;
use super::super::{FAILED, NO_LEAN, interrupt, wrong_usage};
use super::report::{Report, Seen};
use super::source;
use super::summary::Summary;
use super::{Args, Engine, Isolate};

/// How long what was asked to end may take to print what it has.
const TO_END: Duration = Duration::from_millis(900);

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let begun = Instant::now();
    let inputs = inputs(args);
    let asked = args.asked();
    if args.engine == Engine::Lean && (asked.sorries || asked.axioms) {
        wrong_usage(
            &"`lean` can't tell --sorries, --axioms, --no-sorry and --allow-axioms: leave --engine out",
        );
    }
    let mut sites = args.site.sites(args.own_options(), args.engine != Engine::Lean, args.quiet)?;
    let (mut places, mut files, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let mut no_lean = None;
    for (place, input) in inputs.iter().enumerate() {
        match to_check(*input, &asked, &mut sites) {
            Ok(file) => {
                places.push(place);
                files.push(file);
            }
            Err(Unfit::File(failure)) => failures.push((place, failure)),
            Err(Unfit::Site(error)) => {
                failures.push((place, Failure::of_file(error.to_string())));
                if error.is_no_lean() {
                    no_lean.get_or_insert(error);
                }
            }
        }
    }
    // Files of another project may have one.
    let has_all_leans = match no_lean {
        Some(error) if files.is_empty() => return Err(error.into()),
        no_lean => no_lean.is_none(),
    };
    let engines = Engines::new(args);
    let token = CancelToken::new();
    let names = inputs.iter().map(|input| match input {
        Input::Stdin => source::STDIN.to_owned(),
        Input::File(path) => path.to_string_lossy().into_owned(),
    });
    let report = Shared(Arc::new(Mutex::new(Report::new(args, names.collect(), args.policy()))));
    report.obey_signals(&token)?;
    let take = |place, seen| {
        if report.lock().take(place, seen).is_err() {
            // Whoever was reading has seen enough, or there is no room: no further file is of use.
            token.cancel();
        }
    };
    failures.into_iter().for_each(|(place, failure)| take(place, Seen::Failed(failure)));
    let times = CheckTimes { timeout: args.timeout, grace: args.grace };
    let mut not_built = NotBuilt::of_lake(&sites);
    check_files(engines.engine(), &files, args.jobs(), times, &token, |at, event| {
        if let Event::Verdict(verdict) = &event {
            not_built.look(&files[at].around, verdict);
        }
        take(places[at], Seen::Event(event));
    })?;
    let summary = Summary { elapsed: begun.elapsed(), ..engines.summary() };
    let is_well = report.lock().end(&summary);
    not_built.print();
    if interrupt::asked() {
        // A zygote that does not listen is killed here; if that takes too long, another thread ends the process.
        drop(engines);
        std::process::exit(interrupt::code().into());
    }
    Ok(ExitCode::from(match is_well? {
        _ if !has_all_leans => NO_LEAN,
        true => 0,
        false => FAILED,
    }))
}

/// Where a text comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input<'a> {
    Stdin,
    /// It may have any name, also that which standard input has in messages.
    File(&'a Path),
}

fn inputs(args: &Args) -> Vec<Input<'_>> {
    let named = args.files.iter().map(|path| match path.as_os_str() == "-" {
        true => Input::Stdin,
        false => Input::File(path),
    });
    let inputs: Vec<Input<'_>> = named.chain(args.stdin.then_some(Input::Stdin)).collect();
    if inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
        wrong_usage(&"standard input can be read once: name it once");
    }
    inputs
}

/// Why a file is not checked.
enum Unfit {
    File(Failure),
    Site(SiteError),
}

fn to_check(input: Input<'_>, asked: &Asked, sites: &mut Sites<'_>) -> Result<ToCheck, Unfit> {
    let (text, name) = match input {
        Input::Stdin => (source::read_stdin().map_err(Unfit::File)?, source::STDIN),
        Input::File(path) => source::read(path).map_err(Unfit::File)?,
    };
    let Site { around, module } = sites.of(Path::new(name), &text).map_err(Unfit::Site)?;
    Ok(ToCheck { file: File { name: name.to_owned(), text, module, asked: asked.clone() }, around })
}

/// What of Lake projects has to be built: a line for each, with what mends it.
#[derive(Default)]
struct NotBuilt(BTreeMap<PathBuf, BTreeSet<String>>);

impl NotBuilt {
    /// What Lake has named.
    fn of_lake(sites: &Sites<'_>) -> Self {
        let mut all = Self::default();
        for (root, names) in sites.not_built() {
            all.0.entry(root.to_owned()).or_default().extend(names.iter().cloned());
        }
        all
    }

    /// What Lean has named.
    fn look(&mut self, around: &Surroundings, verdict: &Verdict) {
        let Some(root) = around.project.as_ref().filter(|_| verdict.ending == Ending::BadHeader) else {
            return;
        };
        for message in &verdict.messages {
            let named = message
                .text
                .split_once(" of module ")
                .and_then(|(_, rest)| rest.split_once(" does not exist"));
            if let Some((module, _)) = named {
                self.0.entry(root.clone()).or_default().insert(module.to_owned());
            }
        }
    }

    /// If nobody reads it, what Lean says of the imports has to do.
    fn print(&self) {
        for (root, names) in &self.0 {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // What is no name of a module is in words.
            let modules: Vec<&str> = names.iter().copied().filter(|name| !name.contains(' ')).collect();
            let of =
                if modules.len() == names.len() { format!(" {}", modules.join(" ")) } else { String::new() };
            let _ = writeln!(
                io::stderr(),
                "leanpool: not built, or out of date: {}; run `lake build{of}` in {}",
                names.join(", "),
                root.display()
            );
        }
    }
}

/// What checks, and what it has done.
struct Engines {
    #[cfg(target_os = "linux")]
    workers: Option<Workers>,
    lean: Plain,
}

impl Engines {
    fn new(args: &Args) -> Self {
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
            memory: memory.map(|bytes| bytes / (args.jobs().get() as u64 + 1)),
            cpu: args.max_processor,
            file_size: args.max_file_size,
            files_a_child: Isolate::files_a_child(args.isolate, args.sandbox),
            sandbox: args.sandbox,
            ..Limits::default()
        };
        let snapshots = (args.engine == Engine::Lean && args.max_disk > 0)
            .then(|| Cache::new(args.site.cache()).ok())
            .flatten()
            .map(|cache| Snapshots::new(&cache, args.max_disk));
        Self {
            #[cfg(target_os = "linux")]
            workers: (args.engine == Engine::Worker).then(|| Workers::new(kept, limits.clone(), launcher())),
            lean: Plain::new(limits, launcher(), snapshots).with_root(args.site.root()),
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

/// The report, which whoever ends the process early finishes.
#[derive(Clone)]
struct Shared(Arc<Mutex<Report>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Report>> {
        match self.0.try_lock() {
            Ok(report) => Some(report),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The first signal ends what is being checked; the second, or a moment, ends the process.
    fn obey_signals(&self, token: &CancelToken) -> Result<(), Box<dyn Error>> {
        let end = {
            let report = self.clone();
            move || {
                // Whoever prints holds it, and may wait for a reader who never comes. It is held until the end: another thread would print a second one.
                let until = Instant::now() + TO_END;
                let mut held = report.try_lock();
                while held.is_none() && Instant::now() < until {
                    thread::sleep(Duration::from_millis(2));
                    held = report.try_lock();
                }
                if let Some(report) = &mut held {
                    report.end_early();
                }
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
