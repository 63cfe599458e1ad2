//! Reading a request's body within its bounds.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{App, says};
use crate::invalid::{self, Invalid};

/// A body of JSON, and the room that it takes until this is dropped.
pub(super) struct Json<T>(pub(super) T, pub(super) Room);

/// Room for a body among those that are held: from its first byte until its request is answered.
pub(super) type Room = OwnedSemaphorePermit;

/// Why a body was not read.
enum Unread {
    TooLong,
    NoRoom,
    Broken,
}

async fn read(mut body: Body, most: usize, bodies: &Arc<Semaphore>) -> Result<(Vec<u8>, Room), Unread> {
    let room = |bytes: usize| {
        let bytes = u32::try_from(bytes).map_err(|_| Unread::NoRoom)?;
        bodies.clone().try_acquire_many_owned(bytes).map_err(|_| Unread::NoRoom)
    };
    let (mut bytes, mut held) = (Vec::new(), room(0)?);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if piece.len() > most - bytes.len() {
            return Err(Unread::TooLong);
        }
        held.merge(room(piece.len())?);
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, held))
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let bounds = &app.engine.settings().bounds;
        let whole = read(request.into_body(), bounds.body, &app.bodies);
        let (bytes, room) = match tokio::time::timeout(bounds.slow, whole).await {
            Ok(Ok(read)) => read,
            Ok(Err(Unread::TooLong)) => {
                let words = format!("a request has at most {} bytes here (--max-body)", bounds.body);
                return Err(says(StatusCode::PAYLOAD_TOO_LARGE, &words));
            }
            Ok(Err(Unread::NoRoom)) => {
                let words = "requests that are not answered yet have as many bytes as may be held (--max-bodies): come again later";
                let mut response = says(StatusCode::TOO_MANY_REQUESTS, words);
                response.headers_mut().insert(RETRY_AFTER, 1.into());
                return Err(response);
            }
            Ok(Err(Unread::Broken)) => {
                return Err(says(StatusCode::BAD_REQUEST, "the request ended before its body did"));
            }
            Err(_) => {
                let words = "the body did not come in time (--slow-client)";
                return Err(says(StatusCode::REQUEST_TIMEOUT, words));
            }
        };
        invalid::parse(&bytes).map(|value| Self(value, room)).map_err(wrong)
    }
}

/// The answer to a request with a wrong body.
pub(super) fn wrong(invalid: Invalid) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(invalid)).into_response()
}

/// Refuses a request with more files than one may have.
pub(super) fn bounded(files: usize, app: &App, key: &str) -> Result<(), Box<Response>> {
    let bounds = &app.engine.settings().bounds;
    // More than may wait could never be accepted.
    let most = bounds.files.min(bounds.queue);
    if files <= most {
        return Ok(());
    }
    let words = format!("a request has at most {most} files here (--max-files, --max-queue): send several");
    Err(Box::new(wrong(Invalid::new(&[key], &words))))
}

/// A body that comes in pieces.
pub(super) fn pieces(pieces: tokio::sync::mpsc::Receiver<String>) -> Body {
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::ReceiverStream;

    Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, std::convert::Infallible>))
}
