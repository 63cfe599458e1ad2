//! What each virtual thread of a schedule does.

use std::fmt;

use fastrand::Rng;

use crate::config::{Config, HEAVIEST};

/// The parts of all threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script(pub(crate) Vec<Vec<Step>>);

/// One step of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Acquire(Acquire),
    /// So much virtual time passes.
    Pass(u64),
    Drain,
    EvictExpired,
    /// What is idle of that key is stale.
    DropStale(u16),
    Prewarm(Vec<u16>),
    /// What was opened for that key, or for all, is no good any more.
    Invalidate(Option<u16>),
    /// The limits change: to others, or back.
    ChangeLimits,
    /// The acquires of that thread that may be cancelled are.
    Cancel(u16),
    Close,
    CloseAndWait(u64),
    /// Everything is looked at that can be.
    Look,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acquire {
    pub(crate) key: u16,
    pub(crate) patience: Patience,
    /// Whether it gives up when its thread is cancelled.
    pub(crate) cancellable: bool,
    pub(crate) open: Open,
    /// Whether it asks as a task does, and if so what drops it.
    pub(crate) task: Option<Dropped>,
    /// For how much virtual time the lease is held.
    pub(crate) hold: u64,
    /// Asked for while it is held.
    pub(crate) during: Option<Box<Acquire>>,
    pub(crate) end: End,
}

/// Where a task that asks is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Nowhere,
    /// When it waits, having been polled so often.
    Waiting(u8),
    /// In the middle of its open.
    Opening,
}

/// How long an acquire waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Forever,
    Never,
    For(u64),
}

/// What its open does, if it comes to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) takes: u64,
    pub(crate) weight: u64,
    pub(crate) residue: u64,
    pub(crate) outcome: Outcome,
    /// Asked for in the middle of it.
    pub(crate) during: Option<Box<Acquire>>,
    /// Asked for by the destructor of what it opens.
    pub(crate) last_will: Option<Box<Acquire>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Opens,
    Fails,
    Panics,
}

impl Open {
    /// Without anything special.
    pub(crate) fn plain() -> Self {
        Self { takes: 1, weight: 0, residue: 0, outcome: Outcome::Opens, during: None, last_will: None }
    }
}

/// How a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Release,
    Discard,
    Detach,
    Panic,
    Leak,
}

/// Draws scripts in which leases and opens end, whoever comes first: so every wait has to end.
struct Draw<'a> {
    rng: &'a mut Rng,
    config: &'a Config,
}

impl Script {
    pub(crate) fn drawn(rng: &mut Rng, config: &Config) -> Self {
        let mut draw = Draw { rng, config };
        Self((0..config.threads).map(|_| draw.thread()).collect())
    }

