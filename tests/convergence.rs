//! Under churn over real sockets: one order for everybody, the truth at the end, nothing
//! left behind.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tests::{Client, Fold, Kind, Random, Server, USER_HEADER, eventually, told};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use umbral_presence::PresenceSpec;

const GROUP: &str = "room:1";

/// How long the churn goes on.
const CHURN: Duration = Duration::from_secs(4);

/// A stream and the roster that its frames fold to.
struct Watcher {
    client: Client,
    roster: Fold,
}

impl Watcher {
    async fn open(server: &Server, kind: Kind, user: Option<&str>) -> Self {
        Self { client: Client::open(server, kind, user, GROUP).await, roster: Fold::of(GROUP) }
    }

    /// Folds what arrives within `time`.
    async fn read_for(&mut self, time: Duration) {
        for frame in self.client.drain(time).await {
            self.roster.take(&frame);
        }
    }

    /// Folds everything that has been sent up to now.
    async fn catch_up(&mut self, server: &Server) {
        for frame in self.client.frames_until_now(server, GROUP).await {
            self.roster.take(&frame);
        }
    }
}

/// Waits until the group's members are `truth`, by what the server says.
async fn is_settled(server: &Server, truth: &BTreeSet<String>) {
    eventually("the server knows who stayed", || async {
        let members = server.presence().members(GROUP).await.expect("a valid name");
        let ids: BTreeSet<_> = members.iter().map(|member| member.id().to_string()).collect();
        ids == *truth
    })
    .await;
    // Who came and went all the time is told of at a falling pace.
    eventually("everybody has been told", || async {
        told(&server.realtime, GROUP).await == *truth
    })
    .await;
}

/// One user who comes and goes with one to three connections until `end`, and then stays
/// or not. Gives the connections of one who stays.
async fn come_and_go(server: Arc<Server>, user: String, seed: u64, end: Instant) -> Vec<Watcher> {
    let mut random = Random::new(seed);
    let mut open: Vec<Watcher> = Vec::new();
    while Instant::now() < end {
        if open.is_empty() || (open.len() < 3 && random.below(2) == 0) {
            open.push(Watcher::open(&server, random.pick(&Kind::ALL), Some(&user)).await);
        } else {
            let nth = random.index(open.len());
            let Watcher { client, .. } = open.swap_remove(nth);
            match random.below(3) {
                0 => client.close(1000).await,
                1 => client.close(1001).await,
                _ => drop(client),
            }
        }
        for watcher in &mut open {
            watcher.read_for(Duration::from_millis(random.below(60))).await;
        }
    }
    if random.below(2) == 0 { open } else { Vec::new() }
}

async fn churn(grace: Duration, seed: u64) {
    let server = Arc::new(Server::with_rooms(grace).await);
    let end = Instant::now() + CHURN;
    let mut users = JoinSet::new();
    for n in 0..200 {
        let server = server.clone();
        users.spawn(async move {
            let user = n.to_string();
            let open = come_and_go(server, user.clone(), seed ^ (n << 32), end).await;
            (user, open)
        });
    }
    let mut watchers = Vec::new();
    let mut random = Random::new(seed);
    while Instant::now() < end {
        // Some from the beginning, others who come in the middle of it.
        if watchers.len() < 12 {
            watchers.push(Watcher::open(&server, random.pick(&Kind::ALL), None).await);
        }
        for watcher in &mut watchers {
            watcher.read_for(Duration::from_millis(20)).await;
        }
    }
    let mut truth = BTreeSet::new();
    while let Some(user) = users.join_next().await {
        let (user, open) = user.expect("no frame contradicts the one before it");
        if !open.is_empty() {
            truth.insert(user);
        }
        watchers.extend(open);
    }
    assert!(truth.len() > 20, "enough users stay to tell: {}", truth.len());
    is_settled(&server, &truth).await;
    let mut changes = 0;
    for watcher in &mut watchers {
        watcher.catch_up(&server).await;
        assert!(watcher.roster.ids().iter().eq(&truth), "{:?}", watcher.roster);
        assert_eq!(watcher.roster.syncs, 1, "one snapshot, and deltas from there on");
        changes = changes.max(watcher.roster.changes);
    }
    assert!(changes > 200, "enough changes to tell: {changes}");
    drop(watchers);
    server.is_empty().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_watcher_folds_to_the_truth() {
    churn(Duration::ZERO, 0x5eed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_watcher_folds_to_the_truth_with_a_grace() {
    churn(Duration::from_millis(40), 0xfeed).await;
}

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
        Abort::AfterRequest => tokio::time::sleep(wait).await,
        Abort::InHead => {
            let mut start = [0; 16];
            socket.read_exact(&mut start).await.expect("a response");
            assert!(start.starts_with(b"HTTP/1.1 "), "{start:?}");
        }
        Abort::InStream => {
            let mut read = Vec::new();
            while !read.windows(13).any(|window| window == b"presence:sync") {
                let more = socket.read_buf(&mut read).await.expect("an open stream");
                assert_ne!(more, 0, "a snapshot comes before the end");
            }
        }
    }
    drop(socket);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_aborted_connection_leaves_nothing_behind() {
    // Identity and policy take a moment, so that aborts fall into them.
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]).grace(Duration::from_millis(20)))
        .identity_resolver(|parts| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Some(parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned())
        })
        .group_policy_async_fn(|_, _| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            true
        });
    let server = Arc::new(Server::start(plugin).await);
    let mut watcher = Watcher::open(&server, Kind::SseV1, None).await;
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
    eventually("only the watcher is left", || async { server.realtime.health().connections == 1 })
        .await;
    is_settled(&server, &BTreeSet::new()).await;
    watcher.catch_up(&server).await;
    assert_eq!(watcher.roster.ids(), [""; 0]);
    assert!(watcher.roster.changes > 0, "some of them were there for a while");
    drop(watcher);
    server.is_empty().await;
}
