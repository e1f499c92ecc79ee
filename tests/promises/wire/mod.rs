//! What goes over the wire besides who is there: which groups were joined, left and denied, which
//! have no presence, and messages.

mod assets;
mod foreign;
mod http2;
mod messages;
mod vectors;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tests::{Chunks, Client, Kind, Server, control};

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
    realtime.recheck_policy(7).await.expect("no other node");
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

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn control_changes_the_groups_of_a_stream_and_shows_nothing_to_others() {
    let server = Server::with_rooms(LONG).await;
    let mut other = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    assert_eq!(token.len(), 32);
    client.event("presence:sync").await;

    let groups = ["room:1", "room:2", "room:private"];
    let (status, body) =
        server.control("7", &json!({ "conn": token, "n": 2, "groups": groups })).await;
    let expected = json!({ "n": 2, "joined": ["room:2"], "left": [], "denied": ["room:private"] });
    assert_eq!((status, body), (200, expected));
    assert_eq!(client.event("presence:sync").await.channel, "room:2");

    // A call that was overtaken changes nothing, and says which one counts.
    let (status, body) = server.control("7", &json!({ "conn": token, "n": 1, "groups": [] })).await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "n": 2, "joined": [], "left": [], "denied": [] }));

    let leaves = json!({ "conn": token, "n": 3, "groups": ["room:2"] });
    let (_, body) = server.control("7", &leaves).await;
    assert_eq!(body["left"], json!(["room:1"]));
    // A goodbye: at once, long before the grace.
    other.event("presence:leave").await;
    let (_, again) = server.control("7", &leaves).await;
    assert_eq!(again, json!({ "n": 3, "joined": [], "left": [], "denied": [] }));
}

#[tokio::test]
async fn a_websocket_joins_and_leaves_groups() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "").await;
    let groups = ["room:1", "room:private"];
    client.send(&json!({ "op": "join", "groups": groups })).await;
    assert_eq!(client.event("presence:sync").await.channel, "room:1");
    assert_eq!(client.event("@joined").await.data, json!({ "groups": ["room:1"] }));
    assert_eq!(client.event("@denied").await.data, json!({ "groups": ["room:private"] }));
    client.send(&json!({ "op": "leave", "groups": ["room:1", "room:9"] })).await;
    assert_eq!(client.event("@left").await.data, json!({ "groups": ["room:1"] }));
    assert!(!server.presence().contains("room:1", 7).await.unwrap());

    client.send(&json!({ "op": "join", "groups": ["a b"] })).await;
    assert_eq!(client.event("@refused").await.data["error"]["code"], "bad_group");
    let many: Vec<String> = (0..101).map(|n| format!("room:{n}")).collect();
    client.send(&json!({ "op": "join", "groups": many })).await;
    assert_eq!(client.event("@refused").await.data["error"]["code"], "too_many_groups");
}
