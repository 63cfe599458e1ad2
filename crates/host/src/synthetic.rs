//! Made-up workloads, for those who study what to keep: the same text and seed give the same requests everywhere.
//!
//! ```
//! use leanpool::synthetic::Synthetic;
//!
//! let workload: Synthetic = "zipf:0.9:keys=50:n=1000".parse()?;
//! let trace = workload.trace();
//! assert_eq!(trace.name, "zipf:0.9:keys=50:n=1000:seed=1");
//! assert_eq!((trace.len(), trace.distinct_keys()), (1000, 50));
//! # Ok::<(), leanpool::synthetic::SyntheticError>(())
//! ```

mod draw;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use mock_backend::ModuleGraph;
use pool_core::Names as Imports;

use crate::trace::Trace;

use draw::{SplitMix64, Zipf};

/// The kinds of workloads with their parameters and defaults, for `--help`.
pub const HELP: &str = "\
Synthetic workloads, KIND:VALUE and then parameters in any order, all separated by colons:
  zipf:EXPONENT   each request by itself asks for the key of rank r with a probability in
                  proportion to 1/r^EXPONENT; 0 (all alike) to 10
                  zipf:0.9:keys=500:n=20000
  scan:LENGTH     Zipf requests of exponent 0.9, broken by scans of LENGTH keys that are asked
                  for this once
                  every=1000  Zipf requests before each scan
                  scan:100:every=400
  burst:LENGTH    a key, any of them, is asked for LENGTH times on average, and then no more
                  than others
                  overlap=4   bursts under way at a time, taking turns at random
                  burst:20:overlap=8
  shift:PERIOD    Zipf requests, but every PERIOD requests the rarest key becomes the most
                  frequent, and all others go down a rank
                  skew=0.9    the exponent
                  shift:200:skew=1.1
Parameters of all kinds:
  keys=500        different keys (of scan: beside those scanned), at most 10000000
  n=20000         requests, one a second, at most 10000000
  seed=1          the same text and seed give the same requests, on every machine
A key is Init and one or more modules of Init, Std, Lean or Batteries, so keys differ in what
they cost; the seed also decides which these are.";

/// A workload that is made up, read from a text such as `scan:100:every=400:keys=200`.
///
/// The text names a kind with its value, and then parameters `NAME=NUMBER` in any order:
///
/// | kind | requests | parameters, with defaults |
/// | --- | --- | --- |
/// | `zipf:EXPONENT` | independent, Zipf-distributed; exponent 0 is uniform, 10 the most | |
/// | `scan:LENGTH` | Zipf of exponent 0.9, and after every so many of them a scan of `LENGTH` keys that are asked for this once | `every=1000` |
/// | `burst:LENGTH` | a key, picked uniformly, is asked for `LENGTH` times on average (geometrically distributed); so many bursts take turns at random | `overlap=4` |
/// | `shift:PERIOD` | Zipf, and every `PERIOD` requests the rarest key becomes the most frequent, and all others go down a rank | `skew=0.9` |
/// | all | one a second; `keys` different ones, beside those scanned | `keys=500`, `n=20000`, `seed=1` |
///
/// [`Display`](fmt::Display) gives the text in canonical form: every parameter, in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    kind: Kind,
    keys: u64,
    n: u64,
    seed: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Zipf { exponent: f64 },
    Scan { length: u64, every: u64 },
    Burst { length: u64, overlap: u64 },
    Shift { period: u64, skew: f64 },
}

/// Why a text is no workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}': expected {expected}, as in '{example}'", part.escape_debug())]
pub struct SyntheticError {
    /// The part that is wrong.
    pub part: String,
    /// What should be there.
    pub expected: String,
    /// A right text.
    pub example: &'static str,
}

/// Most keys, requests, and so on.
const MOST: u64 = 10_000_000;
const MOST_EXPONENT: f64 = 10.0;
/// The exponent where none is given: what request logs of caches show, roughly.
const SKEW: f64 = 0.9;

impl FromStr for Synthetic {
    type Err = SyntheticError;

