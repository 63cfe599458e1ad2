//! Made-up workloads, for those who study what to keep: the same text and seed give the same requests everywhere.
//!
//! ```
//! use host::synthetic::Synthetic;
//!
//! let workload: Synthetic = "zipf:0.9:keys=50:n=1000".parse()?;
//! let trace = workload.trace();
//! assert_eq!(trace.name, "zipf:0.9:keys=50:n=1000:seed=1");
//! assert_eq!((trace.requests.len(), trace.distinct_keys), (1000, 50));
//! # Ok::<(), host::synthetic::SyntheticError>(())
//! ```

mod draw;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use mock_backend::ModuleGraph;
use pool_core::Imports;

use crate::trace::{Request, Trace};

use draw::{SplitMix64, Zipf};

/// The kinds of workloads with their parameters and defaults, for `--help`.
pub const HELP: &str = "\
Synthetic workloads, KIND:VALUE and then parameters in any order, all separated by colons:
  zipf:EXPONENT   each request by itself asks for the key of rank r with a probability in proportion to 1/r^EXPONENT;
                  0 (all alike) to 10
                  zipf:0.9:keys=500:n=20000
  scan:LENGTH     Zipf requests of exponent 0.9, broken by scans of LENGTH keys that are asked for this once
                  every=1000  Zipf requests before each scan
                  scan:100:every=400
  burst:LENGTH    a key, any of them, is asked for LENGTH times on average, and then no more than others
                  overlap=4   bursts under way at a time, taking turns at random
                  burst:20:overlap=8
  shift:PERIOD    Zipf requests, but every PERIOD requests the rarest key becomes the most frequent, and all others go
                  down a rank
                  skew=0.9    the exponent
                  shift:200:skew=1.1
Parameters of all kinds:
  keys=500        different keys (of scan: beside those scanned), at most 10000000
  n=20000         requests, one a second, at most 10000000
  seed=1          the same text and seed give the same requests, on every machine
