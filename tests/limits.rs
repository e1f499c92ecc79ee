//! What one client may ask for, and what it is told beyond that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::{Chunks, Client, Kind, Pipes, Server, control};
use tokio::{net::TcpSocket, time::sleep};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{Limits, MessageContext, MessageHandler, PresenceSpec};

const SECOND: Duration = Duration::from_secs(1);

/// Counts what arrives.
struct Count(Arc<AtomicUsize>);

impl MessageHandler for Count {
    async fn on_message(&self, _: &MessageContext, _: &str) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn of_more_messages_than_the_rate_allows_the_rest_is_refused() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let plugin = Server::plugin().message_handler(Count(arrived.clone()));
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=").await;
    for (sent, passed) in [(60, 50), (0, 50), (60, 100)] {
        for _ in 0..sent {
            socket.send(Message::text("hello")).await.expect("an open connection");
        }
        for _ in passed..sent {
            let text = socket.next().await.expect("a frame").expect("a frame");
            let frame: Value = serde_json::from_str(&text.into_text().expect("text")).unwrap();
            assert_eq!(frame["event"], "@refused");
            assert_eq!(frame["data"]["error"]["code"], "too_fast");
            assert_eq!(frame["data"]["error"]["limit"], 50);
        }
        sleep(SECOND).await;
        assert_eq!(arrived.load(Ordering::SeqCst), passed);
    }
}

#[tokio::test(start_paused = true)]
async fn of_more_calls_than_the_rate_allows_the_rest_is_told_when_to_come_again() {
    let realtime = Server::plugin().build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=&v=1").await;
    let mut other = Chunks::open(&realtime, "7", "groups=&v=1").await;
    let (token, other) = (stream.token().await, other.token().await);
    let call = async |token: &str, n| {
        control(&realtime, "7", &json!({ "conn": token, "n": n, "groups": [] })).await
    };
    for round in 0..3 {
        for n in 1..=20 {
            assert_eq!(call(&token, 100 * round + n).await.0, 200);
        }
        let (status, retry, body) = call(&token, 100 * round + 21).await;
        assert_eq!((status, retry.as_deref()), (429, Some("1")));
        assert_eq!(body["error"]["code"], "too_fast");
        assert_eq!(body["error"]["limit"], 20);
        assert_eq!(call(&other, round).await.0, 200, "another stream has its own");
        sleep(SECOND).await;
    }
}

#[tokio::test]
async fn a_payload_that_is_too_long_counts_as_no_answer() {
    // Two quotes, and so many letters.
    let spec = PresenceSpec::prefixes(["room:"])
        .resolver(|id| json!("x".repeat(id.parse::<usize>().expect("a number") - 2)));
    let limits = Limits { payload_bytes: 64, ..Limits::default() };
    let server = Server::start(Server::plugin().with_presence(spec).limits(limits)).await;
    let mut longest = Client::open(&server, Kind::Ws, Some("64"), "room:1").await;
    let _too_long = Client::open(&server, Kind::Ws, Some("65"), "room:1").await;
    let _short = Client::open(&server, Kind::Ws, Some("10"), "room:1").await;
    let seen = longest.frames_until_now(&server, "room:1").await;
    let shown: Vec<_> = seen.iter().map(|frame| frame.data.to_string().len()).collect();
    assert_eq!(shown, ["[]".len() + 64, 10]);
    assert_eq!(server.presence().count("room:1").await, Ok(2));
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_told_how_many_messages_it_missed() {
    const MESSAGES: u64 = 1000;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(8 * 1024).expect("a socket option that is there");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
    let limits = Limits { outbox_bytes: 48 * 1024, ..Limits::default() };
    let plugin = Server::plugin().limits(limits);
    let server = Server::start_on(socket.listen(16).expect("a port"), plugin);
    for kind in Kind::ALL {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(8 * 1024).expect("a socket option that is there");
        let socket = socket.connect(server.address).await.expect("a server");
        let opened = Client::open_on(socket, kind, Some("7"), "news").await;
        let mut client = opened.expect("an answer").expect("an open stream");
        for n in 0..MESSAGES {
            let message = json!({ "n": n, "pad": "x".repeat(2000) });
            server.realtime.to_group("news").send("news", &message).await.expect("a valid name");
            if n % 20 == 0 {
                // What can be written is written meanwhile.
                tokio::task::yield_now().await;
            }
        }
        let (mut next, mut missed) = (0, 0);
        while next < MESSAGES {
            let frame = client.next().await.expect("an open stream");
            match frame.event.as_str() {
                "@lagged" => missed += frame.data["missed"].as_u64().expect("a number"),
                "news" => {
                    let number = frame.data["n"].as_u64().expect("a number");
                    // Said at the place where they would have been.
                    assert_eq!(number, next + std::mem::take(&mut missed), "{kind:?}");
                    next = number + 1;
                }
                event => assert_eq!(event, "@hello"),
            }
        }
        assert_eq!(missed, 0, "{kind:?}");
        drop(client);
    }
    assert!(server.realtime.counts().missed > 0);
    server.is_empty().await;
}

/// A stream whose reader is stuck holds the place of a connection until its socket is closed,
/// which happens whether the reader does anything or not.
#[tokio::test(start_paused = true)]
async fn a_stuck_socket_holds_its_place_until_it_is_closed() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let plugin = Server::plugin().with_presence(PresenceSpec::prefixes(["room:"])).limits(limits);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let stuck = pipes.event_stream("7", "groups=room:1", 1024).await;
    sleep(Duration::from_millis(50)).await;
    tests::fill(&realtime, 1024).await;
    let next = || async {
        let request = http::Request::get("/realtime/sse?groups=room:1")
            .header(tests::EVENT_STREAM.0, tests::EVENT_STREAM.1);
        let request = request.body(axum::body::Body::empty()).expect("a request");
        tests::call(&realtime, request).await.status()
    };
    sleep(Duration::from_secs(25)).await;
    assert_eq!(next().await, 503);
    // Its user is gone 3 s after it is taken for lost.
    tests::until_gone(&realtime).await;
    assert_eq!(next().await, 200);
    drop(stuck);
}

