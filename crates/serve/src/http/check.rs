//! `POST /v1/check`.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc::{Sender, channel};

use super::around::Asks;
use super::body::{Json, Room, bounded, pieces, wrong};
use super::{App, with_facts};
use crate::answer;
use crate::engine::{Event, Ticket};
use crate::invalid::Invalid;
use crate::v1::{self, CheckAnswer, CheckRequest, Record};

/// What a stream is.
const LINES: &str = "application/x-ndjson";
/// Lines of a stream that may lie ready for a client.
const READY: usize = 16;

/// Elaborates one file or many.
#[utoipa::path(post, path = "/v1/check", request_body = CheckRequest, responses(
    (status = 200, description = "One result for each file; or a stream of lines, each a record", content(
        (CheckAnswer = "application/json"), (Record = "application/x-ndjson"))),
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
    headers: HeaderMap,
    Json(mut request, room): Json<CheckRequest>,
) -> Result<Response, Response> {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    request.stream |= accepts.is_some_and(|accept| accept.contains(LINES));
    bounded(request.files.len(), &app, "files").map_err(|response| *response)?;
    let settings = app.engine.settings();
    let (files, wish) = request.validate(&settings.sites, settings.bounds.time).map_err(wrong)?;
    super::log_source(&app, files.iter().map(|(_, text, _)| text.as_str()));
    let names: Vec<String> = files.iter().map(|(name, ..)| name.clone()).collect();
    let is_stream = wish.stream;
    let ticket = app.submit(&client, files, wish).map_err(|response| *response)?;
    if is_stream {
        return Ok(stream(ticket, names, room));
    }
    let all = ticket.all().await;
    let ok = all.iter().all(answer::is_ok);
    let response = axum::body::Bytes::new().into_response();
    let response = with_facts(response, &all);
    let results = all.into_iter().zip(names).enumerate();
    let results = results.map(|(file, (checked, name))| v1::result(file, name, checked, true)).collect();
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let json = serde_json::to_vec(&CheckAnswer { ok, results }).unwrap_or_default();
    Ok(Response::from_parts(parts, Body::from(json)))
}

/// A line for each thing that happens. A client that leaves cancels what is left; one that is slow holds up nobody.
fn stream(ticket: Ticket, names: Vec<String>, room: Room) -> Response {
    let (tell, lines) = channel(READY);
    tokio::spawn(async move {
        tell_all(ticket, names, tell).await;
        drop(room);
    });
    ([(CONTENT_TYPE, LINES)], pieces(lines)).into_response()
}

async fn tell_all(mut ticket: Ticket, mut names: Vec<String>, tell: Sender<String>) {
    let mut all_ok = true;
    loop {
        let event = tokio::select! {
            event = ticket.next() => event,
            () = tell.closed() => return,
        };
        let is_end = event.is_none();
        let record = match event {
            Some(Event::Said(file, message)) => Record::Message { file, message: v1::raw(message) },
            Some(Event::Record(file, record)) => match v1::info(&record) {
                Some(info) => Record::Info { file, info },
                None => continue,
            },
            Some(Event::Again(file)) => Record::Again { file },
            Some(Event::Ended(file, checked)) => {
                all_ok &= answer::is_ok(&checked);
                Record::Result(v1::result(file, std::mem::take(&mut names[file]), *checked, false))
            }
            None => Record::End { ok: all_ok },
        };
        let mut line = serde_json::to_string(&record).unwrap_or_default();
        line.push('\n');
        if tell.send(line).await.is_err() || is_end {
            return;
        }
    }
}
