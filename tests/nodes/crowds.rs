//! Many people on three nodes, behind a balancer that sends each connection to another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::Signal;
use tests::{Client, Fold, Frame, Kind, Random, Store};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{balancer::Balancer, observer::Observer, process::Node};

const ROOMS: [&str; 4] = ["room:0", "room:1", "room:2", "room:3"];

async fn three(store: &Store, grace_ms: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::start(&store.url(), grace_ms).await);
    }
    nodes
}

fn addresses(nodes: &[Node]) -> Vec<SocketAddr> {
    nodes.iter().map(|node| node.address).collect()
}

/// `STEPS` says how much happens.
fn steps() -> u64 {
    env::var("STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// One user who connects, moves and disconnects so often. Gives the connections that stay, with
/// their rooms.
async fn move_about(
    balancer: Arc<Balancer>,
    user: String,
    mut random: Random,
    steps: u64,
) -> Vec<(String, Client)> {
    let mut open: Vec<(String, Client)> = Vec::new();
    for _ in 0..steps {
        let room = random.pick(&ROOMS).to_owned();
        // Those whose clients answer nothing are not ended in the meantime.
        let kind = random.pick(&[Kind::Sse, Kind::Sse, Kind::Ws]);
        match random.below(3) {
            0 => open.push((room.clone(), balancer.open(kind, Some(&user), &room).await)),
            // To another node: the new connection is there before the old one ends.
            1 if !open.is_empty() => {
                let nth = random.index(open.len());
                let room = open[nth].0.clone();
                let next = balancer.open(kind, Some(&user), &room).await;
                open[nth] = (room, next);
            }
            _ if !open.is_empty() => {
                let nth = random.index(open.len());
                let (_, client) = open.swap_remove(nth);
                if random.below(2) == 0 {
                    client.close(1000).await;
                }
            }
            _ => {}
        }
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_connects_moves_and_disconnects_all_nodes_come_to_agree() {
    const USERS: u64 = 60;
    let store = Store::start().await;
    let nodes = three(&store, 200).await;
    let balancer = Arc::new(Balancer::start(addresses(&nodes)).await);
    let mut observers = Vec::new();
    for node in &nodes {
        for room in ROOMS {
            let stream = node.open(Kind::Sse, None, room).await;
            observers.push((room, Observer::of(stream, room)));
        }
    }
    let mut users = JoinSet::new();
    for n in 0..USERS {
        let (balancer, user) = (balancer.clone(), format!("user-{n:02}"));
        users.spawn(async move {
            let open = move_about(balancer, user.clone(), Random::new(n), steps() / USERS).await;
            (user, open)
        });
    }
    let stay: Vec<_> = users.join_all().await;
    let mut truth: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (user, open) in &stay {
        for (room, _) in open {
            truth.entry(room).or_default().insert(user);
        }
    }
    for (room, observer) in &observers {
        let truth: Vec<_> = truth.get(room).into_iter().flatten().copied().collect();
        observer.shows(&truth).await;
    }
}

/// What everybody together has seen.
#[derive(Debug, Default)]
struct Seen {
    leaves: Mutex<BTreeSet<String>>,
}

/// So many are in one room.
const PER_ROOM: usize = 50;

/// Somebody who stays, whatever happens to the nodes: goes where the balancer leads when a node
/// drains, as the browser's client does, and notes who is seen to leave.
async fn stay(
    balancer: Arc<Balancer>,
    (user, room): (String, String),
    mut random: Random,
    seen: Arc<Seen>,
    mut end: watch::Receiver<bool>,
) {
    let open = || balancer.open(Kind::SseV1, Some(&user), &room);
    let mut client = open().await;
    loop {
        let mut roster = Fold::of(&room);
        let next = loop {
            let frame = tokio::select! {
                frame = client.read() => frame,
                _ = end.changed() => return,
            };
            match frame {
                Some(frame) if frame.event == "@drain" => {
                    let within = frame.data["within"].as_u64().expect("seconds");
                    sleep(Duration::from_millis(random.below(within * 800))).await;
                    break open().await;
                }
                Some(frame) => note(&mut roster, &frame, &seen),
                None => break open().await,
            }
        };
        client = next;
    }
}

fn note(roster: &mut Fold, frame: &Frame, seen: &Seen) {
    roster.take(frame);
    seen.leaves.lock().extend(roster.leaves.keys().cloned());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_seen_by_nobody() {
    let count = if env::var("STEPS").is_ok() { 1000 } else { 200_usize };
    let store = Store::start().await;
    let mut nodes = three(&store, 3000).await;
    let balancer = Arc::new(Balancer::start(addresses(&nodes)).await);
    let (seen, (ends, end)) = (Arc::new(Seen::default()), watch::channel(false));
    let mut people = JoinSet::new();
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for n in 0..count {
        let (name, room) = (format!("user-{n:04}"), format!("room:{}", n / PER_ROOM));
        rooms.entry(room.clone()).or_default().push(name.clone());
        let (random, seen) = (Random::new(n as u64), seen.clone());
        people.spawn(stay(balancer.clone(), (name, room), random, seen, end.clone()));
    }
    all_are_shown(&nodes[..1], &rooms).await;
    for nth in 0..3 {
        let next = Node::start(&store.url(), 3000).await;
        let old = std::mem::replace(&mut nodes[nth], next);
        balancer.set(addresses(&nodes));
        old.signal(Signal::TERM);
        old.end().await;
    }
    all_are_shown(&nodes, &rooms).await;
    // Whoever had not come back would be missing by now.
    sleep(Duration::from_secs(4)).await;
    all_are_shown(&nodes, &rooms).await;
    assert_eq!(*seen.leaves.lock(), BTreeSet::new());
    ends.send_replace(true);
    people.join_all().await;
}

async fn all_are_shown(nodes: &[Node], rooms: &BTreeMap<String, Vec<String>>) {
    for node in nodes {
        for (room, names) in rooms {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let stream = node.open(Kind::Sse, None, room).await;
            Observer::of(stream, room).shows(&names).await;
        }
    }
}
