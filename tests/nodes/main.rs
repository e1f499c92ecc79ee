//! Several nodes with one store between them show one room.

/// Makes tests of functions that get a store: a server that is alone, one that a sentinel knows, and a
/// cluster. Those of the first kind are run over TLS too.
macro_rules! on_each_store {
    ($($name:ident),*) => {
        mod on_one_server {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&tests::Store::start().await).await;
                }
            )*
        }

        mod behind_a_sentinel {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&tests::Store::behind_a_sentinel().await).await;
                }
            )*
        }

        mod on_a_cluster {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(&tests::Store::cluster(0).await).await;
                }
            )*
        }
    };
}

mod balancer;
mod calls;
mod chaos;
mod clusters;
mod crashes;
mod crowds;
mod edges;
mod faults;
mod late;
mod messages;
mod observer;
mod process;
mod restarts;
mod roster;
mod servers;

use std::{collections::BTreeSet, time::Duration};

use tests::{Server, Store, eventually};
use umbral_presence::{PresenceSpec, RealtimePlugin};

/// Rooms with a grace, on this store.
fn plugin(store: &Store, grace: Duration) -> RealtimePlugin {
    let rooms = PresenceSpec::prefixes(["room:"]).grace(grace);
    Server::plugin().with_presence(rooms).redis(store.settings())
}

/// So many nodes that have found the store.
async fn nodes<const N: usize>(store: &Store, grace: Duration) -> [Server; N] {
    let mut nodes = Vec::new();
    for _ in 0..N {
        nodes.push(Server::start(plugin(store, grace)).await);
    }
    let nodes: [Server; N] = nodes.try_into().unwrap_or_else(|_| panic!("as many as were started"));
    are_together(store, &nodes).await;
    nodes
}

/// Waits until all nodes are with the store.
async fn are_together(store: &Store, nodes: &[Server]) {
    eventually("all nodes are registered", || async {
        let leases = store.ask(&["ZCARD", "{umbral:0}:l"]).await;
        leases.trim().parse::<usize>().is_ok_and(|leases| leases >= nodes.len())
    })
    .await;
    for node in nodes {
        eventually("the node has found the store", || async {
            node.realtime.health().degraded.is_none()
        })
        .await;
    }
}

/// Who is present in a group, as a node tells it.
async fn members(node: &Server, group: &str) -> BTreeSet<String> {
    let members = node.presence().members(group).await.expect("a valid name");
    members.iter().map(|member| member.id().to_string()).collect()
}

/// Waits until every node tells that these are present.
async fn all_say(nodes: &[Server], group: &str, expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(ToString::to_string).collect();
    for node in nodes {
        eventually(&format!("{expected:?} in {group}"), || async {
            members(node, group).await == expected
        })
        .await;
    }
}
