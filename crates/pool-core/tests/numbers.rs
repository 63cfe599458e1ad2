//! Risk: what a service publishes is not what the pool counted, or a name changes unseen.

#[path = "support/threads.rs"]
mod threads;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use pool_core::capacity::MaxLive;
use pool_core::metrics::Metrics;
use pool_core::sync::Pool;
use pool_core::{Event, Resource};
use threads::{Time, watchdog};

struct Solver;

impl Resource for Solver {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        7
    }
}

#[test]
fn numbers_that_are_published_are_those_of_the_pool() {
    let _watchdog = watchdog();
    let (recorder, time, metrics) = (DebuggingRecorder::new(), Time::default(), Metrics::named("solvers"));
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let pool: Pool<u32, Solver> =
            Pool::builder().capacity(MaxLive(1)).observer(metrics.clone()).clock(time.clone()).build();
        let open = |_: &u32| {
            time.advance(1_500_000_000);
            Ok(Solver)
        };
        drop(pool.acquire(&1, open).unwrap());
        drop(pool.acquire(&1, open).unwrap());
        let held = pool.acquire(&2, open).unwrap();
        assert!(pool.try_acquire(&3, open).is_err());
        metrics.publish(&pool.stats());
        drop(held);
    });
    let mut published = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(level) => level.to_string(),
            DebugValue::Histogram(values) => format!("{values:?}"),
        };
        if value != "0" {
            published.insert(format!("{}{{{}}}", key.key().name(), labels.join(",")), value);
        }
    }
    let expected = [
        ("pool_acquired_total{pool=solvers}", "3"),
        ("pool_dropped_total{pool=solvers,reason=evicted}", "1"),
        ("pool_hits_total{pool=solvers}", "1"),
        ("pool_leased{pool=solvers}", "1"),
        ("pool_live_bytes{pool=solvers}", "7"),
        ("pool_live{pool=solvers}", "1"),
        ("pool_misses_total{pool=solvers,reason=cold}", "2"),
        ("pool_open_seconds{pool=solvers}", "[1.5, 1.5]"),
        ("pool_refused_total{pool=solvers}", "1"),
        ("pool_waited_total{pool=solvers}", "1"), // for its victim to be gone
    ];
    assert_eq!(published, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[test]
fn stats_and_events_are_told_to_machines_by_stable_names() {
    let _watchdog = watchdog();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let hears = Arc::clone(&heard);
    let pool: Pool<&'static str, Solver> = Pool::builder()
        .capacity(MaxLive(1))
        .clock(Time::default())
        .observer(move |event: Event<'_, &'static str>| {
            hears.lock().unwrap().push(serde_json::to_string(&event).unwrap());
        })
        .build();
    drop(pool.acquire(&"a", |_| Ok(Solver)).unwrap());
    drop(pool.acquire(&"b", |_| Err("no")));
    assert_eq!(
        *heard.lock().unwrap(),
        [
            r#"{"event":"opened","key":"a","reason":"cold","opened":{"cost_nanos":0,"weight":7,"residue":0}}"#,
            r#"{"event":"dropped","key":"a","reason":"evicted"}"#,
            r#"{"event":"open_failed","key":"b"}"#,
        ]
    );
    let stats = serde_json::to_value(pool.stats()).unwrap();
    assert_eq!(stats["misses"], serde_json::json!({ "cold": 1 }));
    assert_eq!(stats["idle_dropped"], serde_json::json!({ "evicted": 1 }));
    assert_eq!((&stats["opens_failed"], &stats["usage"]["idle"]), (&1.into(), &0.into()));
}
