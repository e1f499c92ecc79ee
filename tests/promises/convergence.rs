//! When nothing moves any more everybody has the truth, after any churn over real sockets.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Client, Fold, Kind, Random, Server, Watcher, is_settled};
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};

const GROUP: &str = "room:1";

/// How long the churn goes on.
const CHURN: Duration = Duration::from_secs(4);

/// How long something is waited for before others are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One user who comes and goes with one to three connections until `end`, and then stays
/// or not. Gives the connections of one who stays.
async fn come_and_go(server: Arc<Server>, user: String, seed: u64, end: Instant) -> Vec<Watcher> {
    let mut random = Random::new(seed);
    let mut open: Vec<Watcher> = Vec::new();
    while Instant::now() < end {
        if open.is_empty() || (open.len() < 3 && random.below(2) == 0) {
            open.push(Watcher::open(&server, random.pick(&Kind::ALL), Some(&user), GROUP).await);
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

/// Whoever does not read is cut off after a time.
async fn read(watchers: &mut [Watcher]) {
    join_all(watchers.iter_mut().map(|watcher| watcher.read_for(LOOK))).await;
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
            watchers.push(Watcher::open(&server, random.pick(&Kind::ALL), None, GROUP).await);
        }
        read(&mut watchers).await;
    }
    let mut truth = BTreeSet::new();
    while !users.is_empty() {
        while let Ok(Some(user)) = timeout(LOOK, users.join_next()).await {
            let (user, open) = user.expect("no frame contradicts the one before it");
            if !open.is_empty() {
                truth.insert(user);
            }
            watchers.extend(open);
        }
        read(&mut watchers).await;
    }
    assert!(truth.len() > 20, "enough users stay to tell: {}", truth.len());
    let is_over = AtomicBool::new(false);
    let settles = async {
        is_settled(&server.realtime, GROUP, &truth).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let reads = async {
        while !is_over.load(Ordering::Relaxed) {
            read(&mut watchers).await;
            yield_now().await;
        }
    };
    tokio::join!(settles, reads);
    let mark = server.mark(GROUP).await;
    join_all(watchers.iter_mut().map(|watcher| watcher.catch_up(&mark))).await;
    let mut changes = 0;
    for watcher in &mut watchers {
        let shown: BTreeSet<_> = watcher.roster.ids().into_iter().collect();
        let wrong: Vec<_> = shown.symmetric_difference(&truth).collect();
        assert!(wrong.is_empty(), "{wrong:?} of {:?}", watcher.roster);
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

/// Long enough that no test ends within it, for those that must not see a grace end.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn both_transports_see_one_another() {
    let server = Server::with_rooms(LONG).await;
    let mut clients = Vec::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let id = n.to_string();
        clients.push((Client::open(&server, kind, Some(&id), "room:1").await, Fold::of("room:1")));
    }
    for (client, fold) in &mut clients {
        for frame in client.frames_until_now(&server, "room:1").await {
            fold.take(&frame);
        }
    }
    let expected: Vec<Value> = (0..4).map(|n| json!({ "id": n.to_string() })).collect();
    // The last joins may wait for the end of a tick.
    for (client, fold) in &mut clients {
        while fold.payloads() != expected {
            fold.take(&client.next().await.unwrap());
        }
    }
}