A key is Init and one or more modules of Init, Std, Lean or Batteries, so keys differ in what they cost; the seed also
decides which these are.";

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
        let mut lists = HashMap::new();
        let request = |(seconds, key)| {
            let imports = lists.entry(key).or_insert_with(|| imports(&modules, key)).clone();
            Request { seconds, imports }
        };
        let requests = (0..).zip(self.keys_in_order(&mut random)).map(request).collect();
        Trace { name: self.to_string(), requests, distinct_keys: lists.len() }
    }

    /// The number of the key that each request asks for.
    fn keys_in_order(&self, random: &mut SplitMix64) -> Vec<u64> {
        let Self { keys, n, .. } = *self;
        match self.kind {
            Kind::Zipf { exponent } => {
                let zipf = Zipf::new(keys, exponent);
                (0..n).map(|_| zipf.draw(random)).collect()
            }
            Kind::Scan { length, every } => {
                let (zipf, mut fresh) = (Zipf::new(keys, SKEW), keys..);
                let mut scanned = |at| (at % (every + length) >= every).then(|| fresh.next()).flatten();
                (0..n).map(|at| scanned(at).unwrap_or_else(|| zipf.draw(random))).collect()
            }
            Kind::Burst { length, overlap } => {
                let mut bursts: Vec<u64> = (0..overlap).map(|_| random.below(keys)).collect();
                let mut next = || {
                    let burst = &mut bursts[random.below(overlap) as usize];
                    let key = *burst;
                    if random.below(length) == 0 {
                        *burst = random.below(keys);
                    }
                    key
                };
                (0..n).map(|_| next()).collect()
            }
            Kind::Shift { period, skew } => {
                let zipf = Zipf::new(keys, skew);
                (0..n).map(|at| (zipf.draw(random) + keys - (at / period) % keys) % keys).collect()
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
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn parse(text: &str) -> Synthetic {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn keys(text: &str) -> Vec<u64> {
        let workload = parse(text);
        workload.keys_in_order(&mut SplitMix64(workload.seed))
    }

    #[test]
    fn a_text_gives_the_same_requests_for_ever() {
        for (text, expected) in [
            ("zipf:0.9:n=10", [44, 130, 432, 19, 19, 143, 267, 33, 5, 170]),
            ("scan:3:every=4:n=10", [44, 130, 432, 19, 500, 501, 502, 19, 143, 267]),
            ("burst:4:overlap=2:n=10", [372, 283, 372, 283, 283, 283, 283, 372, 372, 322]),
            ("shift:3:skew=1.1:n=10", [14, 54, 378, 5, 5, 61, 160, 8, 0, 77]),
        ] {
            assert_eq!(keys(text), expected, "{text}");
        }
        let trace = parse("zipf:0:keys=5000:n=3:seed=7").trace();
        let lists: Vec<String> = trace.requests.iter().map(|request| request.imports.to_string()).collect();
        assert_eq!(
            lists,
            [
                "Init Lean.ReservedNameAction Lean.ToLevel",
                "Init Lean.Elab.Tactic.BVDecide.Frontend.Normalize.ApplyControlFlow",
                "Init Std.Time.Date.PlainDate"
            ]
        );
        assert_eq!(trace.requests.iter().map(|request| request.seconds).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn another_seed_gives_other_requests_and_other_costs() {
        assert_ne!(keys("zipf:0.9:seed=1"), keys("zipf:0.9:seed=2"));
        let only = |text| parse(text).trace().requests[0].imports.clone();
        assert_ne!(only("zipf:0:keys=1:n=1:seed=1"), only("zipf:0:keys=1:n=1:seed=2"));
    }

    #[test]
    fn scanned_keys_are_asked_for_once_and_hot_ones_in_between() {
        let keys = keys("scan:30:every=70:keys=50:n=1000");
        let (hot, scanned): (Vec<u64>, Vec<u64>) = keys.iter().partition(|&&key| key < 50);
        assert_eq!((hot.len(), scanned.len()), (700, 300));
        assert_eq!(scanned.iter().collect::<HashSet<_>>().len(), 300);
        assert!(keys.chunks(100).all(|round| round[..70].iter().all(|&key| key < 50)));
    }

    #[test]
    fn bursts_are_as_long_as_asked_on_average() {
        let keys = keys("burst:20:overlap=1:keys=1000000:n=100000");
        let bursts = 1 + keys.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!((4_700..5_300).contains(&bursts), "{bursts}");
    }

    #[test]
    fn after_each_period_all_keys_go_down_a_rank() {
        let plain = keys("zipf:0.9:keys=10:n=100");
        let shifted = keys("shift:4:keys=10:n=100");
        for (at, (rank, key)) in plain.into_iter().zip(shifted).enumerate() {
            assert_eq!((key + at as u64 / 4) % 10, rank);
        }
    }

    #[test]
    fn keys_are_counted_differ_and_cost_what_was_measured() {
        for (text, expected) in [
            ("zipf:0:keys=300", 300),
            ("zipf:10:keys=1", 1),
            ("scan:30:every=70:keys=5:n=1000", 305),
            ("zipf:0:keys=3000:n=50000", 3000),
        ] {
            let trace = parse(text).trace();
            let lists: HashSet<&Imports> = trace.requests.iter().map(|request| &request.imports).collect();
            assert_eq!((trace.distinct_keys, lists.len()), (expected, expected), "{text}");
            let graph = ModuleGraph::lean_4_27();
            let modules: HashSet<u64> = lists.iter().map(|list| graph.closure(list).modules).collect();
            assert!(modules.len() >= expected.min(50), "{text}: {} costs", modules.len());
            assert!(lists.iter().all(|list| !graph.closure(list).assumed));
        }
    }

    #[test]
    fn the_canonical_text_names_the_same_workload() {
        for (text, canonical) in [
            ("zipf:0", "zipf:0:keys=500:n=20000:seed=1"),
            ("zipf:.90:seed=0:n=5:keys=010", "zipf:0.9:keys=10:n=5:seed=0"),
            ("scan:9:n=7", "scan:9:every=1000:keys=500:n=7:seed=1"),
            ("burst:2:overlap=3", "burst:2:overlap=3:keys=500:n=20000:seed=1"),
            ("shift:5:skew=10", "shift:5:skew=10:keys=500:n=20000:seed=1"),
            ("zipf:1:seed=18446744073709551615", "zipf:1:keys=500:n=20000:seed=18446744073709551615"),
        ] {
            let workload = parse(text);
            assert_eq!(workload.to_string(), canonical);
            assert_eq!(parse(canonical), workload);
        }
    }

    #[test]
    fn the_help_names_every_parameter_and_its_examples_are_right() {
        let words: Vec<&str> = HELP.split_whitespace().collect();
        let examples = words.iter().filter(|word| word.contains(':') && word.contains('='));
        let examples: Vec<Synthetic> = examples.map(|example| parse(example)).collect();
        assert_eq!(examples.len(), 4);
        for text in ["zipf:0", "scan:1", "burst:1", "shift:1"] {
            for default in parse(text).to_string().split(':').skip(2) {
                assert!(words.contains(&default), "{default}");
            }
        }
    }

    #[test]
    fn each_wrong_text_is_answered_with_the_part_what_was_expected_and_an_example() {
        let zipf = "'zipf:0.9:keys=500:n=20000'";
        let whole = "expected a whole number from 1 to 10000000, as in";
        let exponent = "expected an exponent, a number from 0 to 10, as in";
        let kinds = "expected one of the kinds zipf, scan, burst and shift, as in 'zipf:0.9'";
        for (text, says) in [
            ("", format!("'': {kinds}")),
            ("Zipf:1", format!("'Zipf': {kinds}")),
            ("lru\n", format!("'lru\\n': {kinds}")),
            ("zipf", format!("'zipf': expected a number after the kind, as in {zipf}")),
            ("scan", "'scan': expected a number after the kind, as in 'scan:100:every=400'".to_owned()),
            ("zipf:", format!("'': {exponent} {zipf}")),
            ("zipf:keys=5", format!("'keys=5': {exponent} {zipf}")),
            ("zipf:-1", format!("'-1': {exponent} {zipf}")),
            ("zipf:1.2.3", format!("'1.2.3': {exponent} {zipf}")),
            ("zipf:10.1", format!("'10.1': {exponent} {zipf}")),
            ("zipf:nan", format!("'nan': {exponent} {zipf}")),
            ("zipf:inf", format!("'inf': {exponent} {zipf}")),
            ("zipf:1e1", format!("'1e1': {exponent} {zipf}")),
            ("zipf:1:", format!("'': expected one of the parameters keys=, n=, seed=, as in {zipf}")),
            ("zipf:1:n", format!("'n': expected one of the parameters keys=, n=, seed=, as in {zipf}")),
            (
                "zipf:1:every=5",
                format!("'every=5': expected one of the parameters keys=, n=, seed=, as in {zipf}"),
            ),
            ("zipf:1:n=5:n=5", format!("'n=5': expected n= only once, as in {zipf}")),
            ("zipf:1:n=", format!("'n=': {whole} {zipf}")),
            ("zipf:1:n=0", format!("'n=0': {whole} {zipf}")),
            ("zipf:1:n=+5", format!("'n=+5': {whole} {zipf}")),
            ("zipf:1:n=1e3", format!("'n=1e3': {whole} {zipf}")),
            ("zipf:1:n=10000001", format!("'n=10000001': {whole} {zipf}")),
            ("zipf:1:keys=-1", format!("'keys=-1': {whole} {zipf}")),
            ("zipf:1:keys=99999999999999999999", format!("'keys=99999999999999999999': {whole} {zipf}")),
            (
                "zipf:1:seed=x",
                format!("'seed=x': expected a whole number from 0 to 18446744073709551615, as in {zipf}"),
            ),
            ("scan:0", format!("'0': {whole} 'scan:100:every=400'")),
            ("scan:1:every=0", format!("'every=0': {whole} 'scan:100:every=400'")),
            ("burst:1.5", format!("'1.5': {whole} 'burst:20:overlap=8'")),
            ("burst:2:overlap=0", format!("'overlap=0': {whole} 'burst:20:overlap=8'")),
            ("shift:0", format!("'0': {whole} 'shift:200:skew=1.1'")),
            ("shift:9:skew=11", format!("'skew=11': {exponent} 'shift:200:skew=1.1'")),
        ] {
            assert_eq!(text.parse::<Synthetic>().unwrap_err().to_string(), says, "{text}");
        }
    }
}
