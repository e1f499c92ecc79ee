//! What one client can make a server hold, and how long others wait for it: a server in a
//! process of its own, attacked over real sockets.
//!
//! `cargo test --release` makes the attacks as large as they are worth; a debug build makes them
//! smaller.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Kind, Process};
use tokio::task::JoinSet;

const MIB: usize = 1024 * 1024;
const OUTBOX: usize = 256 * 1024;

/// How long a neighbour may wait for somebody to come in, whoever does what elsewhere. A debug
/// build and what else runs on the machine make it slow.
const NEIGHBOUR: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

async fn start() -> Process {
    Process::start(env!("CARGO_BIN_EXE_serve"), OUTBOX).await
}

/// People who come into a room one after the other, until `end`, while somebody watches. Gives
/// how long each took to be seen.
async fn neighbours(server: &Process, end: Instant) -> Vec<Duration> {
    let mut watcher = server.open(Kind::WsV1, None, "room:neighbours").await;
    watcher.expect("the snapshot", |frame| frame.event == "presence:sync").await;
    let mut took = Vec::new();
    for n in 0.. {
        if Instant::now() >= end {
            break;
        }
        let start = Instant::now();
        let user = format!("neighbour-{n}");
        let visitor = server.open(Kind::WsV1, Some(&user), "room:neighbours").await;
        let joins = |frame: &tests::Frame| frame.data.to_string().contains(&format!("\"{user}\""));
        watcher.expect("a join", |frame| frame.event == "presence:diff" && joins(frame)).await;
        took.push(start.elapsed());
        drop(visitor);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort();
    took
}

fn median(took: &[Duration]) -> Duration {
    took[took.len() / 2]
}

/// Waits for what takes the server's own time-outs.
async fn within_a_minute(
    what: &str,
    server: &mut Process,
    mut condition: impl AsyncFnMut(&mut Process) -> bool,
) {
    let start = Instant::now();
    while !condition(server).await {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_empty(server: &mut Process) {
    within_a_minute("the server holds nothing more", server, async |server| {
        let health = server.order("health").await;
        ["connections", "groups", "users"].map(|what| health[what].as_u64()) == [Some(0); 3]
    })
    .await;
}

/// One user with one connection at a time leaves 100 new groups behind each time, in each of
/// which a grace keeps the place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_into_ever_new_groups_and_breaks_off_leaves_little_behind() {
    let mut server = start().await;
    // Once, so that what the server needs for anybody is there.
    drop(server.open(Kind::Sse, Some("first"), "room:1").await);
    is_empty(&mut server).await;
    let before = server.memory("VmRSS");
    let end = Instant::now() + Duration::from_secs(10);
    let attack = async {
        let mut rounds = 0_u64;
        while Instant::now() < end {
            let names: Vec<_> = (0..100).map(|n| format!("lasting:{rounds}-{n}")).collect();
            match server.try_open(Kind::Ws, Some("attacker"), &names.join(",")).await {
                Ok(mut client) => {
                    client.event("presence:sync").await;
                    rounds += 1;
                }
                Err(status) => {
                    assert_eq!(status, 429);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        rounds
    };
    let (rounds, took) = tokio::join!(attack, neighbours(&server, end));
    let grown = server.memory("VmHWM").saturating_sub(before);
    let health = server.order("health").await;
    let [held, open] =
        ["groups", "connections"].map(|what| health[what].as_u64().expect("a number"));
    let disconnect = server.order("disconnect").await.as_u64().expect("a number");
    println!(
        "left behind: {} groups entered in 10 s, {held} held at the end, {} KiB more; sent away \
         in {disconnect} us; neighbours waited {:?} (median), {:?} (most)",
        rounds * 100,
        grown / 1024,
        median(&took),
        took.last().expect("a neighbour"),
    );
    assert!(grown < 30 * MIB, "{grown}");
    // 200 by a grace, the neighbours' own, and those of the connections whose end the server has
    // not noticed yet.
    assert!(held <= 210 + 100 * open, "{held} groups, {open} connections");
    assert!(disconnect < 20_000, "{disconnect} us");
    assert!(median(&took) < NEIGHBOUR, "{took:?}");
    is_empty(&mut server).await;
}

/// Streams that want a large snapshot and do not read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_snapshot_that_nobody_reads_costs_a_piece_of_it_and_its_socket_is_closed() {
    let (members, readers) = if cfg!(debug_assertions) { (200, 100) } else { (640, 300) };
    let mut server = start().await;
    for n in 0..members {
        // They break off, and stay by their graces.
        let user = format!("member-{n}");
        let mut member = server.open(Kind::SseV1, Some(&user), "full:1").await;
        member.event("@hello").await;
    }
    // What a server keeps that has served as many readers is no attacker's.
    let mut honest = JoinSet::new();
    for _ in 0..readers {
        let mut reader = server.open(Kind::SseV1, None, "full:1").await;
        honest.spawn(async move {
            let snapshot = reader.event("presence:sync").await;
            assert_eq!(snapshot.data.as_array().map(Vec::len), Some(members));
            reader
        });
    }
    // All of them at once.
    drop(honest.join_all().await);
    within_a_minute("the honest readers are gone", &mut server, async |server| {
        server.order("health").await["connections"] == 0
    })
    .await;
    let before = server.memory("VmRSS");
    let end = Instant::now() + Duration::from_secs(5);
    let (mut stuck, mut late) = (Vec::new(), Vec::new());
    for n in 0..readers {
        let kind = [Kind::Sse, Kind::SseV1][n % 2];
        stuck.push(server.open_slow(kind, "full:1", 4096).await);
        // The room changes, so that they do not all want the same snapshot.
        if n % 10 == 0 {
            let user = format!("late-{n}");
            late.push(server.open(Kind::Ws, Some(&user), "").await);
            let join = json!({ "op": "join", "groups": ["full:1"] });
            late.last_mut().expect("it has just come").send(&join).await;
        }
    }
    let took = neighbours(&server, end).await;
    let grown = server.memory("VmRSS").saturating_sub(before);
    println!(
        "stuck readers: {readers} of a snapshot of {} KiB cost {} KiB each; neighbours waited \
         {:?} (median), {:?} (most)",
        members * 8,
        grown / 1024 / readers,
        median(&took),
        took.last().expect("a neighbour"),
    );
    assert!(grown < readers * (OUTBOX + 64 * 1024), "{grown}");
    assert!(median(&took) < NEIGHBOUR, "{took:?}");
    drop(late);
    // Nobody reads, and nobody has closed them.
    within_a_minute("the sockets of the stuck streams are closed", &mut server, async |server| {
        let connections = server.order("health").await["connections"].as_u64();
        (connections, server.sockets()) == (Some(0), server.idle_sockets())
    })
    .await;
    let after = server.memory("VmRSS");
    println!("stuck readers: {} KiB before, {} KiB after", before / 1024, after / 1024);
    assert!(after < before + before / 5, "{before} -> {after}");
    drop(stuck);
}
