//! Checking the files: how the run begins, and how it ends.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use leanpool::checker::{InHand, Settings, check_files};
use leanpool::doctor::SUPPORTED;
use leanpool::lake::LakeProject;
use leanpool::session::lean_backend::{
    ImportOptions, InternedOptions, Regions, Sysroot, UNFINISHED, Unfinished, end_process,
};
use leanpool::session::{LeanCancellationToken, LeanRuntime};

use super::super::{FAILED, common, interrupt, wrong_usage};
use super::Args;
use super::report::{Report, Why};

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let options = options(args)?;
    let runtime = LeanRuntime::init()?;
    let token = LeanCancellationToken::new();
    let in_hand = InHand::default();
    let report = Shared(Arc::new(Mutex::new(Report::new(args, &in_hand))));
    report.obey_signals(&token)?;
    let settings = Settings {
        jobs: args.jobs,
        capacity: args.capacity,
        timeout: args.timeout,
        grace: args.grace,
        max_heartbeats: args.max_heartbeats,
    };
    let unfinished = Unfinished::new({
        let report = report.clone();
        move || {
            report.lock().end_early(Why::EndedFromInside);
            UNFINISHED
        }
    });
    let summary = check_files(runtime, &options, &args.files, &settings, &token, &in_hand, |each| {
        if report.lock().take(each).is_err() {
            // Whoever was reading has seen enough, or there is no room: no further file is of use.
            token.cancel();
        }
    })?;
    drop(unfinished);
    let code = match (report.lock().end(&summary), interrupt::asked()) {
        (Ok(true), false) => 0,
        (Ok(_), true) => interrupt::code(),
        (Ok(false), false) => FAILED,
        (Err(error), _) if summary.is_stuck => {
            let _ = writeln!(io::stderr(), "leanpool: {error}");
            FAILED
        }
        (Err(error), _) => return Err(error),
    };
    if summary.is_stuck {
        // Lean is still at it: what `exit` takes down would be taken from under its feet.
        end_process(code.into());
    }
    Ok(ExitCode::from(code))
}

/// The report, which whoever ends the process early finishes.
#[derive(Clone)]
struct Shared(Arc<Mutex<Report>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first signal has what is being checked come back; the second, or the end of the grace, ends the process.
    fn obey_signals(&self, token: &LeanCancellationToken) -> Result<(), Box<dyn Error>> {
        let end = {
            let report = self.clone();
            move || {
                report.lock().end_early(Why::DidNotComeBack);
                end_process(interrupt::code().into())
            }
        };
        let (token, grace, later) = (token.clone(), self.lock().grace(), end.clone());
        let first = move || {
            token.cancel();
            let later = later.clone();
            // Not on this thread, which the second signal needs. If there is none to be had, the second signal has to do.
            let _ = thread::Builder::new().spawn(move || {
                thread::sleep(grace);
                later();
            });
        };
        Ok(interrupt::watch_and(first, end)?)
    }
}

fn options(args: &Args) -> Result<InternedOptions, Box<dyn Error>> {
    let project =
        args.project.as_ref().map(|root| LakeProject::open(root).unwrap_or_else(|error| wrong_usage(&error)));
    if let Some(project) = project.as_ref().filter(|_| !args.quiet) {
        for warning in warnings(project) {
            // If nobody reads it, what Lean says of the imports has to do.
            let _ = writeln!(io::stderr(), "leanpool: {warning}");
        }
    }
    let project: Vec<PathBuf> = project.iter().flat_map(LakeProject::search_path).collect();
    if let Some(path) = args.paths.iter().find(|path| !path.is_dir()) {
        wrong_usage(&format_args!(
            "{} is no folder: give --path a folder of compiled modules",
            path.display()
        ));
    }
    let text = |path: &PathBuf| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{} is not UTF-8, which Lean needs: rename the folder", path.display()))
    };
    let paths = args.paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let search_path = project.into_iter().chain(paths).map(|path| text(&path)).collect::<Result<_, _>>()?;
    let regions = match args.regions {
        common::Regions::Shared => Regions::Shared,
        common::Regions::Isolated => Regions::Isolated,
    };
    let options = ImportOptions { search_path, regions, ..ImportOptions::new(Sysroot::find()?) };
    Ok(options.into())
}

/// Why a project's modules are likely not to be found, in words of ours: Lean only says that a module is unknown, or that
/// a header is not compatible.
fn warnings(project: &LakeProject) -> Vec<String> {
    let other = project.toolchain().filter(|toolchain| !toolchain.ends_with(&format!(":v{SUPPORTED}")));
    let other = other.map(|toolchain| {
        format!("the project is built with {toolchain}, whose modules Lean {SUPPORTED} can't read: imports of them will fail")
    });
    let folders = project.search_path().filter(|folder| !folder.is_dir());
    let not_built = folders.map(|folder| {
        let root = project.roots()[0].display();
        format!("{} is not there: run `lake build` in {root} for imports from it", folder.display())
    });
    other.into_iter().chain(not_built).collect()
}
