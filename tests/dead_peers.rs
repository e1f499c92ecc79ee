//! Peers that vanish without a word, behind a proxy that keeps the socket: gone within 25
//! seconds over a WebSocket and 75 over an event stream with `v=1`, the grace of three
//! seconds included.

use std::time::Duration;

use futures_util::StreamExt;
use socket2::SockRef;
use tests::{Pipes, Server};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use umbral_presence::{PresenceSpec, Realtime, RealtimePlugin};

const WEBSOCKET: Duration = Duration::from_secs(25);
const EVENT_STREAM: Duration = Duration::from_secs(75);

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(500);

fn rooms() -> RealtimePlugin {
    Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]))
}

/// What the peer was doing when it vanished, and what the proxy does.
#[derive(Clone, Copy, Debug)]
enum Scene {
    /// Nothing is sent.
    Quiet,
    /// Much is sent, and the proxy takes it all.
    Swallowed,
    /// Much is sent, and the proxy takes nothing, so that writes are stuck.
    Deaf,
}

const SCENES: [Scene; 3] = [Scene::Quiet, Scene::Swallowed, Scene::Deaf];

/// Plays the scene, and gives how long the member stays.
async fn stay(realtime: &Realtime, scene: Scene, mut pipe: DuplexStream) -> Duration {
    let start = Instant::now();
    while realtime.presence().count("room:1").await != Ok(0) {
        assert!(start.elapsed() < Duration::from_secs(300), "{scene:?}: never");
        if !matches!(scene, Scene::Quiet) {
            let sent = realtime.to_group("room:1").send("chat", &"x".repeat(2000)).await;
            sent.expect("a valid name");
        }
        if matches!(scene, Scene::Swallowed) {
            let mut buffer = vec![0; 64 * 1024];
            let _ = timeout(Duration::from_millis(1), pipe.read(&mut buffer)).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_websocket_whose_peer_is_gone_is_gone_within_25_seconds() {
    for scene in SCENES {
        for dies_after in [0, 3, 10, 12, 40] {
            let realtime = rooms().build().expect("a plugin that can be built");
            let pipes = Pipes::serve(&realtime);
            let mut socket = pipes.websocket("7", "groups=room:1").await;
            // Reading is what answers the pings.
            let alive = async { while socket.next().await.is_some() {} };
            let _ = timeout(Duration::from_secs(dies_after), alive).await;
            let pipe = std::mem::replace(socket.get_mut(), tokio::io::duplex(1).0);
            let stayed = stay(&realtime, scene, pipe).await;
            assert!(stayed < WEBSOCKET, "{scene:?} after {dies_after} s: {stayed:?}");
            assert_eq!(realtime.counts().lost, 1, "{scene:?} after {dies_after} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_whose_peer_is_gone_is_gone_within_75_seconds() {
    for scene in SCENES {
        for dies_after in [0, 2, 4, 14] {
            let realtime = rooms().build().expect("a plugin that can be built");
            let pipes = Pipes::serve(&realtime);
            // What moves the server's timers apart from the stream's.
            let other = pipes.event_stream("8", "groups=room:2", 64 * 1024).await;
            sleep(Duration::from_secs(dies_after)).await;
            let pipe = pipes.event_stream("7", "groups=room:1&v=1", 64 * 1024).await;
            sleep(SLACK).await;
            let stayed = stay(&realtime, scene, pipe).await;
            assert!(stayed < EVENT_STREAM, "{scene:?} after {dies_after} s: {stayed:?}");
            drop(other);
        }
    }
}

#[tokio::test]
async fn the_operating_system_is_told_to_notice_dead_peers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (_client, (mut stream, _)) = (client.expect("a server"), accepted.expect("a client"));
    umbral_presence::notice_dead_peers(&mut stream);
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().expect("an option that is there"));
    let idle = socket.tcp_keepalive_time().expect("an option that is there");
    let between = socket.tcp_keepalive_interval().expect("an option that is there");
    let questions = socket.tcp_keepalive_retries().expect("an option that is there");
    assert!(idle + between * questions <= Duration::from_secs(45), "{idle:?} {between:?}");
    #[cfg(target_os = "linux")]
    {
        let unacknowledged = socket.tcp_user_timeout().expect("an option that is there");
        assert_eq!(unacknowledged, Some(Duration::from_secs(30)));
    }
}

/// The first two in real time, over real sockets and through a real proxy: for a release build,
/// since it takes more than a minute.
#[cfg(not(debug_assertions))]
mod in_real_time {
    use serde_json::json;
    use tests::{Client, Fold, Kind, Mode, Proxy};

    use super::*;

    #[tokio::test]
    #[allow(clippy::print_stdout)]
    async fn members_behind_a_silent_proxy_are_gone_in_time() {
        let server = Server::start(rooms()).await;
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
}
