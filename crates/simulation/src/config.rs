//! What a schedule is run with: every capacity policy with every eviction policy and every waiting rule, shared and exclusive.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use pool_core::capacity::{
    Both, MaxIdle, MaxIdlePerKey, MaxIdleWeight, MaxLive, MaxLiveWeight, MaxOpens, MaxResidue, ProcessMemory,
    Unbounded,
};
use pool_core::eviction::{self, IdleTimeout, Lru, MaxAge, TinyLfu};
use pool_core::sync::{CreateOrWait, OpenNow, Queue, WaitIfCheaper};
use pool_core::{Capacity, Eviction};

use crate::thing::Name;

/// Bytes that a resource weighs at most, as it is opened.
pub(crate) const HEAVIEST: u64 = 10;

type Made<T> = fn() -> Box<T>;

/// Limits are small, so that they are met.
pub(crate) const CAPACITIES: &[(&str, Made<dyn Capacity>)] = &[
    ("Unbounded", || Box::new(Unbounded)),
    ("MaxIdle(0)", || Box::new(MaxIdle(0))),
    ("MaxIdle(2)", || Box::new(MaxIdle(2))),
    ("MaxIdlePerKey(1)", || Box::new(MaxIdlePerKey(1))),
    ("MaxIdleWeight(20)", || Box::new(MaxIdleWeight(20))),
    ("MaxLive(1)", || Box::new(MaxLive(1))),
    ("MaxLive(3)", || Box::new(MaxLive(3))),
    ("MaxLive(6)", || Box::new(MaxLive(6))),
    ("MaxLiveWeight(25)", || Box::new(MaxLiveWeight(25))),
    ("MaxOpens(9)", || Box::new(MaxOpens(9))),
    ("MaxResidue(40)", || Box::new(MaxResidue(40))),
    ("ProcessMemory(60)", || Box::new(ProcessMemory::evict_above(60))),
    ("ProcessMemory(60)!", || Box::new(ProcessMemory::refuse_above(60))),
    ("MaxLive(2)&MaxIdle(1)", || Box::new(Both(MaxLive(2), MaxIdle(1)))),
    ("MaxLiveWeight(25)&MaxIdlePerKey(1)", || Box::new(Both(MaxLiveWeight(25), MaxIdlePerKey(1)))),
    ("MaxLive(3)&ProcessMemory(60)", || Box::new(Both(MaxLive(3), ProcessMemory::evict_above(60)))),
    ("MaxLive(2)&MaxLiveWeight(15)", || Box::new(Both(MaxLive(2), MaxLiveWeight(15)))),
];

/// Filters around policies, beside the policies that have a name.
const FILTERS: &[(&str, Made<dyn Eviction<Name>>)] = &[
    ("IdleTimeout(Lru)", || Box::new(IdleTimeout::new(Duration::from_nanos(40), Lru::new()))),
    ("MaxAge(Worth)", || Box::new(MaxAge::new(Duration::from_nanos(60), eviction::Worth::new()))),
    ("TinyLfu(IdleTimeout(Fifo))", || {
        let fifo = eviction::Fifo::default();
        Box::new(TinyLfu::new(IdleTimeout::new(Duration::from_nanos(40), fifo)))
    }),
];

/// What an acquire waits for, rather than open.
const WAITING: &[&str] = &["OpenNow", "WaitIfCheaper", "WaitAlways"];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Faults {
    /// Opens fail and panic, resources break and grow.
    Opens,
    /// And all user code that runs outside the lock panics.
    Code,
    /// And policies, key equality, and the `Clone`s that run inside it.
    Policies,
}

const FAULTS: &[(&str, Faults)] =
    &[("opens", Faults::Opens), ("code", Faults::Code), ("policies", Faults::Policies)];

/// One configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) capacity: &'static str,
    pub(crate) eviction: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) shared: bool,
    pub(crate) faults: Faults,
    pub(crate) threads: u16,
    pub(crate) keys: u16,
    pub(crate) remembered_keys: usize,
    /// Acquires say what they will weigh, and weights don't change: limits on weight hold exactly then.
    pub(crate) exact_weights: bool,
    /// Leases may be leaked.
    pub(crate) leaks: bool,
    /// How many may be opened at once.
    pub(crate) max_opening: u64,
    /// The limits change, by another capacity policy and back.
    pub(crate) changes: Option<&'static str>,
    /// Of a thousand times, how often a thread goes on that could be interrupted.
    pub(crate) sticky: u16,
}

