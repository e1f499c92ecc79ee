//! Presence is off until a group is declared, and a group that is not owned by a spec emits no
//! `presence:*` event.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tests::{Client, Kind, Server, eventually, presence_of};
use umbral_presence::PresenceSpec;

/// Long enough that no test ends within it, for those that must not see a grace end.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_group_without_a_spec_emits_nothing() {
    let server = Server::with_rooms(Duration::ZERO).await;
    for kind in Kind::ALL {
        let mut watcher = Client::open(&server, kind, Some("1"), "news").await;
        let other = Client::open(&server, kind, Some("2"), "news").await;
        drop(other);
        server.has_connections(1).await;
        let frames = watcher.frames_until_now(&server, "news").await;
        assert_eq!(presence_of(&frames), [""; 0], "{kind:?}");
        assert_eq!(server.count("news").await, 0);
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
    let mut synced: Vec<_> =
        frames.iter().filter(|f| f.is_presence()).map(|f| &f.channel).collect();
    synced.sort();
    assert_eq!(synced, ["public:lobby", "room:1"]);
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
    assert_eq!(server.count("public:lobby").await, 1);
}

#[tokio::test]
async fn a_predicate_is_asked_once_per_group_and_not_per_join() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let spec = PresenceSpec::matching(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        true
    });
    let server = Server::start(Server::plugin().with_presence(spec.grace(Duration::ZERO))).await;
    let mut clients = Vec::new();
    for user in ["1", "2", "3", "1"] {
        for kind in Kind::ALL {
            let mut client = Client::open(&server, kind, Some(user), "room:1").await;
            client.event("presence:sync").await;
            clients.push(client);
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    clients.truncate(1);
    eventually("the others have left", || async {
        server.presence().count("room:1").await.expect("a valid name") == 1
    })
    .await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let mut other = Client::open(&server, Kind::Sse, Some("1"), "room:1,room:2").await;
    other.event("presence:sync").await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}
