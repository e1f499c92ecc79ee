//! A lost connection keeps its user present for a while, and a goodbye does not.

use std::time::Duration;

use serde_json::json;
use tests::{Chunks, Client, Kind, Server};
use tokio::time::sleep;
use umbral_presence::PresenceSpec;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_websocket_that_goes_away_keeps_its_grace_and_one_that_closes_does_not() {
    let server = Server::with_rooms(LONG).await;
    let reload = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    reload.close(1001).await;
    server.has_connections(0).await;
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    let back = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    back.close(1000).await;
    server.is_empty().await;
}

#[tokio::test]
async fn a_reload_shows_nothing_to_others() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    for kind in Kind::ALL {
        for _ in 0..3 {
            let page = Client::open(&server, kind, Some("7"), "room:1").await;
            drop(page);
            server.has_connections(1).await;
        }
    }
    let frames = watcher.frames_until_now(&server, "room:1").await;
    let events: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, ["presence:sync", "presence:join"]);
}

#[tokio::test]
async fn a_grace_ends_with_a_leave() {
    let server = Server::with_rooms(Duration::from_millis(200)).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let page = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    watcher.event("presence:join").await;
    drop(page);
    server.has_connections(1).await;
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    watcher.event("presence:leave").await;
    drop(watcher);
    server.is_empty().await;
}

#[tokio::test]
async fn a_stale_goodbye_removes_nothing_newer() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, None, "room:1").await;
    for kind in [Kind::Ws, Kind::WsV1] {
        let old = Client::open(&server, kind, Some("7"), "room:1").await;
        let new = Client::open(&server, kind, Some("7"), "room:1").await;
        old.close(1000).await;
        server.has_connections(2).await;
        assert!(server.presence().contains("room:1", 7).await.unwrap());
        // And the other way round: the newer one's goodbye is not the older one's.
        let newest = Client::open(&server, kind, Some("7"), "room:1").await;
        newest.close(1000).await;
        server.has_connections(2).await;
        assert!(server.presence().contains("room:1", 7).await.unwrap());
        drop(new);
    }
    // A stream that says goodbye to a room says it for itself.
    let mut old = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let _new = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let leave = json!({ "conn": old.token().await, "n": 1, "groups": [] });
    let (_, body) = server.control("7", &leave).await;
    assert_eq!(body["left"], json!(["room:1"]));
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    let seen = watcher.frames_until_now(&server, "room:1").await;
    let events: Vec<_> = seen.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, ["presence:sync", "presence:join"]);
}

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn a_lost_connection_counts_for_three_seconds_unless_the_spec_says_otherwise() {
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .with_presence(PresenceSpec::prefixes(["call:"]).grace(Duration::from_secs(60)))
        .with_presence(PresenceSpec::exact(["now"]).grace(Duration::ZERO));
    let realtime = plugin.build().expect("a plugin that can be built");
    let presence = realtime.presence();
    drop(Chunks::open(&realtime, "7", "groups=room:1,call:1,now").await);
    let present = async || presence.groups_of(7).await.iter().map(ToString::to_string).collect();
    let (second, start): (_, Vec<String>) = (Duration::from_secs(1), present().await);
    assert_eq!(start, ["call:1", "room:1"]);
    sleep(3 * second - SLACK).await;
    assert_eq!(present().await, ["call:1", "room:1"]);
    sleep(2 * SLACK).await;
    assert_eq!(present().await, ["call:1"]);
    sleep(57 * second).await;
    assert_eq!(present().await, [""; 0]);
    assert_eq!(realtime.health().groups, 0);
}
