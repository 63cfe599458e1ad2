//! What is printed of the files, in which order, and what is still to be printed where the run ends early.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufWriter, Write};

use indicatif::ProgressBar;
use leanpool::lean_worker::{Ending, Event, Message, Position, Sandbox, Severity, Verdict};
use leanpool::pool_core;
use leanpool::source::Failure;
use serde_json::{Value, json};

use super::super::common;
use super::Args;
use super::format::{Format, sarif};
use super::policy::Policy;
use super::said::{Said, Thing};
use super::summary::{Summary, pool_json, write_pool};

/// Where what concerns a whole file is said.
const BEGINNING: Position = Position { line: 1, column: 0 };

/// Something that is known of a file.
pub(super) enum Seen {
    Event(Event),
    /// It is not checked at all.
    Failed(Failure),
}

impl Seen {
    fn is_last(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Event(Event::Verdict(_)))
    }
}

/// What is known of the files so far.
pub(super) struct Report {
    args: Args,
    names: Vec<String>,
    format: Format,
    policy: Policy,
    bar: ProgressBar,
    counts: Counts,
    /// What was said of files that are checked now: if a check begins again, it is not said twice.
    said: BTreeMap<usize, Said>,
    /// What waits for the files before it.
    early: BTreeMap<usize, Vec<Seen>>,
    next: usize,
    /// For a format that is one text in the end.
    kept: Vec<Message>,
    /// The sandbox that every check so far had.
    sandbox: Option<Sandbox>,
    /// Why nothing more can be printed.
    broken: Option<io::Error>,
    is_ended: bool,
}

impl Report {
    pub(super) fn new(args: &Args, names: Vec<String>, policy: Policy) -> Self {
        let bar = common::bar(
            names.len() as u64,
            "{prefix} [{bar:30}] {human_pos}/{human_len} files, {msg} ({eta} left)",
            "check".to_owned(),
            args.quiet,
        );
        // The first import may take seconds.
        bar.tick();
        Self {
            args: args.clone(),
            names,
            format: args.format(),
            policy,
            bar,
            counts: Counts::default(),
            said: BTreeMap::new(),
            early: BTreeMap::new(),
            next: 0,
            kept: Vec::new(),
            sandbox: None,
            broken: None,
            is_ended: false,
        }
    }

    /// Takes what is known of a file, and prints what can be printed now. An error if nothing more can be.
    pub(super) fn take(&mut self, place: usize, seen: Seen) -> Result<(), ()> {
        if self.is_ended {
            return Err(());
        }
        if seen.is_last() {
            self.bar.inc(1);
        }
        if !self.format.is_in_order() || self.args.unordered {
            // Two files at once would be mixed, which only a machine takes apart.
            if !self.format.is_json() && !seen.is_last() {
                return Ok(());
            }
            return self.print(place, seen);
        }
        if place != self.next {
            self.early.entry(place).or_default().push(seen);
            return Ok(());
        }
        let mut is_last = seen.is_last();
        let mut result = self.print(place, seen);
        while is_last {
            self.next += 1;
            is_last = false;
            for seen in self.early.remove(&self.next).unwrap_or_default() {
                is_last = seen.is_last();
                result = result.and(self.print(self.next, seen));
            }
        }
        result
    }

