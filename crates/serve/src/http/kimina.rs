//! The routes of kimina-lean-server.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::around::Asks;
use super::body::{Json, bounded, wrong};
use super::{App, with_facts};
use crate::invalid::Invalid;
use crate::kimina::{self, CheckRequest, CodeResult, NO_INFOTREE, Results, SnippetResult, VerifyRequest};
use crate::queue::Client;

/// Elaborates snippets (the request of kimina-lean-server).
#[utoipa::path(post, path = "/api/check", request_body = CheckRequest, responses(
    (status = 200, description = "One result for each snippet", body = Results<SnippetResult>),
    (status = 401, description = "The key is missing, or another one"),
    (status = 408, description = "The body did not come in time (--slow-client)"),
    (status = 413, description = "The body is too long (--max-body)"),
    (status = 422, description = "The body is not what is expected", body = Invalid),
    (status = 429, description = "The queue is full (--max-queue), or too many bytes are held (--max-bodies): `Retry-After` says when to come again"),
    (status = 503, description = "The service stops: `Retry-After` says when to come again"),
))]
pub(super) async fn check(
    State(app): State<App>,
    Asks(client): Asks,
    Json(request, _room): Json<CheckRequest>,
) -> Result<Response, Response> {
    checked(&app, &client, request).await.map_err(|response| *response)
}

/// The same, as that server has it.
#[utoipa::path(post, path = "/api/check/", request_body = CheckRequest, responses(
    (status = 200, description = "As /api/check", body = Results<SnippetResult>),
    (status = 401, description = "As /api/check"), (status = 408, description = "As /api/check"),
    (status = 413, description = "As /api/check"), (status = 422, description = "As /api/check", body = Invalid),
    (status = 429, description = "As /api/check"), (status = 503, description = "As /api/check"),
))]
pub(super) async fn check_slash(
    State(app): State<App>,
    Asks(client): Asks,
    Json(request, _room): Json<CheckRequest>,
) -> Result<Response, Response> {
    checked(&app, &client, request).await.map_err(|response| *response)
}

async fn checked(app: &App, client: &Client, request: CheckRequest) -> Result<Response, Box<Response>> {
    bounded(request.snippets.len(), app, "snippets")?;
    let wish =
        request.validate(app.engine.settings().bounds.time).map_err(|invalid| Box::new(wrong(invalid)))?;
    let CheckRequest { snippets, debug, infotree, .. } = request;
    if infotree.is_some() {
        let results = snippets.into_iter().map(|snippet| kimina::no_infotree(snippet.id)).collect();
        return Ok(axum::Json(Results::<SnippetResult> { results }).into_response());
    }
    super::log_source(app, snippets.iter().map(|snippet| snippet.code.as_str()));
    let (ids, texts): (Vec<_>, Vec<_>) = snippets.into_iter().map(|one| (one.id, one.code)).unzip();
    let files = texts.into_iter().map(|text| (FILE.to_owned(), text, 0)).collect();
    let all = app.submit(client, files, wish)?.all().await;
    let results =
        ids.into_iter().zip(&all).map(|(id, checked)| kimina::snippet(id, checked, debug)).collect();
    Ok(with_facts(axum::Json(Results { results }).into_response(), &all))
}

/// What these files are called: their ids may be anything, and their messages have no name.
const FILE: &str = "snippet.lean";

/// Elaborates codes (the older request of kimina-lean-server).
#[utoipa::path(post, path = "/verify", request_body = VerifyRequest, responses(
    (status = 200, description = "One result for each code", body = Results<CodeResult>),
    (status = 401, description = "As /api/check"), (status = 408, description = "As /api/check"),
    (status = 413, description = "As /api/check"), (status = 422, description = "As /api/check", body = Invalid),
    (status = 429, description = "As /api/check"), (status = 503, description = "As /api/check"),
))]
pub(super) async fn verify(
    State(app): State<App>,
    Asks(client): Asks,
    Json(request, _room): Json<VerifyRequest>,
) -> Result<Response, Response> {
    verified(&app, &client, request).await.map_err(|response| *response)
}

/// The same under its other name.
#[utoipa::path(post, path = "/one_pass_verify_batch", request_body = VerifyRequest, responses(
    (status = 200, description = "As /verify", body = Results<CodeResult>),
    (status = 401, description = "As /api/check"), (status = 408, description = "As /api/check"),
    (status = 413, description = "As /api/check"), (status = 422, description = "As /api/check", body = Invalid),
    (status = 429, description = "As /api/check"), (status = 503, description = "As /api/check"),
))]
pub(super) async fn one_pass_verify_batch(
    State(app): State<App>,
    Asks(client): Asks,
    Json(request, _room): Json<VerifyRequest>,
) -> Result<Response, Response> {
    verified(&app, &client, request).await.map_err(|response| *response)
}

async fn verified(app: &App, client: &Client, request: VerifyRequest) -> Result<Response, Box<Response>> {
    bounded(request.codes.len(), app, "codes")?;
    let infotree = request.infotree_type;
    let (codes, wish) =
        request.validate(app.engine.settings().bounds.time).map_err(|invalid| Box::new(wrong(invalid)))?;
    if infotree.is_some() {
        let none = |custom_id| CodeResult { custom_id, error: Some(NO_INFOTREE.to_owned()), response: None };
        let results = codes.into_iter().map(|(id, _)| none(id)).collect();
        return Ok(axum::Json(Results::<CodeResult> { results }).into_response());
    }
    super::log_source(app, codes.iter().map(|(_, text)| text.as_str()));
    let (ids, texts): (Vec<_>, Vec<_>) = codes.into_iter().unzip();
    let files = texts.into_iter().map(|text| (FILE.to_owned(), text, 0)).collect();
    let all = app.submit(client, files, wish)?.all().await;
    let results = ids.into_iter().zip(&all).map(|(id, checked)| kimina::code(id, checked)).collect();
    Ok(with_facts(axum::Json(Results { results }).into_response(), &all))
}

/// Whether it is ready for requests.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, description = "It is"),
    (status = 401, description = "Another key than the service's"),
    (status = 503, description = "It imports what it was told to import first, or it stops"),
))]
pub(super) async fn health(State(app): State<App>) -> Response {
    health_of(&app)
}

/// The same, as that server has it.
#[utoipa::path(get, path = "/health/", responses(
    (status = 200, description = "As /health"), (status = 401, description = "As /health"),
    (status = 503, description = "As /health"),
))]
pub(super) async fn health_slash(State(app): State<App>) -> Response {
    health_of(&app)
}

pub(super) fn health_of(app: &App) -> Response {
    if app.is_ready() {
        return axum::Json(json!({"status": "ok"})).into_response();
    }
    let stage = format!("{:?}", app.engine.stage()).to_lowercase();
    let mut response =
        (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({"status": stage}))).into_response();
    response.headers_mut().insert(axum::http::header::RETRY_AFTER, 1.into());
    response
}
