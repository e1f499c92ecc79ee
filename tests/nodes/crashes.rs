//! What people see when nodes die, hang or are cut off: each on real processes, with its bound.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tests::{Kind, Mode, Proxy, Store, USER_HEADER, eventually, settled};

use crate::{observer::Observer, process::Node};

const ROOM: &str = "room:1";

/// A lease, a heartbeat a fifth late, and what a busy machine takes.
const GONE_WITHIN: Duration = Duration::from_secs(10 + 3 + 3);

async fn observe(node: &Node) -> Observer {
    Observer::of(node.open(Kind::Sse, None, ROOM).await, ROOM)
}

/// Nothing of the dead is left in the store.
async fn is_clean(store: &Store, live: usize) {
    eventually("nothing of the dead is left in the store", || async {
        let dead = store.ask(&["EVAL", DEAD, "0"]).await;
        let nodes = store.ask(&["EVAL", NODES, "0"]).await;
        (dead.trim(), nodes.trim().parse()) == ("0", Ok(live))
    })
    .await;
}

/// How many dead nodes are still to be cleared away.
const DEAD: &str = "local n = 0
for _, key in ipairs(redis.call('KEYS', '*:d')) do n = n + redis.call('HLEN', key) end
return n";

/// How many nodes hold facts.
const NODES: &str = "return #redis.call('KEYS', '*:n:*')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_node_that_is_killed_leave_once() {
    let store = Store::start().await;
    let [one, other] = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
    let observer = observe(&one).await;
    let _stays = one.open(Kind::Sse, Some("stays"), ROOM).await;
    let _both = [one.open(Kind::Sse, Some("both"), ROOM).await];
    let _dies = [
        other.open(Kind::Sse, Some("both"), ROOM).await,
        other.open(Kind::Sse, Some("dies"), ROOM).await,
    ];
    observer.shows(&["both", "dies", "stays"]).await;
    let killed = Instant::now();
    other.signal(Signal::KILL);
    observer.shows(&["both", "stays"]).await;
    assert!(killed.elapsed() < GONE_WITHIN, "{:?}", killed.elapsed());
    assert_eq!((observer.joins("dies"), observer.leaves("dies")), (1, 1));
    assert_eq!(observer.leaves("both") + observer.leaves("stays"), 0);
    is_clean(&store, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_node_that_hangs_leave_once_and_come_back() {
    let store = Store::start().await;
    let [one, other] = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
    let (observer, inside) = (observe(&one).await, observe(&other).await);
    let _stays = one.open(Kind::Sse, Some("stays"), ROOM).await;
    let _hangs = other.open(Kind::Sse, Some("hangs"), ROOM).await;
    observer.shows(&["hangs", "stays"]).await;
    inside.shows(&["hangs", "stays"]).await;
    other.stop().await;
    observer.shows(&["stays"]).await;
    let wakes = Instant::now();
    other.signal(Signal::CONT);
    observer.shows(&["hangs", "stays"]).await;
    assert!(wakes.elapsed() < Duration::from_secs(6), "{:?}", wakes.elapsed());
    assert_eq!((observer.joins("hangs"), observer.leaves("hangs")), (2, 1));
    assert_eq!(observer.leaves("stays") + inside.leaves("stays") + inside.leaves("hangs"), 0);
    is_clean(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_is_as_dead_for_the_others_and_lives_on_for_its_own() {
    let store = Store::start().await;
    let way = Proxy::start(store.address()).await;
    let one = Node::start(&store.url(), 0).await;
    let other = Node::start(&format!("redis://{}", way.address), 0).await;
    let (observer, inside) = (observe(&one).await, observe(&other).await);
    let _users = [
        one.open(Kind::Sse, Some("far"), ROOM).await,
        other.open(Kind::Sse, Some("cut"), ROOM).await,
    ];
    observer.shows(&["cut", "far"]).await;
    inside.shows(&["cut", "far"]).await;
    way.set(Mode::Swallow);
    other.is_alone(true).await;
    let late = other.open(Kind::Sse, Some("late"), ROOM).await;
    inside.shows(&["cut", "far", "late"]).await;
    observer.shows(&["far"]).await;
    let healed = Instant::now();
    way.set(Mode::Forward);
    observer.shows(&["cut", "far", "late"]).await;
    assert!(healed.elapsed() < Duration::from_secs(5), "{:?}", healed.elapsed());
    other.is_alone(false).await;
    drop(late);
    observer.shows(&["cut", "far"]).await;
    assert_eq!((observer.joins("cut"), observer.leaves("cut")), (2, 1));
    assert_eq!(inside.leaves("far") + inside.leaves("cut") + observer.leaves("far"), 0);
    is_clean(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_after_the_store_has_done_what_was_asked_change_nothing() {
    let store = Store::start().await;
    let way = Proxy::start(store.address()).await;
    let one = Node::start(&store.url(), 0).await;
    let other = Node::start(&format!("redis://{}", way.address), 0).await;
    let observer = observe(&one).await;
    let _stays = other.open(Kind::Sse, Some("stays"), ROOM).await;
    observer.shows(&["stays"]).await;
    for n in 0..3 {
        way.set(Mode::SwallowAnswers);
        let user = format!("user-{n}");
        let comes = other.open(Kind::Sse, Some(&user), ROOM).await;
        observer.shows(&["stays", &user]).await;
        other.is_alone(true).await;
        way.set(Mode::Forward);
        other.is_alone(false).await;
        drop(comes);
        observer.shows(&["stays"]).await;
        assert_eq!((observer.joins(&user), observer.leaves(&user)), (1, 1));
    }
    assert_eq!(observer.leaves("stays"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_clears_up_after_a_dead_node_may_be_killed_while_it_does() {
    let store = Store::start().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::start(&store.url(), 0).await);
    }
    let observer = observe(&nodes[0]).await;
    let _stays = nodes[0].open(Kind::Sse, Some("stays"), ROOM).await;
    let mut die = Vec::new();
    for n in 0..600 {
        let node = &nodes[2 + n % 2];
        let rooms = format!("{ROOM},room:{}", n + 2);
        die.push(node.open(Kind::Sse, Some(&format!("user-{n}")), &rooms).await);
    }
    let all: Vec<_> = (0..600).map(|n| format!("user-{n}")).chain(["stays".into()]).collect();
    observer.shows(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Both remaining nodes find the two dead, at the same time.
    nodes[2].signal(Signal::KILL);
    nodes[3].signal(Signal::KILL);
    observer.shows(&["stays"]).await;
    nodes[1].signal(Signal::KILL);
    is_clean(&store, 1).await;
    let leaves = observer.all_leaves();
    assert!(leaves.len() == 600 && leaves.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_a_node_that_hangs_is_to_be_made_again() {
    let store = Store::start().await;
    let [one, other] = [Node::start(&store.url(), 0).await, Node::start(&store.url(), 0).await];
    let mut client = other.open(Kind::SseV1, Some("7"), "").await;
    let body = json!({ "conn": client.token().await, "n": 1, "groups": [ROOM] });
    other.stop().await;
    let call = || async {
        let url = format!("http://{}/realtime/control", one.address);
        let request = reqwest::Client::new().post(url).header(USER_HEADER, "7").json(&body);
        let answer = settled("an answer", request.send()).await.expect("a node");
        let retry = answer.headers().get("retry-after").cloned();
        (answer.status().as_u16(), retry.is_some())
    };
    assert_eq!(call().await, (503, true));
    other.signal(Signal::CONT);
    eventually("the call is answered when it is made again", || async {
        let answer = call().await;
        assert!(answer == (503, true) || answer == (200, false), "{answer:?}");
        answer.0 == 200
    })
    .await;
}
