//! How groups reach browsers: the only modules that know HTTP.

mod admission;
mod assets;
mod control;
mod members;
mod refusal;
mod sse;
mod ws;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use http::{HeaderValue, Method, header, request::Parts};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::realtime::App;

/// How often a stream shows that it is alive, when it has nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The longest body of a `control` call, in bytes: more than 100 names of the greatest
/// length take, each character escaped.
const CONTROL_BYTES: usize = 160 * 1024;

/// How long a browser need not ask again whether a page of an allowed origin may call.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// The routes, under the application's base path.
pub(crate) fn router(app: Arc<App>) -> Router {
    let at = |name: &str| format!("{}/{name}", app.base);
    let cors = (!app.origins.is_empty()).then(|| cors(app.clone()));
    let router = Router::new()
        .route(&at("sse"), get(sse::open))
        .route(&at("ws"), get(ws::open))
        .route(&at("members"), get(members::list))
        .route(&at("control"), post(control::replace).layer(DefaultBodyLimit::max(CONTROL_BYTES)))
        .merge(assets::routes(at))
        .with_state(app);
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Lets pages of the allowed origins read the answers, with the cookies of this server.
fn cors(app: Arc<App>) -> CorsLayer {
    let is_allowed = move |origin: &HeaderValue, _: &Parts| app.origins.contains(origin);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT)
}