    /// Prints the end. Whether all is well.
    pub(super) fn end(&mut self, summary: &Summary) -> Result<bool, Box<dyn Error>> {
        self.is_ended = true;
        self.bar.finish_and_clear();
        self.write_kept();
        match self.broken.take() {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Some(error) => return Err(format!("the report can't be written: {error}").into()),
            None => match self.print_summary(summary) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                result => result.map_err(|error| format!("the summary can't be written: {error}"))?,
            },
        }
        Ok(self.counts.bad == 0)
    }

    /// Prints what is known before the process ends; once.
    pub(super) fn end_early(&mut self) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        self.bar.finish_and_clear();
        for (place, seen) in std::mem::take(&mut self.early) {
            if let Some(last) = seen.into_iter().next_back().filter(Seen::is_last) {
                let _ = self.print(place, last);
            }
        }
        self.write_kept();
        let Counts { files, errors, not_begun, .. } = self.counts;
        let left = self.names.len() as u64 - files + not_begun;
        // If even that can't be said, the exit code still does.
        let _ = writeln!(
            io::stderr(),
            "leanpool: broken off; {}, {}, {left} not begun or not finished",
            counted(files - not_begun, "file"),
            counted(errors, "error")
        );
    }

    /// Prints what is to be said of it; once that has failed, of nothing.
    fn print(&mut self, place: usize, seen: Seen) -> Result<(), ()> {
        let mut said = self.said.remove(&place).unwrap_or_default();
        let is_last = seen.is_last();
        let mut to_print = Vec::new();
        match seen {
            Seen::Event(Event::Again) => said.begin_again(),
            Seen::Event(Event::Message(message)) => said.message(&message, &mut to_print),
            Seen::Event(Event::Record(record)) => said.record(&record, &mut to_print),
            Seen::Event(Event::Verdict(verdict)) => self.conclude(place, &verdict, &mut said, &mut to_print),
            Seen::Failed(failure) => {
                let at = Position { line: failure.line, column: failure.column };
                let name = &self.names[place];
                to_print.push(Thing::Message(Message::of_ours(
                    name,
                    at,
                    None,
                    "leanpool.file",
                    &failure.message,
                )));
                self.counts.files += 1;
                self.counts.bad += 1;
            }
        }
        self.count(&to_print, &mut said);
        self.bar.set_message(format!("{} errors", self.counts.errors));
        let result = self.write(place, &to_print);
        if !is_last {
            self.said.insert(place, said);
        }
        result
    }

    /// What is still to be said of a file whose check has ended.
    fn conclude(&mut self, place: usize, verdict: &Verdict, said: &mut Said, to_print: &mut Vec<Thing>) {
        said.begin_again();
        verdict.messages.iter().for_each(|message| said.message(message, to_print));
        verdict.records.iter().for_each(|record| said.record(record, to_print));
        let name = &self.names[place];
        if let Some((kind, words)) = self.own_words(verdict) {
            to_print.push(Thing::Message(Message::of_ours(name, BEGINNING, None, kind, &words)));
        }
        to_print.extend(self.policy.breaches(name, verdict).into_iter().map(Thing::Message));
        let has_error = |things: &[Thing]| things.iter().any(Thing::is_error);
        let is_ok = verdict.is_ok() && !has_error(to_print);
        if self.format == Format::Leanpool {
            let errors = said.errors + to_print.iter().filter(|thing| thing.is_error()).count() as u64;
            let micros = verdict.spent.map(|spent| (spent.micros, spent.cpu_micros));
            to_print.push(Thing::End(json!({"done": {"fileName": name, "ok": is_ok, "errors": errors,
                "ending": ending(&verdict.ending), "seconds": micros.map(|(micros, _)| micros as f64 / 1e6),
                "processorSeconds": micros.map(|(_, micros)| micros as f64 / 1e6)}})));
        }
        if !verdict.output.is_empty() {
            to_print.push(Thing::Output(verdict.output.clone()));
        }
        let counts = &mut self.counts;
        counts.files += 1;
        match &verdict.ending {
            Ending::NotBegun => counts.not_begun += 1,
            _ if is_ok => counts.clean += 1,
            _ => counts.bad += 1,
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

    /// What is to be said of a file beside what Lean says, with its kind.
    fn own_words(&self, verdict: &Verdict) -> Option<(&'static str, String)> {
        match &verdict.ending {
            Ending::TimedOut { killed: false } => Some((
                "leanpool.timeout",
                "the time for this file is over; what was found before is reported".to_owned(),
            )),
            Ending::TimedOut { killed: true } => Some((
                "leanpool.timeout",
                format!(
                    "the time for this file is over, and its check did not come back within {} s more: its process was ended. What runs in it looks \
                     at nothing, as a loop in compiled code",
                    self.args.grace.as_secs_f64()
                ),
            )),
            Ending::Died(death) => Some(("leanpool.death", death.to_string())),
            Ending::Failed(words) => Some(("leanpool.failure", words.clone())),
            Ending::BadHeader if !verdict.messages.iter().any(is_error) => Some((
                "leanpool.header",
                "the header of this file can't be imported, and Lean does not say why".to_owned(),
            )),
            _ => None,
        }
    }

    fn count(&mut self, things: &[Thing], said: &mut Said) {
        for thing in things {
            let Thing::Message(message) = thing else { continue };
            match message.severity {
                Severity::Error => {
                    (self.counts.errors, said.errors) = (self.counts.errors + 1, said.errors + 1);
                }
                Severity::Warning => self.counts.warnings += 1,
                Severity::Information => {}
            }
        }
    }

    fn write(&mut self, place: usize, things: &[Thing]) -> Result<(), ()> {
        if self.broken.is_none() && !things.is_empty() {
            let (format, name) = (self.format, &self.names[place]);
            let with_end = self.args.prints_ends();
            let printed = self.bar.suspend(|| {
                let mut out = BufWriter::new(io::stdout().lock());
                for thing in things {
                    match thing {
                        Thing::Message(message) => format.write(&mut out, message, with_end)?,
                        Thing::Record(record) if self.args.shows(record) => {
                            format.write_record(&mut out, name, record)?;
                        }
                        Thing::Record(_) => {}
                        Thing::End(value) => writeln!(out, "{value}")?,
                        // What a program printed that the file starts. If nobody reads it, nothing is lost that Lean has said.
                        Thing::Output(text) => drop(io::stderr().write_all(text.as_bytes())),
                    }
                }
                out.flush()
            });
            self.broken = printed.err();
            if format == Format::Sarif {
                self.kept.extend(things.iter().filter_map(|thing| match thing {
                    Thing::Message(message) => Some(message.clone()),
                    _ => None,
                }));
            }
        }
        if self.broken.is_some() { Err(()) } else { Ok(()) }
    }

    fn write_kept(&mut self) {
        if self.format == Format::Sarif && self.broken.is_none() {
            let log = sarif(&self.kept);
            let mut out = io::stdout().lock();
            self.broken = serde_json::to_writer_pretty(&mut out, &log)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
                .err();
        }
    }

    fn print_summary(&self, summary: &Summary) -> io::Result<()> {
        let Counts { files, clean, errors, warnings, not_begun, .. } = &self.counts;
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
        if self.format.is_json() {
            let object = json!({"summary": {
                "files": files, "clean": clean, "errors": errors, "warnings": warnings, "not_begun": not_begun,
                "seconds": seconds, "shared_modules": null, "pool": summary.pool().map(pool_json),
                "workers": summary.workers_json(), "sandbox": self.sandbox_json(),
                "saved_headers": summary.saved_headers.map(|(used, opened)| json!({"used": used, "opened": opened})),
            }});
            return writeln!(io::stdout().lock(), "{object}");
        }
        // Standard output is what `lean` prints, or one document.
        let mut out = io::stderr().lock();
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
    /// Files that are not all right: an error, or a check that came to no end.
    bad: u64,
    errors: u64,
    warnings: u64,
    not_begun: u64,
}

pub(super) fn is_error(message: &Message) -> bool {
    message.severity == Severity::Error
}

fn ending(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::BadHeader => "header",
        Ending::TimedOut { .. } => "timeout",
        Ending::Cancelled => "cancelled",
        Ending::NotBegun => "notBegun",
        Ending::Died(_) => "died",
        _ => "failed",
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
