//! What is wrong is refused with a status, a code and a text.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tests::{Client, Kind, Server, USER_HEADER, call, code, get, json};

const LONG: Duration = Duration::from_secs(60);

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_reason() {
    let server = Server::with_rooms(LONG).await;
    let long = format!("/realtime/sse?groups={}", "x".repeat(201));
    let many: Vec<String> = (0..101).map(|n| format!("room:{n}")).collect();
    let many = format!("/realtime/sse?groups={}", many.join(","));
    let evil = ("origin", "https://evil.example");
    let cases: &[(&str, Headers<'_>, u16, &str)] = &[
        ("/realtime/sse?groups=a%20b", &[], 400, "bad_group"),
        ("/realtime/sse?groups=a,,b", &[], 400, "bad_group"),
        ("/realtime/sse?groups=%40user:7", &[], 400, "bad_group"),
        ("/realtime/sse?groups=a&groups=b", &[], 400, "bad_query"),
        ("/realtime/sse?v=2", &[], 400, "bad_version"),
        (&long, &[], 400, "bad_group"),
        (&many, &[], 400, "too_many_groups"),
        ("/realtime/sse?groups=room:private", &[], 403, "denied"),
        ("/realtime/sse?groups=room:1", &[evil], 403, "origin"),
        ("/realtime/sse?groups=room:1", &[("sec-fetch-site", "cross-site")], 403, "origin"),
        ("/realtime/members?group=room:1", &[evil], 403, "origin"),
        ("/realtime/members", &[], 400, "bad_query"),
        ("/realtime/members?group=", &[], 400, "bad_group"),
        ("/realtime/members?group=room:private", &[], 403, "denied"),
        ("/realtime/members?group=news", &[], 404, "no_presence"),
        ("/realtime/sse?groups=room:1", &[("accept", "*/*")], 406, "no_event_stream"),
        ("/realtime/ws?groups=room:1", &[], 400, "no_websocket"),
        ("/realtime/sse?groups=room:1", &[(USER_HEADER, "a\tb")], 500, "identity"),
    ];
    for (path, headers, status, reason) in cases {
        let (got, body) = server.ask(Method::GET, path, headers, "").await;
        assert_eq!((got, code(&body)), (*status, *reason), "{path} {headers:?}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        // What a client can keep to is told as a number.
        let limit = (*reason == "too_many_groups").then_some(100);
        assert_eq!(body["error"]["limit"].as_u64(), limit, "{path}");
    }
    server.is_empty().await;
}

#[tokio::test]
async fn a_bad_control_call_is_refused_with_a_reason() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    let good = json!({ "conn": token, "n": 1, "groups": [] }).to_string();
    let unknown = json!({ "conn": "0".repeat(32), "n": 1, "groups": [] }).to_string();
    let forged = json!({ "conn": "7", "n": 1, "groups": [] }).to_string();
    let bad_name = json!({ "conn": token, "n": 1, "groups": ["a b"] }).to_string();
    let bad_type = json!({ "conn": token, "n": "one", "groups": [] }).to_string();
    let huge = json!({ "conn": token, "n": 1, "groups": ["x".repeat(300_000)] }).to_string();
    let json = ("content-type", "application/json");
    let me = (USER_HEADER, "7");
    let cases: &[(Headers<'_>, &str, u16, &str)] = &[
        (&[me], &good, 415, "not_json"),
        (&[me, ("content-type", "text/plain")], &good, 415, "not_json"),
        (&[me, json], "{", 400, "bad_json"),
        (&[me, json], &bad_type, 400, "bad_json"),
        (&[me, json], &huge, 413, "too_large"),
        (&[me, json], &bad_name, 400, "bad_group"),
        (&[me, json], &unknown, 404, "unknown_connection"),
        (&[me, json], &forged, 404, "unknown_connection"),
        (&[me, json, ("origin", "https://evil.example")], &good, 403, "origin"),
        (&[me, json, ("sec-fetch-site", "cross-site")], &good, 403, "origin"),
    ];
    for (headers, body, status, reason) in cases {
        let path = "/realtime/control";
        let (got, answer) = server.ask(Method::POST, path, headers, body).await;
        assert_eq!((got, code(&answer)), (*status, *reason), "{headers:?} {body:.80}");
    }
    // None of them has touched the stream.
    assert!(server.presence().contains("room:1", 7).await.unwrap());
}

#[tokio::test]
async fn a_key_of_a_query_that_is_none_is_refused_by_name() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for (path, key, known) in [
        ("sse?group=room:1", "group", "`groups`, `v`, `auth`"),
        ("sse?groups=room:1&v=1&token=x", "token", "`groups`, `v`, `auth`"),
        ("sse?groups=a&groups=b", "groups", ""),
        ("sse?v=1&v=1", "v", ""),
        ("members?group=room:1&v=1", "v", "`group`"),
        ("members?group=room:1&group=room:1", "group", ""),
        ("members?groups=room:1", "groups", "`group`"),
    ] {
        let response = call(&server.realtime, get(path, None)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let body = json(response).await;
        assert_eq!(code(&body), "bad_query", "{path}");
        let message = body["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("`{key}`")) && message.contains(known), "{message}");
    }
    let refused = Client::try_open(&server, Kind::Ws, Some("7"), "a&gropus=b").await;
    let (status, body) = refused.err().expect("a typo");
    assert!(status == 400 && body.to_string().contains("`gropus`"), "{body}");
}