    fn from_str(text: &str) -> Result<Self, SyntheticError> {
        let mut parts = text.split(':');
        let kind = parts.next().unwrap_or_default();
        let (own, example) = match kind {
            "zipf" => (None, "zipf:0.9:keys=500:n=20000"),
            "scan" => (Some("every"), "scan:100:every=400"),
            "burst" => (Some("overlap"), "burst:20:overlap=8"),
            "shift" => (Some("skew"), "shift:200:skew=1.1"),
            _ => {
                let expected = "one of the kinds zipf, scan, burst and shift".to_owned();
                return Err(SyntheticError { part: kind.to_owned(), expected, example: "zipf:0.9" });
            }
        };
        let error = |part: &str, expected| SyntheticError { part: part.to_owned(), expected, example };
        let value = parts.next().ok_or_else(|| error(kind, "a number after the kind".to_owned()))?;
        let names: Vec<&str> = own.into_iter().chain(["keys", "n", "seed"]).collect();
        let mut given = HashMap::new();
        for part in parts {
            let parameter = part.split_once('=').filter(|(name, _)| names.contains(name));
            let Some((name, number)) = parameter else {
                return Err(error(part, format!("one of the parameters {}=", names.join("=, "))));
            };
            if given.insert(name, (part, number)).is_some() {
                return Err(error(part, format!("{name}= only once")));
            }
        }

        let whole_in = |part: &str, number: &str, least: u64, most: u64| {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse().ok().filter(|number| is_number && (least..=most).contains(number));
            number.ok_or_else(|| error(part, format!("a whole number from {least} to {most}")))
        };
        let exponent_in = |part: &str, number: &str| {
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let number = number.parse().ok().filter(|number| is_number && *number <= MOST_EXPONENT);
            number.ok_or_else(|| error(part, format!("an exponent, a number from 0 to {MOST_EXPONENT}")))
        };
        let whole = |name, least, most, default| {
            given.get(name).map_or(Ok(default), |&(part, number)| whole_in(part, number, least, most))
        };
        let length = || whole_in(value, value, 1, MOST);
        let kind = match kind {
            "zipf" => Kind::Zipf { exponent: exponent_in(value, value)? },
            "scan" => Kind::Scan { length: length()?, every: whole("every", 1, MOST, 1000)? },
            "burst" => Kind::Burst { length: length()?, overlap: whole("overlap", 1, MOST, 4)? },
            _ => {
                let skew = given.get("skew").map_or(Ok(SKEW), |&(part, number)| exponent_in(part, number))?;
                Kind::Shift { period: length()?, skew }
            }
        };
        let (keys, n) = (whole("keys", 1, MOST, 500)?, whole("n", 1, MOST, 20_000)?);
        Ok(Self { kind, keys, n, seed: whole("seed", 0, u64::MAX, 1)? })
    }
}

impl fmt::Display for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Zipf { exponent } => write!(f, "zipf:{exponent}")?,
            Kind::Scan { length, every } => write!(f, "scan:{length}:every={every}")?,
            Kind::Burst { length, overlap } => write!(f, "burst:{length}:overlap={overlap}")?,
            Kind::Shift { period, skew } => write!(f, "shift:{period}:skew={skew}")?,
        }
        write!(f, ":keys={}:n={}:seed={}", self.keys, self.n, self.seed)
    }
}

impl Synthetic {
    /// The requests, under the text's canonical form as their name.
    ///
    /// They are the same on every machine with the floating point of IEEE 754, and stay the same as long as the module
    /// table of Lean 4.27.0 does: only operations that have one right result decide.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let graph = ModuleGraph::lean_4_27();
        let mut random = SplitMix64(self.seed);
        // Which modules a key has decides its cost, which must not go with how often it is asked for.
        let mut modules = graph.names();
        for place in (1..modules.len()).rev() {
            modules.swap(place, random.below(place as u64 + 1) as usize);
        }
        let mut numbers: HashMap<u64, u32, foldhash::fast::RandomState> = HashMap::default();
        let mut keys = Vec::new();
        let mut requests = Vec::with_capacity(self.n as usize);
        self.each_key(&mut random, |key| {
            requests.push(*numbers.entry(key).or_insert_with(|| {
                keys.push(imports(&modules, key));
                keys.len() as u32 - 1
            }));
        });
        Trace::of_numbers(self.to_string(), keys, requests)
    }

    /// The number of the key that each request asks for, in order.
    fn each_key(&self, random: &mut SplitMix64, mut each: impl FnMut(u64)) {
        let Self { keys, n, .. } = *self;
        match self.kind {
            Kind::Zipf { exponent } => {
                let zipf = Zipf::new(keys, exponent);
                (0..n).for_each(|_| each(zipf.draw(random)));
            }
            Kind::Scan { length, every } => {
                let (zipf, mut fresh) = (Zipf::new(keys, SKEW), keys..);
                let mut scanned = |at| (at % (every + length) >= every).then(|| fresh.next()).flatten();
                (0..n).for_each(|at| each(scanned(at).unwrap_or_else(|| zipf.draw(random))));
            }
            Kind::Burst { length, overlap } => {
                let mut bursts: Vec<u64> = (0..overlap).map(|_| random.below(keys)).collect();
                for _ in 0..n {
                    let burst = &mut bursts[random.below(overlap) as usize];
                    let key = *burst;
                    if random.below(length) == 0 {
                        *burst = random.below(keys);
                    }
                    each(key);
                }
            }
            Kind::Shift { period, skew } => {
                let zipf = Zipf::new(keys, skew);
                (0..n).for_each(|at| each((zipf.draw(random) + keys - (at / period) % keys) % keys));
            }
        }
    }
}

/// `Init`, and one module for each digit of `key` written to the base of how many modules there are. The digits count
/// from 1, as the letters do that name a spreadsheet's columns, so no two keys have the same.
fn imports(modules: &[&str], mut key: u64) -> Imports {
    let base = modules.len() as u64;
    let mut names = vec!["Init"];
    loop {
        names.push(modules[(key % base) as usize]);
        if key < base {
            return Imports::new(names);
        }
        key = key / base - 1;
    }
}

#[cfg(test)]
mod tests;
