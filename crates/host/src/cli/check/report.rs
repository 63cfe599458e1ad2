//! What is printed of the files, in which order, and what is still to be printed where the run ends early.

use std::error::Error;
use std::io::{self, BufWriter, Write};

use indicatif::ProgressBar;
use leanpool::lean_worker::{Ending, InOrder, Message, Sandbox, Severity, Verdict};
use leanpool::pool_core;
use leanpool::source::Failure;
use serde_json::{Value, json};

use super::super::common;
use super::Args;
use super::summary::{Summary, pool_json, write_pool};

/// What came of a file.
pub(super) enum Outcome {
    Checked(Verdict),
    /// It was not begun, as it can't be read.
    Failed(Failure),
}

/// What came of the files so far.
pub(super) struct Report {
    args: Args,
    bar: ProgressBar,
    counts: Counts,
    /// A person reads files in the order given; a machine gets each at once.
    early: InOrder<(usize, Outcome)>,
    /// The sandbox that every check so far had.
    sandbox: Option<Sandbox>,
    /// Why nothing more can be printed.
    broken: Option<io::Error>,
    is_ended: bool,
}

impl Report {
    pub(super) fn new(args: &Args) -> Self {
        let bar = common::bar(
            args.files.len() as u64,
            "{prefix} [{bar:30}] {human_pos}/{human_len} files, {msg} ({eta} left)",
            "check".to_owned(),
            args.quiet,
        );
        // The first import may take seconds.
        bar.tick();
        Self {
            args: args.clone(),
            bar,
            counts: Counts::default(),
            early: InOrder::default(),
            sandbox: None,
            broken: None,
            is_ended: false,
        }
    }

