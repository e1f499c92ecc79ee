//! Requests that nobody should make, each with the refusal that it gets. Afterwards the
//! server serves as before, and nothing of them is left.

mod requests;
mod websocket;

use std::time::{Duration, Instant};

use self::{
    requests::{BARE, JSON, control, head, with},
    websocket::{intrusions, texts_without_a_meaning_change_nothing},
};
use serde_json::json;
use tests::{Client, Fold, Kind, Server, USER_HEADER, eventually, settled};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};
use umbral_presence::{Limits, PresenceSpec, RealtimePlugin};

const LONG: Duration = Duration::from_secs(60);

/// A request that is never finished.
async fn drip(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.expect("a server");
    let request = head("GET", "/realtime/sse?groups=room:1", &[(USER_HEADER, "7")]);
    socket.write_all(request.as_bytes()).await.expect("room in the buffer");
    socket
}

/// A `control` call whose body comes byte by byte.
async fn drip_a_body(server: &Server) {
    let start = Instant::now();
    let headers = [(USER_HEADER, "7"), JSON, ("content-length", "1000")];
    let request = format!("{}\r\n", head("POST", "/realtime/control", &headers));
    let mut socket = TcpStream::connect(server.address).await.expect("a server");
    socket.write_all(request.as_bytes()).await.expect("room in the buffer");
    let (mut reading, mut writing) = socket.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    settled("an answer to half a body", async {
        while !answer.windows(8).any(|window| window == b"too_slow") {
            assert_ne!(reading.read_buf(&mut answer).await.expect("an answer"), 0);
        }
    })
    .await;
    dripping.abort();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert!(start.elapsed() >= Duration::from_secs(10));
}

/// The usual rooms, where one user may open connections as fast as can be.
fn hasty(grace: Duration) -> RealtimePlugin {
    let limits = Limits { opens_per_user: 10_000, members_per_second: 10_000, ..Limits::default() };
    let specs = PresenceSpec::prefixes(["room:", "public:lobby"]).grace(grace);
    Server::plugin().limits(limits).with_presence(specs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_nobody_should_send_is_refused_and_leaves_nothing_behind() {
    let server = std::sync::Arc::new(Server::start(hasty(Duration::ZERO)).await);
    let mut dripping = Vec::new();
    for _ in 0..200 {
        dripping.push(drip(&server).await);
    }
    let bodies: JoinSet<()> = (0..20)
        .map(|_| {
            let server = server.clone();
            async move { drip_a_body(&server).await }
        })
        .collect();

    let mut victim = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = victim.token().await;
    let cases = requests::cases(&token);
    let intrusions = intrusions();
    assert!(cases.len() + intrusions.len() > 80);
    let mut faults = Vec::new();
    for case in &cases {
        faults.extend(case.fault(&server).await);
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // None of them has touched the stream whose token was shown.
    assert!(server.presence().contains("room:1", 7).await.expect("a valid name"));
    assert_eq!(server.realtime.health().connections, 1, "half a request is no connection");

    // Another user's token ends the stream that it is of, and does nothing else.
    let stolen = json!({ "conn": token, "n": 9, "groups": ["room:9"] }).to_string();
    let case = control(&[(USER_HEADER, "8"), JSON], stolen.as_bytes(), 409, "identity_changed");
    case.run(&server).await;
    victim.end().await;
    let gone = control(&[(USER_HEADER, "7"), JSON], stolen.as_bytes(), 404, "unknown_connection");
    gone.run(&server).await;

    for intrusion in &intrusions {
        intrusion.run(&server).await;
    }
    texts_without_a_meaning_change_nothing(&server).await;
    server.is_empty().await;

    // It serves as before, while half of the requests still hang.
    for kind in Kind::ALL {
        let mut roster = Fold::kept_up("room:1");
        let mut client = Client::open(&server, kind, Some("7"), "room:1").await;
        let other = Client::open(&server, kind, Some("8"), "room:1").await;
        eventually("both are there", || async { server.presence().count("room:1").await == Ok(2) })
            .await;
        for frame in client.frames_until_now(&server, "room:1").await {
            roster.take(&frame);
        }
        assert_eq!(roster.ids(), ["7", "8"], "{kind:?}");
        drop((client, other));
        server.is_empty().await;
    }
    bodies.join_all().await;
    drop(dripping);
    server.is_empty().await;
}

#[tokio::test]
async fn a_look_at_a_stream_shows_nobody() {
    let server = Server::start(hasty(LONG)).await;
    with("HEAD", "/realtime/sse?groups=room:1", &[(USER_HEADER, "7")], 405, BARE)
        .run(&server)
        .await;
    server.is_empty().await;
}
