//! `GET /v1/repl`: a session of the REPL over a WebSocket. Each text message is a request, or `cancel`; each answer is a text message.
//!
//! Answers have no names: they come in the order of the requests. So what can't be taken as a request ends the session, and has no answer of its own that
//! would be taken for another's.

use std::time::Duration;

use axum::extract::ws::{CloseCode, CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use lean_worker::Header;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{App, says};
use crate::engine::{Refused, Stage};
use crate::sessions::Running;
use crate::settings::Bounds;

/// What interrupts the request that runs.
const CANCEL: &str = "cancel";

/// In how many seconds there may be room for a session: they last.
const AFTER: u64 = 5;
/// How long a client may take to take the last words.
const TO_CLOSE: Duration = Duration::from_secs(1);
/// Why a session ends that does so with the service.
const AWAY: (CloseCode, &str) = (close_code::AWAY, "the service stops");

#[derive(Deserialize)]
pub(super) struct Asked {
    project: Option<String>,
}

/// A session of the REPL. Messages are requests of the Lean REPL as text, or `cancel`; answers come in their order.
#[utoipa::path(get, path = "/v1/repl",
    params(("project" = Option<String>, Query, description = "The name of a project, as GET /v1/pool has it; by default the first")),
    responses(
        (status = 101, description = "Messages are requests, and answers"),
        (status = 400, description = "It is no WebSocket, or there is no such project"),
        (status = 401, description = "The key is missing, or another one"),
        (status = 426, description = "It is no WebSocket"),
        (status = 429, description = "As many sessions run as may (--max-sessions): `Retry-After` says when to come again"),
        (status = 500, description = "The system does not give what a session needs"),
        (status = 503, description = "The service stops: `Retry-After` says when to come again"),
    ))]
pub(super) async fn repl(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if app.engine.stage() >= Stage::Stopping {
        return app.refusal(Refused::Stopping);
    }
    let settings = app.engine.settings();
    let site = match &asked.project {
        None => settings.sites.first(),
        Some(name) => settings.sites.iter().find(|site| site.name == *name),
    };
    let Some(site) = site else {
        return says(
            StatusCode::BAD_REQUEST,
            "there is no project of that name: GET /v1/pool has their names",
        );
    };
    // First of all, so that no more look at a project than there may be sessions.
    let place = match app.sessions.place() {
        Ok(place) => place,
        Err(full) => {
            let mut response = says(StatusCode::TOO_MANY_REQUESTS, &full.to_string());
            response.headers_mut().insert(RETRY_AFTER, AFTER.into());
            return response;
        }
    };
    // What Lake says may take a moment, and nobody else is to wait for it.
    let resolve = site.around.clone();
    let around = tokio::task::spawn_blocking(move || resolve(&Header::of(""))).await;
    let around = match around {
        Ok(Ok(around)) => around,
        Ok(Err(words)) => return says(StatusCode::BAD_REQUEST, &words),
        Err(_) => return says(StatusCode::INTERNAL_SERVER_ERROR, "the project can't be looked at"),
    };
    match app.sessions.begin(place, around) {
        Ok(session) => {
            let stops = watch::Receiver::clone(&app.seconds);
            let (bounds, most) = (settings.bounds.clone(), settings.bounds.body);
            upgrade
                .max_message_size(most)
                .max_frame_size(most)
                .on_upgrade(move |socket| talk(socket, session, stops, bounds))
        }
        Err(failed) => says(StatusCode::INTERNAL_SERVER_ERROR, &failed.to_string()),
    }
}

/// Until the client leaves or the service stops.
async fn talk(
    mut socket: WebSocket,
    mut session: Running,
    mut stops: watch::Receiver<std::sync::Arc<str>>,
    bounds: Bounds,
) {
    let over = session.is_over();
    tokio::pin!(over);
    let (mut unanswered, mut stopping) = (0_u64, false);
    // The system finds out that a client is gone that said nothing of it, once there is something to tell it.
    let mut alive = tokio::time::interval_at(Instant::now() + bounds.slow, bounds.slow);
    let (code, reason) = loop {
        if stopping && unanswered == 0 {
            break AWAY;
        }
        tokio::select! {
            message = socket.recv(), if !stopping => match message {
                Some(Ok(Message::Text(text))) if text.trim() == CANCEL => session.interrupt(),
                Some(Ok(Message::Text(text))) => match session.ask(text.to_string(), bounds.body) {
                    Ok(()) => unanswered += 1,
                    Err(words) => break (close_code::POLICY, words),
                },
                Some(Ok(Message::Binary(_))) => break (close_code::UNSUPPORTED, "requests are text"),
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            answer = session.answers.recv() => {
                let Some(answer) = answer else { break (close_code::ERROR, "the session has ended") };
                unanswered -= 1;
                // Whoever takes nothing of it is cut off after a while, as everywhere; when the service ends, at once.
                let sent = tokio::select! {
                    sent = socket.send(Message::Text(answer.into())) => sent,
                    () = &mut over => return,
                };
                if sent.is_err() {
                    return;
                }
            }
            _ = alive.tick() => if socket.send(Message::Ping(Default::default())).await.is_err() {
                return;
            },
            // Its sender goes when the service stops: what was asked is answered, and nothing else is asked.
            is_told = stops.changed(), if !stopping => stopping = is_told.is_err(),
            () = &mut over => break AWAY,
        }
    };
    let _ = tokio::time::timeout(TO_CLOSE, async {
        let last = CloseFrame { code, reason: reason.into() };
        // What is left unread would have the system break off the connection, and with it answers that are on their way.
        if socket.send(Message::Close(Some(last))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    })
    .await;
}
