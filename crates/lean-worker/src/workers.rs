//! Checking one file in a worker: zygote, child, and what is done when one of them dies.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool_core::Stats as PoolStats;

use crate::cancel::CancelToken;
use crate::child::{Outcome, Times};
use crate::header::{self, Found, Header};
use crate::held::{AllHeld, Held};
use crate::launch::Launcher;
use crate::limits::Limits;
use crate::listing::Listing;
use crate::meter::Meter;
use crate::pool::{Key, Loan, Zygotes};
use crate::protocol::Check;
use crate::request::{CheckTimes, File, Heard, KnownHeader, Refusal};
use crate::schedule::fork_ahead;
use crate::stale::{self, RestsOn};
use crate::surroundings::Surroundings;
use crate::verdict::{Ending, Verdict};
use crate::zygote::{Start, StartError, Zygote};

/// How often a zygote may die in a row under one file, or while it starts, before that is the file's verdict.
pub(crate) const TRIES: u32 = 3;

/// How much may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Zygotes.
    pub zygotes: u64,
    /// Bytes of memory of all zygotes and children.
    pub memory: u64,
}

impl Default for Kept {
    /// 8 zygotes, and half of the memory that is there now (4 GiB where that is not known).
    fn default() -> Self {
        Self { zygotes: 8, memory: available_memory().map_or(4 << 30, |bytes| bytes / 2) }
    }
}

fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Lean in processes of its own. Used by many threads at once.
pub struct Workers {
    zygotes: Zygotes,
    held: AllHeld,
    limits: Arc<Limits>,
    launcher: Option<Launcher>,
    meter: Arc<Meter>,
    listing: Listing,
    running: AtomicUsize,
    processors: usize,
    may_import: fn(&Header) -> Result<(), String>,
}

/// What was done so far.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Zygotes that were started and became ready.
    pub zygotes: u64,
    /// Zygotes that ended though somebody used them, or while they were starting.
    pub zygote_deaths: u64,
    /// Children that were forked.
    pub children: u64,
    /// Of these, before anybody had asked.
    pub forked_ahead: u64,
    /// Checks, and processes of sessions, that died.
    pub deaths: u64,
    /// The most bytes that all processes together had of their own: zygotes, and children at the end of each file.
    pub peak_bytes: u64,
    /// What the pool of zygotes did.
    pub pool: PoolStats,
}

impl Workers {
    /// Nothing is started yet. Without a launcher, what is started outlives this process if that is killed while it imports.
    #[must_use]
    pub fn new(kept: Kept, limits: Limits, launcher: Option<Launcher>) -> Self {
        Self {
            held: AllHeld::default(),
            zygotes: Zygotes::new(kept.zygotes, kept.memory),
            limits: Arc::new(limits),
            launcher,
            meter: Arc::default(),
            listing: Listing::default(),
            running: AtomicUsize::new(0),
            processors: std::thread::available_parallelism().map_or(1, NonZero::get),
            may_import: |_| Ok(()),
        }
    }

    /// The same, where each header is shown to `may_import` before Lean sees it, wherever it was read: by us, by a child that reads another one, in a
    /// session. What that refuses is not imported, and its words are the reason.
    #[must_use]
    pub fn with_headers_that(self, may_import: fn(&Header) -> Result<(), String>) -> Self {
        Self { may_import, ..self }
    }

