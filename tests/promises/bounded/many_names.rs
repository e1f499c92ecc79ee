//! What a request costs that names many groups: no more than its length, and nothing where its
//! token is none.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tests::{Chunks, Pipes, Server, call, code, control, get, json, on_processor};
use tokio::{io::DuplexStream, sync::Mutex};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use umbral_presence::{Limits, PresenceSpec, Realtime};

const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// Ten times the names take about ten times the time; a hundred times where each is compared with
/// each. Far from both, since the machine may be busy.
const MOST: f64 = 30.0;

fn realtime() -> Realtime {
    let limits = Limits {
        groups_per_connection: MANY,
        head_bytes: 1024 * 1024,
        message_bytes: 1024 * 1024,
        inbound_bytes_per_second: 64 * 1024 * 1024,
        outbox_bytes: 16 * 1024 * 1024,
        ..Limits::default()
    };
    let specs = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO);
    Server::plugin().with_presence(specs).limits(limits).build().expect("a plugin")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("g{n}")).collect()
}

/// What takes time is measured by one test at a time, and by what its thread works.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How many times as long it takes with many names as with few. The machine may be busy, so the
/// best of several tries counts on each side.
async fn growth(what: &str, mut took: impl AsyncFnMut(usize) -> Duration) -> f64 {
    let _alone = ALONE.lock().await;
    let mut least = f64::MAX;
    for _ in 0..5 {
        let (mut few, mut many) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            few = few.min(took(FEW).await);
            many = many.min(took(MANY).await);
        }
        println!("{what}: {few:?} for {FEW} names, {many:?} for {MANY}");
        least = least.min(many.as_secs_f64() / few.as_secs_f64());
        if least < MOST {
            break;
        }
    }
    least
}

/// A stream with `v=1`, and its token.
async fn open(realtime: &Realtime) -> (Chunks, String) {
    let mut stream = Chunks::open(realtime, "7", "groups=&v=1").await;
    let token = stream.token().await;
    (stream, token)
}

#[tokio::test]
async fn a_control_call_costs_as_much_as_it_is_long() {
    let realtime = realtime();
    let growth = growth("control", async |count| {
        let (_stream, token) = open(&realtime).await;
        let (first, second) = (names(count), names(count + 1));
        // In, and then to others, of which one is new.
        let start = on_processor();
        for (n, groups) in [(1, &first), (2, &second[1..].to_vec())] {
            let body = json!({ "conn": token, "n": n, "groups": groups, "sync": groups });
            let (status, _, answer) = control(&realtime, "7", &body).await;
            assert_eq!(status, 200, "{answer}");
        }
        on_processor() - start
    });
    let growth = growth.await;
    assert!(growth < MOST, "{growth}");
}

#[tokio::test]
async fn a_query_costs_as_much_as_it_is_long() {
    let realtime = realtime();
    let growth = growth("sse", async |count| {
        let query = format!("groups={}", names(count).join(","));
        let start = on_processor();
        drop(Chunks::open(&realtime, "7", &query).await);
        on_processor() - start
    });
    let growth = growth.await;
    assert!(growth < MOST, "{growth}");
}

/// The next text. A ping may come before it where everything takes long.
async fn text(socket: &mut WebSocketStream<DuplexStream>) -> String {
    loop {
        if let Message::Text(text) = socket.next().await.expect("a frame").expect("a frame") {
            return text.to_string();
        }
    }
}

#[tokio::test]
async fn an_operation_of_a_websocket_costs_as_much_as_it_is_long() {
    let realtime = realtime();
    let pipes = Pipes::serve(&realtime);
    let growth = growth("join, sync and leave", async |count| {
        let mut socket = pipes.websocket("7", "groups=").await;
        let start = on_processor();
        for op in ["join", "sync", "leave"] {
            let ask = json!({ "op": op, "groups": names(count) }).to_string();
            socket.send(Message::text(ask)).await.expect("an open connection");
            if op != "sync" {
                let answer = text(&mut socket).await;
                assert!(answer.contains("@joined") || answer.contains("@left"), "{answer:.80}");
            }
        }
        on_processor() - start
    });
    let growth = growth.await;
    assert!(growth < MOST, "{growth}");
}

#[tokio::test]
async fn a_token_that_is_none_is_seen_before_a_name_is_looked_at() {
    let realtime = realtime();
    let (_stream, token) = open(&realtime).await;
    let _alone = ALONE.lock().await;
    let mut took = [Duration::MAX; 2];
    for _ in 0..5 {
        for (at, (token, expected)) in
            [("0".repeat(32), 404), (token.clone(), 400)].iter().enumerate()
        {
            // Each name is good but the last one.
            let mut groups = names(MANY);
            *groups.last_mut().expect("some") = "a b".to_owned();
            let body = json!({ "conn": token, "n": 1, "groups": groups });
            let start = on_processor();
            let (status, _, answer) = control(&realtime, "7", &body).await;
            took[at] = took[at].min(on_processor() - start);
            assert_eq!(status, *expected, "{answer}");
        }
    }
    println!("{MANY} names: {:?} with a bogus token, {:?} with a good one", took[0], took[1]);
    assert!(took[0] * 2 < took[1], "{took:?}");
}

#[tokio::test]
async fn no_more_names_are_read_than_could_be_right() {
    let limits = Limits { groups_per_connection: 3, ..Limits::default() };
    let realtime = Server::plugin().limits(limits).build().expect("a plugin");
    // Whatever comes behind the fourth is not looked at.
    for groups in ["a,b,c,d", "a,b,c,d,,,", "a,a,a,a"] {
        let request = get(&format!("sse?groups={groups}"), Some("7"));
        let response = call(&realtime, request).await;
        assert_eq!(response.status(), 400);
        assert_eq!(code(&json(response).await), "too_many_groups", "{groups}");
    }
    let (_stream, token) = open(&realtime).await;
    let body = json!({ "conn": token, "n": 1, "groups": ["a", "b", "c", "d", "e e", 7] });
    let (status, _, answer) = control(&realtime, "7", &body).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("too_many_groups")));
}
