//! What depends on time, with a clock that the test moves: the routes are called without a
//! socket, so that nothing but timers is waited for.

use std::time::Duration;

use axum::{Extension, Router, body::Body};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE, request::Parts};
use serde_json::{Value, json};
use tests::{EVENT_STREAM, Pipes, Server, USER_HEADER, fill, until_gone};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;
use umbral_presence::{MessageContext, MessageHandler, PresenceSpec, Realtime};

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(50);

fn rooms() -> Realtime {
    let plugin = Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]));
    plugin.build().expect("a plugin that can be built")
}

async fn call(router: Router, request: Request<Body>) -> Response<Body> {
    router.oneshot(request).await.expect("a router always answers")
}

/// An open event stream, read as text.
struct EventStream(axum::body::BodyDataStream);

impl EventStream {
    async fn open(realtime: &Realtime, query: &str) -> Self {
        let request = Request::get(format!("/realtime/sse?{query}"))
            .header(EVENT_STREAM.0, EVENT_STREAM.1)
            .header(USER_HEADER, "7");
        let request = request.body(Body::empty()).expect("a request");
        let response = call(realtime.router(), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self(response.into_body().into_data_stream())
    }

    /// The next chunk; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let chunk = self.0.next().await?.expect("a body that cannot fail");
        Some(String::from_utf8(chunk.to_vec()).expect("text"))
    }

    /// The token of the `@hello` frame, which comes first.
    async fn token(&mut self) -> String {
        let hello = self.next().await.expect("a hello");
        let data = hello.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        let hello: Value = serde_json::from_str(data).expect("JSON");
        hello["d"]["conn"].as_str().expect("a token").to_owned()
    }
}