fn evictions() -> impl Iterator<Item = &'static str> {
    eviction::NAMES.iter().copied().chain(FILTERS.iter().map(|(name, _)| *name))
}

fn any<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

impl Config {
    /// How many there are of capacity × eviction × waiting × sharing.
    pub(crate) fn combinations() -> usize {
        CAPACITIES.len() * evictions().count() * WAITING.len() * 2
    }

    pub(crate) fn drawn(rng: &mut Rng) -> Self {
        let evictions: Vec<_> = evictions().collect();
        Self {
            capacity: any(rng, CAPACITIES).0,
            eviction: any(rng, &evictions),
            waiting: any(rng, WAITING),
            shared: rng.bool(),
            faults: any(rng, FAULTS).1,
            threads: rng.u16(1..=6),
            keys: rng.u16(1..=4),
            remembered_keys: any(rng, &[0, 1, 4096]),
            exact_weights: rng.bool(),
            leaks: rng.u8(..5) == 0,
            max_opening: any(rng, &[1, 2, 64, 64]),
            changes: (rng.u8(..4) == 0).then(|| any(rng, CAPACITIES).0),
            sticky: any(rng, &[0, 500, 900]),
        }
    }

    /// Which of the [`combinations`](Config::combinations) it is.
    pub(crate) fn combination(&self) -> usize {
        fn place(name: &str, mut all: impl Iterator<Item = &'static str>) -> usize {
            all.position(|it| it == name).expect("its names are known")
        }
        let capacity = place(self.capacity, CAPACITIES.iter().map(|(name, _)| *name));
        let eviction = place(self.eviction, evictions());
        let waiting = place(self.waiting, WAITING.iter().copied());
        ((capacity * evictions().count() + eviction) * WAITING.len() + waiting) * 2 + usize::from(self.shared)
    }

    /// With what `part` fixes.
    pub(crate) fn with(mut self, part: &Fixed) -> Self {
        part.0.iter().for_each(|fix| fix(&mut self));
        self
    }

    pub(crate) fn capacity(&self) -> Box<dyn Capacity> {
        capacity(self.capacity)
    }

    pub(crate) fn eviction(&self) -> Box<dyn Eviction<Name>> {
        match FILTERS.iter().find(|(name, _)| *name == self.eviction) {
            Some((_, make)) => make(),
            None => eviction::named(self.eviction).expect("a known name"),
        }
    }

    pub(crate) fn create_or_wait(&self) -> Box<dyn CreateOrWait> {
        match self.waiting {
            "OpenNow" => Box::new(OpenNow),
            "WaitIfCheaper" => Box::new(WaitIfCheaper),
            _ => Box::new(WaitAlways),
        }
    }

    /// The number in `kind(number)`, if the capacity policy has such a part.
    pub(crate) fn limit(&self, kind: &str) -> Option<u64> {
        let part = self.capacity.split('&').find_map(|part| part.strip_prefix(kind)?.strip_prefix('('))?;
        part.strip_suffix(')')?.parse().ok()
    }

    /// Whether the policy names a victim wherever something is idle, and nothing keeps it from being asked.
    pub(crate) fn gives_up(&self) -> bool {
        self.eviction != "RejectIncoming"
    }
}

/// The capacity policy of that name.
pub(crate) fn capacity(name: &str) -> Box<dyn Capacity> {
    CAPACITIES.iter().find(|(known, _)| *known == name).expect("a known name").1()
}

/// Waits for the lease to end, for a while.
#[derive(Debug)]
struct WaitAlways;

impl CreateOrWait for WaitAlways {
    fn wait(&self, _: &Queue) -> Option<u64> {
        Some(50)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = FAULTS.iter().find(|(_, faults)| *faults == self.faults).expect("all are there").0;
        let Self { capacity, eviction, waiting, shared, threads, keys, .. } = self;
        let Self { remembered_keys, exact_weights, leaks, sticky, .. } = self;
        write!(
            f,
            "capacity={capacity},eviction={eviction},waiting={waiting},shared={shared},faults={faults},"
        )?;
        write!(
            f,
            "threads={threads},keys={keys},remembered={remembered_keys},exact_weights={exact_weights},"
        )?;
        let changes = self.changes.unwrap_or("no");
        write!(f, "leaks={leaks},max_opening={},changes={changes},sticky={sticky}", self.max_opening)
    }
}

