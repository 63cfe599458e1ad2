//! `leanpool conformance`: whether `leanpool check` says what `lean` says, on this machine, of these files.

mod compare;
mod reference;

use std::error::Error;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use leanpool::lean_worker::{
    Asked, CancelToken, CheckTimes, Engine, Event, File, Kept, Limits, Plain, ToCheck, Verdict, Workers,
    check_files,
};
use serde_json::json;

use super::check::{jobs, source};
use super::site::SiteArgs;
use super::worker::launcher;
use super::{FAILED, common, interrupt, wrong_usage};
use compare::{Compared, compare};
use reference::{Asking, Reference};

const EXAMPLES: &str = "\
Examples:
  leanpool conformance Tests
      every .lean file below Tests, by `lean` and by the pool
  leanpool conformance --project . -j 4 -DmaxErrors=3 MyProject
      files of a Lake project, with an option for both

A file is compared as text and as objects, with the exit code. The pool checks all files three times, each time in another order: one at a time, many at
a time, and each in a process of its own.";

const CODES: &str = "\
Exit codes: 0 nothing differs, 1 something does, or nothing could be compared, 2 wrong usage, 3 there is no Lean or no worker for it, 130 broken off with Ctrl-C, 143 with a \
polite kill (what was compared so far is printed).";

/// Compare what `lean` and `leanpool check` say of every .lean file of a folder; print each difference
///
/// Where a file makes `lean` say something else each time (a time, an address, the order of threads), `lean` is asked again: if it differs from itself, the file is
/// listed as unsteady, and is no difference. A file whose process ends before it is done in the same way in both is listed as ended.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{CODES}"))]
pub(super) struct Args {
    /// Folders, or files
    #[arg(value_name = "DIR", default_value = ".")]
    folders: Vec<PathBuf>,

    #[command(flatten)]
    site: SiteArgs,

    /// Report messages of this kind as errors, as `lean -E`; may be given several times
    #[arg(short = 'E', long = "error", value_name = "KIND")]
    error_kinds: Vec<String>,

    /// After how many errors of a file Lean gives it up, 0 for never
    #[arg(long, value_name = "N")]
    max_errors: Option<u64>,

    /// How many files at the same time, where many are [default: as many as processors]
    #[arg(short, long, value_name = "N", value_parser = jobs, allow_negative_numbers = true)]
    jobs: Option<NonZero<usize>>,

    /// Most seconds that `lean` may take for a file; one that takes longer is not compared
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,

    /// Which orders the files are checked in
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Print one JSON object a difference, and one with a key `report` at the end
    #[arg(long)]
    json: bool,

    /// Print no progress bar
    #[arg(long)]
    quiet: bool,
}

/// What came of the comparisons.
#[derive(Default)]
struct Report {
    files: usize,
    compared: u64,
    differences: u64,
    unsteady: Vec<String>,
    ended: Vec<String>,
    not_compared: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let token = CancelToken::new();
    let names = files(&args.folders).unwrap_or_else(|error| wrong_usage(&error));
    if names.is_empty() {
        wrong_usage(&"there is no .lean file: name a folder that has some");
    }
    let more = args.max_errors.map(|count| format!("maxErrors={count}")).into_iter().collect();
    let mut sites = args.site.sites(more, true, args.quiet)?;
    let asked = Asked { error_kinds: args.error_kinds.clone().into(), ..Asked::default() };
    let mut report = Report { files: names.len(), ..Report::default() };
    let mut to_check = Vec::new();
    for path in &names {
        // What `lean` says of such a file goes to standard error, in words that name no place.
        let Ok((text, name)) = source::read(path) else {
            report.not_compared.push(path.to_string_lossy().into_owned());
            continue;
        };
        let site = sites.of(path, &text)?;
        let file = File { name: name.to_owned(), text, module: site.module, asked: asked.clone() };
        to_check.push(ToCheck { file, around: site.around });
    }
    let token_of_signals = token.clone();
    interrupt::watch_and(move || token_of_signals.cancel(), || std::process::exit(interrupt::code().into()))?;
    let jobs =
        args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZero::<usize>::MIN);
    let bar = common::bar(
        to_check.len() as u64 * 4,
        "{prefix} [{bar:30}] {human_pos}/{human_len}, {msg} ({eta} left)",
        "conformance".to_owned(),
        args.quiet,
    );
    let limit = Duration::from_secs(args.timeout);
    let root = args.site.root();
    let asking = Asking { limit, root: root.as_deref(), token: &token };
    let references = reference::of_all(&to_check, jobs, &asking, &bar);
    let mut random = fastrand::Rng::with_seed(args.seed);
    for (how, jobs, files_a_child) in [
        ("one at a time", NonZero::<usize>::MIN, 20),
        ("many at a time", jobs, 20),
        ("each in its own process", jobs, 1),
    ] {
        let mut order: Vec<usize> = (0..to_check.len()).collect();
        random.shuffle(&mut order);
        let verdicts = verdicts(&to_check, &order, jobs, files_a_child, &asking, &bar)?;
        if interrupt::asked() {
            break;
        }
        for (place, verdict) in verdicts {
            report.look(args, how, &to_check[place], &references[place], &verdict, &asking, &bar)?;
        }
        if interrupt::asked() {
            break;
        }
    }
    bar.finish_and_clear();
    let version = to_check.first().map(|file| reference::version(&file.around)).unwrap_or_default();
    report.print(args, &version)?;
    if interrupt::asked() {
        return Ok(interrupt::exit_code());
    }
    // Of what was not compared nobody knows that it is the same.
    Ok(ExitCode::from(if report.differences == 0 && report.compared > 0 { 0 } else { FAILED }))
}

