//! What was asked for, sentence by sentence.
//!
//! | the promise | the test |
//! |---|---|
//! | off until a group is opted in; a group the spec does not match emits no `presence:*` | `a_group_without_a_spec_emits_nothing` |
//! | presence for names with a prefix | `a_prefix_switches_presence_on` |
//! | or for names that a predicate picks | `a_predicate_switches_presence_on` |
//! | rides the connections there are, both transports alike | `both_transports_see_one_another` |
//! | no polling: changes are pushed | `join_and_leave_stream_after_the_snapshot` |
//! | only signed-in users appear | `an_anonymous_visitor_never_appears` |
//! | a member is `{"id": …}` and nothing else, for any kind of key | `a_member_is_its_id_and_nothing_else` |
//! | a resolver's output is the payload: exactly those keys | `a_resolver_decides_exactly_what_is_shown` |
//! | `sync` arrives once, when you join, with who is already there | `sync_comes_once_and_to_the_joiner_alone` |
//! | `join` and `leave` stream the transitions after that | `join_and_leave_stream_after_the_snapshot` |
//! | a user with three tabs is present once | `a_user_with_three_tabs_is_present_once` |
//! | opening a second tab adds no second join | `a_second_connection_adds_no_join` |
//! | closing one of two tabs is not a leave | `closing_one_of_two_is_no_leave` |
//! | closing the last one is | `closing_the_last_one_is_a_leave` |
//! | `GroupPolicy` governs who can see | `who_may_not_join_sees_nothing` |
//! | enabling presence never widens who may subscribe | `presence_does_not_widen_the_policy` |
//!
//! The client's side (`umbral.realtime.presence`, one connection for all tabs) is tested in
//! a real browser: `tests/browser`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Client, Fold, Frame, Kind, Server, eventually};
use umbral_presence::{PresenceSpec, RealtimePlugin};
use uuid::Uuid;

/// Long enough that no test ends within it, for those that must not see a grace end.
const LONG: Duration = Duration::from_secs(60);

fn is_presence(frame: &Frame) -> bool {
    frame.event.starts_with("presence:")
}

fn presence_of(frames: &[Frame]) -> Vec<&str> {
    let presence = frames.iter().filter(|frame| is_presence(frame));
    presence.map(|frame| frame.event.as_str()).collect()
}

async fn count(server: &Server, group: &str) -> usize {
    server.presence().count(group).await.expect("a valid name")
}

#[tokio::test]
async fn a_group_without_a_spec_emits_nothing() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for kind in Kind::ALL {
        let mut watcher = Client::open(&server, kind, Some("1"), "news").await;
        let other = Client::open(&server, kind, Some("2"), "news").await;
        drop(other);
        eventually("the other is gone", || async { server.realtime.health().connections == 1 })
            .await;
        let frames = watcher.frames_until_now(&server, "news").await;
        assert_eq!(presence_of(&frames), [""; 0], "{kind:?}");
        assert_eq!(count(&server, "news").await, 0);
        drop(watcher);
        server.is_empty().await;
    }
}

#[tokio::test]
async fn presence_is_off_until_it_is_declared() {
    let server = Server::start(Server::plugin()).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let frames = watcher.frames_until_now(&server, "room:1").await;
    assert_eq!(presence_of(&frames), [""; 0]);
}

#[tokio::test]
async fn a_prefix_switches_presence_on() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Sse, Some("7"), "room:1,rooms").await;
    assert_eq!(client.event("presence:sync").await.channel, "room:1");
    let frames = client.frames_until_now(&server, "room:1").await;
    assert_eq!(presence_of(&frames), [""; 0]);
}

#[tokio::test]
async fn a_predicate_switches_presence_on() {
    let spec =
        PresenceSpec::matching(|group| group == "public:lobby" || group.starts_with("room:"));
    let server = Server::start(Server::plugin().with_presence(spec)).await;
    let groups = "public:lobby,room:1,public:other";
    let mut client = Client::open(&server, Kind::Ws, Some("7"), groups).await;
    let frames = client.frames_until_now(&server, "public:other").await;
    let mut synced: Vec<_> = frames.iter().filter(|f| is_presence(f)).map(|f| &f.channel).collect();
    synced.sort();
    assert_eq!(synced, ["public:lobby", "room:1"]);
}

