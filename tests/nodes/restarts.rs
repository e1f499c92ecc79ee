//! Nodes and stores that are started again.

use std::time::Duration;

use rustix::process::Signal;
use tests::{Kind, Store};

use crate::{
    observer::{Observer, two},
    process::Node,
};

const ROOM: &str = "room:1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_comes_back_with_its_data_or_with_older_data_is_seen_by_nobody() {
    let mut store = Store::start().await;
    let [one, other] = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
    let (observers, _stay) = two([&one, &other], ROOM).await;
    let leaves = other.open(Kind::Sse, Some("leaves"), ROOM).await;
    for observer in &observers {
        observer.shows(&["leaves", "one", "other"]).await;
    }
    store.ask(&["SAVE"]).await;
    // With its data:
    store.kill().await;
    one.is_alone(true).await;
    store.go_on().await;
    for node in [&one, &other] {
        node.is_alone(false).await;
    }
    // With data from before somebody left, and before somebody came:
    leaves.close(1000).await;
    let late = one.open(Kind::Sse, Some("late"), ROOM).await;
    for observer in &observers {
        observer.shows(&["late", "one", "other"]).await;
    }
    store.kill().await;
    other.is_alone(true).await;
    store.go_on().await;
    for node in [&one, &other] {
        node.is_alone(false).await;
    }
    drop(late);
    for observer in &observers {
        observer.shows(&["one", "other"]).await;
        assert_eq!(observer.leaves("one") + observer.leaves("other"), 0);
        assert_eq!(observer.leaves("late"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_for_a_minute_loses_nobody() {
    let mut store = Store::start().await;
    let [one, other] = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
    let (observers, _stay) = two([&one, &other], ROOM).await;
    store.kill().await;
    one.is_alone(true).await;
    let mut meanwhile = Vec::new();
    for n in 0..20 {
        meanwhile.push(one.open(Kind::Sse, Some(&format!("late-{n:02}")), ROOM).await);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    meanwhile.truncate(1);
    store.go_on().await;
    for observer in &observers {
        observer.shows(&["late-00", "one", "other"]).await;
        assert_eq!(observer.leaves("one") + observer.leaves("other"), 0);
    }
    assert_eq!(observers[1].joins("late-01"), 0, "who came and went meanwhile was never there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drains_leaves_its_users_to_the_others() {
    let store = Store::start().await;
    let [one, other] =
        [Node::start(&store.url(), 3000).await, Node::start(&store.url(), 3000).await];
    let observer = Observer::of(one.open(Kind::Sse, None, ROOM).await, ROOM);
    let mut moves = other.open(Kind::SseV1, Some("moves"), ROOM).await;
    let _goes = other.open(Kind::Sse, Some("goes"), ROOM).await;
    observer.shows(&["goes", "moves"]).await;
    other.signal(Signal::TERM);
    moves.event("@drain").await;
    let _moved = one.open(Kind::SseV1, Some("moves"), ROOM).await;
    drop(moves);
    other.end().await;
    observer.shows(&["moves"]).await;
    assert_eq!((observer.leaves("moves"), observer.leaves("goes")), (0, 1));
}
