//! Sending a user away, and what may be under way meanwhile. The clock is the test's.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tests::{Chunks, DEADLINE, Frame, Pipes, Server, call, control, get};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{PresenceSpec, Realtime, RealtimePlugin};

const SECOND: Duration = Duration::from_secs(1);

/// Long enough that no test ends within it.
const LONG: Duration = Duration::from_secs(600);

fn rooms() -> RealtimePlugin {
    Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]).grace(LONG))
}

/// A policy that takes a second to let users into `room:slow`, and into the others until
/// the switch is turned off.
fn switched() -> (Arc<AtomicBool>, Realtime) {
    let open = Arc::new(AtomicBool::new(true));
    let switch = open.clone();
    let plugin = rooms().group_policy_async_fn(move |_, group| {
        let open = open.clone();
        async move {
            if group == "room:slow" {
                sleep(SECOND).await;
                return true;
            }
            open.load(Ordering::SeqCst)
        }
    });
    (switch, plugin.build().expect("a plugin that can be built"))
}

async fn open(realtime: &Realtime, query: &str) -> Response<Body> {
    call(realtime, get(&format!("sse?{query}"), Some("7"))).await
}

/// A stream with `v=1`, and its token.
async fn open_v1(realtime: &Realtime, groups: &str) -> (Chunks, String) {
    let mut stream = Chunks::open(realtime, "7", &format!("v=1&groups={groups}")).await;
    let token = stream.token().await;
    (stream, token)
}

/// The first frame of the next chunk.
async fn frame(stream: &mut Chunks) -> Frame {
    stream.frames().await.expect("an open stream").swap_remove(0)
}

async fn groups(realtime: &Realtime) -> Vec<String> {
    realtime.presence().groups_of(7).await.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_user_leaves_although_a_grace_runs() {
    let realtime = rooms().build().unwrap();
    drop(open(&realtime, "groups=room:1,room:2").await);
    let _open = open(&realtime, "groups=room:2,room:3").await;
    assert_eq!(groups(&realtime).await, ["room:1", "room:2", "room:3"]);
    realtime.disconnect_user(7).await.expect("no other node");
    assert_eq!(groups(&realtime).await, [""; 0]);
    // The leaves are told when the tick is over.
    sleep(SECOND).await;
    assert_eq!((realtime.health().users, realtime.health().groups), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_right_leaves_although_a_grace_runs() {
    let (switch, realtime) = switched();
    drop(open(&realtime, "groups=room:1,room:slow").await);
    let (mut watching, _) = open_v1(&realtime, "room:1").await;
    drop(open(&realtime, "groups=room:1").await);
    sleep(SECOND).await;
    assert_eq!(frame(&mut watching).await.event, "presence:sync");
    switch.store(false, Ordering::SeqCst);
    realtime.recheck_policy(7).await.expect("no other node");
    assert_eq!(groups(&realtime).await, ["room:slow"]);
    let denied = frame(&mut watching).await;
    assert_eq!((&*denied.event, denied.data), ("@denied", json!({ "groups": ["room:1"] })));
}

#[tokio::test(start_paused = true)]
async fn a_control_call_does_not_bring_back_what_was_lost_during_it() {
    let (switch, realtime) = switched();
    let (_stream, token) = open_v1(&realtime, "room:1").await;
    let body = json!({ "conn": token, "n": 1, "groups": ["room:1", "room:2", "room:slow"] });
    let calling = tokio::spawn({
        let realtime = realtime.clone();
        async move { control(&realtime, "7", &body).await.2 }
    });
    sleep(SECOND / 2).await;
    switch.store(false, Ordering::SeqCst);
    realtime.recheck_policy(7).await.expect("no other node");
    let answer = calling.await.unwrap();
    assert_eq!(groups(&realtime).await, ["room:slow"]);
    assert_eq!(answer["joined"], json!(["room:slow"]));
    assert_eq!(answer["denied"], json!(["room:1", "room:2"]));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_does_not_join_what_was_lost_meanwhile() {
    let (switch, realtime) = switched();
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=").await;
    let join = json!({ "op": "join", "groups": ["room:1", "room:slow"] });
    socket.send(Message::text(join.to_string())).await.unwrap();
    sleep(SECOND / 2).await;
    switch.store(false, Ordering::SeqCst);
    realtime.recheck_policy(7).await.expect("no other node");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(event, _)| event != "@denied") {
        let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        seen.push((frame["event"].as_str().unwrap().to_owned(), frame["data"].clone()));
    }
    assert_eq!(seen.last().unwrap().1, json!({ "groups": ["room:1"] }));
    assert_eq!(groups(&realtime).await, ["room:slow"]);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_under_way_is_asked_again() {
    let (switch, realtime) = switched();
    let opening = tokio::spawn({
        let realtime = realtime.clone();
        async move { open(&realtime, "v=1&groups=room:1,room:slow").await }
    });
    sleep(SECOND / 2).await;
    switch.store(false, Ordering::SeqCst);
    realtime.recheck_policy(7).await.expect("no other node");
    let mut stream = Chunks::of(opening.await.unwrap());
    assert_eq!(frame(&mut stream).await.data["denied"], json!(["room:1"]));
    assert_eq!(groups(&realtime).await, ["room:slow"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_signed_out_during_the_handshake_comes_as_nobody() {
    let signed_in = Arc::new(AtomicBool::new(true));
    let session = signed_in.clone();
    let plugin = rooms().identity_resolver(move |_| {
        let user = session.load(Ordering::SeqCst).then(|| "7".to_owned());
        async move {
            sleep(SECOND).await;
            user
        }
    });
    let realtime = plugin.build().unwrap();
    let opening = tokio::spawn({
        let realtime = realtime.clone();
        async move { open(&realtime, "v=1&groups=room:1").await }
    });
    sleep(SECOND / 2).await;
    signed_in.store(false, Ordering::SeqCst);
    realtime.disconnect_user(7).await.expect("no other node");
    let mut stream = Chunks::of(opening.await.unwrap());
    assert_eq!(frame(&mut stream).await.data["me"], json!(null));
    assert_eq!(groups(&realtime).await, [""; 0]);
}

#[test]
fn a_resolver_may_use_the_handle() {
    static REALTIME: OnceLock<Realtime> = OnceLock::new();
    let spec = PresenceSpec::prefixes(["room:"]).resolver(|id| {
        drop(REALTIME.get().expect("set before the first request").disconnect_user(id));
        json!({ "id": id })
    });
    let realtime = Server::plugin().with_presence(spec).build().unwrap();
    let realtime = REALTIME.get_or_init(|| realtime);
    // A deadlock would hold the thread for good.
    let (done, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async { open(realtime, "groups=room:1").await.status() });
        done.send(status).unwrap();
    });
    // It sends its user away each time that the user comes, so this one never arrives.
    assert_eq!(answer.recv_timeout(DEADLINE), Ok(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(realtime.health().connections, 0);
}
