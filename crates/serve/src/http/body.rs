//! Reading a request's body within its bounds.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::{App, says};
use crate::invalid::{self, Invalid};

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let bounds = &app.engine.settings().bounds;
        let whole = Limited::new(request.into_body(), bounds.body).collect();
        let bytes = match tokio::time::timeout(bounds.slow, whole).await {
            Ok(Ok(whole)) => whole.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let words = format!("a request has at most {} bytes here (--max-body)", bounds.body);
                return Err(says(StatusCode::PAYLOAD_TOO_LARGE, &words));
            }
            Ok(Err(_)) => return Err(says(StatusCode::BAD_REQUEST, "the request ended before its body did")),
            Err(_) => {
                let words = "the body did not come in time (--slow-client)";
                return Err(says(StatusCode::REQUEST_TIMEOUT, words));
            }
        };
        invalid::parse(&bytes).map(Self).map_err(wrong)
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
