//! What is sent on one node reaches those on another.

use std::time::Duration;

use serde_json::json;
use tests::{Client, Kind, Store};

use crate::nodes;

async fn events_reach_the_group_the_user_and_everybody_in_order(store: &Store) {
    let nodes = nodes::<2>(store, Duration::ZERO).await;
    let mut there = Client::open(&nodes[1], Kind::Sse, Some("7"), "room:1,plain").await;
    let here = &nodes[0].realtime;
    for n in 0..100 {
        here.to_group("room:1").send("n", &n).await.expect("an event that may be sent");
    }
    here.to_user(7).send("mail", &json!({ "unread": 3 })).await.expect("an event that may be sent");
    here.broadcast().send("news", &"all").await.expect("an event that may be sent");
    here.to_group("plain").send("plain", &1).await.expect("an event that may be sent");
    for n in 0..100 {
        assert_eq!(there.event("n").await.data, json!(n));
    }
    assert_eq!(there.event("mail").await.data, json!({ "unread": 3 }));
    assert_eq!(there.event("news").await.data, json!("all"));
    assert_eq!(there.event("plain").await.data, json!(1));
}

on_each_store![events_reach_the_group_the_user_and_everybody_in_order];
