//! Traces: what was asked for, in order.
//!
//! ```
//! use leanpool::trace::Trace;
//!
//! let trace = Trace::parse("small", "# two lists\n0\tInit\n60\tInit Lean\n90.5\tInit\n")?;
//! assert_eq!((trace.len(), trace.distinct_keys()), (3, 2));
//! let last = trace.iter().last().unwrap();
//! assert_eq!((last.nanos, last.imports.to_string().as_str()), (90_500_000_000, "Init"));
//! # Ok::<(), leanpool::trace::TraceError>(())
//! ```

mod format;
mod git;
mod input;
mod interner;
mod read;
mod times;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mock_backend::{Cost, CostModel, Regions};
use pool_core::Names as Imports;

use crate::nearest;
pub use format::{Columns, Format};
pub use git::{GitError, from_git};
use times::Times;

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Nanoseconds, from whichever point in time.
    pub nanos: u64,
    /// What was asked for. Equal lists of a trace are clones of one.
    pub imports: &'a Imports,
}

/// A trace that was read: eight bytes for each request (twelve where times have fractions), and its different keys once.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it is called: the file's path as it was given.
    pub name: String,
    /// The different keys, in the order in which they were first asked for.
    keys: Arc<[Imports]>,
    /// What was asked for, by place in `keys`.
    requests: Vec<u32>,
    times: Times,
    /// Nanoseconds that opening each key takes, where the trace says so.
    costs: Option<Vec<u64>>,
    /// Bytes of each key, where the trace says so.
    sizes: Option<Vec<u64>>,
    /// Whether keys are import lists, rather than any texts.
    lists: bool,
    /// Requests whose size or cost was not that of their key's first, which counts.
    changed: u64,
    /// The share of keys that were kept, where it was sampled.
    sample: Option<f64>,
}

/// What of a trace is read, and how.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// How it is written; seen from its beginning if it is not said.
    pub format: Option<Format>,
    /// Which column has what; from a line of names, else as the format has them, if it is not said.
    pub columns: Option<Columns>,
    /// So many requests are passed over first.
    pub skip: u64,
    /// No more than so many are read then.
    pub limit: Option<u64>,
    /// Only requests for a share of the keys are kept, above 0 up to 1, chosen by a hash: the spatially hashed sampling of Waldspurger,
    /// Park, Garthwaite, Ahmad, "Efficient MRC construction with SHARDS" (FAST 2015). A pool of `n` places then stands for one of
    /// `n / share`.
    pub sample: Option<f64>,
}

/// Why a trace can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// There is no such file.
    #[error("{}: there is no such file; traces lie in benches/traces", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("{}: this is a directory; name one trace file in it", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The system would not read it, or it can't be decompressed.
    #[error("{name}: can't be read: {source}")]
    Unreadable {
        /// The trace.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It has no request.
    #[error("{name}: the trace is empty; {form}")]
    Empty {
        /// The trace.
        name: String,
        /// What was expected.
        form: &'static str,
    },
    /// It has requests, and none was left.
    #[error(
        "{name}: none of its {requests} requests is left; skip fewer (--skip), or sample more (--sample)"
    )]
    NoneLeft {
        /// The trace.
        name: String,
        /// How many there were, up to the limit.
        requests: u64,
    },
    /// A record is not a request.
    #[error("{name}{place}: {problem}; {form}")]
    Malformed {
        /// The trace.
        name: String,
        /// Where: `:7` is the seventh line.
        place: String,
        /// What is wrong.
        problem: String,
        /// What was expected.
        form: &'static str,
    },
}

