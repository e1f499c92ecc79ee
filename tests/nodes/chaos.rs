//! Chaos over three nodes: people come, move and go while nodes hang and die and the store forgets,
//! goes away and comes back. In the end everybody has the truth.
//!
//! `CHAOS_SECONDS` says for how long, and `CHAOS_SEED` which chaos.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tests::{Kind, Random, Store};
use tokio::{task::JoinSet, time::sleep};

use crate::{balancer::Balancer, observer::Observer, process::Node};

const ROOMS: [&str; 3] = ["room:0", "room:1", "room:2"];

fn setting(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

/// The streams of one user, with their rooms.
type Streams = Vec<(&'static str, Observer)>;

async fn come_and_go(
    balancer: Arc<Balancer>,
    user: String,
    mut random: Random,
    end: Instant,
) -> Streams {
    let mut open: Streams = Vec::new();
    while Instant::now() < end {
        open.retain(|(_, stream)| stream.is_open());
        let room = random.pick(&ROOMS);
        let kind = random.pick(&[Kind::Sse, Kind::Ws]);
        match random.below(4) {
            0 | 1 if open.len() < 3 => {
                let client = balancer.open(kind, Some(&user), room).await;
                open.push((room, Observer::of(client, room)));
            }
            2 if !open.is_empty() => {
                let nth = random.index(open.len());
                let room = open[nth].0;
                let client = balancer.open(kind, Some(&user), room).await;
                open[nth] = (room, Observer::of(client, room));
            }
            _ if !open.is_empty() => drop(open.swap_remove(random.index(open.len()))),
            _ => {}
        }
        sleep(Duration::from_millis(random.below(400))).await;
    }
    open
}

/// What goes wrong until `end`. Gives the store and the nodes, all of which run again.
async fn go_wrong(
    mut store: Store,
    mut nodes: Vec<Node>,
    balancer: Arc<Balancer>,
    mut random: Random,
    end: Instant,
) -> (Store, Vec<Node>) {
    while Instant::now() < end {
        sleep(Duration::from_millis(500 + random.below(3500))).await;
        let nth = random.index(nodes.len());
        match random.below(8) {
            0 => drop(store.ask(&["FLUSHALL"]).await),
            1 | 2 => {
                let kind = random.pick(&["normal", "pubsub"]);
                store.ask(&["CLIENT", "KILL", "TYPE", kind]).await;
            }
            3 | 4 => {
                if random.below(2) == 0 {
                    store.ask(&["SAVE"]).await;
                    // What happens from here on is forgotten.
                    sleep(Duration::from_millis(random.below(2000))).await;
                }
                store.kill().await;
                sleep(Duration::from_millis(random.below(3000))).await;
                store.go_on().await;
            }
            5 | 6 => {
                let hangs = if random.below(4) == 0 { 14_000 } else { random.below(2000) };
                nodes[nth].stop().await;
                sleep(Duration::from_millis(hangs)).await;
                nodes[nth].signal(Signal::CONT);
            }
            _ => {
                nodes[nth].signal(Signal::KILL);
                nodes[nth] = Node::start(&store.url(), 200).await;
                balancer.set(nodes.iter().map(|node| node.address).collect());
            }
        }
    }
    (store, nodes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_nodes_and_store_everybody_ends_up_with_the_truth() {
    let seconds = Duration::from_secs(setting("CHAOS_SECONDS", 20));
    let seed = setting("CHAOS_SEED", 0x5eed);
    let store = Store::start().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Node::start(&store.url(), 200).await);
    }
    let addresses = nodes.iter().map(|node| node.address).collect();
    let balancer = Arc::new(Balancer::start(addresses).await);
    let end = Instant::now() + seconds;
    let wrong = tokio::spawn(go_wrong(store, nodes, balancer.clone(), Random::new(seed), end));
    let mut people = JoinSet::new();
    for n in 0..40 {
        let (balancer, random) = (balancer.clone(), Random::new(seed ^ ((n + 1) << 32)));
        people.spawn(async move {
            let user = format!("user-{n:02}");
            (user.clone(), come_and_go(balancer, user, random, end).await)
        });
    }
    let stay = people.join_all().await;
    let (_store, nodes) = wrong.await.expect("what goes wrong is within reason");
    for node in &nodes {
        node.is_alone(false).await;
    }
    let mut truth: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (user, open) in &stay {
        for (room, _) in open.iter().filter(|(_, stream)| stream.is_open()) {
            truth.entry(room).or_default().insert(user);
        }
    }
    let all_of = |room: &str| truth.get(room).into_iter().flatten().copied().collect::<Vec<_>>();
    for (_, open) in &stay {
        for (room, stream) in open.iter().filter(|(_, stream)| stream.is_open()) {
            stream.shows(&all_of(room)).await;
        }
    }
    for node in &nodes {
        for room in ROOMS {
            let newcomer = Observer::of(node.open(Kind::Sse, None, room).await, room);
            newcomer.shows(&all_of(room)).await;
        }
    }
}
