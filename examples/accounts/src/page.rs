//! The page's files, and the security headers of every response.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};

/// Forbids inline scripts and styles, files of other origins, and a frame around the page.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Serves the four files of the page.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(|| file("text/html", include_str!("../page/index.html"))))
        .route("/app.js", get(|| file("text/javascript", include_str!("../page/app.js"))))
        .route("/style.css", get(|| file("text/css", include_str!("../page/style.css"))))
        .route("/icon.svg", get(|| file("image/svg+xml", include_str!("../page/icon.svg"))))
}

async fn file(kind: &str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}

/// Adds the security headers to a response.
pub(crate) async fn harden(mut response: Response) -> Response {
    let mut set = |name, text| response.headers_mut().insert(name, HeaderValue::from_static(text));
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}
