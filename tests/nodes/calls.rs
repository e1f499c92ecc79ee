//! Calls that come to another node than the one they are about.

use std::time::Duration;

use http::request::Parts;
use serde_json::{Value, json};
use tests::{Client, Kind, Server, Store, USER_HEADER, eventually, settled};
use umbral_presence::Identity;

use crate::{all_say, are_together, nodes, plugin};

/// A stream that a browser's client opens, and its name.
pub(crate) async fn stream(node: &Server, user: &str, groups: &str) -> (Client, Value) {
    let mut client = Client::open(node, Kind::SseV1, Some(user), groups).await;
    let hello = client.event("@hello").await;
    (client, hello.data["conn"].clone())
}

async fn groups_are_changed_by_whatever_node(store: &Store) {
    let nodes = nodes::<3>(store, Duration::ZERO).await;
    let (mut client, conn) = stream(&nodes[0], "7", "").await;
    for n in 1..=100_u64 {
        let room = format!("room:{}", n % 3);
        let body = json!({ "conn": conn, "n": n, "groups": [room, "room:private"] });
        let (status, answer) =
            nodes[usize::try_from(n % 3).expect("a small number")].control("7", &body).await;
        assert_eq!((status, &answer["n"]), (200, &json!(n)), "{answer}");
        assert_eq!(answer["joined"], json!([room]));
        assert_eq!(answer["denied"], json!(["room:private"]));
        assert_eq!(client.event("presence:sync").await.channel, room);
        if n % 20 == 0 {
            // As many a second as a client may make.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    all_say(&nodes, "room:1", &["7"]).await;
    let other = json!({ "conn": conn, "n": 200, "groups": [] });
    assert_eq!(nodes[1].control("8", &other).await.0, 409, "somebody else's stream");
    client.end().await;
    all_say(&nodes, "room:1", &[]).await;
    assert_eq!(nodes[2].control("7", &other).await.0, 404, "a stream that has ended");
}

async fn a_call_for_a_node_that_is_gone_is_not_found(store: &Store) {
    let [first, second] = nodes::<2>(store, Duration::ZERO).await;
    let (client, conn) = stream(&first, "7", "").await;
    let body = json!({ "conn": conn, "n": 1, "groups": [] });
    let token =
        conn.as_str().and_then(|conn| conn.split_once('.')).expect("a token and a process").0;
    let gone = json!({ "conn": format!("{token}.123"), "n": 1, "groups": [] });
    let (status, answer) = second.control("7", &gone).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("unknown_connection")));
    assert_eq!(second.control("7", &body).await.0, 200);
    drop(client);
}

async fn rights_are_revoked_on_all_nodes(store: &Store) {
    let nodes = nodes::<3>(store, Duration::from_secs(60)).await;
    let mut tabs = Vec::new();
    for node in &nodes {
        tabs.push(Client::open(node, Kind::SseV1, Some("7"), "room:1").await);
    }
    all_say(&nodes, "room:1", &["7"]).await;
    settled("all nodes answer", nodes[1].realtime.disconnect_user(7)).await.expect("all nodes");
    for mut tab in tabs {
        tab.end().await;
    }
    all_say(&nodes, "room:1", &[]).await;
    nodes[0].realtime.recheck_policy(7).await.expect("all nodes");
    nodes[0].realtime.recheck_group("room:1").await.expect("all nodes");
    nodes[0].presence().refresh(7).await.expect("all nodes");
}

async fn a_session_ends_on_all_nodes_and_the_others_stay(store: &Store) {
    let plugin = || {
        plugin(store, Duration::ZERO).identity_resolver(|parts: Parts| async move {
            let session = parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned();
            Some(Identity::new(7).session(session))
        })
    };
    let nodes = [Server::start(plugin()).await, Server::start(plugin()).await];
    are_together(store, &nodes).await;
    let (mut phone, conn) = stream(&nodes[0], "phone", "room:1").await;
    let mut laptop = Client::open(&nodes[1], Kind::SseV1, Some("laptop"), "room:1").await;
    all_say(&nodes, "room:1", &["7"]).await;
    settled("all nodes answer", nodes[1].realtime.end_session("phone")).await.expect("all nodes");
    settled("the phone's stream ends", phone.end()).await;
    let body = json!({ "conn": conn, "n": 1, "groups": [] });
    assert_eq!(nodes[1].control("phone", &body).await.0, 404);
    all_say(&nodes, "room:1", &["7"]).await;

    // A call by another node says as well whose the stream is.
    let (mut phone, conn) = stream(&nodes[0], "phone", "room:1").await;
    let body = json!({ "conn": conn, "n": 1, "groups": ["room:1"] });
    assert_eq!(nodes[1].control("tablet", &body).await.0, 200);
    nodes[1].realtime.end_session("laptop").await.expect("all nodes");
    settled("the laptop's stream ends", laptop.end()).await;
    all_say(&nodes, "room:1", &["7"]).await;
    nodes[1].realtime.end_session("tablet").await.expect("all nodes");
    settled("the phone's stream ends", phone.end()).await;
    all_say(&nodes, "room:1", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_a_revocation_says_that_it_has_reached_nobody_else() {
    let mut store = Store::start().await;
    let nodes = nodes::<2>(&store, Duration::ZERO).await;
    let mut here = Client::open(&nodes[0], Kind::SseV1, Some("7"), "room:1").await;
    store.kill().await;
    eventually("the node knows that it is alone", || async {
        nodes[0].realtime.health().degraded.is_some()
    })
    .await;
    let error = nodes[0].realtime.disconnect_user(7).await.unwrap_err();
    assert!(error.to_string().contains("it was done here"), "{error}");
    here.end().await;
}

on_each_store![
    groups_are_changed_by_whatever_node,
    a_call_for_a_node_that_is_gone_is_not_found,
    rights_are_revoked_on_all_nodes,
    a_session_ends_on_all_nodes_and_the_others_stay
];
