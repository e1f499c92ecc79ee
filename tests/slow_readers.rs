//! Readers that do not read, in a busy room: what they cost the server, what they cost those
//! who do read, and what they have when they go on.
//!
//! In a debug build it is a small room; `cargo test --release` makes it the large one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tests::{Client, Fold, Kind, Process, Random, settled};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout_at},
};

const ROOM: &str = "room:1";

/// How large the room is.
struct Scale {
    /// Event streams that are not read at all.
    stuck: usize,
    /// Those over a `WebSocket`, read now and then: one that is not read for longer does not
    /// answer the ping either, and is taken for lost.
    halting: usize,
    healthy: usize,
    /// How many change, each every [`MOVES`].
    movers: usize,
    time: Duration,
    outbox: usize,
    /// So much of the news a healthy reader has within that time, in percent.
    news: usize,
    delay: Duration,
}

const SMALL: Scale = Scale {
    stuck: 100,
    halting: 20,
    healthy: 8,
    movers: 300,
    time: Duration::from_secs(6),
    outbox: 64 * 1024,
    // Whatever else the machine does meanwhile.
    news: 50,
    delay: Duration::from_secs(2),
};

const LARGE: Scale = Scale {
    stuck: 500,
    halting: 100,
    healthy: 20,
    // Their changes go to all of them: twice as many write four times as much, and the test's own
    // side reads it on the same machine.
    movers: 600,
    time: Duration::from_secs(20),
    outbox: 256 * 1024,
    news: 99,
    delay: Duration::from_millis(250),
};

/// The kernel holds little of what is not read, and more of what is read now and then, which
/// would else take longer than an answer to a ping may.
const STUCK_BUFFER: u32 = 4 * 1024;
const HALTING_BUFFER: u32 = 64 * 1024;

/// Seldom enough that nobody is told of at a slower pace.
const MOVES: Duration = Duration::from_millis(1500);

/// When each user last asked to come.
type Moves = Arc<Mutex<HashMap<String, Instant>>>;

/// A user who comes and goes until `end`, and stays or not. Gives the connection, which is to be
/// read on: one that does not answer pings is taken for lost.
async fn come_and_go(mut client: Client, user: String, moves: Moves, end: Instant) -> Client {
    let mut random = Random::new(user.len() as u64 + user.bytes().map(u64::from).sum::<u64>());
    sleep(Duration::from_millis(random.below(1500))).await;
    let mut tick = interval(MOVES);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stays = random.below(2) == 0;
    let (mut present, mut unanswered) = (false, 0);
    while Instant::now() < end || present != stays {
        // Pings are answered while it is read.
        while let Ok(frame) = timeout_at(tokio::time::Instant::now(), client.read()).await {
            let frame = frame.expect("an open connection");
            unanswered -= i32::from(frame.event.starts_with('@'));
        }
        tick.tick().await;
        present = !present;
        if present {
            moves.lock().insert(user.clone(), Instant::now());
        }
        let op = if present { "join" } else { "leave" };
        client.send(&json!({ "op": op, "groups": [ROOM] })).await;
        unanswered += 1;
    }
    while unanswered > 0 {
        let answer = settled("an answer", client.read()).await.expect("an open connection");
        unanswered -= i32::from(answer.event.starts_with('@'));
    }
    client
}

/// Answers pings.
async fn stay(mut client: Client) {
    while client.read().await.is_some() {}
}

/// A reader that keeps up until it sees the mark. Gives how long each join took to be seen.
async fn keep_up(mut client: Client, kind: Kind, moves: Moves) -> (Fold, Vec<Duration>) {
    let (mut roster, mut delays) = (Fold::kept_up(ROOM), Vec::new());
    loop {
        let frame = client.read().await.expect("an open stream");
        let joined: Vec<&Value> = match frame.event.as_str() {
            "mark" => return (roster, delays),
            "presence:join" => vec![&frame.data],
            "presence:diff" => {
                let entries = frame.data.as_array().expect("a list").iter();
                entries.filter(|entry| entry[0] == "+").map(|entry| &entry[2]).collect()
            }
            event => {
                assert!(event != "@lagged", "{kind:?} keeps up");
                Vec::new()
            }
        };
        let now = Instant::now();
        let moves = moves.lock();
        delays.extend(
            joined.iter().map(|payload| now - moves[payload["id"].as_str().expect("an id")]),
        );
        drop(moves);
        roster.take(&frame);
    }
}

