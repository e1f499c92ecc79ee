//! The routes. These are the only modules that know HTTP.

mod address;
mod admission;
mod assets;
mod change;
mod code;
mod comments;
mod conn;
mod control;
mod listing;
mod members;
mod names;
#[cfg(feature = "redis")]
mod nodes;
mod refusal;
mod site;
pub(crate) mod socket;
mod sse;
mod ws;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    routing::{MethodFilter, any, get, on, post},
};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_service::Service;

#[cfg(feature = "redis")]
pub(crate) use self::nodes::answer_nodes;
pub(crate) use self::{address::ClientAddress, site::Site};
use crate::name::MAX_GROUP_NAME_BYTES;

/// Every code that a refusal may have.
#[cfg(feature = "metrics")]
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    code::Code::ALL.iter().map(|code| code.as_str())
}

/// The most bytes of a name in the body of a `control` call. It is enough for the longest name,
/// even if each character is escaped.
const CONTROL_NAME_BYTES: usize = 6 * MAX_GROUP_NAME_BYTES + 8;

/// For how long a browser remembers that a page of an allowed origin may call.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// Everything under the site's base path, behind one route. axum copies a router for each
/// connection, and a copy of all routes takes five kibibytes.
pub(crate) fn router(site: Arc<Site>) -> Router {
    let path = format!("{}/{{*path}}", site.base);
    let routes = routes(site);
    Router::new().route(
        &path,
        any(move |request: Request| {
            let mut routes = routes.clone();
            async move { routes.call(request).await }
        }),
    )
}

/// Whether something waits to be written to the stream of this name, its end included.
#[cfg(feature = "test")]
pub(crate) fn is_writing_to(site: &Site, conn: &str) -> bool {
    conn.parse().is_ok_and(|conn: conn::Conn| site.door.hub.is_writing_to(conn.token))
}

fn routes(site: Arc<Site>) -> Router {
    let at = |name: &str| format!("{}/{name}", site.base);
    // Each group may be named twice, in `groups` and in `sync`.
    let names = site.door.hub.limits.groups_per_connection.saturating_mul(2).saturating_add(1);
    let control = DefaultBodyLimit::max(names.saturating_mul(CONTROL_NAME_BYTES));
    let cors = site.gate.allows_origins().then(|| cors(site.clone()));
    // Over HTTP/2 a WebSocket is asked for with `CONNECT`.
    let websocket = MethodFilter::GET.or(MethodFilter::CONNECT);
    let router = Router::new()
        .route(&at("sse"), get(sse::open).head(no_method))
        .route(&at("ws"), on(websocket, ws::open))
        .route(&at("members"), get(members::list))
        .route(&at("control"), post(control::replace).layer(control))
        .merge(assets::routes(at))
        .with_state(site);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Refuses `HEAD`. Its stream would end at once, after it had shown its user as present.
async fn no_method() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// Lets pages of the allowed origins send this server's cookies and read its answers.
fn cors(site: Arc<Site>) -> CorsLayer {
    let is_allowed = move |origin: &HeaderValue, _: &Parts| site.gate.names(origin);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        // Versions of the layer differ in what they say by themselves.
        .vary([header::ORIGIN])
        .max_age(PREFLIGHT)
}
