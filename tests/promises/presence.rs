//! Who is present: a user with at least one connection, once, however many there are.

use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use serde_json::json;
use tests::{Client, Kind, Server, presence_of, settled};
use umbral_presence::Transition;

/// Long enough that no test ends within it, for those that must not see a grace end.
const LONG: Duration = Duration::from_secs(60);

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
    assert_eq!(server.count("room:1").await, 1);
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
    server.has_connections(2).await;
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
async fn an_application_sees_who_is_where() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let presence = server.presence();
    let mut transitions = presence.watch("room:1").unwrap();
    let mut next = async || settled("a transition", transitions.next()).await.unwrap();
    assert_eq!(next().await, Transition::Sync([].into()));
    let client = Client::open(&server, Kind::Sse, Some("7"), "room:1,room:2,news").await;
    let Transition::Join(member) = next().await else {
        panic!("a join was to come");
    };
    assert_eq!((member.id().as_str(), member.payload().get()), ("7", r#"{"id":"7"}"#));
    let members = presence.members("room:1").await.unwrap();
    assert_eq!(members, std::slice::from_ref(&member));
    assert_eq!(serde_json::to_value(&member).unwrap(), json!({ "id": "7" }));
    assert!(presence.contains("room:2", 7).await.unwrap());
    assert!(!presence.contains("news", 7).await.unwrap());
    let groups = presence.groups_of(7).await;
    assert_eq!(groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["room:1", "room:2"]);
    drop(client);
    assert_eq!(next().await, Transition::Leave(member));
    assert!(presence.members("a b").await.is_err());
    drop(transitions);
    server.is_empty().await;
}

#[tokio::test]
async fn members_gives_the_snapshot() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    let sync = client.event("presence:sync").await;
    let path = "/realtime/members?group=room:1";
    let (status, body) = server.ask(Method::GET, path, &[], "").await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "group": "room:1", "v": sync.v, "members": [{ "id": "7" }] }));
    let empty = server.ask(Method::GET, "/realtime/members?group=room:2", &[], "").await.1;
    assert_eq!(empty, json!({ "group": "room:2", "v": 0, "members": [] }));
}
