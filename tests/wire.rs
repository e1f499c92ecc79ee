//! What clients are told besides who is there: which groups have no presence, which they may not
//! be in, and which key of a query is none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tests::{Chunks, Client, EVENT_STREAM, Kind, Server, call, control};

const NAMES: [&str; 5] = ["room:1", "news", "room:private1", "room:private2", "chat"];

fn sorted(names: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        names.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn hello_says_which_groups_have_no_presence_and_which_are_denied() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for kind in [Kind::SseV1, Kind::WsV1] {
        let mut client = Client::open(&server, kind, Some("7"), &NAMES.join(",")).await;
        let hello = client.event("@hello").await.data;
        assert_eq!(sorted(&hello["no_presence"]), ["chat", "news"], "{kind:?}");
        assert_eq!(sorted(&hello["denied"]), ["room:private1", "room:private2"], "{kind:?}");
        let mut client = Client::open(&server, kind, Some("7"), "room:1").await;
        let hello = client.event("@hello").await.data;
        assert_eq!(hello.get("no_presence"), None, "where there is none nothing is said");
    }
}

#[tokio::test]
async fn control_says_which_of_the_groups_it_has_joined_have_no_presence() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "news").await;
    let token = client.token().await;
    let call = async |n, groups: &[&str]| {
        let body = json!({ "conn": token, "n": n, "groups": groups, "later": "ignored" });
        let (status, _, answer) = control(&server.realtime, "7", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let answer = call(1, &NAMES).await;
    assert_eq!(sorted(&answer["joined"]), ["chat", "room:1"]);
    assert_eq!(answer["no_presence"], json!(["chat"]), "of those that are new");
    assert_eq!(sorted(&answer["denied"]), ["room:private1", "room:private2"]);
    assert_eq!(call(2, &["news", "chat"]).await.get("no_presence"), None);
}

#[tokio::test]
async fn a_websocket_is_told_of_all_groups_of_an_operation_in_one_frame_of_each_kind() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "").await;
    client.send(&json!({ "op": "join", "groups": NAMES })).await;
    let joined = client.event("@joined").await.data;
    assert_eq!(sorted(&joined["groups"]), ["chat", "news", "room:1"]);
    assert_eq!(sorted(&joined["no_presence"]), ["chat", "news"]);
    let denied = client.event("@denied").await.data;
    assert_eq!(sorted(&denied["groups"]), ["room:private1", "room:private2"]);
    client.send(&json!({ "op": "join", "groups": ["room:2", "news"] })).await;
    let joined = client.event("@joined").await.data;
    assert_eq!(sorted(&joined["groups"]), ["news", "room:2"]);
    assert_eq!(joined.get("no_presence"), None, "of those that are new");
}

#[tokio::test(start_paused = true)]
async fn many_rights_that_are_lost_at_once_are_told_in_few_frames() {
    let open = Arc::new(AtomicBool::new(true));
    let policy = open.clone();
    let plugin = Server::plugin().group_policy_fn(move |_, _| policy.load(Ordering::SeqCst));
    let realtime = plugin.build().expect("a plugin that can be built");
    let groups: Vec<_> = (0..80).map(|n| format!("g{n}")).collect();
    let query = format!("groups={}", groups.join(","));
    let mut stream = Chunks::open(&realtime, "7", &query).await;
    open.store(false, Ordering::SeqCst);
    realtime.recheck_policy(7).await;
    let (mut frames, mut denied) = (0, 0);
    while denied < 80 {
        for frame in stream.frames().await.expect("an open stream") {
            assert_eq!(frame.event, "@denied");
            frames += 1;
            denied += frame.data["groups"].as_array().expect("a list").len();
        }
    }
    assert_eq!((denied, frames), (80, 10), "eight questions at once, and one frame for them");
}

#[tokio::test]
async fn a_key_of_a_query_that_is_none_is_refused_by_name() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for (path, key, known) in [
        ("sse?group=room:1", "group", "`groups` or `v`"),
        ("sse?groups=room:1&v=1&token=x", "token", "`groups` or `v`"),
        ("sse?groups=a&groups=b", "groups", ""),
        ("sse?v=1&v=1", "v", ""),
        ("members?group=room:1&v=1", "v", "`group`"),
        ("members?group=room:1&group=room:1", "group", ""),
        ("members?groups=room:1", "groups", "`group`"),
    ] {
        let request = Request::get(format!("/realtime/{path}"));
        let request =
            request.header(EVENT_STREAM.0, EVENT_STREAM.1).body(axum::body::Body::empty());
        let response = call(&server.realtime, request.expect("a request")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["error"]["code"], "bad_query", "{path}");
        let message = body["error"]["message"].as_str().expect("a message");
        assert!(message.contains(&format!("`{key}`")) && message.contains(known), "{message}");
    }
    let refused = Client::try_open(&server, Kind::Ws, Some("7"), "a&gropus=b").await;
    let (status, body) = refused.err().expect("a typo");
    assert!(status == 400 && body.to_string().contains("`gropus`"), "{body}");
}

#[tokio::test]
async fn the_ids_of_a_stream_tell_nothing_of_what_others_are_sent() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let mut insider =
        Client::open(&server, Kind::Sse, Some("insider"), "room:private,room:private2").await;
    let mut visitor = Chunks::open(&server.realtime, "visitor", "groups=news").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        for _ in 0..10 {
            let sent = server.realtime.to_group("room:private").send("secret", &n).await;
            sent.expect("a valid name");
        }
        server.realtime.to_group("news").send("news", &n).await.expect("a valid name");
        insider.event("secret").await;
        // The number, and what has it.
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text.push_str(&visitor.text().await.expect("an open stream"));
        }
        ids.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned));
    }
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
    // With `v=1` there is none.
    let mut visitor = Chunks::open(&server.realtime, "visitor", "groups=news&v=1").await;
    server.realtime.to_group("news").send("news", &5).await.expect("a valid name");
    for _ in 0..2 {
        assert!(!visitor.text().await.expect("an open stream").contains("id: "));
    }
}
