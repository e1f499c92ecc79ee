//! One user on several devices: a session ends without the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::request::Parts;
use serde_json::json;
use tests::{Chunks, Client, Kind, Server, USER_HEADER, control, eventually, settled};
use umbral_presence::{Identity, RealtimePlugin};

/// The name of the session is the header's value, and the user is what stands before the slash.
fn identity(parts: &Parts) -> Option<Identity> {
    let session = parts.headers.get(USER_HEADER)?.to_str().ok()?;
    let (user, _) = session.split_once('/')?;
    Some(Identity::new(user).session(session))
}

fn rooms() -> RealtimePlugin {
    Server::rooms().identity_resolver(|parts: Parts| async move { identity(&parts) })
}

#[tokio::test]
async fn a_session_that_ends_ends_its_device_and_nobody_sees_the_user_leave() {
    let server = Server::start(rooms()).await;
    for kind in Kind::ALL {
        let mut watcher = Client::open(&server, Kind::Sse, None, "room:1").await;
        watcher.event("presence:sync").await;
        let mut phone = Client::open(&server, kind, Some("7/phone"), "room:1").await;
        let mut laptop = Client::open(&server, kind, Some("7/laptop"), "room:1").await;
        assert_eq!(watcher.event("presence:join").await.data, json!({ "id": "7" }));

        server.realtime.end_session("7/phone").await.expect("no other node");
        settled("the phone's stream ends", phone.end()).await;
        assert_eq!(server.presence().count("room:1").await, Ok(1));
        server.realtime.end_session("7/phone").await.expect("no other node");
        server.realtime.end_session("nobody's").await.expect("no other node");
        assert!(watcher.frames_until_now(&server, "room:1").await.is_empty(), "nothing is seen");

        server.realtime.end_session("7/laptop").await.expect("no other node");
        settled("the laptop's stream ends", laptop.end()).await;
        assert_eq!(watcher.event("presence:leave").await.data, json!({ "id": "7" }));
    }
    eventually("all are gone", async || server.realtime.health().users == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_of_the_session_that_has_called_last() {
    let realtime = rooms().build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7/old", "groups=room:1&v=1").await;
    let token = stream.token().await;
    let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
    let body = json!({ "conn": token, "n": 1, "groups": ["room:1"] });
    assert_eq!(control(&realtime, "7/new", &body).await.0, 200);
    realtime.end_session("7/old").await.expect("no other node");
    assert_eq!(realtime.presence().count("room:1").await, Ok(1));
    realtime.end_session("7/new").await.expect("no other node");
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    settled("the stream ends", reader).await.expect("a reader");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_during_the_handshake_is_asked_about_again() {
    let ended = Arc::new(AtomicBool::new(false));
    let is_ended = ended.clone();
    let plugin = Server::rooms()
        .identity_resolver(move |parts: Parts| {
            let identity = identity(&parts);
            let is_ended = is_ended.load(Ordering::SeqCst);
            async move { identity.filter(|_| !is_ended) }
        })
        .group_policy_async_fn(|_, _| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            true
        });
    let realtime = plugin.build().expect("a plugin that can be built");
    let opening = {
        let realtime = realtime.clone();
        tokio::spawn(async move { Chunks::open(&realtime, "7/phone", "groups=room:1").await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    ended.store(true, Ordering::SeqCst);
    realtime.end_session("7/phone").await.expect("no other node");
    let _stream = opening.await.expect("a stream of nobody");
    assert_eq!(realtime.health().connections, 1);
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
}

#[tokio::test]
async fn the_name_of_a_session_is_shown_to_nobody() {
    let shown = format!("{:?}", Identity::new(7).session("secret"));
    assert!(shown.contains('7') && !shown.contains("secret"), "{shown}");
    let plugin = Server::rooms()
        .identity_resolver(|_| async { Some(Identity::new(7).session("s".repeat(300))) });
    let realtime = plugin.build().expect("a plugin that can be built");
    let answer = tests::call(&realtime, tests::get("sse?groups=room:1", None)).await;
    assert_eq!(answer.status(), 500);
}
