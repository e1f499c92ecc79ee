//! The pages. What they do stands in tests/browser/pages.

use std::{fmt::Write as _, time::Duration};

use axum::{
    Router,
    extract::Query,
    response::{Html, IntoResponse},
    routing::get,
};
use http::header;
use serde::Deserialize;
use umbral_presence::Realtime;

const PAGE_JS: &str = include_str!("../browser/pages/page.js");

pub(crate) fn router() -> Router<Realtime> {
    Router::new()
        .route("/page", get(page))
        .route("/page.js", get(async || script(PAGE_JS)))
        .route("/slow.js", get(slow))
        .route("/elsewhere", get(async || Html("<!doctype html><title>elsewhere</title>")))
        .route("/favicon.ico", get(async || ()))
}

/// `?slow=800` has the page take so many milliseconds to start, `?csp=..` gives it a policy.
/// The rest is for page.js.
#[derive(Deserialize)]
struct Options {
    slow: Option<u64>,
    csp: Option<String>,
}

async fn page(Query(options): Query<Options>) -> impl IntoResponse {
    let mut html = "<!doctype html><title>page</title><h1>page</h1>".to_owned();
    if let Some(milliseconds) = options.slow {
        let _ = write!(html, "<script src='/slow.js?slow={milliseconds}'></script>");
    }
    html += "<script src='/realtime/client.js'></script><script src='/page.js'></script>";
    let csp = options.csp.unwrap_or_else(|| "default-src 'self'".to_owned());
    ([(header::CONTENT_SECURITY_POLICY, csp)], Html(html))
}

/// A script that does nothing and takes its time to come, so that those after it wait.
async fn slow(Query(options): Query<Options>) -> impl IntoResponse {
    tokio::time::sleep(Duration::from_millis(options.slow.unwrap_or(0))).await;
    script("")
}

fn script(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "no-store")], text)
}