    /// Takes what came of a file, and prints what can be printed now. An error if nothing more can be.
    pub(super) fn take(&mut self, place: usize, outcome: Outcome) -> Result<(), ()> {
        if self.is_ended {
            return Err(());
        }
        self.bar.inc(1);
        if self.args.json || self.args.unordered {
            return self.print(place, &outcome);
        }
        self.early.put(place, (place, outcome));
        let mut result = Ok(());
        while let Some((place, outcome)) = self.early.next() {
            result = result.and(self.print(place, &outcome));
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
            None => match self.print_summary(summary) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                result => result.map_err(|error| format!("the summary can't be written: {error}"))?,
            },
        }
        Ok(self.counts.errors == 0)
    }

    /// Prints what is known before the process ends; once.
    pub(super) fn end_early(&mut self) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        self.bar.finish_and_clear();
        for (place, outcome) in self.early.take_all() {
            let _ = self.print(place, &outcome);
        }
        let Counts { files, errors, not_begun, .. } = self.counts;
        let left = self.args.files.len() as u64 - files + not_begun;
        // If even that can't be said, the exit code still does.
        let _ = writeln!(
            io::stderr(),
            "leanpool: broken off; {}, {}, {left} not begun or not finished",
            counted(files - not_begun, "file"),
            counted(errors, "error")
        );
    }

    /// Prints what is to be said of a file; once that has failed, of no other.
    fn print(&mut self, place: usize, outcome: &Outcome) -> Result<(), ()> {
        let own = self.own_words(outcome);
        let lines = lines(outcome, own.as_deref());
        self.count(outcome, &lines);
        self.bar.set_message(format!("{} errors", self.counts.errors));
        if self.broken.is_none() {
            let file = self.args.files[place].to_string_lossy();
            let json = self.args.json;
            let output = match outcome {
                Outcome::Checked(verdict) => verdict.output.as_str(),
                Outcome::Failed(_) => "",
            };
            let printed = self.bar.suspend(|| {
                let mut out = BufWriter::new(io::stdout().lock());
                for line in &lines {
                    if json {
                        line.write_json(&mut out, &file)?;
                    } else {
                        line.write_text(&mut out, &file)?;
                    }
                }
                // What a program printed that the file starts. If nobody reads it, nothing is lost that Lean has said.
                let _ = io::stderr().write_all(output.as_bytes());
                out.flush()
            });
            self.broken = printed.err();
        }
        if self.broken.is_some() { Err(()) } else { Ok(()) }
    }

    /// What is to be said of a file beside what Lean says.
    fn own_words(&self, outcome: &Outcome) -> Option<String> {
        let Outcome::Checked(verdict) = outcome else { return None };
        match &verdict.ending {
            Ending::TimedOut { killed: false } => {
                Some("the time for this file is over; what was found before is reported".to_owned())
            }
            Ending::TimedOut { killed: true } => Some(format!(
                "the time for this file is over, and its check did not come back within {} s more: its process was ended. What runs in it looks \
                 at nothing, as a loop in compiled code",
                self.args.grace.as_secs_f64()
            )),
            Ending::Died(death) => Some(death.to_string()),
            Ending::Failed(words) => Some(words.clone()),
            Ending::BadHeader if !verdict.messages.iter().any(is_error) => {
                Some("the header of this file can't be imported, and Lean does not say why".to_owned())
            }
            _ => None,
        }
    }

    fn count(&mut self, outcome: &Outcome, lines: &[Line<'_>]) {
        let of = |severity| lines.iter().filter(|line| line.severity == severity).count() as u64;
        let counts = &mut self.counts;
        counts.files += 1;
        counts.errors += of("error");
        counts.warnings += of("warning");
        let Outcome::Checked(verdict) = outcome else { return };
        match &verdict.ending {
            Ending::NotBegun => counts.not_begun += 1,
            Ending::Done if of("error") == 0 => counts.clean += 1,
            _ => {}
        }
        if let Some(got) = verdict.sandbox {
            let before = self.sandbox.unwrap_or(got);
            self.sandbox = Some(Sandbox {
                landlock: before.landlock.min(got.landlock),
                seccomp: before.seccomp && got.seccomp,
                network_namespace: before.network_namespace && got.network_namespace,
            });
        }
    }

    fn print_summary(&self, summary: &Summary) -> io::Result<()> {
        let Counts { files, clean, errors, warnings, not_begun } = &self.counts;
        let seconds = summary.elapsed.as_secs_f64();
        let imports = summary.pool().map_or(0, pool_core::Stats::opened);
        if !self.args.quiet {
            let not_begun = if *not_begun > 0 { format!(", {not_begun} not begun") } else { String::new() };
            // A note that nobody reads is no failure.
            let _ = writeln!(
                io::stderr(),
                "{}, {clean} without errors, {}, {}{not_begun}; {}, {seconds:.2} s",
                counted(*files, "file"),
                counted(*errors, "error"),
                counted(*warnings, "warning"),
                counted(imports, "import")
            );
        }
        if !self.args.stats {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if self.args.json {
            let object = json!({"summary": {
                "files": files, "clean": clean, "errors": errors, "warnings": warnings, "not_begun": not_begun,
                "seconds": seconds, "shared_modules": null, "pool": summary.pool().map(pool_json),
                "workers": summary.workers_json(), "sandbox": self.sandbox_json(),
                "saved_headers": summary.saved_headers.map(|(used, opened)| json!({"used": used, "opened": opened})),
            }});
            return writeln!(out, "{object}");
        }
        if let Some(pool) = summary.pool() {
            write_pool(&mut out, pool, seconds)?;
        }
        summary.write_workers(&mut out)?;
        if let Some((used, opened)) = summary.saved_headers {
            writeln!(
                out,
                "headers      {used:>8} times a saved one was loaded, {opened} of them saved or found first"
            )?;
        }
        match self.sandbox.filter(|_| self.args.sandbox) {
            Some(Sandbox { landlock, seccomp, network_namespace }) => writeln!(
                out,
                "sandbox      Landlock {landlock}, seccomp {seccomp}, own network {network_namespace}"
            ),
            None => Ok(()),
        }
    }

    fn sandbox_json(&self) -> Option<Value> {
        self.sandbox.filter(|_| self.args.sandbox).map(|got| {
            json!({"landlock": got.landlock, "seccomp": got.seccomp, "network_namespace": got.network_namespace})
        })
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

fn is_error(message: &Message) -> bool {
    message.severity == Severity::Error
}

/// What Lean says, and then what we say.
fn lines<'a>(outcome: &'a Outcome, own: Option<&'a str>) -> Vec<Line<'a>> {
    let at = |line, column, message| Line { line, column, end: None, severity: "error", message };
    match outcome {
        Outcome::Failed(failure) => vec![at(failure.line, failure.column, &failure.message)],
        Outcome::Checked(verdict) => {
            let found = verdict.messages.iter().map(|message| Line {
                line: message.position.line,
                column: message.position.column,
                end: message.end.map(|end| (end.line, end.column)),
                severity: match message.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Information => "info",
                },
                message: &message.text,
            });
            found.chain(own.map(|message| at(1, 0, message))).collect()
        }
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

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
