//! What happens to the servers of a cluster.

use std::time::{Duration, Instant};

use tests::{Client, Kind, Server, Store, eventually};
use umbral_presence::{PresenceSpec, RedisStore};

use crate::{
    all_say, are_together, nodes,
    observer::{Observer, two},
    process::Node,
};

/// As many rooms as it takes for each server to have the shard of some.
const ROOMS: usize = 24;

/// Two nodes, and on each somebody in every room and somebody who watches it.
struct House {
    nodes: [Node; 2],
    rooms: Vec<([Observer; 2], [Client; 2])>,
}

impl House {
    async fn open(store: &Store) -> Self {
        let nodes = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
        let mut rooms = Vec::new();
        for n in 0..ROOMS {
            rooms.push(two([&nodes[0], &nodes[1]], &format!("room:{n}")).await);
        }
        Self { nodes, rooms }
    }

    /// Waits until the nodes are alone, or with the store.
    async fn are_alone(&self, are_alone: bool) {
        for node in &self.nodes {
            node.is_alone(are_alone).await;
        }
    }

    /// Each room shows who comes now, and nobody was seen to leave who has not.
    async fn is_whole(&self, who: &str) {
        let mut newcomers = Vec::new();
        for n in 0..ROOMS {
            let room = format!("room:{n}");
            newcomers.push(self.nodes[n % 2].open(Kind::Sse, Some(who), &room).await);
        }
        let mut all = [who, "one", "other"];
        all.sort_unstable();
        for (observers, _) in &self.rooms {
            for observer in observers {
                observer.shows(&all).await;
            }
        }
        drop(newcomers);
        for (observers, _) in &self.rooms {
            for observer in observers {
                observer.shows(&["one", "other"]).await;
                assert_eq!(observer.leaves("one") + observer.leaves("other"), 0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_replaced_and_nobody_sees_it() {
    let mut store = Store::cluster(1).await;
    let house = House::open(&store).await;
    store.kill().await;
    house.are_alone(true).await;
    let replica = &store.others()[2];
    eventually("the replica is the master", || async {
        replica.ask(&["ROLE"]).await.contains("master")
    })
    .await;
    house.are_alone(false).await;
    house.is_whole("late").await;
    // It comes back as a replica, whose address is still the one that the nodes were given.
    store.go_on().await;
    house.is_whole("later").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_moves_to_another_master_goes_on_there() {
    let store = Store::cluster(0).await;
    let house = House::open(&store).await;
    let slots = store.ask(&["CLUSTER", "SLOTS"]).await;
    assert!(slots.contains("127.0.0.1"), "{slots}");
    let all: Vec<_> = [&store].into_iter().chain(store.others()).collect();
    let mut ids = Vec::new();
    for server in &all {
        ids.push(server.ask(&["CLUSTER", "MYID"]).await.trim().to_owned());
    }
    for shard in 0..16 {
        let slot = store.ask(&["CLUSTER", "KEYSLOT", &format!("{{umbral:{shard}}}")]).await;
        let slot = slot.trim();
        let from = slot.parse::<usize>().expect("a number") * 3 / 16_384;
        let to = (from + 1) % 3;
        all[to].ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &ids[from]]).await;
        all[from].ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &ids[to]]).await;
        let port = all[to].address().port().to_string();
        loop {
            let keys = all[from].ask(&["CLUSTER", "GETKEYSINSLOT", slot, "100"]).await;
            let keys: Vec<_> = keys.split_whitespace().collect();
            if keys.is_empty() {
                break;
            }
            let to = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let answer = all[from].ask(&[&to[..], &keys].concat()).await;
            assert!(answer.contains("OK"), "{answer}");
        }
        for server in [to, from, 3 - to - from] {
            all[server].ask(&["CLUSTER", "SETSLOT", slot, "NODE", &ids[to]]).await;
        }
    }
    house.are_alone(false).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.is_whole("late").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_while_the_first_server_is_away_asks_the_others() {
    let store = Store::cluster(0).await;
    let [node] = nodes::<1>(&store, Duration::ZERO).await;
    let others = store.others().iter().map(|other| other.address().to_string());
    let at = RedisStore::at("redis://127.0.0.1:1").cluster(others);
    let rooms = PresenceSpec::prefixes(["room:"]);
    let late = Server::start(Server::plugin().with_presence(rooms).redis(at)).await;
    let user = Client::open(&node, Kind::Sse, Some("7"), "room:1").await;
    all_say(&[node, late], "room:1", &["7"]).await;
    drop(user);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_server_that_comes_back_with_nothing_does_not_take_the_cluster_away() {
    let mut store = Store::cluster(1).await;
    let others: Vec<_> = store.others().iter().map(|other| other.address().to_string()).collect();
    let at = RedisStore::at(store.url()).cluster(others);
    let rooms = PresenceSpec::prefixes(["room:"]);
    let node = Server::start(Server::plugin().with_presence(rooms).redis(at)).await;
    are_together(&store, std::slice::from_ref(&node)).await;
    let is_alone = async |is_alone: bool| {
        eventually(&format!("alone: {is_alone}"), async || {
            node.realtime.health().degraded.is_some() == is_alone
        })
        .await;
    };
    store.kill().await;
    is_alone(true).await;
    is_alone(false).await;
    // It comes back as a container does that has lost its disk, and answers first.
    store.go_on().await;
    store.forget().await;
    for other in store.others() {
        other.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    // It finds the others again, and stays with them.
    let begun = Instant::now();
    let mut since = begun;
    while since.elapsed() < Duration::from_secs(4) {
        let degraded = node.realtime.health().degraded;
        if degraded.is_some() {
            since = Instant::now();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{degraded:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
