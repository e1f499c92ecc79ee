//! An application that fails, does not answer, or not for everybody.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use http::request::Parts;
use serde_json::json;
use tests::{Chunks, Client, Kind, Pipes, Server, USER_HEADER, call, control, get};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use umbral_presence::{GroupPolicy, Limits, RealtimePlugin};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_policy_that_fails_for_one_group_shields_no_other() {
    let open = Arc::new(AtomicBool::new(true));
    let switch = open.clone();
    let policy = move |_: Option<&str>, group: &str| {
        let open = open.load(Ordering::SeqCst);
        assert!(open || group != "room:b", "boom");
        open
    };
    let plugin = Server::rooms()
        .recheck_every(5 * SECOND)
        .recheck_headers([USER_HEADER])
        .group_policy_fn(policy);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut socket = pipes.websocket("7", "groups=room:a,room:b").await;
    let reader = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    switch.store(false, Ordering::SeqCst);
    sleep(30 * SECOND).await;
    assert_eq!(realtime.presence().count("room:a").await, Ok(0));
    assert_eq!(realtime.presence().count("room:b").await, Ok(1));
    reader.abort();
}

#[tokio::test(start_paused = true)]
async fn while_it_is_not_known_who_asks_a_call_is_a_sign_of_life() {
    let down = Arc::new(AtomicBool::new(false));
    let switch = down.clone();
    let plugin = Server::rooms().identity_resolver(move |_| {
        let down = down.load(Ordering::SeqCst);
        async move {
            if down {
                std::future::pending::<()>().await;
            }
            Some("7".to_owned())
        }
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    let token = stream.token().await;
    let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
    switch.store(true, Ordering::SeqCst);
    for n in 1..8 {
        sleep(15 * SECOND).await;
        let body = json!({ "conn": token, "n": n, "groups": ["room:1"] });
        assert_eq!(control(&realtime, "7", &body).await.0, 503);
    }
    assert_eq!(realtime.health().connections, 1);
    reader.abort();
}

#[tokio::test(start_paused = true)]
async fn the_policy_may_take_its_time_for_each_group() {
    let plugin = Server::plugin().group_policy_async_fn(|_, _| async {
        sleep(SECOND).await;
        true
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let groups: Vec<_> = (0..100).map(|n| format!("room:{n}")).collect();
    let start = Instant::now();
    Chunks::open(&realtime, "7", &format!("groups={}", groups.join(","))).await;
    assert!(start.elapsed() < 2 * SECOND, "they are asked at once");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_slow_to_come_hold_up_no_other_recheck() {
    let changed = Arc::new(AtomicBool::new(false));
    let switch = changed.clone();
    let identity = move |parts: Parts| {
        let id = parts.headers.get(USER_HEADER).and_then(|id| Some(id.to_str().ok()?.to_owned()));
        let changed = changed.load(Ordering::SeqCst);
        async move {
            let id = id?;
            if changed && id.starts_with("slow") {
                std::future::pending::<()>().await;
            }
            (id != "7" || !changed).then_some(id)
        }
    };
    let plugin = Server::rooms()
        .recheck_every(10 * SECOND)
        .recheck_headers([USER_HEADER])
        .identity_resolver(identity);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut readers = JoinSet::new();
    let slow = (0..50).map(|n| (format!("slow {n}"), "groups=room:1"));
    for (user, groups) in slow.chain([("7".to_owned(), "groups=room:2")]) {
        let mut socket = pipes.websocket(&user, groups).await;
        readers.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    switch.store(true, Ordering::SeqCst);
    let start = Instant::now();
    while realtime.presence().count("room:2").await != Ok(0) {
        sleep(SECOND).await;
        assert!(start.elapsed() < 45 * SECOND, "a lost identity is not noticed");
    }
    assert_eq!(realtime.presence().count("room:1").await, Ok(50));
}

#[tokio::test]
async fn identity_and_policy_may_panic_or_hang() {
    let limits = Limits { policy_timeout: Duration::from_millis(50), ..Limits::default() };
    let plugin = Server::plugin()
        .limits(limits)
        .identity_resolver(|parts| async move {
            let id = parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned();
            match id.as_str() {
                "hangs" => std::future::pending().await,
                "panics" => panic!("boom"),
                _ => Some(id),
            }
        })
        .group_policy_async_fn(|_, group| async move {
            match group.as_str() {
                "hangs" => std::future::pending().await,
                "panics" => panic!("boom"),
                _ => true,
            }
        });
    let server = Server::start(plugin).await;
    for (user, group, status) in
        [("hangs", "a", 503), ("panics", "a", 500), ("7", "hangs", 503), ("7", "panics", 500)]
    {
        for kind in [Kind::SseV1, Kind::Ws] {
            let refused = Client::try_open(&server, kind, Some(user), group).await;
            assert_eq!(refused.err().unwrap().0, status, "{user} {group} {kind:?}");
        }
    }
    server.is_empty().await;
    Client::open(&server, Kind::Ws, Some("7"), "a").await;
}

/// A database that may be away.
#[derive(Clone, Default)]
struct Database(Arc<AtomicBool>);

impl Database {
    fn set_away(&self, is_away: bool) {
        self.0.store(is_away, Ordering::SeqCst);
    }

    fn ask<T>(&self, answer: T) -> io::Result<T> {
        if self.0.load(Ordering::SeqCst) {
            return Err(io::Error::other("the database is away"));
        }
        Ok(answer)
    }
}

impl GroupPolicy<io::Result<bool>> for Database {
    async fn can_join(&self, _: Option<&str>, group: &str) -> io::Result<bool> {
        self.ask(group != "room:closed")
    }
}

/// Rooms whose policy, or whose identity resolver, asks a database.
fn rooms_of_a_database(what: &str, database: &Database) -> RealtimePlugin {
    let plugin = Server::rooms().recheck_every(SECOND).recheck_headers([USER_HEADER]);
    if what == "policy" {
        return plugin.group_policy(database.clone());
    }
    let database = database.clone();
    plugin.identity_resolver(move |parts: Parts| {
        let id = parts.headers.get(USER_HEADER).and_then(|id| Some(id.to_str().ok()?.to_owned()));
        let answer = database.ask(id);
        async move { answer }
    })
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_sends_nobody_out_and_lets_nobody_in() {
    for what in ["policy", "identity"] {
        let database = Database::default();
        let plugin = rooms_of_a_database(what, &database);
        let realtime = plugin.build().expect("a plugin that can be built");
        let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
        let token = stream.token().await;
        let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
        database.set_away(true);
        sleep(30 * SECOND).await;
        assert_eq!(realtime.presence().count("room:1").await, Ok(1), "{what}");
        let answer = call(&realtime, get("sse?groups=room:1", Some("8"))).await;
        assert_eq!(answer.status(), 503, "{what}");
        let answer = tests::json(answer).await;
        assert_eq!(answer["error"]["code"], what);
        assert!(!answer.to_string().contains("database"), "the cause is the server's: {answer}");
        let body = json!({ "conn": token, "n": 1, "groups": ["room:1", "room:2"] });
        assert_eq!(control(&realtime, "7", &body).await.0, 503, "{what}");

        database.set_away(false);
        let body = json!({ "conn": token, "n": 2, "groups": ["room:1", "room:2"] });
        let (status, _, answer) = control(&realtime, "7", &body).await;
        assert_eq!((status, &answer["joined"]), (200, &json!(["room:2"])), "{what}");
        reader.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_right_while_the_database_is_away_is_out_until_it_says_yes() {
    let database = Database::default();
    let plugin = rooms_of_a_database("policy", &database);
    let realtime = plugin.build().expect("a plugin that can be built");
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
    let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
    database.set_away(true);
    realtime.recheck_policy("7").await.expect("a user id");
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    reader.abort();
}

#[tokio::test(start_paused = true)]
async fn who_looks_for_another_stream_while_the_database_is_away_keeps_the_old_one() {
    for what in ["policy", "identity"] {
        let database = Database::default();
        let plugin = rooms_of_a_database(what, &database);
        let realtime = plugin.build().expect("a plugin that can be built");
        let mut stream = Chunks::open(&realtime, "7", "groups=room:1&v=1").await;
        let reader = tokio::spawn(async move { while stream.text().await.is_some() {} });
        database.set_away(true);
        // The browser's client opens a new stream after three calls that have failed.
        for _ in 0..10 {
            let answer = call(&realtime, get("sse?v=1&groups=room:1", Some("7"))).await;
            assert_eq!(answer.status(), 503, "{what}");
            sleep(30 * SECOND).await;
        }
        assert_eq!(realtime.presence().count("room:1").await, Ok(1), "{what}");
        database.set_away(false);
        sleep(120 * SECOND).await;
        assert_eq!(
            realtime.presence().count("room:1").await,
            Ok(0),
            "one that never calls is lost"
        );
        reader.abort();
    }
}
