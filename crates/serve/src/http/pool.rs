//! What the pool holds, and the numbers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;

use super::App;
use super::body::{Json, wrong};
use crate::engine::Engine;
use crate::invalid::Invalid;
use crate::live::Sample;
use crate::settings::HitsAndMisses;
use crate::v1::{self, EvictAnswer, EvictRequest, PoolAnswer, Project, Snapshot};

/// What the pool holds, and what waits and runs.
#[utoipa::path(get, path = "/v1/pool", responses(
    (status = 200, description = "The zygotes, and the numbers", body = PoolAnswer),
    (status = 401, description = "The key is missing, or another one"),
))]
pub(super) async fn pool(State(app): State<App>) -> Response {
    axum::Json(pool_of(&app.engine)).into_response()
}

/// Ends zygotes: the next check with their header imports again.
#[utoipa::path(post, path = "/v1/pool/evict", request_body = EvictRequest, responses(
    (status = 200, description = "How many were meant", body = EvictAnswer),
    (status = 401, description = "The key is missing, or another one"),
    (status = 408, description = "The body did not come in time (--slow-client)"),
    (status = 413, description = "The body is too long (--max-body)"),
    (status = 422, description = "The body is not what is expected", body = Invalid),
    (status = 429, description = "Too many bytes of requests are held (--max-bodies): `Retry-After` says when to come again"),
))]
pub(super) async fn evict(
    State(app): State<App>,
    Json(request, _room): Json<EvictRequest>,
) -> Result<Response, Response> {
    let meant = request.meant().map_err(wrong)?;
    // A zygote may take half a second to end, which nobody else is to wait for.
    let evicted = tokio::task::spawn_blocking(move || app.engine.evict(meant)).await.unwrap_or_default();
    Ok(axum::Json(EvictAnswer { evicted }).into_response())
}

/// The same each second, with the last minutes and the slowest checks (server-sent events, each a [`Snapshot`] as JSON).
#[utoipa::path(get, path = "/v1/events", responses(
    (status = 200, description = "Events, each with a snapshot; the first has the last minutes, the others the last second",
     body = Snapshot, content_type = "text/event-stream"),
    (status = 401, description = "The key is missing, or another one"),
))]
pub(super) async fn events(State(app): State<App>) -> Response {
    let first: Arc<str> = snapshot(&app.engine, app.engine.live().samples()).into();
    let mut seconds = watch::Receiver::clone(&app.seconds);
    // What was told last may be old: nobody was there to hear more.
    seconds.mark_unchanged();
    let later = WatchStream::from_changes(seconds);
    let all = tokio_stream::once(first).chain(later);
    Sse::new(all.map(|json| Ok::<_, Infallible>(Event::default().data(&*json)))).into_response()
}

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "Prometheus's text format", body = String, content_type = "text/plain"),
    (status = 401, description = "The key is missing, or another one"),
))]
pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], app.engine.metrics().text(&app.engine)).into_response()
}

pub(crate) fn pool_of(engine: &Engine) -> PoolAnswer {
    let settings = engine.settings();
    let zygotes = engine.zygotes();
    PoolAnswer {
        now: sample(engine),
        zygotes: zygotes.iter().map(|info| v1::zygote(info, &settings.sites)).collect(),
        memory_limit: settings.memory,
        jobs: settings.jobs,
        max_queue: settings.bounds.queue,
        clients: engine.load().clients,
        projects: settings
            .sites
            .iter()
            .map(|site| Project { name: site.name.clone(), version: site.version.clone() })
            .collect(),
    }
}

pub(crate) fn sample(engine: &Engine) -> Sample {
    let load = engine.load();
    let HitsAndMisses { hits, misses } = (&engine.worker_stats().pool).into();
    let memory = engine.zygotes().iter().map(|zygote| zygote.bytes).sum();
    Sample {
        waiting: load.waiting,
        running: load.running,
        checks: engine.live().checks(),
        hits,
        misses,
        memory,
    }
}

pub(crate) fn snapshot(engine: &Engine, samples: Vec<Sample>) -> String {
    let snapshot = Snapshot { pool: pool_of(engine), samples, slowest: engine.live().slowest() };
    serde_json::to_string(&snapshot).unwrap_or_default()
}
