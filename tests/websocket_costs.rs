//! What a WebSocket costs the server, whatever it was sent and whatever its client sends: the
//! memory and the processor time of a server in a process of its own.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::{Client, Kind, Process, settled};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::timeout,
};

const SERVE: &str = env!("CARGO_BIN_EXE_serve");
const OUTBOX: usize = 256 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn a_websocket_keeps_little_of_the_largest_snapshot_that_it_was_sent() {
    const WATCHERS: usize = 200;
    let server = Process::start(SERVE, OUTBOX).await;
    let _members = large_room(&server).await;
    // What is allocated once, whoever watches.
    drop(join_all((0..20).map(|_| watch(&server))).await);
    let before = server.memory("VmRSS");
    let watchers = join_all((0..WATCHERS).map(|_| watch(&server))).await;
    let each = server.memory("VmRSS").saturating_sub(before) / WATCHERS;
    drop(watchers);
    println!("after a snapshot of 1 MiB a WebSocket keeps {} KiB", each / 1024);
    assert!(each < 24 * 1024, "{each} bytes each");
}

/// The members of a room whose snapshot has 1 MiB. Each reads what it is told of the others,
/// and does not look at it.
async fn large_room(server: &Process) -> JoinSet<io::Result<u64>> {
    let mut members = JoinSet::new();
    for n in 0..128 {
        let mut member = server.open(Kind::SseV1, Some(&n.to_string()), "large:1").await;
        members.spawn(async move { io::copy(member.socket(), &mut io::sink()).await });
    }
    members
}

/// A WebSocket that has read its snapshot of 1 MiB.
async fn watch(server: &Process) -> Client {
    watch_as(server, None).await
}

async fn watch_as(server: &Process, user: Option<&str>) -> Client {
    let mut watcher = server.open(Kind::WsV1, user, "large:1").await;
    let (mut read, mut buffer) = (0, vec![0; 64 * 1024]);
    while read < 1000 * 1024 {
        read +=
            settled("the snapshot", watcher.socket().read(&mut buffer)).await.expect("a server");
    }
    watcher
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn a_websocket_that_is_not_read_holds_no_more_than_its_outbox_and_a_piece() {
    const STUCK: usize = 60;
    let server = Process::start(SERVE, OUTBOX).await;
    let _members = large_room(&server).await;
    drop(join_all((0..20).map(|_| watch(&server))).await);
    let before = server.memory("VmRSS");
    let mut stuck = Vec::new();
    for n in 0..STUCK {
        stuck.push(server.open_slow(Kind::WsV1, "large:1", 4 * 1024).await);
        // Each is to get another snapshot than the one before.
        watch_as(&server, Some(&format!("guest-{n}"))).await;
    }
    let each = server.memory("VmHWM").saturating_sub(before) / STUCK;
    drop(stuck);
    println!("a WebSocket that is not read holds {} KiB", each / 1024);
    assert!(each < OUTBOX + 64 * 1024, "{each} bytes each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn an_idle_websocket_costs_little_memory() {
    const SOCKETS: usize = 2000;
    let server = Process::start(SERVE, OUTBOX).await;
    let mut sockets = join_all((0..20).map(|_| idle(&server))).await;
    let before = server.memory("VmRSS");
    for _ in 0..SOCKETS / 20 {
        sockets.extend(join_all((0..20).map(|_| idle(&server))).await);
    }
    let each = server.memory("VmRSS").saturating_sub(before) / SOCKETS;
    println!("an idle WebSocket takes {each} bytes");
    assert!(each < 16 * 1024, "{each} bytes each");
}

async fn idle(server: &Process) -> Client {
    let mut socket = server.open(Kind::WsV1, None, "room:1").await;
    socket.event("presence:sync").await;
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn a_text_that_waits_keeps_nothing_of_what_came_with_it() {
    const SOCKETS: usize = 50;
    let server = Process::start(SERVE, OUTBOX).await;
    let clients = join_all((0..SOCKETS).map(|_| idle(&server))).await;
    let before = server.memory("VmRSS");
    let clients = join_all(clients.into_iter().map(async |mut client| {
        let socket = client.socket();
        // The first one is handled for ever.
        socket.write_all(&frame(0x81, b"endless")).await.expect("a server");
        for _ in 0..10 {
            socket.write_all(&frame(0x82, &[0; 63 * 1024])).await.expect("a server");
            socket.write_all(&frame(0x81, b"x")).await.expect("a server");
        }
        // What is answered at once comes behind all that.
        let unheard = frame(0x81, &[b'x'; 65_535]);
        socket.write_all(&unheard).await.expect("a server");
        client.event("@refused").await;
        client
    }))
    .await;
    let each = server.memory("VmRSS").saturating_sub(before) / SOCKETS;
    drop(clients);
    println!(
        "with ten texts of a byte that wait, and what came between, a WebSocket takes {each} bytes"
    );
    assert!(each < 128 * 1024, "{each} bytes each");
}

/// A frame of a client, masked by zeros.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a length of two bytes").to_be_bytes();
    [&[head, 0xFE], &length[..], &[0; 4], payload].concat()
}

/// Frames of a client, masked by zeros, over and over: what, the frame, and whether each is
/// sent by itself.
const FLOODS: [(&str, &[u8], bool); 6] = [
    ("pings", &[0x89, 0x80, 0, 0, 0, 0], false),
    ("pongs", &[0x8A, 0x80, 0, 0, 0, 0], false),
    ("binaries", &[0x82, 0x80, 0, 0, 0, 0], false),
    ("texts", &[0x81, 0x80, 0, 0, 0, 0], false),
    ("fragments", &[0x00, 0x80, 0, 0, 0, 0], false),
    ("fragments, one by one", &[0x00, 0x80, 0, 0, 0, 0], true),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn a_flood_of_frames_takes_a_small_share_of_a_core() {
    const TIME: Duration = Duration::from_secs(2);
    let mut shares = Vec::new();
    for (what, frame, alone) in FLOODS {
        let server = Process::start(SERVE, OUTBOX).await;
        let mut flooder = server.open(Kind::WsV1, None, "room:1").await;
        let socket = flooder.socket();
        socket.set_nodelay(true).expect("a socket option that is there");
        // The first fragment of a text.
        if frame[0] == 0 {
            socket.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.expect("an open connection");
        }
        let chunk = frame.repeat(if alone { 1 } else { 1000 });
        let (cpu, start, mut sent, mut heard) = (server.cpu(), Instant::now(), 0_usize, 0_usize);
        let mut answers = vec![0; 64 * 1024];
        let (mut reader, mut writer) = socket.split();
        while start.elapsed() < TIME {
            tokio::select! {
                written = timeout(TIME - start.elapsed().min(TIME), writer.write_all(&chunk)) => {
                    if let Ok(written) = written {
                        written.expect("an open connection");
                        sent += chunk.len() / frame.len();
                    }
                }
                read = reader.read(&mut answers) => {
                    heard += read.expect("an open connection");
                }
            }
        }
        let share = (server.cpu() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
        println!(
            "{what}: {sent} frames sent and {heard} bytes heard in {:.1?}, {:.1} % of a core",
            start.elapsed(),
            share * 100.0
        );
        shares.push((what, share));
    }
    assert!(shares.iter().all(|(_, share)| *share < 0.05), "{shares:?}");
}
