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

use crate::realtime::App;

/// How often a stream shows that it is alive, when it has nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The longest body of a `control` call, in bytes: more than 100 names of the greatest
/// length take, each character escaped.
const CONTROL_BYTES: usize = 160 * 1024;

/// The routes, under the application's base path.
pub(crate) fn router(app: Arc<App>) -> Router {
    let at = |name: &str| format!("{}/{name}", app.base);
    Router::new()
        .route(&at("sse"), get(sse::open))
        .route(&at("ws"), get(ws::open))
        .route(&at("members"), get(members::list))
        .route(&at("control"), post(control::replace).layer(DefaultBodyLimit::max(CONTROL_BYTES)))
        .route(&at("client.js"), get(assets::client_js))
        .route(&at("client.mjs"), get(assets::client_mjs))
        .route(&at("worker.js"), get(assets::worker_js))
        .with_state(app)
}
