//! Serves the browser's client, without comments and indentation.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header, request::Parts};

use super::comments::without_comments;

/// The place in `client.js` and `client.mjs` for the hash of the scripts that they load: there they
/// have the version of the npm package. Their URLs carry the hash, because an old worker survives a deployment for as
/// long as one of its tabs is open.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The place in `client.mjs` for its own address. The published package does not have it: a build
/// tool would make a path on its own machine of `import.meta`.
const ADDRESS: &str = "\"__ADDRESS__\"";

/// The scripts that `client.js` loads: the worker always, the others if they are needed.
static LOADED: LazyLock<[(&str, String); 10]> = LazyLock::new(|| {
    [
        ("worker.js", without_comments(include_str!("../../client/worker.js"))),
        ("leader.js", without_comments(include_str!("../../client/leader.js"))),
        ("ws.js", without_comments(include_str!("../../client/ws.js"))),
        ("compare.js", without_comments(include_str!("../../client/compare.js"))),
        ("iterate.js", without_comments(include_str!("../../client/iterate.js"))),
        ("debug.js", without_comments(include_str!("../../client/debug.js"))),
        ("port.js", without_comments(include_str!("../../client/port.js"))),
        ("token.js", without_comments(include_str!("../../client/token.js"))),
        ("worker-token.js", without_comments(include_str!("../../client/worker-token.js"))),
        ("ws-token.js", without_comments(include_str!("../../client/ws-token.js"))),
    ]
});

static LOADED_HASH: LazyLock<String> =
    LazyLock::new(|| hash(&LOADED.iter().map(|(_, text)| text.as_str()).collect::<String>()));

/// The scripts that a page loads.
static LOADING: LazyLock<[(&str, String); 5]> = LazyLock::new(|| {
    [
        (
            "client.js",
            without_comments(include_str!("../../client/client.js")).replace(VERSION, &LOADED_HASH),
        ),
        (
            "client.mjs",
            without_comments(include_str!("../../client/client.mjs"))
                .replace(VERSION, &LOADED_HASH)
                .replace(ADDRESS, "import.meta.url"),
        ),
        ("react.mjs", without_comments(include_str!("../../client/react.mjs"))),
        ("store.mjs", without_comments(include_str!("../../client/store.mjs"))),
        // For the npm package, which has a version of its own.
        (
            "version.js",
            without_comments(include_str!("../../client/version.js"))
                .replace("__VERSION__", VERSION)
                .replace("__HASH__", &LOADED_HASH),
        ),
    ]
});

/// A route for each script.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(at: impl Fn(&str) -> String) -> Router<S> {
    LOADING.iter().chain(LOADED.iter()).fold(Router::new(), |router, (name, text)| {
        router.route(&at(name), get(move |parts: Parts| async move { script(&parts, text) }))
    })
}

fn script(parts: &Parts, text: &'static str) -> Response {
    let hash = hash(text);
    let etag = format!("\"{hash}\"");
    // A URL with the hash always has the same text. Without it the cache asks each time.
    let version = parts.uri.query().and_then(|query| query.strip_prefix("v="));
    let by_hash = version.is_some_and(|version| version == hash || version == *LOADED_HASH);
    let cache = if by_hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // Scripts are no secret. Without this header a page of another origin, or of a sandbox
        // without one, may not import them. Whether a page may connect is checked elsewhere.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    if is_held(&parts.headers, &etag) {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, text).into_response()
    }
}

/// Whether the cache that asks has this version.
fn is_held(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

/// Tells versions of a script apart. It does not protect against an adversary.
fn hash(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