fn verdicts(
    files: &[ToCheck],
    order: &[usize],
    jobs: NonZero<usize>,
    files_a_child: u32,
    asking: &Asking<'_>,
    bar: &ProgressBar,
) -> Result<Vec<(usize, Verdict)>, Box<dyn Error>> {
    let kept = Kept::default();
    let memory = Some(kept.memory / (jobs.get() as u64 + 1));
    let limits = Limits { memory, files_a_child, ..Limits::default() };
    // As `check` has it, for files that no child can check.
    let lean = Plain::new(limits.clone(), launcher(), None).with_root(asking.root.map(Path::to_owned));
    let workers = Workers::new(kept, limits, launcher());
    let ordered: Vec<ToCheck> = order.iter().map(|place| files[*place].clone()).collect();
    let mut verdicts = Vec::new();
    let times = CheckTimes { timeout: Some(asking.limit), ..CheckTimes::default() };
    let engine = Engine::Worker { workers: &workers, lean: Some(&lean) };
    check_files(engine, &ordered, jobs, times, asking.token, |at, event| {
        if let Event::Verdict(verdict) = event {
            bar.inc(1);
            verdicts.push((order[at], verdict));
        }
    })?;
    Ok(verdicts)
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "each is another thing")]
    fn look(
        &mut self,
        args: &Args,
        how: &str,
        file: &ToCheck,
        reference: &Option<Reference>,
        verdict: &Verdict,
        asking: &Asking<'_>,
        bar: &ProgressBar,
    ) -> io::Result<()> {
        let name = &file.file.name;
        let Some(reference) = reference else {
            note(&mut self.not_compared, name);
            return Ok(());
        };
        self.compared += 1;
        let (by_lean, by_pool, what) = match compare(reference, verdict) {
            Compared::Same => return Ok(()),
            Compared::Ended => {
                note(&mut self.ended, name);
                return Ok(());
            }
            Compared::Different { by_lean, by_pool, what } => (by_lean, by_pool, what),
        };
        let again = reference::of(file, asking);
        if asking.token.is_cancelled() {
            // Nobody knows whether it is one.
            self.compared -= 1;
            return Ok(());
        }
        if again.is_some_and(|again| again != *reference) {
            note(&mut self.unsteady, name);
            return Ok(());
        }
        self.differences += 1;
        bar.suspend(|| {
            let mut out = io::stdout().lock();
            if args.json {
                return writeln!(
                    out,
                    "{}",
                    json!({"difference": {"fileName": name, "how": how, "what": what, "lean": by_lean, "leanpool": by_pool}})
                );
            }
            writeln!(out, "{name} ({how}): {what}\n  lean:     {by_lean}\n  leanpool: {by_pool}")
        })
    }

    fn print(&self, args: &Args, version: &str) -> io::Result<()> {
        let Self { files, compared, differences, unsteady, ended, not_compared } = self;
        let mut out = io::stdout().lock();
        if args.json {
            return writeln!(
                out,
                "{}",
                json!({"report": {"lean": version, "files": files, "compared": compared, "differences": differences,
                    "unsteady": unsteady, "ended": ended, "not_compared": not_compared}})
            );
        }
        for (what, names) in [
            ("`lean` differs from itself", unsteady),
            ("ended before it was done, in both", ended),
            ("not compared: it can't be read, or `lean` was too slow", not_compared),
        ] {
            for name in names {
                writeln!(out, "{name}: {what}")?;
            }
        }
        writeln!(
            out,
            "{version}\n{files} files, {compared} comparisons, {differences} differences, {} unsteady, {} ended, {} not compared",
            unsteady.len(),
            ended.len(),
            not_compared.len()
        )
    }
}

fn note(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

/// Every .lean file below the paths, in order; what Lake has built or fetched is left out.
fn files(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = paths.to_vec();
    while let Some(path) = left.pop() {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if !std::fs::metadata(&path).map_err(named)?.is_dir() {
            found.push(path);
            continue;
        }
        for entry in std::fs::read_dir(&path).map_err(named)? {
            let entry = entry.map_err(named)?;
            // A link may lead in a circle.
            let kind = entry.file_type().map_err(named)?;
            let name = entry.file_name();
            let is_lean = Path::new(&name).extension().is_some_and(|end| end == "lean");
            if (kind.is_dir() && name != ".lake") || (kind.is_file() && is_lean) {
                let path = if path == Path::new(".") { name.into() } else { entry.path() };
                left.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