async fn prove_life(realtime: &Realtime, token: &str) -> StatusCode {
    let body = json!({ "conn": token, "n": 1, "groups": ["room:1"] }).to_string();
    let request = Request::post("/realtime/control")
        .header(USER_HEADER, "7")
        .header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body)).expect("a request");
    call(realtime.router(), request).await.status()
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_shows_every_15_seconds_that_it_is_alive() {
    let realtime = rooms();
    let mut stream = EventStream::open(&realtime, "groups=room:1").await;
    assert_eq!(stream.next().await.as_deref(), Some("id: 0\n"));
    assert!(stream.next().await.unwrap().contains("presence:sync"));
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(stream.next().await.as_deref(), Some("event: ping\ndata: {}\n\n"));
        let waited = start.elapsed();
        assert!(waited.abs_diff(Duration::from_secs(15)) < SLACK, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_show_that_it_is_there_is_taken_for_lost() {
    let realtime = rooms();
    let start = Instant::now();
    let mut stream = EventStream::open(&realtime, "groups=room:1&v=1").await;
    while stream.next().await.is_some() {}
    let lasted = start.elapsed();
    // Looked at with every heartbeat.
    assert!(lasted > Duration::from_secs(60) && lasted < Duration::from_secs(76), "{lasted:?}");
    // A proxy may still hold the socket; dropping the body is what the server does.
    drop(stream);
    assert_eq!(realtime.presence().count("room:1").await, Ok(1));
    sleep(Duration::from_secs(3) + SLACK).await;
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    assert_eq!(realtime.health().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_control_call_shows_that_the_client_is_there() {
    let realtime = rooms();
    let mut stream = EventStream::open(&realtime, "groups=room:1&v=1").await;
    let token = stream.token().await;
    for _ in 0..10 {
        let quiet = async { while stream.next().await.is_some() {} };
        assert!(timeout(Duration::from_secs(30), quiet).await.is_err(), "the stream goes on");
        assert_eq!(prove_life(&realtime, &token).await, StatusCode::OK);
    }
    assert_eq!(realtime.presence().count("room:1").await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_counts_for_three_seconds_unless_the_spec_says_otherwise() {
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .with_presence(PresenceSpec::prefixes(["call:"]).grace(Duration::from_secs(60)))
        .with_presence(PresenceSpec::exact(["now"]).grace(Duration::ZERO));
    let realtime = plugin.build().expect("a plugin that can be built");
    let presence = realtime.presence();
    drop(EventStream::open(&realtime, "groups=room:1,call:1,now").await);
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

#[tokio::test(start_paused = true)]
async fn asking_for_the_members_does_not_end_the_tick() {
    let realtime = rooms();
    let ask = async || {
        let request = Request::get("/realtime/members?group=room:1").body(Body::empty());
        let response = call(realtime.router(), request.expect("a request")).await;
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        (answer["v"].as_u64().expect("a version"), answer["members"].clone())
    };
    let open = async |user: &str| {
        let request = Request::get("/realtime/sse?groups=room:1")
            .header(EVENT_STREAM.0, EVENT_STREAM.1)
            .header(USER_HEADER, user);
        call(realtime.router(), request.body(Body::empty()).expect("a request")).await
    };
    let _first = open("7").await;
    let second = open("8").await;
    // It says what others have been told, and the version that belongs to it.
    assert_eq!(ask().await, (1, json!([{ "id": "7" }])));
    assert_eq!(realtime.presence().count("room:1").await, Ok(2));
    sleep(SLACK).await;
    assert_eq!(ask().await, (2, json!([{ "id": "7" }, { "id": "8" }])));
    drop(second);
    realtime.disconnect_user(8);
    let third = open("9").await;
    assert_eq!(ask().await.1, json!([{ "id": "7" }]));
    drop(third);
}

/// A reader that takes nothing of what it asked for, and what it did not take.
const STUCK_PIPE: usize = 1024;

#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_for_good_is_taken_out() {
    let realtime = rooms();
    let pipes = Pipes::serve(&realtime);
    let _stuck = pipes.event_stream("7", "groups=room:1", STUCK_PIPE).await;
    sleep(SLACK).await;
    fill(&realtime, 1024).await;
    let gone = until_gone(&realtime).await;
    // After 30 seconds without taking anything, looked at every 5; the grace comes after.
    let (early, late) = (Duration::from_secs(33), Duration::from_secs(43) + SLACK);
    assert!(gone > early && gone < late, "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_whose_socket_is_stuck_in_a_quiet_room_is_taken_out() {
    let realtime = rooms();
    let pipes = Pipes::serve(&realtime);
    let _stuck = pipes.event_stream("7", "groups=room:1", STUCK_PIPE).await;
    sleep(SLACK).await;
    fill(&realtime, 256).await;
    let gone = until_gone(&realtime).await;
    let (early, late) = (Duration::from_secs(33), Duration::from_secs(43) + SLACK);
    assert!(gone > early && gone < late, "{gone:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_who_is_stuck_holds_up_the_end() {
    let realtime = rooms();
    let pipes = Pipes::serve(&realtime);
    let _stuck = pipes.event_stream("7", "groups=room:1", STUCK_PIPE).await;
    let _stuck_too = pipes.websocket("8", "groups=room:1").await;
    sleep(SLACK).await;
    fill(&realtime, 256).await;
    let start = Instant::now();
    realtime.drain().await;
    assert!(start.elapsed() < Duration::from_secs(5) + SLACK);
    assert_eq!(realtime.health().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_answer_a_ping_is_gone_ten_seconds_later() {
    let realtime = rooms();
    let pipes = Pipes::serve(&realtime);
    let _mute = pipes.websocket("7", "groups=room:1").await;
    let gone = until_gone(&realtime).await;
    // Asked after 11 seconds; the grace comes after.
    let (early, late) = (Duration::from_secs(24), Duration::from_secs(25));
    assert!(gone > early && gone < late, "{gone:?}");
}

/// Takes its time.
struct Slow;

impl MessageHandler for Slow {
    async fn on_message(&self, _: &MessageContext, _: &str) {
        sleep(Duration::from_secs(26)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_costs_nobody_the_connection() {
    let realtime = Server::plugin().message_handler(Slow).build().expect("a plugin");
    let pipes = Pipes::serve(&realtime);
    let mut readers = tokio::task::JoinSet::new();
    for n in 0..16 {
        let mut socket = pipes.websocket(&n.to_string(), "groups=room:1").await;
        socket.send(Message::text("hello")).await.expect("an open connection");
        // Reading is what answers the pings.
        readers.spawn(async move { while socket.next().await.is_some_and(|m| m.is_ok()) {} });
    }
    sleep(Duration::from_secs(120)).await;
    assert_eq!(realtime.health().connections, 16);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stood_still_hears_what_was_said_meanwhile() {
    let realtime = rooms();
    let pipes = Pipes::serve(&realtime);
    let mut readers = tokio::task::JoinSet::new();
    for n in 0..32 {
        let mut socket = pipes.websocket(&n.to_string(), "groups=room:1").await;
        readers.spawn(async move {
            sleep(Duration::from_secs(20)).await;
            socket.send(Message::Pong("still here".into())).await.expect("an open connection");
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        });
    }
    sleep(SLACK).await;
    // All timers are over at once: those of the clients, and those that wait for them.
    tokio::time::advance(Duration::from_secs(30)).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(realtime.health().connections, 32);
}

/// What a session layer leaves in the request for those behind it.
#[derive(Clone)]
struct SignedIn(&'static str);

#[tokio::test]
async fn what_a_session_layer_leaves_in_the_request_is_seen() {
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .identity_resolver(|parts: Parts| async move {
            parts.extensions.get::<SignedIn>().map(|user| user.0.to_owned())
        });
    let realtime = plugin.build().expect("a plugin that can be built");
    let router = realtime.router().layer(Extension(SignedIn("7")));
    let request = Request::get("/realtime/sse?groups=room:1")
        .header(EVENT_STREAM.0, EVENT_STREAM.1)
        .body(Body::empty())
        .unwrap();
    let _stream = call(router, request).await;
    assert_eq!(realtime.presence().contains("room:1", 7).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stood_still_takes_nobody_for_lost() {
    let realtime = rooms();
    let mut stream = EventStream::open(&realtime, "groups=room:1").await;
    let reader = tokio::spawn(async move { while stream.next().await.is_some() {} });
    sleep(SLACK).await;
    // Nothing else happens meanwhile, not even a timer.
    tokio::time::advance(Duration::from_secs(50)).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(realtime.health().connections, 1);
    reader.abort();
}