    pub(crate) fn steps(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl Draw<'_> {
    fn one_in(&mut self, of: u16) -> bool {
        self.rng.u16(..of) == 0
    }

    fn thread(&mut self) -> Vec<Step> {
        (0..self.rng.u16(1..=8)).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        let Self { rng, config, .. } = self;
        match rng.u16(..100) {
            0..70 => Step::Acquire(self.acquire(0, 0, false)),
            70..78 => Step::Pass(rng.u64(1..=30)),
            78..82 => Step::Cancel(rng.u16(..config.threads)),
            82..85 => Step::Drain,
            85..88 => Step::EvictExpired,
            88..89 => Step::DropStale(rng.u16(..config.keys)),
            89..91 if rng.bool() && config.changes.is_some() => Step::ChangeLimits,
            89..91 => Step::Invalidate(rng.bool().then(|| rng.u16(..config.keys))),
            91..95 => Step::Prewarm((0..rng.u16(1..=3)).map(|_| rng.u16(..config.keys)).collect()),
            95..98 => Step::Look,
            98 if rng.bool() => Step::Close,
            99 if rng.bool() => Step::CloseAndWait(rng.u64(..60)),
            _ => Step::Pass(1),
        }
    }

    /// `depth` acquires of the same thread are under way, and it holds a lease if `holds`. Such a one waits for ever only where leases
    /// can't wait for each other: if each key is asked for after those before it, and all of them fit. `from` is the first key.
    fn acquire(&mut self, depth: u16, from: u16, holds: bool) -> Acquire {
        let config = self.config;
        let all_fit = config.changes.is_none()
            && config.max_opening >= u64::from(config.threads)
            && config
                .limit("MaxLive")
                .is_none_or(|limit| config.gives_up() && limit >= 3 * u64::from(config.threads))
            && config.limit("MaxLiveWeight").is_none()
            && !config.capacity.contains("ProcessMemory");
        let in_order = from < config.keys;
        let may_wait_for_ever = !holds || (in_order && all_fit && config.waiting == "OpenNow");
        let key = if holds && may_wait_for_ever {
            self.rng.u16(from..config.keys)
        } else {
            self.rng.u16(..config.keys)
        };
        let patience = match self.rng.u16(..10) {
            0 => Patience::Never,
            1..7 if may_wait_for_ever => Patience::Forever,
            _ => Patience::For(self.rng.u64(..80)),
        };
        let nests = depth < 2 && self.one_in(6);
        let during = nests.then(|| Box::new(self.acquire(depth + 1, key + 1, true)));
        let mut open = self.open(depth, key, holds);
        // Whoever asks in the middle of something else is a thread: a task is not known to block it.
        let task = (depth == 0 && !holds && self.one_in(3)).then(|| match self.rng.u16(..6) {
            0 | 1 => Dropped::Waiting(self.rng.u8(1..=3)),
            2 => Dropped::Opening,
            _ => Dropped::Nowhere,
        });
        if task.is_some() {
            open.during = None;
        }
        let end = match self.rng.u16(..20) {
            0 => End::Discard,
            1 | 2 => End::Detach,
            3 if config.faults != crate::config::Faults::Opens => End::Panic,
            4 if config.leaks => End::Leak,
            _ => End::Release,
        };
        let hold = if self.rng.bool() { 0 } else { self.rng.u64(..30) };
        Acquire { key, patience, cancellable: self.rng.bool(), open, task, hold, during, end }
    }

    fn open(&mut self, depth: u16, key: u16, holds: bool) -> Open {
        let takes = if self.rng.bool() { 0 } else { self.rng.u64(..40) };
        let outcome = match self.rng.u16(..12) {
            0 => Outcome::Fails,
            1 => Outcome::Panics,
            _ => Outcome::Opens,
        };
        let asks = depth < 1 && self.one_in(12);
        let during = asks.then(|| Box::new(self.acquire(2, key + 1, holds)));
        let has_will = depth < 1 && self.one_in(20);
        // Whoever drops it may hold a lease.
        let last_will = has_will.then(|| Box::new(self.acquire(2, u16::MAX, true)));
        Open {
            takes,
            weight: self.rng.u64(..=HEAVIEST),
            residue: self.rng.u64(..3),
            outcome,
            during,
            last_will,
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, steps) in self.0.iter().enumerate() {
            writeln!(f, "  thread {}", number + 1)?;
            for step in steps {
                writeln!(f, "    {step}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquire(acquire) => write!(f, "{acquire}"),
            Self::Pass(nanos) => write!(f, "lets {nanos} ns pass"),
            Self::Drain => f.write_str("drains"),
            Self::EvictExpired => f.write_str("evicts what has expired"),
            Self::DropStale(key) => write!(f, "drops what is stale, which is k{key}"),
            Self::Prewarm(keys) => write!(f, "prewarms keys {keys:?}"),
            Self::Invalidate(Some(key)) => write!(f, "invalidates k{key}"),
            Self::Invalidate(None) => f.write_str("invalidates all"),
            Self::ChangeLimits => f.write_str("changes the limits"),
            Self::Cancel(thread) => write!(f, "cancels thread {}", thread + 1),
            Self::Close => f.write_str("closes"),
            Self::CloseAndWait(nanos) => write!(f, "closes, and waits for {nanos} ns"),
            Self::Look => f.write_str("looks"),
        }
    }
}

impl fmt::Display for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, patience, cancellable, open, task, hold, during, end } = self;
        write!(f, "k{key}")?;
        match task {
            None => {}
            Some(Dropped::Nowhere) => f.write_str(", as a task")?,
            Some(Dropped::Waiting(polls)) => {
                write!(f, ", as a task that is dropped if it waits at poll {polls}")?;
            }
            Some(Dropped::Opening) => f.write_str(", as a task that is dropped in its open")?,
        }
        match patience {
            Patience::Forever => {}
            Patience::Never => f.write_str(", without waiting")?,
            Patience::For(nanos) => write!(f, ", for {nanos} ns")?,
        }
        if *cancellable {
            f.write_str(", may be cancelled")?;
        }
        let Open { takes, weight, residue, outcome, during: in_open, last_will } = open;
        let outcome = match outcome {
            Outcome::Opens => "opens",
            Outcome::Fails => "fails to open",
            Outcome::Panics => "panics in its open",
        };
        write!(f, " ({outcome} after {takes} ns, {weight} bytes, {residue} for good")?;
        if let Some(in_open) = in_open {
            write!(f, "; meanwhile [{in_open}]")?;
        }
        if let Some(last_will) = last_will {
            write!(f, "; its destructor [{last_will}]")?;
        }
        f.write_str(")")?;
        if *hold > 0 {
            write!(f, ", held for {hold} ns")?;
        }
        if let Some(during) = during {
            write!(f, ", meanwhile [{during}]")?;
        }
        match end {
            End::Release => Ok(()),
            End::Discard => f.write_str(", discarded"),
            End::Detach => f.write_str(", taken out"),
            End::Panic => f.write_str(", then panics"),
            End::Leak => f.write_str(", leaked"),
        }
    }
}
