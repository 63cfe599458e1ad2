//! Numbers for Prometheus. Each service has a registry of its own.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::answer;
use crate::engine::{Checked, Engine};
use crate::settings::HitsAndMisses;

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    checks: IntCounterVec,
    given_up: IntCounter,
    check_seconds: Histogram,
    wait_seconds: Histogram,
    looked_up: Mutex<LookedUp>,
}

/// What is looked up when somebody asks. One asks at a time: a counter is raised to what was looked up, and two would raise it twice.
#[derive(Debug)]
struct LookedUp {
    waiting: IntGauge,
    running: IntGauge,
    clients: IntGauge,
    zygotes: IntGauge,
    memory: IntGauge,
    memory_limit: IntGauge,
    hits: IntCounter,
    misses: IntCounter,
    started: IntCounter,
    zygote_deaths: IntCounter,
    children: IntCounter,
    deaths: IntCounter,
}

/// Seconds: a check of nothing takes a millisecond, a long one minutes.
const BUCKETS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 120.0];

impl Metrics {
    /// All at zero.
    ///
    /// # Panics
    /// Two of the names below are the same.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let name = |name: &str| format!("leanpool_{name}");
        let gauge = |of: &str, help: &str| {
            let gauge = IntGauge::new(name(of), help).expect("it is a name");
            registry.register(Box::new(gauge.clone())).expect("it is the only one of that name");
            gauge
        };
        let counters = |of: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name(of), help), labels).expect("it is a name");
            registry.register(Box::new(counters.clone())).expect("it is the only one of that name");
            counters
        };
        let histogram = |of: &str, help: &str| {
            let options = HistogramOpts::new(name(of), help).buckets(BUCKETS.to_vec());
            let histogram = Histogram::with_opts(options).expect("it is a name");
            registry.register(Box::new(histogram.clone())).expect("it is the only one of that name");
            histogram
        };
        let counter = |of: &str, help: &str| {
            let counter = IntCounter::new(name(of), help).expect("it is a name");
            registry.register(Box::new(counter.clone())).expect("it is the only one of that name");
            counter
        };
        let looked_up = Mutex::new(LookedUp {
            waiting: gauge("checks_waiting", "Checks that wait"),
            running: gauge("checks_running", "Checks that run"),
            clients: gauge("clients", "Clients that have checks waiting or running"),
            zygotes: gauge("zygotes", "Processes with imports that are kept"),
            memory: gauge("memory_bytes", "Private memory of all zygotes and their children"),
            memory_limit: gauge("memory_limit_bytes", "What they may have"),
            hits: counter("pool_hits_total", "Zygotes that were found in the pool"),
            misses: counter("pool_misses_total", "Zygotes that were not found in the pool"),
            started: counter("zygotes_started_total", "Zygotes that became ready"),
            zygote_deaths: counter("zygote_deaths_total", "Zygotes that ended while they were used"),
            children: counter("children_started_total", "Children that were forked"),
            deaths: counter("check_deaths_total", "Checks whose process died"),
        });
        let metrics = Self {
            requests: counters("requests_total", "Requests, by route and status", &["route", "status"]),
            checks: counters("checks_total", "Checks that were answered, by their ending", &["ending"]),
            given_up: counter("checks_given_up_total", "Waiting checks whose client has left"),
            check_seconds: histogram("check_seconds", "How long checks took, imports included"),
            wait_seconds: histogram("wait_seconds", "How long checks waited before they began"),
            looked_up,
            registry: registry.clone(),
        };
        for word in answer::WORDS {
            metrics.checks.with_label_values(&[word]);
        }
        metrics
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, status: u16) {
        self.requests.with_label_values(&[route, &status.to_string()]).inc();
    }

    pub(crate) fn checked(&self, checked: &Checked) {
        self.checks.with_label_values(&[answer::word(&checked.verdict.ending)]).inc();
        self.check_seconds.observe(checked.took.as_secs_f64());
        self.wait_seconds.observe(checked.waited.as_secs_f64());
    }

    pub(crate) fn gave_up(&self, checks: usize) {
        self.given_up.inc_by(checks as u64);
    }

    /// All of it, as Prometheus reads it.
    #[must_use]
    pub fn text(&self, engine: &Engine) -> String {
        let (load, zygotes, stats) = (engine.load(), engine.zygotes(), engine.worker_stats());
        let HitsAndMisses { hits, misses } = (&stats.pool).into();
        let now = self.looked_up.lock().unwrap_or_else(PoisonError::into_inner);
        let set = |gauge: &IntGauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&now.waiting, load.waiting as u64);
        set(&now.running, load.running as u64);
        set(&now.clients, load.clients as u64);
        set(&now.zygotes, zygotes.len() as u64);
        set(&now.memory, zygotes.iter().map(|zygote| zygote.bytes).sum());
        set(&now.memory_limit, engine.settings().memory);
        let raise = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        raise(&now.hits, hits);
        raise(&now.misses, misses);
        raise(&now.started, stats.zygotes);
        raise(&now.zygote_deaths, stats.zygote_deaths);
        raise(&now.children, stats.children);
        raise(&now.deaths, stats.deaths);
        let mut text = Vec::new();
        // Nothing can go wrong: the text is written to memory, and each metric has a sample.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
