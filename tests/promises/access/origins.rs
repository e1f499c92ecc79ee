//! Which pages may connect, and which may read an answer.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::{EVENT_STREAM, Server, USER_HEADER, code};

const LONG: Duration = Duration::from_secs(60);

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn an_allowed_origin_may_connect_and_the_own_one_always() {
    let plugin = Server::plugin().allowed_origins(["https://app.example.com"]);
    let server = Server::start(plugin).await;
    let own = server.url("");
    for (origin, status) in [
        ("https://app.example.com", 200),
        (own.as_str(), 200),
        ("https://evil.example.com", 403),
        ("null", 403),
    ] {
        let request = reqwest::Client::new().get(server.url("/realtime/sse"));
        let request = request.header("origin", origin).header(EVENT_STREAM.0, EVENT_STREAM.1);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn an_own_page_passes_every_route_behind_a_proxy_that_changes_the_host_where_the_browser_says_so()
 {
    let server = Server::with_rooms(LONG).await;
    let site = |site| ("sec-fetch-site", site);
    let page = ("origin", "https://chat.example.com");
    let referer = ("referer", "https://chat.example.com/room/1");
    let json = ("content-type", "application/json");
    let unknown = json!({ "conn": "0".repeat(32), "n": 1, "groups": [] }).to_string();
    // The status of each where the page is let in.
    let routes = [
        (Method::GET, "/realtime/sse?groups=news", "", 200, ""),
        (Method::GET, "/realtime/members?group=room:1", "", 200, ""),
        (Method::GET, "/realtime/ws?groups=news", "", 101, ""),
        (Method::POST, "/realtime/control", unknown.as_str(), 404, "unknown_connection"),
    ];
    let upgrade: Headers<'_> = &[
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    let cases: &[(Headers<'_>, bool)] = &[
        (&[site("same-origin"), page, referer], true),
        (&[site("same-origin"), referer], true),
        (&[site("none")], true),
        (&[site("cross-site"), page], false),
        (&[site("same-site"), page], false),
        // Over plain HTTP the browser says less, and each request all the same.
        (&[page, referer], false),
        (&[referer], false),
        (&[], true),
    ];
    for (method, path, body, status, reason) in routes {
        for (headers, is_let_in) in cases {
            let more = if path.contains("/ws") { upgrade } else { &[json] };
            let headers = [headers, more].concat();
            let (got, answer) = server.ask(method.clone(), path, &headers, body).await;
            let wanted = if *is_let_in { (status, reason) } else { (403, "origin") };
            assert_eq!(
                (got, answer["error"]["code"].as_str().unwrap_or("")),
                wanted,
                "{path} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_page_can_have_a_visitors_browser_load_opens_no_stream() {
    let server = Server::with_rooms(LONG).await;
    let open = async |accept: &str, headers: Headers<'_>| {
        let http = reqwest::Client::new().get(server.url("/realtime/sse?groups=room:1"));
        let mut http = http.header(USER_HEADER, "7");
        for (name, value) in
            [("accept", accept)].iter().chain(headers).filter(|(_, v)| !v.is_empty())
        {
            http = http.header(*name, *value);
        }
        let response = http.send().await.unwrap();
        let status = response.status().as_u16();
        let present = server.presence().contains("room:1", 7).await.unwrap();
        assert_eq!(present, status == 200);
        (status, if status == 200 { Value::Null } else { response.json().await.unwrap() })
    };
    let picture = "image/avif,image/webp,*/*;q=0.8";
    // Over plain HTTP a picture says no more than this.
    let (status, body) = open(picture, &[]).await;
    assert_eq!((status, code(&body)), (406, "no_event_stream"));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("Accept: text/event-stream"), "{message}");
    assert_eq!(open("", &[]).await.0, 406);
    // An own page may show what visitors have posted.
    let own: Headers<'_> = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "image")];
    assert_eq!(open(picture, own).await.0, 406);
    assert_eq!(open(picture, &[("referer", &server.url("/page"))]).await.0, 406);
    assert_eq!(open(picture, &[("referer", "http://evil.example/")]).await.0, 403);
    server.is_empty().await;
    // A script's call and a person's address bar are meant, and `EventSource` says so.
    let script: Headers<'_> = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
    assert_eq!(open("*/*", script).await.0, 200);
    assert_eq!(open("text/event-stream", &[]).await.0, 200);
}

#[tokio::test]
async fn only_the_allowed_hosts_are_served() {
    let server = Server::start(Server::plugin().allowed_hosts(["example.com"])).await;
    let rebound: Headers<'_> = &[("host", "evil.example"), ("origin", "http://evil.example")];
    for path in ["/realtime/sse?groups=a", "/realtime/members?group=a"] {
        let (status, body) = server.ask(Method::GET, path, rebound, "").await;
        assert_eq!((status, code(&body)), (403, "host"), "{path}");
    }
    let own: Headers<'_> = &[("host", "example.com:8080"), ("origin", "http://example.com:8080")];
    let (status, _) = server.ask(Method::GET, "/realtime/members?group=a", own, "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_the_answers_and_another_may_not() {
    let origin = "https://app.example.com";
    let server = Server::start(Server::plugin().allowed_origins([origin])).await;
    let http = reqwest::Client::new();
    for (from, allowed) in [(origin, Some(origin)), ("https://evil.example.com", None)] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = http
                .request(method.clone(), server.url("/realtime/control"))
                .header("origin", from)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type");
            let response = request.send().await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(header("access-control-allow-origin"), allowed, "{method} {from}");
            if method == Method::OPTIONS && allowed.is_some() {
                assert_eq!(response.status(), 200);
                assert_eq!(header("access-control-allow-credentials"), Some("true"));
                assert_eq!(
                    header("access-control-allow-headers"),
                    Some("authorization,content-type")
                );
            }
        }
    }
    // Without an allowed origin there is nothing that anybody could read.
    let server = Server::start(Server::plugin()).await;
    let request = http.get(server.url("/realtime/sse")).header("origin", server.url(""));
    let request = request.header(EVENT_STREAM.0, EVENT_STREAM.1);
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}
