//! What is printed of the files, in which order, and what is still to be printed where the run ends early.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use indicatif::ProgressBar;
use leanpool::checker::{FileReport, InHand, Outcome, Summary};
use leanpool::pool_core::{Reason, Stats};
use leanpool::session::Ended;
use serde_json::{Map, Value, json};

use super::super::common;
use super::Args;

/// What came of the files so far.
pub(super) struct Report {
    args: Args,
    in_hand: InHand,
    bar: ProgressBar,
    counts: Counts,
    /// A person reads files in the order given; a machine gets each at once, so that none is lost if Lean ends the process.
    early: BTreeMap<usize, FileReport>,
    next: usize,
    /// Which files were printed.
    printed: Vec<bool>,
    /// Why nothing more can be printed.
    broken: Option<io::Error>,
    is_ended: bool,
}

/// Why the process ends before all is done.
#[derive(Clone, Copy)]
pub(super) enum Why {
    /// Something called `exit`.
    EndedFromInside,
    /// A check was to come back, and did not.
    DidNotComeBack,
}

impl Report {
    pub(super) fn new(args: &Args, in_hand: &InHand) -> Self {
        let bar = common::bar(
            args.files.len() as u64,
            "{prefix} [{bar:30}] {human_pos}/{human_len} files, {msg} ({eta} left)",
            "check".to_owned(),
            args.quiet,
        );
        // The first import may take seconds.
        bar.tick();
        Self {
            printed: vec![false; args.files.len()],
            args: args.clone(),
            in_hand: in_hand.clone(),
            bar,
            counts: Counts::default(),
            early: BTreeMap::new(),
            next: 0,
            broken: None,
            is_ended: false,
        }
    }

    pub(super) fn grace(&self) -> Duration {
        self.args.grace
    }

    /// Takes what came of a file, and prints what can be printed now. An error if nothing more can be.
    pub(super) fn take(&mut self, report: FileReport) -> Result<(), ()> {
        self.bar.inc(1);
        if self.args.json {
            self.next = report.place;
        }
        self.early.insert(report.place, report);
        let mut result = Ok(());
        while let Some(report) = self.early.remove(&self.next) {
            self.next += 1;
            result = result.and(self.print(&report));
        }
        result
    }

    /// Prints the end. Whether all is well.
    pub(super) fn end(&mut self, summary: &Summary) -> Result<bool, Box<dyn Error>> {
        self.is_ended = true;
        self.bar.finish_and_clear();
        match self.broken.take() {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Some(error) => return Err(format!("the report can't be written: {error}").into()),
            None => match print_summary(&self.args, &self.counts, summary) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                result => result.map_err(|error| format!("the summary can't be written: {error}"))?,
            },
        }
        Ok(self.counts.errors == 0)
    }

    /// Prints what is known, and what became of the rest, before the process ends; once.
    pub(super) fn end_early(&mut self, why: Why) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        self.bar.finish_and_clear();
        for report in std::mem::take(&mut self.early).into_values() {
            let _ = self.print(&report);
        }
        let in_hand: Vec<usize> =
            self.in_hand.places().into_iter().filter(|place| !self.printed[*place]).collect();
        let message = match why {
            Why::EndedFromInside => {
                "the process was ended while this file was checked: something in it, or in another that was checked at the same time, \
                 calls `IO.Process.exit`"
                    .to_owned()
            }
            Why::DidNotComeBack => format!(
                "the check was to end, and did not come back within {} s: what runs in it looks at nothing, as a loop in compiled code",
                self.args.grace.as_secs_f64()
            ),
        };
        for &place in &in_hand {
            let line = Line { line: 1, column: 0, end: None, severity: "error", message: &message };
            self.counts.files += 1;
            self.counts.errors += 1;
            self.write(place, &[line]);
        }
        let words = match why {
            Why::EndedFromInside => "the process was ended from inside a file",
            Why::DidNotComeBack => "broken off",
        };
        let Counts { files, errors, not_begun, .. } = self.counts;
        let left = self.args.files.len() as u64 - files + not_begun;
        // If even that can't be said, the exit code still does.
        let _ = writeln!(
            io::stderr(),
            "leanpool: {words}; {}, {}, {left} not begun",
            counted(files - not_begun, "file"),
            counted(errors, "error")
        );
    }

    /// Prints what is to be said of a file; once that has failed, of no other.
    fn print(&mut self, report: &FileReport) -> Result<(), ()> {
        let overdue = format!(
            "the time for this file is over, and its check did not come back within {} s more: what runs in it looks at nothing, as a loop in \
             compiled code; no further file is begun",
            self.args.grace.as_secs_f64()
        );
        let lines = self.count(report, &overdue);
        self.write(report.place, &lines);
        if self.broken.is_some() { Err(()) } else { Ok(()) }
    }

    fn write(&mut self, place: usize, lines: &[Line<'_>]) {
        self.printed[place] = true;
        self.bar.set_message(format!("{} errors", self.counts.errors));
        if self.broken.is_some() {
            return;
        }
        let file = self.args.files[place].to_string_lossy();
        let json = self.args.json;
        let printed = self.bar.suspend(|| {
            let mut out = BufWriter::new(io::stdout().lock());
            for line in lines {
                if json {
                    line.write_json(&mut out, &file)?;
                } else {
                    line.write_text(&mut out, &file)?;
                }
            }
            out.flush()
        });
        self.broken = printed.err();
    }

    fn count<'r>(&mut self, report: &'r FileReport, overdue: &'r str) -> Vec<Line<'r>> {
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
            Outcome::Overdue => vec![at(1, 0, overdue)],
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

#[derive(Default)]
struct Counts {
    files: u64,
    clean: u64,
    errors: u64,
    warnings: u64,
    not_begun: u64,
}

/// One thing to print.
struct Line<'a> {
    line: u64,
    column: u64,
    end: Option<(u64, u64)>,
    severity: &'a str,
    message: &'a str,
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
        summary.shared_modules.map_or_else(|| "?".to_owned(), |modules| modules.to_string())
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