#[tokio::test]
async fn a_member_is_its_id_and_nothing_else() {
    let server = Server::with_rooms(LONG).await;
    let uuid = Uuid::new_v4().to_string();
    for (n, id) in [i64::MIN.to_string().as_str(), "ada", &uuid].into_iter().enumerate() {
        let group = format!("room:{n}");
        let mut watcher = Client::open(&server, Kind::Sse, None, &group).await;
        assert_eq!(watcher.event("presence:sync").await.data, json!([]));
        let mut member = Client::open(&server, Kind::WsV1, Some(id), &group).await;
        assert_eq!(member.event("presence:sync").await.data, json!([{ "id": id }]));
        assert_eq!(watcher.event("presence:join").await.data, json!({ "id": id }));
        member.close(1000).await;
        assert_eq!(watcher.event("presence:leave").await.data, json!({ "id": id }));
    }
}

#[tokio::test]
async fn a_resolver_decides_exactly_what_is_shown() {
    let payload = |id: &str| json!({ "name": format!("User {id}"), "vip": null, "n": [1, 2.5] });
    let spec = PresenceSpec::prefixes(["room:"]).resolver(payload);
    let server = Server::start(Server::plugin().with_presence(spec)).await;
    let mut watcher = Client::open(&server, Kind::Ws, None, "room:1").await;
    watcher.event("presence:sync").await;
    let mut member = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    assert_eq!(member.event("presence:sync").await.data, json!([payload("7")]));
    assert_eq!(watcher.event("presence:join").await.data, payload("7"));
    server.realtime.disconnect_user(7);
    assert_eq!(watcher.event("presence:leave").await.data, payload("7"));
}

#[tokio::test]
async fn an_anonymous_visitor_never_appears() {
    let server = Server::with_rooms(LONG).await;
    let mut member = Client::open(&server, Kind::Sse, Some("7"), "public:lobby").await;
    member.event("presence:sync").await;
    for kind in Kind::ALL {
        let mut visitor = Client::open(&server, kind, None, "public:lobby").await;
        // It watches like anybody else, and is not in what it sees.
        assert_eq!(visitor.event("presence:sync").await.data, json!([{ "id": "7" }]));
        drop(visitor);
    }
    let frames = member.frames_until_now(&server, "public:lobby").await;
    assert_eq!(presence_of(&frames), [""; 0]);
    assert_eq!(count(&server, "public:lobby").await, 1);
}

#[tokio::test]
async fn sync_comes_once_and_to_the_joiner_alone() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut first = Client::open(&server, kind, Some("1"), "room:1").await;
        assert_eq!(first.event("presence:sync").await.data, json!([{ "id": "1" }]));
        let mut second = Client::open(&server, kind, Some("2"), "room:1").await;
        let sync = second.event("presence:sync").await;
        assert_eq!(sync.data, json!([{ "id": "1" }, { "id": "2" }]));
        let seen = second.frames_until_now(&server, "room:1").await;
        assert_eq!(presence_of(&seen), [""; 0], "{kind:?}: no join of oneself");
        let seen = first.frames_until_now(&server, "room:1").await;
        assert!(!presence_of(&seen).contains(&"presence:sync"), "{kind:?}");
        server.realtime.disconnect_user(1);
        server.realtime.disconnect_user(2);
        drop((first, second));
        server.is_empty().await;
    }
}

#[tokio::test]
async fn join_and_leave_stream_after_the_snapshot() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let sync = watcher.event("presence:sync").await;
    let member = Client::open(&server, Kind::Ws, Some("2"), "room:1").await;
    let join = watcher.event("presence:join").await;
    member.close(1000).await;
    let leave = watcher.event("presence:leave").await;
    assert_eq!((join.data, join.v), (json!({ "id": "2" }), sync.v.map(|v| v + 1)));
    assert_eq!((leave.data, leave.v), (json!({ "id": "2" }), sync.v.map(|v| v + 2)));
    assert_eq!(join.k, leave.k);
}

