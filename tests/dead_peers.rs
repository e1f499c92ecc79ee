//! Peers that vanish without a goodbye, in real time, over real sockets and through a real proxy:
//! for a release build, since it takes more than a minute. `promises::liveness` has the same with a
//! clock that the test moves.
#![cfg(not(debug_assertions))]

use std::time::Duration;

use serde_json::json;
use tests::{Client, Fold, Kind, Mode, Proxy, Server};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

const WEBSOCKET: Duration = Duration::from_secs(25);
const EVENT_STREAM: Duration = Duration::from_secs(75);

#[tokio::test]
#[allow(clippy::print_stdout)]
async fn members_behind_a_silent_proxy_are_gone_in_time() {
    let server = Server::start(Server::rooms()).await;
    let proxy = Proxy::start(server.address).await;
    let mut behind = Vec::new();
    for kind in [Kind::Ws, Kind::WsV1, Kind::SseV1] {
        let socket = TcpStream::connect(proxy.address).await.expect("a proxy");
        let user = format!("{kind:?}");
        let opened = Client::open_on(socket, kind, Some(&user), "room:1").await;
        behind.push(opened.expect("an answer").expect("an open stream"));
    }
    let mut watcher = Client::open(&server, Kind::Ws, None, "room:1").await;
    let mut roster = Fold::kept_up("room:1");
    roster.take(&watcher.event("presence:sync").await);
    assert_eq!(roster.ids(), ["SseV1", "Ws", "WsV1"]);

    proxy.set(Mode::Swallow);
    let start = Instant::now();
    while !roster.ids().is_empty() {
        let frame = timeout(EVENT_STREAM, watcher.read()).await.expect("a leave in time");
        let frame = frame.expect("an open stream");
        if frame.event == "presence:leave" {
            let (user, after) = (&frame.data["id"], start.elapsed());
            println!("dead peers: {user} was gone after {after:.1?}");
            let bound = if *user == json!("SseV1") { EVENT_STREAM } else { WEBSOCKET };
            assert!(after < bound, "{user} after {after:?}");
        }
        roster.take(&frame);
    }
    assert_eq!(server.realtime.health().connections, 1);
    drop(behind);
}
