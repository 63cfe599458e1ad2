//! The routes. Each handler reads its request, asks the engine, and writes the answer; what is decided is decided elsewhere.

mod around;
mod body;
mod check;
mod kimina;
mod page;
mod pool;
mod repl;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::{Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::engine::{Checked, Engine, Refused, Stage, Ticket, Wish};
use crate::key;
use crate::queue::Client;
use crate::sessions::Sessions;
use around::Facts;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    /// The last second, as the page gets it; it ends when the service stops.
    pub(crate) seconds: Arc<watch::Receiver<Arc<str>>>,
    pub(crate) sessions: Sessions,
    /// Bytes of bodies that may still be held.
    pub(crate) bodies: Arc<Semaphore>,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "leanpool serve",
    description = "Elaborates Lean 4 files behind imports that are done once. `ok` says that a file was elaborated without an error, and nothing of axioms or `sorry`.",
    license(name = "MIT OR Apache-2.0")
))]
struct Document;

/// All routes, and the document that describes them. A route is added here, and so is in the document.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(kimina::check))
        .routes(routes!(kimina::check_slash))
        .routes(routes!(kimina::verify))
        .routes(routes!(kimina::one_pass_verify_batch))
        .routes(routes!(kimina::health))
        .routes(routes!(kimina::health_slash))
        .routes(routes!(check::check))
        .routes(routes!(pool::pool))
        .routes(routes!(pool::evict))
        .routes(routes!(pool::events))
        .routes(routes!(pool::metrics))
        .routes(routes!(repl::repl))
        .routes(routes!(page::root))
        .routes(routes!(page::style))
        .routes(routes!(page::script))
        .routes(routes!(page::document))
}

/// The service as something that answers requests.
pub(crate) fn app(app: App) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(|| async {
            says(StatusCode::NOT_FOUND, "there is nothing here: GET /openapi.json says what is")
        })
        .layer(middleware::from_fn_with_state(app.clone(), around::may_ask))
        .layer(middleware::from_fn_with_state(app.clone(), around::logged))
        .with_state(app)
}

/// The document that describes the routes.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = routes().split_for_parts().1;
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document
}

/// An answer in words, in the shape that today's clients know.
pub(crate) fn says(status: StatusCode, words: &str) -> Response {
    (status, axum::Json(json!({"detail": words}))).into_response()
}

impl App {
    /// Has files checked, and what is answered where they are not accepted.
    fn submit(
        &self,
        client: &Client,
        files: Vec<(String, String, usize)>,
        wish: Wish,
    ) -> Result<Ticket, Box<Response>> {
        let files = files.into_iter().map(|(name, text, site)| {
            (lean_worker::File { asked: wish.asked.clone(), ..lean_worker::File::new(name, text) }, site)
        });
        self.engine.submit(client, files.collect(), wish).map_err(|refused| Box::new(self.refusal(refused)))
    }

    fn refusal(&self, refused: Refused) -> Response {
        let (status, after) = match refused {
            Refused::Full(_) => {
                let load = self.engine.load();
                (StatusCode::TOO_MANY_REQUESTS, retry_after(load.waiting, self.engine.settings().jobs))
            }
            Refused::Stopping => (StatusCode::SERVICE_UNAVAILABLE, 5),
        };
        let mut response = says(status, &refused.to_string());
        response.headers_mut().insert(RETRY_AFTER, after.into());
        if refused == Refused::Stopping {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn is_ready(&self) -> bool {
        self.engine.stage() == Stage::Open
    }
}

/// In how many seconds there may be room: with a hundred checks a second and job, which is what small ones take.
fn retry_after(waiting: usize, jobs: usize) -> u64 {
    (waiting / (100 * jobs.max(1))).clamp(1, 60) as u64
}

/// Puts the key of the first file's header on an answer, and what is logged of it.
fn with_facts(mut response: Response, all: &[Checked]) -> Response {
    if let Some(key) = all.first().and_then(|first| HeaderValue::from_str(&first.key).ok()) {
        response.headers_mut().insert(key::HEADER, key);
    }
    response.extensions_mut().insert(Facts::of(all));
    response
}

/// Puts the texts of a request's files into the log, where that was asked for.
fn log_source<'t>(app: &App, texts: impl Iterator<Item = &'t str>) {
    if app.engine.settings().log_source {
        for source in texts {
            tracing::info!(source);
        }
    }
}

pub(crate) use pool::{pool_of, sample, snapshot};

#[cfg(test)]
mod tests;
