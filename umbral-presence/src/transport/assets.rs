//! The browser client, served as it is written but for its comments and indentation.

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

/// Where `client.js` is told the hash of the scripts that it loads. An old worker outlives
/// a deployment for as long as a tab of it is open, so their URLs carry the hash.
const HASH: &str = "__HASH__";

/// Where `client.mjs` is told its own address. It is put in here, since the package that is published
/// goes through build tools, and what these make of `import.meta` is a path of the machine that builds.
const ADDRESS: &str = "\"__ADDRESS__\"";

/// What `client.js` loads: the worker always, the others where they are needed.
static LOADED: LazyLock<[(&str, String); 4]> = LazyLock::new(|| {
    [
        ("worker.js", without_comments(include_str!("../../client/worker.js"))),
        ("leader.js", without_comments(include_str!("../../client/leader.js"))),
        ("ws.js", without_comments(include_str!("../../client/ws.js"))),
        ("iterate.js", without_comments(include_str!("../../client/iterate.js"))),
    ]
});

static LOADED_HASH: LazyLock<String> =
    LazyLock::new(|| hash(&LOADED.iter().map(|(_, text)| text.as_str()).collect::<String>()));

/// What a page loads.
static LOADING: LazyLock<[(&str, String); 4]> = LazyLock::new(|| {
    [
        (
            "client.js",
            without_comments(include_str!("../../client/client.js")).replace(HASH, &LOADED_HASH),
        ),
        (
            "client.mjs",
            without_comments(include_str!("../../client/client.mjs"))
                .replace(ADDRESS, "import.meta.url"),
        ),
        ("react.mjs", without_comments(include_str!("../../client/react.mjs"))),
        ("store.mjs", without_comments(include_str!("../../client/store.mjs"))),
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
    // Asked for by its hash it will never be another one; else the cache asks each time.
    let version = parts.uri.query().and_then(|query| query.strip_prefix("v="));
    let by_hash = version.is_some_and(|version| version == hash || version == *LOADED_HASH);
    let cache = if by_hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        // They are no secret, and a page of another origin, or in a sandbox that has none, may
        // not import them otherwise. Who may connect is asked where one connects.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
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
