//! Who is there shows it, and who does not is taken for lost. The clock is the test's: the routes
//! are called without a socket, so that nothing but timers is waited for.

mod vanished;
mod websockets;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tests::{Chunks, Pipes, Server, control, fill, until_gone};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{MessageContext, MessageHandler, Realtime};

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(50);

fn rooms() -> Realtime {
    Server::rooms().build().expect("a plugin that can be built")
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_shows_every_15_seconds_that_it_is_alive() {
    let realtime = rooms();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1").await;
    assert_eq!(stream.text().await.as_deref(), Some("id: 0\n"));
    assert!(stream.text().await.unwrap().contains("presence:sync"));
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(stream.text().await.as_deref(), Some("event: ping\ndata: {}\n\n"));
        let waited = start.elapsed();
        assert!(waited.abs_diff(Duration::from_secs(15)) < SLACK, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_show_that_it_is_there_is_taken_for_lost() {
    let realtime = rooms();
    let start = Instant::now();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    while stream.text().await.is_some() {}
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

async fn prove_life(realtime: &Realtime, token: &str) -> u16 {
    control(realtime, "7", &json!({ "conn": token, "n": 1, "groups": ["room:1"] })).await.0
}

#[tokio::test(start_paused = true)]
async fn a_control_call_shows_that_the_client_is_there() {
    let realtime = rooms();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    let token = stream.token().await;
    for _ in 0..10 {
        let quiet = async { while stream.text().await.is_some() {} };
        assert!(timeout(Duration::from_secs(30), quiet).await.is_err(), "the stream goes on");
        assert_eq!(prove_life(&realtime, &token).await, 200);
    }
    assert_eq!(realtime.presence().count("room:1").await, Ok(1));
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

#[tokio::test(start_paused = true)]
async fn a_server_that_stood_still_takes_nobody_for_lost() {
    let realtime = rooms();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1").await;
    let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
    sleep(SLACK).await;
    // Nothing else happens meanwhile, not even a timer.
    tokio::time::advance(Duration::from_secs(50)).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(realtime.health().connections, 1);
    reader.abort();
}
