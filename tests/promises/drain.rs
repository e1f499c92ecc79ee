//! Going down without being seen: clients are told to go elsewhere, spread over a window, and
//! nobody is seen to leave.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tests::{Chunks, Client, Fold, Kind, Proxy, Random, Server, code, eventually, settled};
use tokio::{net::TcpStream, sync::Notify, task::JoinSet, time::sleep};
use umbral_presence::{Limits, PresenceSpec, RealtimePlugin};

const WINDOW: Duration = Duration::from_secs(2);

fn plugin() -> RealtimePlugin {
    // Without a grace a leave would be seen at once.
    let rooms = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO);
    let limits = Limits { drain_window: WINDOW, ..Limits::default() };
    Server::plugin().with_presence(rooms).limits(limits)
}

/// Reads what comes, and answers `@drain` as browsers do: a client with `v=1` and a WebSocket
/// open the next connection first, somewhere in the window; an `EventSource` comes back when
/// it has been ended. Gives the connection to the next server.
async fn browse(proxy: Arc<Proxy>, kind: Kind, user: String, mut client: Client) -> Client {
    let mut random = Random::new(user.bytes().map(u64::from).sum());
    let open = async || {
        let socket = TcpStream::connect(proxy.address).await.expect("a proxy");
        let opened = Client::open_on(socket, kind, Some(&user), "room:1").await;
        opened.expect("an answer").unwrap_or_else(|(status, _)| panic!("refused with {status}"))
    };
    if kind == Kind::Sse {
        client.end().await;
        let wait = client.retry().expect("a stream that ends says when to come back");
        assert!(wait <= WINDOW);
        sleep(wait).await;
        return open().await;
    }
    let drain = client.event("@drain").await;
    let seconds = drain.data["within"].as_u64().expect("seconds");
    assert_eq!(seconds, WINDOW.as_secs());
    sleep(Duration::from_millis(random.below(seconds * 1000 * 9 / 10))).await;
    let next = open().await;
    drop(client);
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_behind_a_proxy_shows_no_leave() {
    let (old, new) = (Server::start(plugin()).await, Server::start(plugin()).await);
    let proxy = Arc::new(Proxy::start(old.address).await);
    let mut clients = JoinSet::new();
    let mut users = BTreeSet::new();
    for n in 0..40 {
        let kind = Kind::ALL[n % 4];
        let user = format!("user-{n:02}");
        users.insert(user.clone());
        let socket = TcpStream::connect(proxy.address).await.expect("a proxy");
        let opened = Client::open_on(socket, kind, Some(&user), "room:1").await;
        let client = opened.expect("an answer").expect("an open stream");
        clients.spawn(browse(proxy.clone(), kind, user, client));
    }
    let mut watchers: Vec<_> = Vec::new();
    for kind in Kind::ALL {
        watchers.push((Client::open(&old, kind, None, "room:1").await, Fold::kept_up("room:1")));
    }

    proxy.redirect(new.address);
    let start = Instant::now();
    let draining = tokio::spawn({
        let realtime = old.realtime.clone();
        async move { realtime.drain().await }
    });
    // Those who watch the old server stay to the end of the window.
    for (watcher, roster) in &mut watchers {
        while let Some(frame) = watcher.next().await {
            roster.take(&frame);
        }
        assert!(start.elapsed() >= WINDOW, "the window is kept to");
        assert!(roster.ids().iter().eq(&users), "nobody was seen to leave: {roster:?}");
        assert!(roster.leaves.is_empty());
    }
    settled("the drain", draining).await.expect("a drain");
    assert_eq!(old.realtime.health().connections, 0);

    let clients = settled("the clients come to the new server", clients.join_all()).await;
    assert_eq!(clients.len(), users.len());
    eventually("the new server has everybody", || async {
        new.presence().count("room:1").await == Ok(users.len())
    })
    .await;
    let mut roster = Fold::kept_up("room:1");
    let mut watcher = Client::open(&new, Kind::Ws, None, "room:1").await;
    for frame in watcher.frames_until_now(&new, "room:1").await {
        roster.take(&frame);
    }
    assert!(roster.ids().iter().eq(&users), "{roster:?}");
    // The old server forgets them too.
    old.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn plain_event_streams_are_told_to_come_back_spread_over_the_window() {
    let realtime = plugin().build().expect("a plugin that can be built");
    let mut streams = Vec::new();
    for n in 0..200 {
        streams.push(Chunks::open(&realtime, &n.to_string(), "groups=room:1").await);
    }
    let drained = Arc::new(Notify::new());
    tokio::spawn({
        let (realtime, drained) = (realtime.clone(), drained.clone());
        async move {
            realtime.drain().await;
            drained.notify_one();
        }
    });
    let mut waits = Vec::new();
    for mut stream in streams {
        while let Some(text) = stream.text().await {
            let wait = text.strip_prefix("retry: ").and_then(|text| text.trim().parse().ok());
            waits.extend(wait.map(Duration::from_millis));
        }
    }
    drained.notified().await;
    assert_eq!(waits.len(), 200, "each is told once");
    assert!(waits.iter().all(|wait| *wait <= WINDOW), "{waits:?}");
    // By chance this fails less than once in 10^30 times.
    let quarters: BTreeSet<u128> = waits.iter().map(|wait| wait.as_millis() * 4 / 2001).collect();
    assert_eq!(quarters.len(), 4, "{waits:?}");
}

#[tokio::test]
async fn websockets_that_stay_are_closed_with_1012() {
    let limits = Limits { drain_window: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(plugin().limits(limits)).await;
    let mut sockets = Vec::new();
    for kind in [Kind::Ws, Kind::WsV1] {
        sockets.push(Client::open(&server, kind, Some("7"), "room:1").await);
    }
    server.realtime.drain().await;
    for socket in sockets {
        assert_eq!(socket.close_code().await, Some(1012));
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn draining_refuses_the_new_and_ends_the_old() {
    let server = Server::with_rooms(LONG).await;
    let mut clients = Vec::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let user = n.to_string();
        clients.push(Client::open(&server, kind, Some(&user), "room:1").await);
    }
    let drained = tokio::spawn({
        let realtime = server.realtime.clone();
        async move { realtime.drain().await }
    });
    for client in &mut clients {
        assert_eq!(client.event("@drain").await.data, json!({ "within": 5 }));
    }
    let refused = Client::try_open(&server, Kind::Sse, Some("9"), "room:1").await;
    let (status, body) = refused.err().unwrap();
    assert_eq!((status, code(&body)), (503, "draining"));
    for client in &mut clients {
        client.end().await;
    }
    drained.await.unwrap();
    assert!(server.realtime.health().draining);
}
