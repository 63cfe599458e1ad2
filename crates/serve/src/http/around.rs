//! What is done around each request: who may ask, what is counted and logged.

use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{App, says};
use crate::answer;
use crate::auth::{self, Access};
use crate::engine::Checked;
use crate::listen::UNIX;
use crate::queue::Client;

/// What needs no key: they say nothing of what is checked.
const OPEN: [&str; 4] = ["/", "/page.css", "/page.js", "/openapi.json"];
/// What needs none, but refuses a wrong one.
const HEALTH: [&str; 2] = ["/health", "/health/"];

/// Characters of a method that are logged.
const LONGEST_METHOD: usize = 16;

/// What is read, and says what is checked.
const SHOWN: [&str; 3] = ["/v1/pool", "/v1/events", "/metrics"];

/// What is logged of a request's checks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    files: usize,
    ok: usize,
}

impl Facts {
    pub(super) fn of(all: &[Checked]) -> Self {
        Self { files: all.len(), ok: all.iter().filter(|checked| answer::is_ok(checked)).count() }
    }
}

/// Lets through whoever may ask.
pub(super) async fn may_ask(State(app): State<App>, request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    let demanded = app.engine.settings().api_key.as_deref();
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    // One that can't be read is nobody's own.
    if headers.contains_key(ORIGIN)
        && auth::is_foreign(text(ORIGIN).unwrap_or_default(), text(HOST), demanded.is_some())
    {
        return says(StatusCode::FORBIDDEN, "pages of other sites may not ask this service");
    }
    // No browser asks by a socket in the file system.
    let is_by_socket = request.extensions().get::<Client>().is_some_and(|peer| **peer == *UNIX);
    let is_shown_here = || is_by_socket || text(HOST).is_some_and(auth::names_this_machine);
    if demanded.is_none() && SHOWN.contains(&path) && !is_shown_here() {
        let words = "without a key this is shown to whoever asks by localhost or a loopback address: ask so, or start with --api-key-file";
        return says(StatusCode::FORBIDDEN, words);
    }
    if !OPEN.contains(&path) {
        // That server has had both.
        let carried = headers.get(AUTHORIZATION).or_else(|| headers.get("x-auth-token"));
        match auth::access(demanded, carried.map(axum::http::HeaderValue::as_bytes)) {
            Access::Granted => {}
            Access::Missing if HEALTH.contains(&path) => {}
            Access::Missing => return says(StatusCode::UNAUTHORIZED, "Missing API key"),
            Access::Wrong => return says(StatusCode::UNAUTHORIZED, "Invalid API key"),
        }
    }
    next.run(request).await
}

/// Counts and logs a request: one line, also of one whose client has left.
pub(super) async fn logged(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let mut line = Line {
        app: app.clone(),
        // It may be any word.
        method: request.method().as_str().chars().take(LONGEST_METHOD).collect(),
        route,
        client: client_of(request.headers(), request.extensions().get(), &app),
        begun: Instant::now(),
        status: 499,
        facts: Facts::default(),
    };
    let response = next.run(request).await;
    line.status = response.status().as_u16();
    line.facts = response.extensions().get().copied().unwrap_or_default();
    response
}

/// What is said when it is dropped: a client that leaves has its request dropped.
struct Line {
    app: App,
    method: String,
    route: String,
    client: Client,
    begun: Instant,
    status: u16,
    facts: Facts,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.app.engine.metrics().answered(&self.route, self.status);
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Facts { files, ok } = self.facts;
        tracing::info!(
            method = self.method,
            route = self.route,
            status = self.status,
            micros,
            client = &*self.client,
            files,
            ok
        );
    }
}

/// Who asks.
pub(super) struct Asks(pub(super) Client);

impl FromRequestParts<App> for Asks {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(client_of(&parts.headers, parts.extensions.get(), app)))
    }
}

/// What the proxy says, where there is one that is trusted, else the address.
fn client_of(headers: &HeaderMap, peer: Option<&Client>, app: &App) -> Client {
    let said = app.engine.settings().client_header.as_ref().and_then(|name| headers.get(name));
    let said =
        said.and_then(|value| value.to_str().ok()).filter(|name| !name.is_empty() && name.len() <= 200);
    said.map(Client::from).or_else(|| peer.cloned()).unwrap_or_else(|| "unknown".into())
}