/// A WebSocket that is read for one second out of six, until `end`.
async fn read_now_and_then(mut client: Client, mut roster: Fold, end: Instant) -> (Client, Fold) {
    while Instant::now() < end {
        let pause = Duration::from_secs(5).min(end - Instant::now());
        sleep(pause).await;
        let stop = tokio::time::Instant::now() + Duration::from_secs(1);
        while let Ok(frame) = timeout_at(stop, client.read()).await {
            roster.take(&frame.expect("an open connection"));
        }
    }
    (client, roster)
}

/// Reads up to the mark what had to wait.
async fn go_on(mut client: Client, mut roster: Fold) -> Fold {
    loop {
        let frame = settled("the mark", client.read()).await.expect("an open stream");
        if frame.event == "mark" {
            return roster;
        }
        roster.take(&frame);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stdout)]
async fn who_does_not_read_costs_little_slows_nobody_and_has_the_truth_when_going_on() {
    let scale = if cfg!(debug_assertions) { SMALL } else { LARGE };
    let mut server = Process::start(env!("CARGO_BIN_EXE_serve"), scale.outbox).await;
    let moves = Moves::default();
    let mut movers = Vec::new();
    for n in 0..scale.movers {
        let user = format!("mover-{n}");
        movers.push((server.open(Kind::Ws, Some(&user), "").await, user));
    }
    let mut healthy = JoinSet::new();
    for n in 0..scale.healthy {
        let kind = Kind::ALL[n % 4];
        let client = server.open(kind, None, ROOM).await;
        healthy.spawn(keep_up(client, kind, moves.clone()));
    }
    let mut stuck = Vec::new();
    for n in 0..scale.stuck {
        let kind = [Kind::Sse, Kind::SseV1][n % 2];
        stuck.push(server.open_slow(kind, ROOM, STUCK_BUFFER).await);
    }
    let mut halting = Vec::new();
    for n in 0..scale.halting {
        let kind = [Kind::Ws, Kind::WsV1][n % 2];
        halting.push(server.open_slow(kind, ROOM, HALTING_BUFFER).await);
    }

    let before = server.memory("VmRSS");
    let start = Instant::now();
    let end = start + scale.time;
    let halting: JoinSet<_> =
        halting.into_iter().map(|client| read_now_and_then(client, Fold::of(ROOM), end)).collect();
    let moving: JoinSet<_> = movers
        .into_iter()
        .map(|(client, user)| come_and_go(client, user, moves.clone(), end))
        .collect();
    let movers: JoinSet<()> = moving.join_all().await.into_iter().map(stay).collect();
    let took = start.elapsed();
    let halting = halting.join_all().await;
    let after = server.memory("VmHWM");
    let mut going_on: JoinSet<_> =
        halting.into_iter().map(|(client, roster)| go_on(client, roster)).collect();

    server.order("mark").await;
    let (mut delays, mut truth) = (Vec::new(), None);
    for (roster, seen) in settled("the mark", healthy.join_all()).await {
        delays.extend(seen);
        let ids: BTreeSet<String> = roster.ids().into_iter().collect();
        assert_eq!(*truth.get_or_insert(ids.clone()), ids, "healthy readers agree");
    }
    let truth = truth.expect("healthy readers");
    for client in stuck {
        going_on.spawn(go_on(client, Fold::of(ROOM)));
    }
    let rosters = settled("those who were stuck go on", going_on.join_all()).await;
    for roster in &rosters {
        assert!(roster.ids().iter().eq(&truth), "{roster:?} is not {truth:?}");
    }
    let by_snapshot = rosters.iter().filter(|roster| roster.syncs > 1).count();
    let counts = server.order("counts").await;

    delays.sort();
    let percentile = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    let slow = scale.stuck + scale.halting;
    let (growth, bound) = (after.saturating_sub(before), slow * scale.outbox);
    let transitions = counts["transitions"].as_u64().expect("a number");
    println!(
        "slow readers: {slow} of them, {transitions} changes in {took:.1?}; memory {} -> {} KiB, \
         which is {} KiB each; {} healthy readers waited {:?} (median), {:?} (p99), {:?} (most); \
         {by_snapshot} of the slow ones went on from a snapshot, {} resyncs, {} lost",
        before / 1024,
        after / 1024,
        growth / 1024 / slow,
        scale.healthy,
        percentile(50),
        percentile(99),
        percentile(100),
        counts["resyncs"],
        counts["lost"],
    );
    assert!(growth < bound, "{growth} bytes more, and {bound} would be allowed");
    let waited = percentile(scale.news);
    assert!(waited < scale.delay, "{waited:?} for {} of a hundred", scale.news);
    assert!(by_snapshot > 0, "somebody fell behind");
    assert_eq!(counts["lost"], 0);
    drop(movers);
}
