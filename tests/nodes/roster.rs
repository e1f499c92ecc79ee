//! Who is present, whichever node is asked.

use std::time::Duration;

use futures_util::StreamExt;
use http::Method;
use tests::{Client, Kind, Store, Watcher, eventually};
use umbral_presence::Transition;

use crate::{all_say, nodes};

async fn a_user_on_three_nodes_is_one_join_and_one_leave(store: &Store) {
    let nodes = nodes::<3>(store, Duration::ZERO).await;
    let mut watchers = Vec::new();
    for node in &nodes {
        watchers.push(Watcher::open(node, Kind::Sse, None, "room:1").await);
    }
    let mut tabs = Vec::new();
    for node in &nodes {
        tabs.push(Client::open(node, Kind::Ws, Some("7"), "room:1").await);
        all_say(&nodes, "room:1", &["7"]).await;
    }
    for watcher in &mut watchers {
        watcher.client.event("presence:join").await;
    }
    while let Some(tab) = tabs.pop() {
        all_say(&nodes, "room:1", &["7"]).await;
        tab.close(1000).await;
    }
    all_say(&nodes, "room:1", &[]).await;
    for (watcher, node) in watchers.iter_mut().zip(&nodes) {
        watcher.client.event("presence:leave").await;
        let frames = watcher.client.frames_until_now(node, "room:1").await;
        let events = frames.iter().map(|frame| frame.event.as_str());
        let events: Vec<_> = events.filter(|event| event.starts_with("presence:")).collect();
        assert_eq!(events, ["presence:sync"], "and nothing besides");
    }
}

async fn a_newcomer_on_another_node_gets_everybody_in_one_snapshot(store: &Store) {
    let nodes = nodes::<2>(store, Duration::ZERO).await;
    let mut users = Vec::new();
    for n in 0..50 {
        users.push(Client::open(&nodes[0], Kind::Ws, Some(&n.to_string()), "room:1").await);
    }
    let mut newcomer = Client::open(&nodes[1], Kind::Sse, Some("new"), "room:1").await;
    let frame = newcomer.event("presence:sync").await;
    assert_eq!(frame.data.as_array().map(Vec::len), Some(51));
    let path = "/realtime/members?group=room:1";
    eventually("everybody is listed", || async {
        let (status, listed) = nodes[0].ask(Method::GET, path, &[], "").await;
        status == 200 && listed["members"].as_array().map(Vec::len) == Some(51)
    })
    .await;
}

async fn the_application_is_told_of_all_nodes(store: &Store) {
    let nodes = nodes::<2>(store, Duration::ZERO).await;
    let mut watch = nodes[1].presence().watch("room:1").expect("a valid name");
    assert!(matches!(watch.next().await, Some(Transition::Sync(members)) if members.is_empty()));
    let user = Client::open(&nodes[0], Kind::Ws, Some("7"), "room:1,room:2").await;
    let presence = nodes[1].presence();
    assert_eq!(presence.count("room:2").await.expect("a store that answers"), 1);
    assert!(presence.contains("room:2", 7).await.expect("a store that answers"));
    assert!(!presence.contains("room:2", 8).await.expect("a store that answers"));
    let groups = presence.groups_of(7).await;
    let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["room:1", "room:2"]);
    assert!(
        matches!(watch.next().await, Some(Transition::Join(user)) if user.id().as_str() == "7")
    );
    drop(user);
    assert!(
        matches!(watch.next().await, Some(Transition::Leave(user)) if user.id().as_str() == "7")
    );
}

on_each_store![
    a_user_on_three_nodes_is_one_join_and_one_leave,
    a_newcomer_on_another_node_gets_everybody_in_one_snapshot,
    the_application_is_told_of_all_nodes
];
