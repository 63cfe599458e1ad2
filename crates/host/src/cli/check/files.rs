//! Checking the files, and printing what Lean says.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use host::checker::{FileReport, Outcome, Settings, Summary, check_files};
use host::doctor::SUPPORTED;
use host::lake::LakeProject;
use host::pool_core::{Reason, Stats};
use host::session::lean_backend::{ImportOptions, InternedOptions, Regions, Sysroot};
use host::session::{Ended, LeanCancellationToken, LeanRuntime};
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::super::{FAILED, INTERRUPTED, common, interrupt, wrong_usage};
use super::Args;

pub(super) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let options = options(args)?;
    let runtime = LeanRuntime::init()?;
    let token = LeanCancellationToken::new();
    interrupt::watch_and({
        let token = token.clone();
        move || token.cancel()
    })?;
    let settings = Settings {
        jobs: args.jobs,
        capacity: args.capacity,
        timeout: args.timeout,
        max_heartbeats: args.max_heartbeats,
    };
    let bar = common::bar(
        args.files.len() as u64,
        "{prefix} [{bar:30}] {human_pos}/{human_len} files, {msg} ({eta} left)",
        "check".to_owned(),
        args.quiet,
    );
    // The first import may take seconds.
    bar.tick();
    let mut printer = Printer { args, bar: &bar, counts: Counts::default(), broken: None };
    // A person reads files in the order given; a machine gets each at once, so that none is lost if Lean ends the process.
    let (mut early, mut next) = (BTreeMap::new(), 0);
    let summary = check_files(runtime, &options, &args.files, &settings, &token, |report| {
        bar.inc(1);
        if args.json {
            next = report.place;
        }
        early.insert(report.place, report);
        while let Some(report) = early.remove(&next) {
            next += 1;
            if printer.report(&report).is_err() {
                // Whoever was reading has seen enough, or there is no room: no further file is of use.
                token.cancel();
            }
        }
    })?;
    bar.finish_and_clear();
    let Printer { counts, broken, .. } = printer;
    match broken {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::from(FAILED)),
        Some(error) => return Err(format!("the report can't be written: {error}").into()),
        None => match print_summary(args, &counts, &summary) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.map_err(|error| format!("the summary can't be written: {error}"))?,
        },
    }
    Ok(match (interrupt::asked(), counts.errors) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(FAILED),
    })
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

#[derive(Default)]
struct Counts {
    files: u64,
    clean: u64,
    errors: u64,
    warnings: u64,
    not_begun: u64,
}

struct Printer<'a> {
    args: &'a Args,
    bar: &'a ProgressBar,
    counts: Counts,
    /// Why nothing more can be printed.
    broken: Option<io::Error>,
}

/// One thing to print.
struct Line<'a> {
    line: u64,
    column: u64,
    end: Option<(u64, u64)>,
    severity: &'a str,
    message: &'a str,
}

impl Printer<'_> {
    /// Prints what is to be said of a file; once that has failed, of no other.
    fn report(&mut self, report: &FileReport) -> Result<(), ()> {
        let lines = self.count(report);
        self.bar.set_message(format!("{} errors", self.counts.errors));
        if self.broken.is_some() {
            return Err(());
        }
        let file = self.args.files[report.place].to_string_lossy();
        let printed = self.bar.suspend(|| {
            let mut out = BufWriter::new(io::stdout().lock());
            for line in &lines {
                if self.args.json {
                    line.write_json(&mut out, &file)?;
                } else {
                    line.write_text(&mut out, &file)?;
                }
            }
            out.flush()
        });
        printed.map_err(|error| self.broken = Some(error))
    }

    fn count<'r>(&mut self, report: &'r FileReport) -> Vec<Line<'r>> {
        self.counts.files += 1;
        let at = |line, column, message| Line { line, column, end: None, severity: "error", message };
        let lines = match &report.outcome {
            Outcome::Checked(checked) => {
                let found = checked.diagnostics.iter().map(|diagnostic| {
                    let position = diagnostic.position();
                    Line {
                        line: position.line(),
                        column: position.column(),
                        end: position.end_line().zip(position.end_column()),
                        severity: diagnostic.severity().as_str(),
                        message: diagnostic.message(),
                    }
                });
                let ended = (checked.ended == Ended::TimedOut)
                    .then(|| at(1, 0, "the time for this file is over; what was found before is reported"));
                found.chain(ended).collect()
            }
            Outcome::Failed(failure) => vec![at(failure.line, failure.column, &failure.message)],
            // Cancelled, or something that came to the library later.
            _ => Vec::new(),
        };
        let of = |severity| lines.iter().filter(|line| line.severity == severity).count() as u64;
        self.counts.errors += of("error");
        self.counts.warnings += of("warning");
        match &report.outcome {
            Outcome::Cancelled => self.counts.not_begun += 1,
            Outcome::Checked(checked) if checked.is_ok() => self.counts.clean += 1,
            _ => {}
        }
        lines
    }
}

