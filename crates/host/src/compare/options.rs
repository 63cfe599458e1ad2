//! What is compared, and whether it makes sense.

use std::fmt;

use mock_backend::Regions;

use super::capacity::{self, Capacity};
use super::{BEST_OFFLINE, LOWER_BOUND, OPTIMUM};
use crate::policy::Policy;
use crate::trace::Trace;

/// What is computed of the best that could be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Optimum {
    /// [`Exact`](Optimum::Exact) where that takes about a second, else [`Fast`](Optimum::Fast).
    #[default]
    Auto,
    /// The least misses and the least open seconds, by minimum-cost flow; for bytes the sharpest bound.
    Exact,
    /// The least misses, and a bound for open seconds; for bytes a bound for both. In O(n log n) for n requests.
    Fast,
    /// Nothing.
    None,
}

impl fmt::Display for Optimum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Exact => "exact",
            Self::Fast => "fast",
            Self::None => "none",
        })
    }
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// Capacities: idle environments at most, or multiples of the median weight.
    pub capacities: Vec<Capacity>,
    /// Whether capacities are in bytes: multiples of the weight that half of a trace's keys don't exceed.
    pub by_weight: bool,
    /// The policies.
    pub policies: Vec<Policy>,
    /// Each lease is held while so many further requests are served.
    pub hold: usize,
    /// What an import costs.
    pub regions: Regions,
    /// So many requests of each trace come first and are not counted.
    pub warm_up: u64,
    /// How many keys without environments a pool remembers, if not as many as it does by itself.
    pub remembered_keys: Option<usize>,
    /// What is computed of the best that could be done.
    pub optimum: Optimum,
}

impl Default for Options {
    /// Every policy at 2, 4, 8, 16 and 32 idle environments, shared regions, leases that don't overlap.
    fn default() -> Self {
        Self {
            capacities: [2, 4, 8, 16, 32].map(Capacity::from).into(),
            by_weight: false,
            policies: Policy::all(),
            hold: 0,
            regions: Regions::Shared,
            warm_up: 0,
            remembered_keys: None,
            optimum: Optimum::Auto,
        }
    }
}

/// Options that make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A trace twice.
    #[error("{first} and {second} have the same requests: name each workload once, or means count it twice")]
    SameTrace {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Two policies under one name.
    #[error("two policies have the name '{name}': give each a name of its own")]
    SamePolicy {
        /// The name.
        name: String,
    },
    /// Nothing to compare.
    #[error("there is no capacity to compare at")]
    NoCapacity,
    /// A pool of less than a place.
    #[error(
        "{trace}: {capacity} places are less than one of a sample of {rate} of the keys: sample more, or compare larger pools"
    )]
    TooSmall {
        /// The trace.
        trace: String,
        /// The capacity.
        capacity: u64,
        /// The share of its keys.
        rate: f64,
    },
    /// No request is left.
    #[error(
        "{trace}: a warm-up of {warm_up} requests leaves none of its {requests} to count; warm up with fewer"
    )]
    AllWarmUp {
        /// The trace.
        trace: String,
        /// As asked.
        warm_up: u64,
        /// How many it has.
        requests: u64,
    },
}

impl Options {
    /// Whether these options make sense with `traces`.
    ///
    /// # Errors
    /// See [`OptionsError`].
    pub fn check(&self, traces: &[Trace]) -> Result<(), OptionsError> {
        for (place, trace) in traces.iter().enumerate() {
            if let Some(first) = traces[..place].iter().find(|first| first.is_same_as(trace)) {
                return Err(OptionsError::SameTrace {
                    first: first.name.clone(),
                    second: trace.name.clone(),
                });
            }
            let requests = trace.len() as u64;
            if self.warm_up >= requests {
                let (trace, warm_up) = (trace.name.clone(), self.warm_up);
                return Err(OptionsError::AllWarmUp { trace, warm_up, requests });
            }
            if let (Some(rate), false) = (trace.sample(), self.by_weight) {
                let points = capacity::points(&self.capacities, trace);
                if let Some(point) = points.iter().find(|point| point.places == 0) {
                    let (trace, capacity) = (trace.name.clone(), point.shown);
                    return Err(OptionsError::TooSmall { trace, capacity, rate });
                }
            }
        }
        let names: Vec<&str> =
            self.policies.iter().map(Policy::name).chain([OPTIMUM, LOWER_BOUND, BEST_OFFLINE]).collect();
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                return Err(OptionsError::SamePolicy { name: (*name).to_owned() });
            }
        }
        if self.capacities.is_empty() { Err(OptionsError::NoCapacity) } else { Ok(()) }
    }
}
