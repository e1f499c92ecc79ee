//! The client is served by the application.

use http::StatusCode;
use tests::Server;

#[tokio::test]
async fn the_client_is_served_with_an_etag_under_any_base_path() {
    let server = Server::start(Server::plugin().at("/rt/v1")).await;
    let http = reqwest::Client::new();
    for name in ["client.js", "client.mjs", "worker.js", "leader.js", "ws.js", "iterate.js"] {
        let url = server.url(&format!("/rt/v1/{name}"));
        let response = http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let etag = response.headers()["etag"].clone();
        assert!(!response.text().await.unwrap().contains("__HASH__"), "{name}");
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
