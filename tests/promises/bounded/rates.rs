//! How much one user and one address may open and ask in a second.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::StatusCode;
use serde_json::{Value, json};
use tests::{Server, call, get};
use tokio::time::sleep;
use umbral_presence::{Limits, PresenceSpec, Realtime, RealtimePlugin};

const SECOND: Duration = Duration::from_secs(1);

fn plugin(limits: Limits) -> RealtimePlugin {
    Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .limits(limits)
        .client_address(|request| request.headers.get("x-real-ip")?.to_str().ok()?.parse().ok())
}

fn build(limits: Limits) -> Realtime {
    plugin(limits).build().expect("a plugin that can be built")
}

/// Asks as a user, or as nobody, from an address; gives the status, and the body, which is not
/// read.
async fn ask(realtime: &Realtime, path: &str, user: &str, address: &str) -> (StatusCode, Body) {
    let mut request = get(path, Some(user).filter(|user| !user.is_empty()));
    let address = address.parse().expect("a header's value");
    request.headers_mut().insert("x-real-ip", address);
    let response = call(realtime, request).await;
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::TOO_MANY_REQUESTS {
        assert!(parts.headers.contains_key("retry-after"), "it says when to come again");
    }
    (parts.status, body)
}

/// How many of so many get through.
async fn through(realtime: &Realtime, count: usize, path: &str, user: &str, from: &str) -> usize {
    let mut through = 0;
    for _ in 0..count {
        // What is opened ends at once.
        let (status, _) = ask(realtime, path, user, from).await;
        assert!([200, 429].contains(&status.as_u16()), "{status}");
        through += usize::from(status == StatusCode::OK);
    }
    through
}

#[tokio::test(start_paused = true)]
async fn a_user_opens_so_many_connections_in_a_second_and_another_one_too() {
    let realtime = build(Limits { opens_per_user: 5, ..Limits::default() });
    let open = async |user, from| through(&realtime, 20, "sse?groups=room:1", user, from).await;
    // Wherever they come from.
    assert_eq!(open("7", "203.0.113.1").await + open("7", "203.0.113.2").await, 5);
    assert_eq!(open("8", "203.0.113.1").await, 5);
    sleep(SECOND).await;
    assert_eq!(open("7", "203.0.113.1").await, 5);
}

#[tokio::test(start_paused = true)]
async fn an_address_opens_so_many_connections_in_a_second_whoever_asks() {
    let realtime = build(Limits { opens_per_address: 5, ..Limits::default() });
    let open = async |user, from| through(&realtime, 4, "sse?groups=room:1", user, from).await;
    let own = "203.0.113.1";
    assert_eq!(open("7", own).await + open("8", own).await + open("", own).await, 5);
    assert_eq!(open("7", "203.0.113.2").await, 4);
    // One client has all the addresses of its network.
    assert_eq!(open("9", "2001:db8::1").await + open("9", "2001:db8::2").await, 5);
    // Where the address is not known there is no limit by it.
    assert_eq!(open("", "unknown").await, 4);
    sleep(SECOND).await;
    assert_eq!(open("8", own).await, 4);
}

#[tokio::test(start_paused = true)]
async fn an_address_has_so_many_connections_whoever_they_are_of() {
    let realtime = build(Limits { connections_per_address: 3, ..Limits::default() });
    let mut open = Vec::new();
    for user in ["7", "8", ""] {
        let (status, body) = ask(&realtime, "sse?groups=room:1", user, "203.0.113.1").await;
        assert_eq!(status, StatusCode::OK);
        open.push(body);
    }
    let (status, _) = ask(&realtime, "sse?groups=room:1", "9", "203.0.113.1").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    open.pop();
    let (status, _stream) = ask(&realtime, "sse?groups=room:1", "9", "203.0.113.1").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_members_are_asked_for_so_often_in_a_second() {
    let realtime = build(Limits { members_per_second: 5, ..Limits::default() });
    let path = "members?group=room:1";
    assert_eq!(through(&realtime, 20, path, "7", "unknown").await, 5);
    assert_eq!(through(&realtime, 20, path, "", "203.0.113.1").await, 5);
    sleep(SECOND).await;
    assert_eq!(through(&realtime, 20, path, "7", "unknown").await, 5);
}

#[tokio::test(start_paused = true)]
async fn a_user_and_an_address_have_so_many_answers_under_way_as_connections() {
    let limits =
        Limits { connections_per_user: 3, connections_per_address: 5, ..Limits::default() };
    let realtime = build(limits);
    // None of them is read.
    let mut answers = Vec::new();
    let mut begin = async |count: usize, user: &str, from: &str| {
        let before = answers.len();
        for _ in 0..count {
            let (status, body) = ask(&realtime, "members?group=room:1", user, from).await;
            assert!([200, 429].contains(&status.as_u16()), "{status}");
            answers.extend((status == StatusCode::OK).then_some(body));
        }
        answers.len() - before
    };
    assert_eq!(begin(9, "7", "unknown").await, 3);
    assert_eq!(begin(9, "", "203.0.113.1").await, 5);
    assert_eq!(begin(1, "8", "203.0.113.1").await, 0);
    assert_eq!(begin(1, "8", "203.0.113.2").await, 1);
    answers.clear();
    sleep(SECOND).await;
    assert_eq!(through(&realtime, 9, "members?group=room:1", "7", "203.0.113.1").await, 9);
}

#[tokio::test(start_paused = true)]
async fn members_may_be_as_deep_as_they_like() {
    let deep = |_: &str| (0..500).fold(json!("bottom"), |inside, _| json!([inside]));
    let spec = PresenceSpec::prefixes(["deep:"]).resolver(deep);
    let realtime = plugin(Limits::default()).with_presence(spec).build().expect("a plugin");
    let (status, _stream) = ask(&realtime, "sse?groups=deep:1", "7", "").await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = ask(&realtime, "members?group=deep:1", "7", "").await;
    assert_eq!(status, StatusCode::OK);
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(
        text.ends_with(&format!("{}\"bottom\"{}]}}", "[".repeat(501), "]".repeat(500))),
        "{text}"
    );
    assert!(serde_json::from_str::<Value>(&text).is_err(), "deeper than a reader may like");
}
