//! The page, and the document of the routes.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use super::App;
use super::kimina::health_of;

/// Nothing but what comes from here is loaded or run by the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, for a browser; as /health for whoever asks for no page.
#[utoipa::path(get, path = "/", responses(
    (status = 200, description = "The page, or that it is ready", content((String = "text/html"), (Object = "application/json"))),
    (status = 503, description = "As /health"),
))]
pub(super) async fn root(State(app): State<App>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains("text/html")) {
        return health_of(&app);
    }
    served("text/html; charset=utf-8", include_str!("../page/index.html"))
}

/// How the page looks.
#[utoipa::path(get, path = "/page.css", responses((status = 200, description = "CSS", body = String, content_type = "text/css")))]
pub(super) async fn style() -> Response {
    served("text/css; charset=utf-8", include_str!("../page/page.css"))
}

/// What the page does.
#[utoipa::path(get, path = "/page.js", responses((status = 200, description = "JavaScript", body = String, content_type = "text/javascript")))]
pub(super) async fn script() -> Response {
    served("text/javascript; charset=utf-8", include_str!("../page/page.js"))
}

/// What describes the routes.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn document() -> Response {
    axum::Json(super::openapi()).into_response()
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, text).into_response()
}