impl Line<'_> {
    fn write_text(&self, out: &mut impl Write, file: &str) -> io::Result<()> {
        let Self { line, column, severity, message, .. } = self;
        // What an `#eval` prints ends in a newline of its own.
        let message = message.strip_suffix('\n').unwrap_or(message);
        writeln!(out, "{file}:{line}:{column}: {severity}: {message}")
    }

    fn write_json(&self, out: &mut impl Write, file: &str) -> io::Result<()> {
        let Self { line, column, end, severity, message } = self;
        let (end_line, end_column) = (end.map(|end| end.0), end.map(|end| end.1));
        let object = json!({"file": file, "line": line, "column": column, "end_line": end_line,
            "end_column": end_column, "severity": severity, "message": message});
        writeln!(out, "{object}")
    }
}

fn print_summary(args: &Args, counts: &Counts, summary: &Summary) -> io::Result<()> {
    let Counts { files, clean, errors, warnings, not_begun } = counts;
    let Stats { usage, .. } = &summary.pool;
    let seconds = summary.elapsed.as_secs_f64();
    if !args.quiet {
        let not_begun = if *not_begun > 0 { format!(", {not_begun} not begun") } else { String::new() };
        // A note that nobody reads is no failure.
        let _ = writeln!(
            io::stderr(),
            "{}, {clean} without errors, {}, {}{not_begun}; {}, {seconds:.2} s",
            counted(*files, "file"),
            counted(*errors, "error"),
            counted(*warnings, "warning"),
            counted(summary.pool.opened(), "import")
        );
    }
    if !args.stats {
        return Ok(());
    }
    let pool = &summary.pool;
    let mut out = io::stdout().lock();
    if args.json {
        let object = json!({"summary": {
            "files": files, "clean": clean, "errors": errors, "warnings": warnings, "not_begun": not_begun,
            "seconds": seconds, "shared_modules": summary.shared_modules,
            "pool": {
                "acquired": pool.acquired(), "reused": pool.reused, "imports_performed": pool.opened(),
                "misses": reasons(pool.misses.iter()), "dropped": reasons(pool.dropped().iter()),
                "opens_failed": pool.opens_failed, "waited": pool.waits.waited,
                "opens_shared": pool.waits.opens_shared, "idle": usage.idle,
                "importing_seconds": pool.opening_nanos as f64 / 1e9, "saved_seconds": pool.saved_nanos as f64 / 1e9,
                "weight_bytes": usage.idle_weight, "residue_bytes": usage.residue,
            },
        }});
        return writeln!(out, "{object}");
    }
    writeln!(
        out,
        "environments {:>8} acquired, {} reused, {} imported",
        pool.acquired(),
        pool.reused,
        pool.opened()
    )?;
    for (what, counts) in [("misses", words(pool.misses.iter())), ("dropped", words(pool.dropped().iter()))] {
        writeln!(out, "{what:<12} {counts}")?;
    }
    writeln!(
        out,
        "waited       {:>8} acquires, {} of them got another's import",
        pool.waits.waited, pool.waits.opens_shared
    )?;
    writeln!(
        out,
        "seconds      {:>8.2} importing, {:.2} saved by hits, {seconds:.2} in all",
        pool.opening_nanos as f64 / 1e9,
        pool.saved_nanos as f64 / 1e9
    )?;
    writeln!(
        out,
        "memory       {:>8} MiB idle, {} MiB left by imports for good, {} modules kept read",
        usage.idle_weight >> 20,
        usage.residue >> 20,
        summary.shared_modules
    )
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn reasons<T: Reason>(counts: impl Iterator<Item = (T, u64)>) -> Value {
    let counted = counts.filter(|(_, count)| *count > 0);
    counted.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect::<Map<_, _>>().into()
}

fn words<T: Reason>(counts: impl Iterator<Item = (T, u64)>) -> String {
    let counted = counts.filter(|(_, count)| *count > 0);
    let words: Vec<String> = counted.map(|(reason, count)| format!("{count} {}", reason.name())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
