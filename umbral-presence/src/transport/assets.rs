//! The browser client, served as it is written.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header, request::Parts};

/// Where `client.js` is told the hash of the worker. An old worker outlives a deployment
/// for as long as a tab of it is open, so the worker's URL and name carry the hash.
const WORKER_HASH: &str = "__WORKER_HASH__";

const CLIENT_MJS: &str = include_str!("../../client/client.mjs");
const WORKER_JS: &str = include_str!("../../client/worker.js");

static CLIENT: LazyLock<String> =
    LazyLock::new(|| include_str!("../../client/client.js").replace(WORKER_HASH, &hash(WORKER_JS)));

pub(super) async fn client_js(parts: Parts) -> Response {
    script(&parts, &CLIENT)
}

pub(super) async fn client_mjs(parts: Parts) -> Response {
    script(&parts, CLIENT_MJS)
}

pub(super) async fn worker_js(parts: Parts) -> Response {
    script(&parts, WORKER_JS)
}

fn script(parts: &Parts, text: &'static str) -> Response {
    let hash = hash(text);
    let etag = format!("\"{hash}\"");
    // Asked for by its hash it will never be another one; else the cache asks each time.
    let by_hash = parts.uri.query() == Some(&format!("v={hash}"));
    let cache = if by_hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if is_held(&parts.headers, &etag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, text).into_response()
    }
}

/// Whether the cache that asks has this very version.
fn is_held(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

/// Tells one version of a script from another; not against an adversary.
fn hash(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
