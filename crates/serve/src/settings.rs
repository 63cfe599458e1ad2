//! What a service may use, and what it demands.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{Header, Surroundings};
use pool_core::Stats;

/// What a request may ask for. Each has a flag of `leanpool serve`, and an answer that names the flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a request's body: 413.
    pub body: usize,
    /// Bytes of the bodies of all requests that are not answered yet: 429.
    pub bodies: usize,
    /// Files of one request: 422.
    pub files: usize,
    /// Checks that wait: 429.
    pub queue: usize,
    /// The longest time that a check can be given: 422.
    pub time: Duration,
    /// Bytes of messages of one check: the check is ended, and its answer says so.
    pub output: u64,
    /// Bytes of messages of all checks of one request: further ones are left out, and their answers say so.
    pub answer: u64,
    /// Connections: further ones wait.
    pub connections: usize,
    /// How long a client may take to send the head or the body of a request, or to take a piece of the answer: 408, or the connection is closed.
    pub slow: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            bodies: 1 << 30,
            files: 10_000,
            queue: 20_000,
            time: Duration::from_secs(600),
            output: 8 << 20,
            answer: 64 << 20,
            connections: 1024,
            slow: Duration::from_secs(30),
        }
    }
}

/// Says what a text of a site is checked in, or why it can't be. Called by the threads that check, for each check.
pub type Resolve = dyn Fn(&Header) -> Result<Arc<Surroundings>, String> + Send + Sync;

/// Where files can be checked: a Lean, and perhaps a Lake project.
#[derive(Clone)]
pub struct Site {
    /// What a request calls it.
    pub name: String,
    /// The version of its Lean.
    pub version: String,
    /// The folder of its Lean.
    pub sysroot: PathBuf,
    /// The folder of its Lake project.
    pub root: Option<PathBuf>,
    /// What a file with some header is checked in: a project's set-up may depend on it.
    pub around: Arc<Resolve>,
}

impl Site {
    /// One where all files are checked in the same.
    #[must_use]
    pub fn fixed(name: &str, version: &str, around: Surroundings) -> Self {
        let (sysroot, root, around) = (around.sysroot.clone(), around.project.clone(), Arc::new(around));
        let around: Arc<Resolve> = Arc::new(move |_| Ok(around.clone()));
        Self { name: name.to_owned(), version: version.to_owned(), sysroot, root, around }
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("name", &self.name).field("root", &self.root).finish_non_exhaustive()
    }
}

/// All that a service is started with, but for its workers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What requests may ask for.
    pub bounds: Bounds,
    /// Checks at the same time.
    pub jobs: usize,
    /// The time of a check that names none.
    pub timeout: Duration,
    /// How long a check may take to come back once its time is over, before it is killed.
    pub kill_after: Duration,
    /// Where files can be checked; the first is for requests that name none. Not empty.
    pub sites: Vec<Site>,
    /// What the workers may have in all, in bytes: for whoever looks.
    pub memory: u64,
    /// What a request has to carry.
    pub api_key: Option<String>,
    /// The request header that names the client, where a proxy that is trusted sets it; else it is the address.
    pub client_header: Option<String>,
    /// Whether the log has the texts of the files.
    pub log_source: bool,
}

impl Settings {
    /// Usual ones.
    #[must_use]
    pub fn new(sites: Vec<Site>, jobs: usize) -> Self {
        Self {
            bounds: Bounds::default(),
            jobs: jobs.max(1),
            timeout: Duration::from_secs(60),
            kill_after: Duration::from_millis(50),
            sites,
            memory: 0,
            api_key: None,
            client_header: None,
            log_source: false,
        }
    }
}

/// What a pool's statistics come to, as both the page and the metrics show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HitsAndMisses {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl From<&Stats> for HitsAndMisses {
    fn from(stats: &Stats) -> Self {
        // Whoever got what another one opened meanwhile has paid for nothing.
        Self { hits: stats.reused, misses: stats.opened() }
    }
}
