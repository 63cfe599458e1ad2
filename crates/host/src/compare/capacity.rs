//! At which capacities policies are compared.

use std::str::FromStr;

use crate::trace::Trace;

/// A capacity as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// So many idle environments; where pools are bounded in bytes, so many times the median weight.
    Count(u64),
    /// A share of a trace's distinct keys, at least one.
    Share(f64),
}

impl From<u64> for Capacity {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// One or more capacities, from a text: `8`, `10%`, `2..64` (2, 4, 8 … 64) or `1%..50%` (1 %, 2 %, 4 % … 50 %).
#[derive(Clone, Debug, PartialEq)]
pub struct Capacities(pub Vec<Capacity>);

/// The least share, in percent: a billionth of the keys. One that is as good as none is never doubled up to another.
const LEAST: f64 = 1e-7;

/// A capacity of a trace's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// What it is called: idle environments, or bytes.
    pub(super) shown: u64,
    /// What the pool has: fewer, where the trace is a sample.
    pub(super) places: u64,
}

impl Capacity {
    /// How many places that are for `trace`, before it was sampled.
    #[must_use]
    pub fn of(self, trace: &Trace) -> u64 {
        let rate = trace.sample().unwrap_or(1.0);
        match self {
            Self::Count(count) => count,
            // The sample has so many of the keys that there are.
            Self::Share(share) => ((share * trace.distinct_keys() as f64 / rate).round() as u64).max(1),
        }
    }
}

/// The capacities of `trace`, each once, in order.
pub(super) fn points(capacities: &[Capacity], trace: &Trace) -> Vec<Point> {
    let rate = trace.sample().unwrap_or(1.0);
    let point = |capacity: &Capacity| {
        let shown = capacity.of(trace);
        Point { shown, places: if rate < 1.0 { (shown as f64 * rate).round() as u64 } else { shown } }
    };
    sorted(capacities.iter().map(point).collect())
}

/// The capacities in bytes: multiples of `median`.
pub(super) fn in_bytes(capacities: &[Capacity], median: u64) -> Vec<Point> {
    let point = |capacity: &Capacity| {
        let times = match capacity {
            Capacity::Count(count) => *count,
            Capacity::Share(share) => share.round().max(1.0) as u64,
        };
        let bytes = times.saturating_mul(median);
        Point { shown: bytes, places: bytes }
    };
    sorted(capacities.iter().map(point).collect())
}

fn sorted(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_unstable_by_key(|point| point.shown);
    points.dedup();
    points
}

impl FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "'{}': expected a number such as 8, or a share of the keys such as 10%, from {LEAST}% on",
                text.escape_debug()
            )
        };
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent = percent.parse().ok().filter(|percent| (LEAST..=100.0).contains(percent));
                percent.map(|percent| Self::Share(percent / 100.0)).ok_or_else(expected)
            }
            None => text.parse().map(Self::Count).map_err(|_| expected()),
        }
    }
}

impl FromStr for Capacities {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let some = |capacity: &Capacity| match capacity {
            Capacity::Count(0) => Err("0 places are no pool to compare; expected 1 or more".to_owned()),
            _ => Ok(()),
        };
        let Some((first, last)) = text.split_once("..") else {
            let capacity = text.parse()?;
            some(&capacity)?;
            return Ok(Self(vec![capacity]));
        };
        let (first, last): (Capacity, Capacity) = (first.parse()?, last.parse()?);
        some(&first)?;
        let all = match (first, last) {
            (Capacity::Count(first), Capacity::Count(last)) if first <= last => {
                let doubled = std::iter::successors(Some(first), |count| count.checked_mul(2));
                let mut all: Vec<u64> = doubled.take_while(|&count| count < last).collect();
                all.push(last);
                all.into_iter().map(Capacity::Count).collect()
            }
            (Capacity::Share(first), Capacity::Share(last)) if first <= last => {
                let doubled = std::iter::successors(Some(first), |share| Some(share * 2.0));
                let mut all: Vec<f64> = doubled.take_while(|&share| share < last).collect();
                all.push(last);
                all.into_iter().map(Capacity::Share).collect()
            }
            _ => {
                return Err(format!(
                    "'{}': expected a range from small to large, such as 2..64 or 1%..50%",
                    text.escape_debug()
                ));
            }
        };
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_doubled_and_end_where_they_say() {
        let counts = |text: &str| -> Vec<u64> {
            let all: Capacities = text.parse().unwrap();
            all.0
                .iter()
                .map(|capacity| if let Capacity::Count(count) = capacity { *count } else { 0 })
                .collect()
        };
        assert_eq!(counts("8"), [8]);
        assert_eq!(counts("2..64"), [2, 4, 8, 16, 32, 64]);
        assert_eq!(counts("3..20"), [3, 6, 12, 20]);
        assert_eq!(counts("5..5"), [5]);
        assert_eq!(counts(&format!("1..{}", u64::MAX)).len(), 65);
        let shares: Capacities = "1%..5%".parse().unwrap();
        assert_eq!(shares.0, [0.01, 0.02, 0.04, 0.05].map(Capacity::Share));
    }

    #[test]
    fn what_is_no_capacity_is_refused_with_what_would_be_one() {
        for (text, says) in [
            ("0", "expected 1 or more"),
            ("0..4", "expected 1 or more"),
            ("x", "'x': expected a number such as 8"),
            ("0%", "'0%': expected"),
            ("101%", "'101%': expected"),
            (
                "5e-324%",
                "'5e-324%': expected a number such as 8, or a share of the keys such as 10%, from 0.0000001% on",
            ),
            ("1e-320%..50%", "'1e-320%': expected"),
            ("8..2", "expected a range from small to large"),
            ("2..50%", "expected a range from small to large"),
            ("-1", "'-1': expected"),
        ] {
            let error = text.parse::<Capacities>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn shares_are_of_the_distinct_keys() {
        let trace = Trace::parse("t", "0\ta\n0\tb\n0\tc\n0\td\n0\ta\n").unwrap();
        let shares = [0.5, 0.01, 1.0, 0.02].map(Capacity::Share);
        let places: Vec<u64> = points(&shares, &trace).iter().map(|point| point.places).collect();
        assert_eq!(places, [1, 2, 4], "at least one, each once, in order");
    }
}
