//! Who may not join sees nothing, and who may no longer is out at once.

mod crowd;
mod declared;
mod expiry;
mod late_answers;
mod origins;
mod recheck;
mod revocation;
mod sessions;
mod tokens;

use std::time::Duration;

use axum::Extension;
use http::request::Parts;
use serde_json::json;
use tests::{Client, Kind, Server, code, get};
use tower::ServiceExt;
use umbral_presence::{PresenceSpec, RealtimePlugin};

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

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn another_identity_ends_the_stream_at_once() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    client.event("presence:sync").await;
    let call = json!({ "conn": token, "n": 1, "groups": ["room:1"] });
    let (status, body) = server.control("8", &call).await;
    assert_eq!((status, code(&body)), (409, "identity_changed"));
    assert_eq!(client.next().await, None);
    server.is_empty().await;
    assert_eq!(server.control("7", &call).await.0, 404);
}

#[tokio::test]
async fn a_user_can_be_disconnected() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut client = Client::open(&server, kind, Some("7"), "room:1").await;
        let mut other = Client::open(&server, kind, Some("8"), "room:1").await;
        client.event("presence:sync").await;
        server.realtime.disconnect_user(7).await.expect("no other node");
        assert!(!server.presence().contains("room:1", 7).await.unwrap());
        client.end().await;
        let seen = other.frames_until_now(&server, "room:1").await;
        assert!(!seen.is_empty());
        server.realtime.disconnect_user(8).await.expect("no other node");
    }
    server.is_empty().await;
}

#[tokio::test]
async fn who_loses_the_right_gets_denied_and_nothing_after_it() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    let open = Arc::new(AtomicBool::new(true));
    let policy = open.clone();
    let plugin = Server::rooms().group_policy_async_fn(move |_, group| {
        let open = policy.load(Ordering::SeqCst);
        async move { open || group == "room:2" }
    });
    let server = Server::start(plugin).await;
    for kind in Kind::ALL {
        open.store(true, Ordering::SeqCst);
        let mut client = Client::open(&server, kind, Some("7"), "room:1,room:2").await;
        server.realtime.recheck_policy(7).await.expect("no other node");
        assert_eq!(server.presence().groups_of(7).await.len(), 2);
        open.store(false, Ordering::SeqCst);
        server.realtime.recheck_policy(7).await.expect("no other node");
        assert_eq!(client.event("@denied").await.data, json!({ "groups": ["room:1"] }));
        server.realtime.to_group("room:1").send("secret", &1).await.unwrap();
        let seen = client.frames_until_now(&server, "room:2").await;
        assert!(!seen.iter().any(|frame| frame.event == "secret"));
        assert_eq!(server.presence().groups_of(7).await.len(), 1);
        server.realtime.disconnect_user(7).await.expect("no other node");
    }
}

/// What a session layer leaves in the request for those behind it.
#[derive(Clone)]
struct SignedIn(&'static str);

#[tokio::test]
async fn what_a_session_layer_leaves_in_the_request_is_seen() {
    let plugin = Server::rooms().identity_resolver(|parts: Parts| async move {
        parts.extensions.get::<SignedIn>().map(|user| user.0.to_owned())
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let router = realtime.router().layer(Extension(SignedIn("7")));
    let _stream = router.oneshot(get("sse?groups=room:1", None)).await.expect("an answer");
    assert_eq!(realtime.presence().contains("room:1", 7).await, Ok(true));
}

#[tokio::test]
async fn what_is_asked_again_does_not_rest_on_what_a_session_layer_once_found() {
    let plugin = || {
        Server::rooms().recheck_every(Duration::from_secs(60)).identity_resolver(
            |parts: Parts| async move {
                parts.extensions.get::<SignedIn>().map(|user| user.0.to_owned())
            },
        )
    };
    for (plugin, is_known) in [(plugin(), false), (plugin().recheck_extension::<SignedIn>(), true)]
    {
        let realtime = plugin.build().expect("a plugin that can be built");
        let router = realtime.router().layer(Extension(SignedIn("7")));
        let _stream = router.oneshot(get("sse?groups=room:1", None)).await.expect("an answer");
        assert_eq!(realtime.presence().contains("room:1", 7).await, Ok(is_known));
    }
}
