//! Whatever way a connection ends, nothing of it is left behind.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tests::{
    Kind, Pipes, Random, Server, USER_HEADER, Watcher, call, fill, get, is_settled, settled,
    until_gone,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};
use umbral_presence::{Limits, PresenceSpec};

const GROUP: &str = "room:1";

/// When a client breaks its connection off.
#[derive(Clone, Copy, Debug)]
enum Abort {
    /// In the middle of its request.
    InRequest,
    /// Once the request is out: somewhere in identity, policy or registration.
    AfterRequest,
    /// In the middle of the response's head.
    InHead,
    /// Some time into the stream.
    InStream,
}

async fn abort(server: &Server, websocket: bool, when: Abort, user: &str, wait: Duration) {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let (path, more) = if websocket { ("ws", upgrade) } else { ("sse", "") };
    let request = format!(
        "GET /realtime/{path}?groups=room:1,room:2 HTTP/1.1\r\nHost: {}\r\n\
         Accept: text/event-stream\r\n{USER_HEADER}: {user}\r\n{more}\r\n",
        server.address
    );
    let mut socket = TcpStream::connect(server.address).await.expect("a server");
    // A reset in the place of an orderly end.
    socket.set_zero_linger().expect("a socket option that is there");
    let sent = match when {
        Abort::InRequest => &request[..request.len() / 2],
        _ => &request[..],
    };
    socket.write_all(sent.as_bytes()).await.expect("room in the buffer");
    match when {
        Abort::InRequest => {}
        Abort::AfterRequest => sleep(wait).await,
        Abort::InHead => {
            let mut start = [0; 16];
            let answer = settled("an answer", socket.read_exact(&mut start)).await;
            answer.expect("a response");
            assert!(
                start.starts_with(b"HTTP/1.1 200") || start.starts_with(b"HTTP/1.1 101"),
                "{}",
                String::from_utf8_lossy(&start)
            );
        }
        Abort::InStream => {
            let mut read = Vec::new();
            settled("a snapshot", async {
                while !read.windows(13).any(|window| window == b"presence:sync") {
                    let more = socket.read_buf(&mut read).await.expect("an open stream");
                    assert_ne!(more, 0, "a snapshot comes before the end");
                }
            })
            .await;
        }
    }
    drop(socket);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_aborted_connection_leaves_nothing_behind() {
    // Identity and policy take a moment, so that aborts fall into them.
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]).grace(Duration::from_millis(20)))
        // A fast machine opens all of them within a second.
        .limits(Limits { opens_per_user: 1000, ..Limits::default() })
        .identity_resolver(|parts| async move {
            sleep(Duration::from_millis(1)).await;
            Some(parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned())
        })
        .group_policy_async_fn(|_, _| async {
            sleep(Duration::from_millis(1)).await;
            true
        });
    let server = Arc::new(Server::start(plugin).await);
    let mut watcher = Watcher::open(&server, Kind::SseV1, None, GROUP).await;
    let mut aborts = JoinSet::new();
    let mut random = Random::new(0xab0);
    for n in 0..1000 {
        let (server, websocket) = (server.clone(), n % 2 == 0);
        let when = random.pick(&[
            Abort::InRequest,
            Abort::AfterRequest,
            Abort::AfterRequest,
            Abort::InHead,
            Abort::InStream,
        ]);
        let wait = Duration::from_micros(random.below(6000));
        let user = random.below(50).to_string();
        aborts.spawn(async move { abort(&server, websocket, when, &user, wait).await });
        if aborts.len() > 40 {
            aborts.join_next().await.expect("one of many").expect("an abort as planned");
        }
    }
    while let Some(aborted) = aborts.join_next().await {
        aborted.expect("an abort as planned");
    }
    server.has_connections(1).await;
    is_settled(&server.realtime, GROUP, &BTreeSet::new()).await;
    watcher.catch_up(&server.mark(GROUP).await).await;
    assert_eq!(watcher.roster.ids(), [""; 0]);
    assert!(watcher.roster.changes > 0, "some of them were there for a while");
    drop(watcher);
    server.is_empty().await;
}

/// A stream whose reader is stuck holds the place of a connection until its socket is closed,
/// which happens whether the reader does anything or not.
#[tokio::test(start_paused = true)]
async fn a_stuck_socket_holds_its_place_until_it_is_closed() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let realtime = Server::rooms().limits(limits).build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let stuck = pipes.event_stream("7", "groups=room:1", 1024).await;
    sleep(Duration::from_millis(50)).await;
    fill(&realtime, 1024).await;
    let next = async || call(&realtime, get("sse?groups=room:1", None)).await.status();
    sleep(Duration::from_secs(25)).await;
    assert_eq!(next().await, 503);
    // Its user is gone 3 s after it is taken for lost.
    until_gone(&realtime).await;
    assert_eq!(next().await, 200);
    drop(stuck);
}
