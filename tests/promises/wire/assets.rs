//! The client is served by the application.

use http::StatusCode;
use tests::Server;

#[tokio::test]
async fn the_client_is_served_with_an_etag_under_any_base_path() {
    let server = Server::start(Server::plugin().at("/rt/v1")).await;
    let http = reqwest::Client::new();
    let package: serde_json::Value =
        serde_json::from_str(include_str!("../../../umbral-presence/client/package.json")).unwrap();
    let version = package["version"].as_str().unwrap();
    let loaded = ["worker.js", "leader.js", "ws.js", "compare.js", "iterate.js", "debug.js"];
    let loading = ["client.js", "client.mjs", "react.mjs", "store.mjs", "version.js"];
    for name in loading.into_iter().chain(loaded) {
        let url = server.url(&format!("/rt/v1/{name}"));
        let response = http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let etag = response.headers()["etag"].clone();
        let text = response.text().await.unwrap();
        // What the server puts in: a hash in the place of the package's version, an address, and its
        // own version where it is compared with that of the package.
        assert_eq!(text.contains(version), name == "version.js", "{name}");
        assert!(!text.contains("\"__"), "{name}");
        let again = http.get(&url).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{name}");
        let by_hash = format!("{url}?v={}", etag.to_str().unwrap().trim_matches('"'));
        let response = http.get(by_hash).send().await.unwrap();
        let cache = response.headers()["cache-control"].to_str().unwrap();
        assert!(cache.contains("immutable"), "{cache}");
    }
    let missing = http.get(server.url("/realtime/client.js")).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}
