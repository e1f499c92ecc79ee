//! What everybody acts on: one server, and what is counted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::Value;
use tests::{Client, Kind, Random, Server, USER_HEADER};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};
use umbral_presence::{Limits, PresenceSpec};

use crate::reader::Reader;

/// The rooms with presence.
pub(crate) const ROOMS: [&str; 4] = ["room:0", "room:1", "room:2", "room:3"];

/// Has no presence, and more messages than a slow reader takes.
pub(crate) const LOUD: &str = "loud";

pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Small, so that slow readers fall behind soon.
const OUTBOX: usize = 64 * 1024;

pub(crate) const GROUPS_PER_CONNECTION: usize = 8;
pub(crate) const CONNECTIONS_PER_USER: usize = 6;
pub(crate) const MESSAGE_BYTES: usize = 4096;

/// A kernel's buffers would hold megabytes of what is not read.
const SOCKET_BUFFER: u32 = 8 * 1024;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) http: reqwest::Client,
    pub(crate) seconds: Duration,
    end: Instant,
    pub(crate) counted: Counted,
    /// Connections that this side has ended and the other one has not yet.
    pub(crate) endings: Mutex<JoinSet<()>>,
    /// How often each user was not back within the grace, so that a leave was right.
    pub(crate) late_reloads: Mutex<BTreeMap<String, usize>>,
}

#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) opened: Counter,
    pub(crate) refused: Counter,
    pub(crate) reloads: Counter,
    pub(crate) vandalism: Counter,
    pub(crate) frames: Counter,
}

#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The chance of the `nth` of a kind.
pub(crate) fn random(seed: u64, kind: u64, nth: u64) -> Random {
    Random::new(seed ^ (kind << 56) ^ (nth << 40))
}

impl World {
    pub(crate) fn start(seconds: Duration) -> Self {
        let limits = Limits {
            outbox_bytes: OUTBOX,
            message_bytes: MESSAGE_BYTES,
            groups_per_connection: GROUPS_PER_CONNECTION,
            connections_per_user: CONNECTIONS_PER_USER,
            // Everybody here is in a hurry.
            opens_per_user: 10_000,
            members_per_second: 10_000,
            ..Limits::default()
        };
        let rooms = PresenceSpec::prefixes(["room:"]).grace(GRACE);
        let socket = TcpSocket::new_v4().expect("a socket");
        // Those that are accepted inherit it.
        socket.set_send_buffer_size(SOCKET_BUFFER).expect("a socket option that is there");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
        let listener = socket.listen(1024).expect("a port");
        Self {
            server: Server::start_on(
                listener,
                Server::plugin().limits(limits).with_presence(rooms),
            ),
            http: reqwest::Client::new(),
            seconds,
            end: Instant::now() + seconds,
            counted: Counted::default(),
            endings: Mutex::default(),
            late_reloads: Mutex::default(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Sleeps, but not beyond the end.
    pub(crate) async fn sleep(&self, time: Duration) {
        sleep(time.min(self.end.saturating_duration_since(Instant::now()))).await;
    }

    /// Connects with a receive buffer that is soon full.
    pub(crate) async fn connect(&self) -> TcpStream {
        self.counted.opened.count();
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(SOCKET_BUFFER).expect("a socket option that is there");
        socket.connect(self.server.address).await.expect("a server that accepts")
    }

    /// Opens a stream, or gives the status of the refusal.
    pub(crate) async fn open(
        &self,
        kind: Kind,
        user: Option<&str>,
        groups: &str,
    ) -> Result<Client, u16> {
        let socket = self.connect().await;
        let opened = Client::open_on(socket, kind, user, groups).await.expect("an answer");
        opened.map_err(|(status, _)| {
            self.counted.refused.count();
            status
        })
    }

    /// A `control` call: its status and answer, and when to try again.
    pub(crate) async fn control(
        &self,
        user: Option<&str>,
        body: &Value,
    ) -> (u16, Value, Option<String>) {
        let mut request = self.http.post(self.server.url("/realtime/control")).json(body);
        if let Some(user) = user {
            request = request.header(USER_HEADER, user);
        }
        let answer = request.send().await.expect("a server that answers");
        let retry = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let (status, retry) = (answer.status().as_u16(), retry.map(str::to_owned));
        (status, answer.json().await.unwrap_or_default(), retry)
    }

    /// Has everybody read all that was sent up to now.
    pub(crate) async fn catch_up(self: &Arc<Self>, readers: Vec<Reader>) -> Vec<Reader> {
        for room in ROOMS {
            self.server.mark(room).await;
        }
        let mut reading = JoinSet::new();
        for mut reader in readers {
            let world = self.clone();
            reading.spawn(async move {
                reader.read_to_the_mark(&world).await;
                reader
            });
        }
        reading.join_all().await
    }
}
