//! A pool's numbers, for the crate `metrics`.
//!
//! | name | what |
//! | --- | --- |
//! | `pool_acquired_total` | counter: acquires that were served |
//! | `pool_hits_total` | counter: those that were served from the pool |
//! | `pool_misses_total{reason}` | counter: those that opened, by the reason why |
//! | `pool_dropped_total{reason}` | counter: resources that were dropped, by the reason why |
//! | `pool_refused_total` | counter: acquires that a limit did not let open |
//! | `pool_opens_failed_total` | counter |
//! | `pool_waited_total`, `pool_wait_seconds_total` | counters: who waited, and how long all together |
//! | `pool_timed_out_total` | counter: acquires whose time was over while they waited |
//! | `pool_idle`, `pool_leased`, `pool_opening`, `pool_waiting`, `pool_live` | gauges: resources, and who waits |
//! | `pool_live_bytes` | gauge |
//! | `pool_open_seconds` | histogram: what each open took |
//!
//! All have the label `pool`, which names it. The histogram is observed as it happens; for all else call [`publish`](Metrics::publish) now and
//! then: hits are counted in the pool and nowhere else, so they cost nothing more.
//!
//! ```
//! use pool_core::metrics::Metrics;
//! use pool_core::sync::Pool;
//! # struct Solver;
//! # impl pool_core::Resource for Solver { type Error = std::io::Error; }
//! let metrics = Metrics::named("solvers");
//! let pool: Pool<String, Solver> = Pool::builder().observer(metrics.clone()).build();
//! drop(pool.acquire("arrays", |_| Ok(Solver))?);
//! metrics.publish(&pool.stats()); // every few seconds, by a timer
//! # Ok::<(), pool_core::AcquireError<std::io::Error>>(())
//! ```

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};

use crate::observer::{Event, Observer};
use crate::reason::{Counts, Reason};
use crate::stats::Stats;

/// Publishes a pool's numbers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pool: Arc<str>,
}

impl Metrics {
    /// Of the pool of that name.
    #[must_use]
    pub fn named(pool: &str) -> Self {
        Self { pool: pool.into() }
    }

    /// Publishes a snapshot.
    pub fn publish(&self, stats: &Stats) {
        let count =
            |name: &'static str, value: u64| counter!(name, "pool" => self.pool.to_string()).absolute(value);
        count("pool_acquired_total", stats.acquired());
        count("pool_hits_total", stats.reused);
        count("pool_refused_total", stats.refused);
        count("pool_opens_failed_total", stats.opens_failed);
        count("pool_waited_total", stats.waits.waited);
        count("pool_wait_seconds_total", Duration::from_nanos(stats.waits.waiting_nanos).as_secs());
        count("pool_timed_out_total", stats.waits.timed_out_waiting);
        self.publish_counts("pool_misses_total", &stats.misses);
        self.publish_counts("pool_dropped_total", &stats.dropped());
        let usage = &stats.usage;
        let level =
            |name: &'static str, value: u64| gauge!(name, "pool" => self.pool.to_string()).set(value as f64);
        level("pool_idle", usage.idle);
        level("pool_leased", usage.leased);
        level("pool_opening", usage.opening);
        level("pool_waiting", usage.waiting);
        level("pool_live", usage.live());
        level("pool_live_bytes", usage.live_weight());
    }

    fn publish_counts<T: Reason>(&self, name: &'static str, counts: &Counts<T>) {
        for (reason, count) in counts.iter() {
            counter!(name, "pool" => self.pool.to_string(), "reason" => reason.name()).absolute(count);
        }
    }
}

impl<K> Observer<K> for Metrics {
    fn observe(&self, event: Event<'_, K>) {
        if let Event::Opened { opened, .. } = event {
            let seconds = Duration::from_nanos(opened.cost_nanos).as_secs_f64();
            histogram!("pool_open_seconds", "pool" => self.pool.to_string()).record(seconds);
        }
    }
}
