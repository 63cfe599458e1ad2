//! `GET /v1/repl`: a session of the REPL over a WebSocket. Each text message is a request, or `cancel`; each answer is a text message.

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use lean_worker::Header;
use serde::Deserialize;
use tokio::sync::watch;

use super::{App, says};
use crate::sessions::{NoSession, Running};

/// What interrupts the request that runs.
const CANCEL: &str = "cancel";

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
        (status = 429, description = "As many sessions run as may (--max-sessions)"),
        (status = 500, description = "The system does not give what a session needs"),
    ))]
pub(super) async fn repl(
    State(app): State<App>,
    Query(asked): Query<Asked>,
    upgrade: WebSocketUpgrade,
) -> Response {
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
    // What Lake says may take a moment, and nobody else is to wait for it.
    let resolve = site.around.clone();
    let around = tokio::task::spawn_blocking(move || resolve(&Header::of(""))).await;
    let around = match around {
        Ok(Ok(around)) => around,
        Ok(Err(words)) => return says(StatusCode::BAD_REQUEST, &words),
        Err(_) => return says(StatusCode::INTERNAL_SERVER_ERROR, "the project can't be looked at"),
    };
    match app.sessions.begin(around) {
        Ok(session) => {
            let ends = watch::Receiver::clone(&app.seconds);
            let most = settings.bounds.body;
            upgrade.max_message_size(most).on_upgrade(move |socket| talk(socket, session, ends))
        }
        Err(full @ NoSession::Full(_)) => says(StatusCode::TOO_MANY_REQUESTS, &full.to_string()),
        Err(failed) => says(StatusCode::INTERNAL_SERVER_ERROR, &failed.to_string()),
    }
}

/// Until the client leaves or the service stops.
async fn talk(mut socket: WebSocket, mut session: Running, mut ends: watch::Receiver<std::sync::Arc<str>>) {
    loop {
        let to_say = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) if text.trim() == CANCEL => {
                    session.interrupt();
                    continue;
                }
                Some(Ok(Message::Text(text))) => match session.ask(text.to_string()) {
                    Ok(()) => continue,
                    Err(words) => lean_worker::repl_message(&words),
                },
                Some(Ok(Message::Binary(_))) => lean_worker::repl_message("requests are text"),
                // Answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            answer = session.answers.recv() => match answer {
                Some(answer) => answer,
                None => return,
            },
            // Its sender goes when the service stops.
            is_over = ends.changed() => {
                if is_over.is_ok() {
                    continue;
                }
                let reason = "the service stops".into();
                let _ = socket.send(Message::Close(Some(CloseFrame { code: close_code::AWAY, reason }))).await;
                return;
            }
        };
        if socket.send(Message::Text(to_say.into())).await.is_err() {
            return;
        }
    }
}