impl Trace {
    /// Reads a file, or standard input where `path` is `-`, in whichever [`Format`] it is, as it is or compressed by gzip or Zstandard.
    ///
    /// A line has at most 1 MiB, what is kept at most 2^31 requests and 2^27 different keys, and a compressed file grows at most 2000-fold (above 16 MiB): more is an
    /// error that says so.
    ///
    /// # Errors
    /// See [`TraceError`]; nothing of a bad trace is used.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        Self::read_with(path, &ReadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn read_with(path: &Path, options: &ReadOptions) -> Result<Self, TraceError> {
        let name = path.display().to_string();
        let input = input::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TraceError::Missing { path: path.to_owned() },
            io::ErrorKind::IsADirectory => TraceError::Directory { path: path.to_owned() },
            _ => TraceError::Unreadable { name: name.clone(), source },
        })?;
        read::read(&name, input, options)
    }

    /// Reads a text in the format `leanpool`.
    ///
    /// # Errors
    /// [`TraceError::Empty`] and [`TraceError::Malformed`].
    pub fn parse(name: &str, text: &str) -> Result<Self, TraceError> {
        let options = ReadOptions { format: Some(Format::Leanpool), ..ReadOptions::default() };
        Self::parse_with(name, text.as_bytes(), &options)
    }

    /// Reads what lies in memory, uncompressed.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn parse_with(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Self, TraceError> {
        read::read(name, bytes, options)
    }

    /// A trace of lists that are known, by place in `keys`, one request a second.
    pub(crate) fn of_numbers(name: String, keys: Vec<Imports>, requests: Vec<u32>) -> Self {
        let keys = keys.into();
        let (times, lists) = (Times::Steps, true);
        Self { name, keys, requests, times, costs: None, sizes: None, lists, changed: 0, sample: None }
    }

    /// How many requests; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request, which can't be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many different keys they ask for.
    #[must_use]
    pub fn distinct_keys(&self) -> usize {
        self.keys.len()
    }

    /// The different keys, in the order in which they are first asked for.
    #[must_use]
    pub fn keys(&self) -> &Arc<[Imports]> {
        &self.keys
    }

    /// What each request asks for, by place in [`keys`](Trace::keys).
    #[must_use]
    pub fn requests(&self) -> &[u32] {
        &self.requests
    }

    /// The requests, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Request<'_>> {
        let request = |(place, &key): (usize, &u32)| Request {
            nanos: self.times.nanos(place),
            imports: &self.keys[key as usize],
        };
        self.requests.iter().enumerate().map(request)
    }

    /// When the request at `place` came, in nanoseconds.
    #[must_use]
    pub fn nanos(&self, place: usize) -> u64 {
        self.times.nanos(place)
    }

    /// Whether keys are import lists, rather than any texts: then some are like others.
    #[must_use]
    pub fn has_lists(&self) -> bool {
        self.lists
    }

    /// The share of keys that it was sampled down to, if it was.
    #[must_use]
    pub fn sample(&self) -> Option<f64> {
        self.sample
    }

    /// How many requests gave a size or cost other than their key's first, which is the one that counts.
    #[must_use]
    pub fn changed_sizes(&self) -> u64 {
        self.changed
    }

    /// Those requests from `start` on, up to `end`, as a trace of their own.
    ///
    /// # Panics
    /// If there is no request in between.
    #[must_use]
    pub fn part(&self, start: usize, end: usize) -> Self {
        assert!(start < end, "a trace has at least one request");
        self.only(&(start..end).collect::<Vec<_>>())
    }

    /// The requests at those places alone.
    fn only(&self, places: &[usize]) -> Self {
        let mut numbers = vec![None; self.keys.len()];
        let mut kept: Vec<usize> = Vec::new();
        let mut number = |place: &usize| {
            let key = self.requests[*place] as usize;
            *numbers[key].get_or_insert_with(|| {
                kept.push(key);
                kept.len() as u32 - 1
            })
        };
        let requests: Vec<u32> = places.iter().map(&mut number).collect();
        let of = |all: &Option<Vec<u64>>| all.as_ref().map(|all| kept.iter().map(|&key| all[key]).collect());
        Self {
            name: self.name.clone(),
            keys: kept.iter().map(|&key| self.keys[key].clone()).collect(),
            requests,
            times: self.times.only(places),
            costs: of(&self.costs),
            sizes: of(&self.sizes),
            ..*self
        }
    }

    /// What [`ReadOptions`] leave of it: those of its requests, and of its keys.
    ///
    /// # Errors
    /// [`TraceError::NoneLeft`].
    pub fn reduced(self, options: &ReadOptions) -> Result<Self, TraceError> {
        let all = self.len() as u64;
        let end = all.min(options.skip.saturating_add(options.limit.unwrap_or(u64::MAX)));
        let start = options.skip.min(end);
        if start == 0 && end == all && options.sample.is_none() {
            return Ok(self);
        }
        let rate = options.sample.unwrap_or(1.0);
        let is_kept: Vec<bool> =
            self.keys.iter().map(|key| interner::is_sampled(key.to_string().as_bytes(), rate)).collect();
        let is_kept = |place: &usize| is_kept[self.requests[*place] as usize];
        let places: Vec<usize> = (start as usize..end as usize).filter(is_kept).collect();
        if places.is_empty() {
            return Err(TraceError::NoneLeft { name: self.name, requests: end });
        }
        Ok(Self { sample: options.sample.filter(|&rate| rate < 1.0), ..self.only(&places) })
    }

    /// What opening each key takes: as the trace says; where it does not, import lists as measured with those `regions`, and all other
    /// keys a second, which is an assumption, and one byte.
    #[must_use]
    pub fn costs(&self, regions: Regions) -> Vec<Cost> {
        const SECOND: Cost = Cost { nanos: 1_000_000_000, weight: 1, residue: 0, assumed: true };
        let is_said = self.costs.is_some() && self.sizes.is_some();
        let model = (self.lists && !is_said).then(|| CostModel::measured(regions));
        let cost = |(place, key): (usize, &Imports)| {
            let mut cost = model.as_ref().map_or(SECOND, |model| model.cost(key));
            if let Some(sizes) = &self.sizes {
                (cost.weight, cost.residue) = (sizes[place], 0);
            }
            if let Some(costs) = &self.costs {
                (cost.nanos, cost.assumed) = (costs[place], false);
            }
            cost
        };
        self.keys.iter().enumerate().map(cost).collect()
    }

    /// Whether `other` has the same requests, whatever it is called.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.requests == other.requests
            && self.keys == other.keys
            && (&self.costs, &self.sizes) == (&other.costs, &other.sizes)
            && (0..self.len()).all(|place| self.nanos(place) == other.nanos(place))
    }
}