#[tokio::test]
async fn a_control_call_for_as_many_groups_as_allowed_fits() {
    let limits = Limits { groups_per_connection: 1000, ..Limits::default() };
    let realtime = Server::plugin().limits(limits).build().expect("a plugin that can be built");
    let groups: Vec<_> = (0..1000).map(|n| format!("room:{n:0>190}")).collect();
    let body = json!({ "conn": "0".repeat(32), "n": 1, "groups": groups, "sync": groups });
    assert_eq!(control(&realtime, "7", &body).await.0, 404);
}

/// The longest names, of which each byte takes two in an answer.
fn longest_names(count: usize) -> Vec<String> {
    let tails = (0..count).map(|n| format!("{n:0>2}"));
    tails.map(|tail| format!("room:private{}{tail}", "\\".repeat(186))).collect()
}

#[tokio::test]
async fn the_smallest_outbox_holds_the_answer_to_a_client_that_is_let_in_nowhere() {
    for (outbox_bytes, groups, payload_bytes) in [(4096, 6, 3072), (47_724, 100, 8192)] {
        let limits = Limits {
            outbox_bytes,
            groups_per_connection: groups,
            payload_bytes,
            ..Limits::default()
        };
        let server = Server::start(Server::plugin().limits(limits)).await;
        let names = longest_names(groups);
        assert_eq!(names[0].len(), 200);
        let query = names.join(",").replace('\\', "%5C");
        for kind in [Kind::SseV1, Kind::WsV1] {
            let mut client = Client::open(&server, kind, Some("7"), &query).await;
            let hello = client.event("@hello").await;
            assert_eq!(hello.data["denied"], json!(names), "{kind:?}");
        }
        let mut client = Client::open(&server, Kind::WsV1, Some("7"), "").await;
        client.event("@hello").await;
        client.send(&json!({ "op": "join", "groups": names })).await;
        // All of them in one frame.
        assert_eq!(client.event("@denied").await.data, json!({ "groups": names }));
    }
}

#[tokio::test]
async fn a_message_that_fits_into_no_outbox_is_an_error() {
    let realtime = Server::plugin().build().expect("a plugin that can be built");
    let sent = realtime.broadcast().send("chat", &"x".repeat(256 * 1024)).await;
    assert!(sent.unwrap_err().to_string().contains("outbox_bytes"));
    assert!(realtime.broadcast().send("chat", &"x".repeat(255 * 1000)).await.is_ok());
}