    /// Checks a file, and waits for what comes of it. `timeout` counts from when it is given to its child. `heard` gets what Lean says as it
    /// comes. Whatever happens, there is a verdict.
    pub fn check(
        &self,
        around: &Arc<Surroundings>,
        file: &File,
        times: CheckTimes,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Verdict {
        self.check_knowing(&KnownHeader::default(), around, file, times, cancel, heard)
    }

    /// As [`check`](Self::check), of one of several files that have the same header and are checked in the same: once that could not be imported, it is not
    /// tried again for the others.
    pub fn check_knowing(
        &self,
        known: &KnownHeader,
        around: &Arc<Surroundings>,
        file: &File,
        times: CheckTimes,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Verdict {
        let found = header::read(&file.name, &file.text);
        if cancel.is_cancelled() {
            return Verdict::without_messages(Ending::Cancelled);
        }
        if let Some(refusal) = known.0.get() {
            return refusal.verdict(&found, file);
        }
        self.check_behind(around, file, found.clone(), false, times, cancel, heard).unwrap_or_else(
            |refusal| {
                let verdict = refusal.verdict(&found, file);
                let _ = known.0.set(refusal);
                verdict
            },
        )
    }

    /// As [`check`](Self::check), of a file whose header is known. `has_more`: another file with that header comes soon.
    #[expect(clippy::too_many_arguments, reason = "each is another thing")]
    pub(crate) fn check_behind(
        &self,
        around: &Arc<Surroundings>,
        file: &File,
        mut found: Found,
        has_more: bool,
        times: CheckTimes,
        cancel: &CancelToken,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> Result<Verdict, Refusal> {
        let _running = Running::begin(&self.running);
        let times = Times { timeout: times.timeout, grace: times.grace };
        let check = Check {
            file: &file.name,
            source: &file.text,
            module: &file.module,
            error_kinds: &file.asked.error_kinds,
            extras: file.asked.extras(),
        };
        let mut tries = 0;
        let mut is_own = false;
        loop {
            if cancel.is_cancelled() {
                return Ok(Verdict::without_messages(Ending::Cancelled));
            }
            tries += 1;
            let key = Key { around: around.clone(), header: Arc::new(found.header.clone()) };
            // The last try is made alone: a zygote that dies then dies of this file, not of another that it checked at the same time.
            let place = if tries == TRIES { Place::Alone } else { Place::Shared(None) };
            let zygote = match self.zygote(&key, place, cancel) {
                Ok(zygote) => zygote,
                Err(StartError::Died { .. }) if tries < TRIES => continue,
                Err(StartError::Cancelled) => return Ok(Verdict::without_messages(Ending::Cancelled)),
                // What was killed from outside is no reason to refuse the other files that have this header.
                Err(error) if is_own || matches!(error, StartError::Died { from_outside: true, .. }) => {
                    return Ok(Refusal::of(error).verdict(&found, file));
                }
                Err(error) => return Err(Refusal::of(error)),
            };
            zygote.get().used();
            let gone = match zygote.get().child() {
                Ok(mut child) => {
                    if fork_ahead(self.running.load(Ordering::Relaxed), self.processors, has_more)
                        && zygote.get().fork_ahead()
                    {
                        self.meter.counts.forked_ahead.fetch_add(1, Ordering::Relaxed);
                    }
                    match child.check(&check, times, cancel, heard) {
                        Outcome::Verdict { verdict, may_go_on } => {
                            if may_go_on {
                                zygote.get().keep(child);
                            }
                            let died = matches!(verdict.ending, Ending::Died(_));
                            self.meter.counts.deaths.fetch_add(died.into(), Ordering::Relaxed);
                            return match verdict.ending {
                                // A worker may look at options when it imports, or with each file.
                                Ending::Failed(words) if words.starts_with(UNKNOWN_OPTION) => {
                                    Err(Refusal::UnknownOption(words))
                                }
                                _ => Ok(verdict),
                            };
                        }
                        Outcome::OtherHeader if !is_own => {
                            found = header::whole(&file.name, &file.text);
                            (is_own, tries) = (true, 0);
                            continue;
                        }
                        Outcome::OtherHeader => {
                            let words = "the worker reads another header than its own zygote: build it again with \
                                         `leanpool worker build`";
                            return Ok(Verdict::without_messages(Ending::Failed(words.to_owned())));
                        }
                        Outcome::ZygoteGone(gone) => gone,
                    }
                }
                Err(gone) => gone,
            };
            if cancel.is_cancelled() {
                return Ok(Verdict::without_messages(Ending::Cancelled));
            }
            self.meter.counts.zygote_deaths.fetch_add(1, Ordering::Relaxed);
            heard(Heard::Again);
            if tries == TRIES {
                let words = format!(
                    "the process behind this file's imports ended {TRIES} times while it was checked: {}",
                    gone.0
                );
                return Ok(Verdict::without_messages(Ending::Failed(words)));
            }
        }
    }

    /// The zygote for `key`.
    pub(crate) fn zygote(&self, key: &Key, place: Place, cancel: &CancelToken) -> Result<Lent, StartError> {
        (self.may_import)(&key.header).map_err(StartError::NotAllowed)?;
        let start = |key: &Key| {
            let around = &key.around;
            let rests_on = stale::of_import(&key.header, &around.search_path, around.project.as_deref());
            let started = Zygote::start(
                Start {
                    program: around.worker.clone(),
                    launcher: self.launcher.clone(),
                    config: around.config(&key.header, self.limits.output).map_err(StartError::Refused)?,
                    limits: self.limits.clone(),
                    meter: self.meter.clone(),
                    rests_on: RestsOn::files(rests_on),
                },
                cancel,
            );
            let counts = &self.meter.counts;
            if let Ok(zygote) = &started {
                self.listing.add(key, zygote);
            }
            match &started {
                Ok(_) => counts.zygotes.fetch_add(1, Ordering::Relaxed),
                Err(StartError::Died { .. }) => counts.zygote_deaths.fetch_add(1, Ordering::Relaxed),
                Err(_) => 0,
            };
            started
        };
        match place {
            Place::Alone => start(key).map(Lent::Alone),
            Place::Shared(patience) => {
                self.held.give_back_the_dead();
                self.zygotes.lend(key, patience, cancel, start).map(Lent::Shared)
            }
        }
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The zygote of `key` is of no use any more.
    pub(crate) fn give_up(&self, key: &Key) {
        self.zygotes.give_up(key);
    }

    /// Has a zygote held by a session.
    pub(crate) fn hold(&self, zygote: Lent) -> Held {
        self.held.hold(zygote)
    }

    /// A child ended before it was done.
    pub(crate) fn note_death(&self) {
        self.meter.counts.deaths.fetch_add(1, Ordering::Relaxed);
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counts = &self.meter.counts;
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            zygotes: of(&counts.zygotes),
            zygote_deaths: of(&counts.zygote_deaths),
            children: of(&counts.children),
            forked_ahead: of(&counts.forked_ahead),
            deaths: of(&counts.deaths),
            peak_bytes: self.meter.peak(),
            pool: self.zygotes.stats(),
        }
    }
}

/// Where a zygote is to come from.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The pool, where room is waited for: so long, if that is said.
    Shared(Option<Duration>),
    /// It is started, and nobody else gets it.
    Alone,
}

/// A zygote that is used.
pub(crate) enum Lent {
    Shared(Loan),
    Alone(Zygote),
}

impl Lent {
    pub(crate) fn get(&self) -> &Zygote {
        match self {
            Self::Shared(loan) => loan,
            Self::Alone(zygote) => zygote,
        }
    }
}

/// One who checks, until it is dropped.
struct Running<'c>(&'c AtomicUsize);

impl<'c> Running<'c> {
    fn begin(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How Lean's words begin where it does not know an option, and where an option's value is none.
const UNKNOWN_OPTION: &str = "invalid -D parameter, unknown configuration option";
const BAD_OPTION: &str = "invalid -D parameter";

impl Refusal {
    fn of(error: StartError) -> Self {
        match error {
            StartError::BadHeader(messages) => Self::BadHeader(messages),
            StartError::Refused(words) if words.starts_with(UNKNOWN_OPTION) => Self::UnknownOption(words),
            StartError::Refused(words) if words.starts_with(BAD_OPTION) => Self::Failed(words),
            error => Self::Failed(error.to_string()),
        }
    }
}
