//! What comes late, by another node, or again: newer credentials, proofs of life, and revocations.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::request::Parts;
use parking_lot::Mutex;
use serde_json::json;
use tests::{Client, Kind, Mode, Proxy, Server, Store, USER_HEADER, eventually};
use tokio::{
    join,
    time::{sleep, timeout},
};
use umbral_presence::{Identity, PresenceSpec, RealtimePlugin};

use crate::{all_say, are_together, calls::stream, nodes, plugin};

const SECOND: Duration = Duration::from_secs(1);

/// Reads a stream. Gives after how long it has ended, if it has within this time.
async fn ended(client: &mut Client, within: Duration) -> Option<Duration> {
    let begin = Instant::now();
    timeout(within, async { while client.read().await.is_some() {} }).await.ok()?;
    Some(begin.elapsed())
}

fn header(parts: &Parts) -> Option<String> {
    Some(parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned())
}

/// Two nodes with this plugin.
async fn two(store: &Store, plugin: impl Fn() -> RealtimePlugin) -> [Server; 2] {
    let nodes = [Server::start(plugin()).await, Server::start(plugin()).await];
    are_together(store, &nodes).await;
    nodes
}

/// Tokens of one user that are good, and until when.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<HashMap<String, SystemTime>>>);

impl Tokens {
    fn are_good(&self, token: &str, time: Duration) {
        self.0.lock().insert(token.to_owned(), SystemTime::now() + time);
    }

    /// Who has a token, which names the session as well.
    fn identity(&self, parts: &Parts) -> Option<Identity> {
        let token = header(parts)?;
        let until = self.0.lock().get(&token).copied().filter(|until| *until > SystemTime::now());
        until.map(|until| Identity::new(7).session(token).until(until))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_credentials_count_by_whatever_node_they_come() {
    for at in [0, 1] {
        let (store, tokens) = (Store::start().await, Tokens::default());
        tokens.are_good("old", 4 * SECOND);
        tokens.are_good("new", 600 * SECOND);
        let nodes = two(&store, || {
            let tokens = tokens.clone();
            let plugin = plugin(&store, Duration::ZERO).recheck_every(SECOND);
            plugin.recheck_headers([USER_HEADER]).identity_resolver(move |parts: Parts| {
                let identity = tokens.identity(&parts);
                async move { identity }
            })
        });
        let nodes = nodes.await;
        let (mut client, conn) = stream(&nodes[0], "old", "room:1").await;
        let body = json!({ "conn": conn, "n": 1, "groups": ["room:1"] });
        assert_eq!(nodes[at].control("new", &body).await.0, 200);
        // It is asked about by the new one, and the end of the old one passes.
        assert_eq!(ended(&mut client, 7 * SECOND).await, None, "called at node {at}");
        nodes[1].realtime.end_session("old").await.expect("all nodes");
        assert_eq!(ended(&mut client, SECOND).await, None, "called at node {at}");
        nodes[1].realtime.end_session("new").await.expect("all nodes");
        assert!(ended(&mut client, 5 * SECOND).await.is_some(), "called at node {at}");
    }
}

/// For how long a stream lives whose calls come to the other node.
async fn outlives(store_is_away: bool, database_is_away: bool) -> Option<Duration> {
    let (mut store, away) = (Store::start().await, Arc::new(AtomicBool::new(false)));
    let nodes = two(&store, || {
        let away = away.clone();
        plugin(&store, Duration::ZERO).identity_resolver(move |parts: Parts| {
            let (id, is_away) = (header(&parts), away.load(Ordering::SeqCst));
            async move { if is_away { Err(io::Error::other("away")) } else { Ok(id) } }
        })
    });
    let nodes = nodes.await;
    let (mut client, conn) = stream(&nodes[0], "7", "room:1").await;
    away.store(database_is_away, Ordering::SeqCst);
    if store_is_away {
        store.kill().await;
    }
    let calls = async {
        for n in 1..=7 {
            sleep(10 * SECOND).await;
            let body = json!({ "conn": conn, "n": n, "groups": ["room:1"] });
            assert_eq!(nodes[1].control("7", &body).await.0, 503);
        }
    };
    join!(ended(&mut client, 70 * SECOND), calls).0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_calls_come_to_another_node_outlives_an_outage() {
    let outages = join!(outlives(true, false), outlives(false, true));
    assert_eq!(outages, (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_before_a_node_first_finds_the_store_is_taken_away_there() {
    let store = Store::start().await;
    let way = Proxy::start(store.address()).await;
    way.set(Mode::Swallow);
    let rooms = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO);
    let late = Server::plugin().with_presence(rooms).redis(format!("redis://{}", way.address));
    let both = [Server::start(plugin(&store, Duration::ZERO)).await, Server::start(late).await];
    let mut user = Client::open(&both[1], Kind::Sse, Some("7"), "room:1").await;
    eventually("it is alone", async || both[1].realtime.health().degraded.is_some()).await;
    are_together(&store, &both[..1]).await;
    both[0].realtime.disconnect_user(7).await.expect("no other node is with the store");
    way.set(Mode::Forward);
    are_together(&store, &both).await;
    assert!(ended(&mut user, 10 * SECOND).await.is_some(), "the user is still connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_signed_in_again_is_not_sent_away_by_what_was_done_before() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    let mut before = Client::open(&both[1], Kind::Sse, Some("7"), "room:1").await;
    all_say(&both, "room:1", &["7"]).await;
    both[0].realtime.disconnect_user(7).await.expect("all nodes");
    before.end().await;
    // When it was done is known to others but for the time that an answer of the store takes. In doubt
    // somebody is sent away, and comes back.
    sleep(SECOND).await;
    let mut again = Client::open(&both[1], Kind::Sse, Some("7"), "room:1").await;
    all_say(&both, "room:1", &["7"]).await;
    sleep(SECOND).await;
    store.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(ended(&mut again, 4 * SECOND).await, None, "sent away again");
}
