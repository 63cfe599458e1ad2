//! One check: what is asked for, and what came of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lean_worker::{
    Asked, CancelToken, CheckTimes, Ending, File, Header, Heard, KnownHeader, Record, Verdict, Workers,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::settings::Settings;
use crate::{key, names};

/// How a request's files are to be checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The longest time of each, without its import; else the service's.
    pub timeout: Option<Duration>,
    /// What is to be said beside Lean's messages.
    pub asked: Asked,
    /// Whether messages are told as they come.
    pub stream: bool,
}

/// What a request is told.
#[derive(Debug)]
pub enum Event {
    /// Lean said something of the file with this place in the request: its JSON.
    Said(usize, String),
    /// Something that was asked beside messages.
    Record(usize, Record),
    /// What was said of that file is void: its check begins again.
    Again(usize),
    /// Its check has ended. Once for each file.
    Ended(usize, Box<Checked>),
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What Lean said, and how it ended.
    pub verdict: Verdict,
    /// The key of its header.
    pub key: String,
    /// How long it took, import included.
    pub took: Duration,
    /// How long it waited before that.
    pub waited: Duration,
    /// The longest time that it was given.
    pub timeout: Duration,
}

/// What the checks of one request have in common.
pub(super) struct Ask {
    pub(super) cancel: CancelToken,
    wish: Wish,
    timeout: Duration,
    /// Bytes that may still be said of its files.
    room: AtomicU64,
    tell: UnboundedSender<Event>,
}

impl Ask {
    pub(super) fn new(wish: Wish, settings: &Settings, tell: UnboundedSender<Event>) -> Self {
        let timeout = wish.timeout.unwrap_or(settings.timeout).min(settings.bounds.time);
        let room = AtomicU64::new(settings.bounds.answer);
        Self { cancel: CancelToken::new(), wish, timeout, room, tell }
    }

    /// Takes room for so many bytes, if there is so much.
    fn take(&self, bytes: u64) -> bool {
        self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes)).is_ok()
    }
}

/// A check that waits or runs.
pub(super) struct Job {
    pub(super) index: usize,
    pub(super) file: File,
    header: Header,
    known: KnownHeader,
    site: usize,
    ask: Arc<Ask>,
    since: Instant,
}

/// Puts files of a request behind each other that have the same header, in the order in which their headers come: where there are more headers
/// than are kept, each is imported once all the same. One that can't be imported is tried once for all of them.
pub(super) fn one_header_after_the_other(jobs: &mut [Job]) {
    let mut places: HashMap<(usize, Header), (usize, KnownHeader)> = HashMap::new();
    for job in jobs.iter_mut() {
        let next = places.len();
        let place = places.entry((job.site, job.header.clone()));
        job.known = place.or_insert_with(|| (next, KnownHeader::default())).1.clone();
    }
    jobs.sort_by_cached_key(|job| places[&(job.site, job.header.clone())].0);
}

impl Job {
    pub(super) fn new(index: usize, file: File, site: usize, ask: Arc<Ask>, since: Instant) -> Self {
        Self { index, header: Header::of(&file.text), known: KnownHeader::default(), file, site, ask, since }
    }

    pub(super) fn check(&self, workers: &Workers, settings: &Settings) -> Checked {
        let (ask, header, begun) = (&self.ask, &self.header, Instant::now());
        let is_full = AtomicBool::new(false);
        let around = names::check(header).and_then(|()| (settings.sites[self.site].around)(header));
        let mut verdict = match around {
            Ok(around) => {
                let times = CheckTimes { timeout: Some(ask.timeout), grace: settings.kill_after };
                let mut heard = |heard: Heard<'_>| self.heard(heard, &is_full);
                workers.check_knowing(&self.known, &around, &self.file, times, &ask.cancel, &mut heard)
            }
            Err(words) => failed(words),
        };
        let said: u64 = verdict.messages.iter().map(|message| message.json.len() as u64).sum();
        let said = said + verdict.records.iter().map(length).sum::<u64>();
        // Those of a stream were counted as they came.
        if is_full.into_inner() || (!ask.wish.stream && !ask.take(said + verdict.output.len() as u64)) {
            let words = "the answers of this request are longer than they may be in all (--max-answer): ask for fewer files at once";
            verdict = Verdict { sandbox: verdict.sandbox, ..failed(words.to_owned()) };
        }
        Checked {
            verdict,
            key: key::of_header(header),
            took: begun.elapsed(),
            waited: begun - self.since,
            timeout: ask.timeout,
        }
    }

    fn heard(&self, heard: Heard<'_>, is_full: &AtomicBool) {
        if !self.ask.wish.stream {
            return;
        }
        let event = match heard {
            Heard::Message(message) if self.ask.take(message.json.len() as u64) => {
                Event::Said(self.index, message.json.clone())
            }
            Heard::Record(record) if self.ask.take(length(record)) => {
                Event::Record(self.index, record.clone())
            }
            Heard::Message(_) | Heard::Record(_) => return is_full.store(true, Ordering::Relaxed),
            Heard::Again => Event::Again(self.index),
        };
        // Whoever does not listen any more has cancelled it.
        let _ = self.ask.tell.send(event);
    }

    /// What is said of a check that could not be made, by a fault of ours.
    pub(super) fn failed(&self) -> Checked {
        Checked {
            verdict: failed("a fault in leanpool, whose log says more: please report it".to_owned()),
            key: String::new(),
            took: self.since.elapsed(),
            waited: Duration::ZERO,
            timeout: self.ask.timeout,
        }
    }

    pub(super) fn answer(self, checked: Checked) {
        let _ = self.ask.tell.send(Event::Ended(self.index, Box::new(checked)));
    }
}

fn failed(words: String) -> Verdict {
    Verdict::without_messages(Ending::Failed(words))
}

/// About how many bytes a record comes to.
fn length(record: &Record) -> u64 {
    let sum = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let length = match record {
        Record::Sorry { goals, .. } => sum(goals),
        Record::Tactic { tactic, goals, goals_after, .. } => tactic.len() + sum(goals) + sum(goals_after),
        Record::Axioms { name, axioms, .. } => name.len() + sum(axioms),
        _ => 0,
    };
    length as u64 + 100
}
