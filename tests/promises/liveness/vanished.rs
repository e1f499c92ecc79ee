//! Peers that vanish without a goodbye, behind a proxy that keeps the socket: gone within 25
//! seconds over a WebSocket and 75 over an event stream with `v=1`, the grace of three
//! seconds included. The clock is the test's; `dead_peers.rs` has the same in real time.

use std::time::Duration;

use futures_util::StreamExt;
use socket2::SockRef;
use tests::{Pipes, Server};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use umbral_presence::Realtime;

const WEBSOCKET: Duration = Duration::from_secs(25);
const EVENT_STREAM: Duration = Duration::from_secs(75);

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(500);

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
            let realtime = Server::rooms().build().expect("a plugin that can be built");
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
            let realtime = Server::rooms().build().expect("a plugin that can be built");
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
