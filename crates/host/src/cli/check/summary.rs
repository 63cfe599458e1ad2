//! What was done in all, as it is printed at the end.

use std::io::{self, Write};
use std::time::Duration;

#[cfg(target_os = "linux")]
use leanpool::lean_worker::Stats;
use leanpool::pool_core::{self, Reason};
use serde_json::{Map, Value, json};

/// What was done in all.
pub(super) struct Summary {
    pub(super) elapsed: Duration,
    /// Headers that were used, and those of them that had to be saved or taken over from another run first.
    pub(super) saved_headers: Option<(u64, u64)>,
    /// `None` if workers were not used.
    #[cfg(target_os = "linux")]
    pub(super) workers: Option<Stats>,
}

impl Summary {
    #[cfg(target_os = "linux")]
    pub(super) fn pool(&self) -> Option<&pool_core::Stats> {
        self.workers.as_ref().map(|workers| &workers.pool)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn pool(&self) -> Option<&pool_core::Stats> {
        None
    }

    #[cfg(target_os = "linux")]
    pub(super) fn workers_json(&self) -> Option<Value> {
        self.workers.as_ref().map(|workers| {
            json!({"zygotes_started": workers.zygotes, "zygote_deaths": workers.zygote_deaths, "hits": workers.pool.reused,
                "children": workers.children, "forked_ahead": workers.forked_ahead, "deaths": workers.deaths,
                "peak_bytes": workers.peak_bytes})
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn workers_json(&self) -> Option<Value> {
        None
    }

    #[cfg(target_os = "linux")]
    pub(super) fn write_workers(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(workers) = &self.workers else { return Ok(()) };
        writeln!(
            out,
            "workers      {:>8} zygotes started, {} hits, {} zygotes died; {} children, {} of them forked ahead; {} checks died; {} MiB at most",
            workers.zygotes,
            workers.pool.reused,
            workers.zygote_deaths,
            workers.children,
            workers.forked_ahead,
            workers.deaths,
            workers.peak_bytes >> 20
        )
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn write_workers(&self, _: &mut impl Write) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn pool_json(pool: &pool_core::Stats) -> Value {
    json!({
        "acquired": pool.acquired(), "reused": pool.reused, "imports_performed": pool.opened(),
        "misses": reasons(pool.misses.iter()), "dropped": reasons(pool.dropped().iter()),
        "opens_failed": pool.opens_failed, "waited": pool.waits.waited,
        "opens_shared": pool.waits.opens_shared, "idle": pool.usage.idle,
        "importing_seconds": pool.opening_nanos as f64 / 1e9, "saved_seconds": pool.saved_nanos as f64 / 1e9,
        "weight_bytes": pool.usage.idle_weight, "residue_bytes": pool.usage.residue,
    })
}

pub(super) fn write_pool(out: &mut impl Write, pool: &pool_core::Stats, seconds: f64) -> io::Result<()> {
    writeln!(
        out,
        "environments {:>8} acquired, {} reused, {} imported",
        pool.acquired(),
        pool.reused,
        pool.opened()
    )?;
    for (what, counts) in [("misses", words(pool.misses.iter())), ("dropped", words(pool.dropped().iter()))] {
        writeln!(out, "{what:<12} {counts}")?;
    }
    writeln!(
        out,
        "waited       {:>8} acquires, {} of them got another's import",
        pool.waits.waited, pool.waits.opens_shared
    )?;
    writeln!(
        out,
        "seconds      {:>8.2} importing, {:.2} saved by hits, {seconds:.2} in all",
        pool.opening_nanos as f64 / 1e9,
        pool.saved_nanos as f64 / 1e9
    )?;
    writeln!(out, "memory       {:>8} MiB idle", pool.usage.idle_weight >> 20)
}

fn reasons<T: Reason>(counts: impl Iterator<Item = (T, u64)>) -> Value {
    let counted = counts.filter(|(_, count)| *count > 0);
    counted.map(|(reason, count)| (reason.name().to_owned(), count.into())).collect::<Map<_, _>>().into()
}

fn words<T: Reason>(counts: impl Iterator<Item = (T, u64)>) -> String {
    let counted = counts.filter(|(_, count)| *count > 0);
    let words: Vec<String> = counted.map(|(reason, count)| format!("{count} {}", reason.name())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