#[tokio::test]
async fn a_user_with_three_tabs_is_present_once() {
    let server = Server::with_rooms(LONG).await;
    let mut tabs = Vec::new();
    for kind in [Kind::Sse, Kind::SseV1, Kind::Ws] {
        let mut tab = Client::open(&server, kind, Some("7"), "room:1").await;
        // Each has its snapshot, the third as well as the first.
        assert_eq!(tab.event("presence:sync").await.data, json!([{ "id": "7" }]));
        tabs.push(tab);
    }
    assert_eq!(count(&server, "room:1").await, 1);
    assert_eq!(server.realtime.health().connections, 3);
}

#[tokio::test]
async fn a_second_connection_adds_no_join() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let _first = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    let _second = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    watcher.event("presence:join").await;
    let frames = watcher.frames_until_now(&server, "room:1").await;
    assert_eq!(presence_of(&frames), ["presence:sync"]);
}

#[tokio::test]
async fn closing_one_of_two_is_no_leave() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let first = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    let second = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    watcher.event("presence:join").await;
    first.close(1000).await;
    eventually("one is closed", || async { server.realtime.health().connections == 2 }).await;
    let frames = watcher.frames_until_now(&server, "room:1").await;
    assert_eq!(presence_of(&frames), ["presence:sync"]);
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    drop(second);
    watcher.event("presence:leave").await;
}

#[tokio::test]
async fn closing_the_last_one_is_a_leave() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for kind in Kind::ALL {
        let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
        watcher.event("presence:sync").await;
        let last = Client::open(&server, kind, Some("7"), "room:1").await;
        watcher.event("presence:join").await;
        drop(last);
        let leave = watcher.event("presence:leave").await;
        assert_eq!(leave.data, json!({ "id": "7" }), "{kind:?}");
        drop(watcher);
        server.is_empty().await;
    }
}

#[tokio::test]
async fn both_transports_see_one_another() {
    let server = Server::with_rooms(LONG).await;
    let mut clients = Vec::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let id = n.to_string();
        clients.push((Client::open(&server, kind, Some(&id), "room:1").await, Fold::of("room:1")));
    }
    for (client, fold) in &mut clients {
        for frame in client.frames_until_now(&server, "room:1").await {
            fold.take(&frame);
        }
    }
    let expected: Vec<Value> = (0..4).map(|n| json!({ "id": n.to_string() })).collect();
    // The last joins may wait for the end of a tick.
    for (client, fold) in &mut clients {
        while fold.payloads() != expected {
            fold.take(&client.next().await.unwrap());
        }
    }
}

#[tokio::test]
async fn who_may_not_join_sees_nothing() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for kind in [Kind::Sse, Kind::Ws] {
        let refused = Client::try_open(&server, kind, Some("7"), "room:1,room:private").await;
        let (status, body) = refused.err().unwrap();
        assert_eq!((status, body["error"]["code"].as_str()), (403, Some("denied")), "{kind:?}");
    }
    let url = server.url("/realtime/members?group=room:private");
    assert_eq!(reqwest::get(url).await.unwrap().status(), 403);
    let mut insider = Client::open(&server, Kind::Sse, Some("insider"), "room:private").await;
    insider.event("presence:sync").await;
    for kind in [Kind::SseV1, Kind::WsV1] {
        let groups = "room:1,room:private";
        let mut client = Client::open(&server, kind, Some("7"), groups).await;
        assert_eq!(client.event("@hello").await.data["denied"], json!(["room:private"]));
        // There is something to see: a message, and somebody who comes and goes.
        let other = Client::open(&server, kind, Some("insider too"), "room:private").await;
        insider.event("presence:join").await;
        server.realtime.to_group("room:private").send("secret", &1).await.unwrap();
        drop(other);
        insider.event("presence:leave").await;
        let frames = client.frames_until_now(&server, "room:1").await;
        assert!(frames.iter().all(|frame| frame.channel == "room:1"), "{frames:?}");
        assert!(!server.presence().contains("room:private", 7).await.unwrap());
    }
    drop(insider);
    server.is_empty().await;
}

#[tokio::test]
async fn presence_does_not_widen_the_policy() {
    let spec = PresenceSpec::prefixes(["room:", "public:"]);
    let plugin = RealtimePlugin::new().without_declared().with_presence(spec);
    let server = Server::start(plugin).await;
    let refused = Client::try_open(&server, Kind::Sse, None, "room:1").await;
    assert_eq!(refused.err().unwrap().0, 403);
    Client::open(&server, Kind::Sse, None, "public:lobby").await;
}
