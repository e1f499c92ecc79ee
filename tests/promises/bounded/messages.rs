//! How many messages a client may send, how long they may be, and what a reader that falls behind
//! is told of those that it missed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::{Client, Kind, Pipes, Server};
use tokio::{net::TcpSocket, time::sleep};
use tokio_tungstenite::tungstenite::Message;
use umbral_presence::{Limits, MessageContext, MessageHandler};

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

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    client.event("presence:sync").await;
    client.send(&json!("x".repeat(70_000))).await;
    assert_eq!(client.next().await, None);
}