type Fix = Arc<dyn Fn(&mut Config) + Send + Sync>;

/// What `--config` fixes of each configuration.
#[derive(Clone, Default)]
pub(crate) struct Fixed(Vec<Fix>);

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fixed").field(&self.0.len()).finish()
    }
}

/// The names that `--config` takes.
const NAMES: &str = "capacity, eviction, waiting, shared, faults, threads, keys, remembered, exact_weights, leaks, max_opening, changes, sticky";

impl FromStr for Fixed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fixes = text.split(',').filter(|part| !part.is_empty()).map(|part| {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is no name=value; the names are {NAMES}"))?;
            fix(name.trim(), value.trim())
        });
        fixes.collect::<Result<_, _>>().map(Self)
    }
}

fn known(value: &str, all: impl Iterator<Item = &'static str>) -> Result<&'static str, String> {
    let all: Vec<_> = all.collect();
    let found = all.iter().find(|known| known.eq_ignore_ascii_case(value));
    found.copied().ok_or_else(|| format!("`{value}` is none of {}", all.join(", ")))
}

fn parsed<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is no value of {name}"))
}

fn fix(name: &str, value: &str) -> Result<Fix, String> {
    Ok(match name {
        "capacity" => {
            let value = known(value, CAPACITIES.iter().map(|(name, _)| *name))?;
            Arc::new(move |config| config.capacity = value)
        }
        "eviction" => {
            let value = known(value, evictions())?;
            Arc::new(move |config| config.eviction = value)
        }
        "waiting" => {
            let value = known(value, WAITING.iter().copied())?;
            Arc::new(move |config| config.waiting = value)
        }
        "faults" => {
            let value = known(value, FAULTS.iter().map(|(name, _)| *name))?;
            let value = FAULTS.iter().find(|(name, _)| *name == value).expect("it is known").1;
            Arc::new(move |config| config.faults = value)
        }
        "shared" => {
            let value = parsed(name, value)?;
            Arc::new(move |config| config.shared = value)
        }
        "threads" => {
            let value: u16 = parsed(name, value)?;
            Arc::new(move |config| config.threads = value.max(1))
        }
        "keys" => {
            let value: u16 = parsed(name, value)?;
            Arc::new(move |config| config.keys = value.max(1))
        }
        "remembered" => {
            let value = parsed(name, value)?;
            Arc::new(move |config| config.remembered_keys = value)
        }
        "exact_weights" => {
            let value = parsed(name, value)?;
            Arc::new(move |config| config.exact_weights = value)
        }
        "max_opening" => {
            let value: u64 = parsed(name, value)?;
            Arc::new(move |config| config.max_opening = value.max(1))
        }
        "changes" => {
            let value = match value {
                "no" => None,
                value => Some(known(value, CAPACITIES.iter().map(|(name, _)| *name))?),
            };
            Arc::new(move |config| config.changes = value)
        }
        "leaks" => {
            let value = parsed(name, value)?;
            Arc::new(move |config| config.leaks = value)
        }
        "sticky" => {
            let value: u16 = parsed(name, value)?;
            Arc::new(move |config| config.sticky = value.min(1000))
        }
        _ => return Err(format!("`{name}` is none of {NAMES}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_prints_is_what_config_takes() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..1000 {
            let config = Config::drawn(&mut rng);
            let fixed: Fixed = config.to_string().parse().unwrap();
            assert_eq!(Config::drawn(&mut rng).with(&fixed), config);
        }
    }

    #[test]
    fn wrong_values_are_told_the_right_ones() {
        let error = |text: &str| text.parse::<Fixed>().unwrap_err();
        assert!(error("eviction=Oracle").contains("Lru"), "{}", error("eviction=Oracle"));
        assert!(error("colour=red").contains("capacity"), "{}", error("colour=red"));
        assert!(error("shared").contains("name=value"), "{}", error("shared"));
        assert!(error("keys=-1").contains("keys"), "{}", error("keys=-1"));
    }

    #[test]
    fn every_combination_is_drawn() {
        let mut rng = Rng::with_seed(2);
        let drawn: std::collections::BTreeSet<_> =
            (0..20 * Config::combinations()).map(|_| Config::drawn(&mut rng).combination()).collect();
        assert_eq!(drawn, (0..Config::combinations()).collect());
    }
}
