//! What people see when the store has trouble: nothing.

use std::time::Duration;

use tests::{Client, Kind, Server, Store, Watcher, eventually};

use crate::{all_say, are_together, nodes, plugin};

/// Whether a node knows that it is alone.
async fn is_alone(node: &Server) {
    eventually("the node knows that it is alone", || async {
        node.realtime.health().degraded.is_some()
    })
    .await;
}

/// What a watcher has been told since the last call: no leave but of these.
async fn sees_only(watcher: &mut Watcher, node: &Server, leaves: &[&str]) {
    for frame in watcher.client.frames_until_now(node, "room:1").await {
        if frame.event == "presence:leave" {
            let id = frame.data["id"].as_str().expect("an id");
            assert!(leaves.contains(&id), "{id} was seen to leave");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_and_comes_back_empty_is_seen_by_nobody() {
    let mut store = Store::start().await;
    let nodes = nodes::<3>(&store, Duration::ZERO).await;
    let mut watchers = Vec::new();
    let mut users = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        watchers.push(Watcher::open(node, Kind::Sse, None, "room:1").await);
        users.push(Client::open(node, Kind::Ws, Some(&format!("user-{n}")), "room:1").await);
    }
    all_say(&nodes, "room:1", &["user-0", "user-1", "user-2"]).await;
    store.kill().await;
    for node in &nodes {
        is_alone(node).await;
        let degraded = node.realtime.health().degraded.expect("it is alone");
        assert!(!degraded.why.is_empty());
    }
    // Whoever comes and goes meanwhile is seen where that is.
    let late = Client::open(&nodes[0], Kind::Ws, Some("late"), "room:1").await;
    all_say(&nodes[..1], "room:1", &["user-0", "user-1", "user-2", "late"]).await;
    users.remove(2).close(1000).await;
    all_say(&nodes[2..], "room:1", &["user-0", "user-1"]).await;
    store.go_on().await;
    are_together(&store, &nodes).await;
    all_say(&nodes[2..], "room:1", &["user-0", "user-1", "late"]).await;
    // Who has left is held for the time of a lease.
    all_say(&nodes, "room:1", &["user-0", "user-1", "late"]).await;
    for (watcher, node) in watchers.iter_mut().zip(&nodes) {
        sees_only(watcher, node, &["user-2"]).await;
    }
    drop(late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_forgets_or_cuts_connections_is_seen_by_nobody() {
    let store = Store::start().await;
    let nodes = nodes::<2>(&store, Duration::ZERO).await;
    let mut watcher = Watcher::open(&nodes[0], Kind::Sse, None, "room:1").await;
    let _users = [
        Client::open(&nodes[0], Kind::Ws, Some("a"), "room:1").await,
        Client::open(&nodes[1], Kind::Ws, Some("b"), "room:1").await,
    ];
    all_say(&nodes, "room:1", &["a", "b"]).await;
    store.ask(&["FLUSHALL"]).await;
    // A change of somebody else shows that the store has another history.
    let mut more = Vec::new();
    for n in 0..20 {
        store.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        let node = &nodes[n % 2];
        more.push(Client::open(node, Kind::Ws, Some(&format!("c{n}")), "room:1").await);
    }
    let names: Vec<_> = (0..20).map(|n| format!("c{n}")).collect();
    let expected: Vec<_> = ["a", "b"].into_iter().chain(names.iter().map(String::as_str)).collect();
    are_together(&store, &nodes).await;
    all_say(&nodes, "room:1", &expected).await;
    sees_only(&mut watcher, &nodes[0], &[]).await;
    drop(more);
    all_say(&nodes, "room:1", &["a", "b"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_there_or_cannot_be_used_leaves_a_node_alone_and_says_why() {
    let store = Store::start_with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let node = Server::start(plugin(&store, Duration::ZERO)).await;
    let _user = Client::open(&node, Kind::Ws, Some("7"), "room:1").await;
    all_say(std::slice::from_ref(&node), "room:1", &["7"]).await;
    is_alone(&node).await;
    let why = || node.realtime.health().degraded.map(|degraded| degraded.why).unwrap_or_default();
    assert!(why().contains("noeviction"), "{}", why());
}
