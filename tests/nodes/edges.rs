//! Stores that are slow, full, large, or that hold what nobody expects, nodes without a runtime, and
//! clients who name nodes that never were.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::json;
use tests::{Client, Kind, Mode, Proxy, Server, Store, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use umbral_presence::{PresenceSpec, UserId};

use crate::{all_say, are_together, members, nodes, plugin};

/// A way to `target` on which all takes so long, in each direction half of it.
async fn slow_way(target: SocketAddr, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(target).await.expect("a store");
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
                let (sender, mut parts) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(read) = from.read(&mut buffer).await {
                        if read == 0
                            || sender
                                .send((Instant::now() + delay / 2, buffer[..read].to_vec()))
                                .is_err()
                        {
                            return;
                        }
                    }
                });
                tokio::spawn(async move {
                    while let Some((at, part)) = parts.recv().await {
                        tokio::time::sleep_until(at.into()).await;
                        if to.write_all(&part).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    address
}

fn at(address: SocketAddr) -> umbral_presence::RealtimePlugin {
    let rooms = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO);
    Server::plugin().with_presence(rooms).redis(format!("redis://{address}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_does_not_empty_the_room() {
    let store = Store::start().await;
    let way = slow_way(store.address(), Duration::from_millis(350)).await;
    let near = Server::start(plugin(&store, Duration::ZERO)).await;
    let far = Server::start(at(way)).await;
    let both = [near, far];
    // It takes a while to connect.
    tokio::time::sleep(Duration::from_secs(8)).await;
    are_together(&store, &both).await;
    let _user = Client::open(&both[0], Kind::Ws, Some("7"), "room:1").await;
    all_say(&both[..1], "room:1", &["7"]).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push((
            both[1].presence().contains("room:1", 7).await.unwrap(),
            both[1].ask(Method::GET, "/realtime/members?group=room:1", &[], "").await,
            both[1].realtime.health().degraded,
        ));
    }
    assert!(answers.iter().any(|(contains, ..)| *contains), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_tab_on_another_node_gets_its_snapshot_at_once_with_a_batch_resolver() {
    let store = Store::start().await;
    let node = || {
        let names = |users: Vec<UserId>, _| async move {
            users
                .into_iter()
                .map(|user| (user.clone(), json!({ "id": user, "name": "Ada" })))
                .collect::<HashMap<_, _>>()
        };
        let rooms = PresenceSpec::prefixes(["room:"]).grace(Duration::ZERO).batch_resolver(names);
        Server::start(Server::plugin().with_presence(rooms).redis(store.url()))
    };
    let both = [node().await, node().await];
    are_together(&store, &both).await;
    // Somebody looks on at both, so that it is known who is there.
    let mut looking = Vec::new();
    for node in &both {
        let mut client = Client::open(node, Kind::Sse, None, "room:1").await;
        client.event("presence:sync").await;
        looking.push(client);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut took = Vec::new();
    for node in &both {
        let begun = Instant::now();
        let mut client = Client::open(node, Kind::Sse, Some("7"), "room:1").await;
        client.event("presence:sync").await;
        took.push(begun.elapsed());
        all_say(&both, "room:1", &["7"]).await;
        std::mem::forget(client);
    }
    assert!(took[1] < Duration::from_secs(1), "{took:?}");
}

#[test]
fn who_is_present_can_be_asked_outside_of_a_runtime() {
    let plugin = Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]));
    let realtime = plugin.redis("redis://127.0.0.1:1").build().unwrap();
    let members = futures_util::FutureExt::now_or_never(realtime.presence().members("room:1"));
    drop(members);
}

#[test]
fn a_right_can_be_taken_away_outside_of_a_runtime() {
    let plugin = Server::plugin().with_presence(PresenceSpec::prefixes(["room:"]));
    let realtime = plugin.redis("redis://127.0.0.1:1").build().unwrap();
    let done = futures_util::FutureExt::now_or_never(realtime.disconnect_user(7));
    drop(done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_while_a_node_is_cut_off_is_taken_away_there_too() {
    let store = Store::start().await;
    let way = Proxy::start(store.address()).await;
    let both =
        [Server::start(plugin(&store, Duration::ZERO)).await, Server::start(at(way.address)).await];
    are_together(&store, &both).await;
    let mut user = Client::open(&both[1], Kind::SseV1, Some("7"), "room:1").await;
    all_say(&both, "room:1", &["7"]).await;
    way.set(Mode::Swallow);
    // Its lease ends.
    eventually("the others take the node for dead", || async {
        members(&both[0], "room:1").await.is_empty()
    })
    .await;
    // The lease in another shard may not have ended yet, and then it says so.
    let _ = both[0].realtime.disconnect_user(7).await;
    way.set(Mode::Forward);
    user.end().await;
    all_say(&both, "room:1", &[]).await;
}

/// Fills a room of a node that is dead and not cleared away, or of another node.
async fn fill(store: &Store, groups: u32, users: u32, bytes: u32) {
    const FILL: &str = "for g = 1, tonumber(ARGV[1]) do
        for s = 0, 15 do
        for u = 1, tonumber(ARGV[2]) do
            redis.call('HSET', '{umbral:' .. s .. '}:g:room:' .. g, 'user' .. u .. '\\31' .. '00000000000abcde', '1 \"' .. string.rep('x', ARGV[3]) .. '\"')
        end
        end
    end";
    store
        .ask(&["EVAL", FILL, "0", &groups.to_string(), &users.to_string(), &bytes.to_string()])
        .await;
}

/// 600 MB would be in all shards: only the one of room 1 is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_with_5000_members_of_8_kb_can_be_entered() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    fill(&store, 1, 5000, 8000).await;
    let mut client = Client::open(&both[0], Kind::SseV1, Some("7"), "room:1").await;
    client.event("presence:sync").await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let health = both[0].realtime.health();
    assert!(health.degraded.is_none(), "{:?}", health.degraded);
    all_say(&both, "room:1", &["7"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_room_are_not_read_for_somebody_who_may_not_see_them() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    let before = both[0].realtime.health().groups;
    let watch = async {
        let mut most: BTreeSet<String> = BTreeSet::new();
        for _ in 0..200 {
            let heard = store.ask(&["INFO", "commandstats"]).await;
            most.extend(
                heard.lines().filter(|line| line.starts_with("cmdstat_hgetall")).map(str::to_owned),
            );
            if !most.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most
    };
    let (status, _) =
        both[0].ask(Method::GET, "/realtime/members?group=room:private", &[], "").await;
    let read = watch.await;
    assert_eq!((status, before), (403, 0));
    assert!(read.is_empty(), "{read:?}");
}

/// Many rooms in one shard are read with one script, which holds up the whole store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_begins_to_serve_large_rooms_does_not_hold_up_the_others() {
    let store = Store::start_with(&["--slowlog-log-slower-than", "100000"]).await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    // 64 rooms of 3,000, without payloads, in one shard: names are tried until they are of shard 0.
    let rooms: Vec<String> = (0..)
        .map(|n| format!("room:{n}"))
        .filter(|room| {
            room.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            }) % 16
                == 0
        })
        .take(64)
        .collect();
    for room in &rooms {
        const FILL: &str = "for u = 1, 3000 do redis.call('HSET', '{umbral:0}:g:' .. ARGV[1], 'user' .. u .. '\\31' .. '00000000000abcde', '') end";
        store.ask(&["EVAL", FILL, "0", room]).await;
    }
    let other = Client::open(&both[1], Kind::Ws, Some("8"), "room:x").await;
    let _client = Client::open(&both[0], Kind::Ws, Some("7"), &rooms.join(",")).await;
    let begun = Instant::now();
    let mut degraded = Vec::new();
    while begun.elapsed() < Duration::from_secs(12) {
        for (n, node) in both.iter().enumerate() {
            if let Some(degraded_now) = node.realtime.health().degraded {
                degraded.push((n, begun.elapsed(), degraded_now.why));
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let slow = store.ask(&["SLOWLOG", "LEN"]).await;
    drop(other);
    assert!(degraded.is_empty(), "slow {slow}: {degraded:#?}");
}

/// A `Realtime` that is built outside of a runtime, as in a `static`, and that serves nobody yet.
fn built_elsewhere(store: &Store) -> umbral_presence::Realtime {
    let plugin = plugin(store, Duration::ZERO);
    let build = move || plugin.build().expect("a plugin that can be built");
    std::thread::spawn(build).join().expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_node_that_serves_nobody_yet_reaches_the_others() {
    let store = Store::start().await;
    let both = nodes::<1>(&store, Duration::ZERO).await;
    let realtime = built_elsewhere(&store);
    let mut user = Client::open(&both[0], Kind::Sse, Some("7"), "room:1").await;
    all_say(&both[..1], "room:1", &["7"]).await;
    for n in 0..10 {
        realtime.to_user(7).send("mail", &json!({ "n": n })).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let frames = user.drain(Duration::from_secs(1)).await;
    assert!(frames.iter().any(|frame| frame.event == "mail"), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_is_taken_away_by_a_node_that_serves_nobody_yet() {
    let store = Store::start().await;
    let both = nodes::<1>(&store, Duration::ZERO).await;
    let realtime = built_elsewhere(&store);
    let _user = Client::open(&both[0], Kind::Sse, Some("7"), "room:1").await;
    all_say(&both[..1], "room:1", &["7"]).await;
    // Its first question has it connect, which may take longer than it waits.
    eventually("the user's groups are known", || async {
        !realtime.presence().groups_of(7).await.is_empty()
    })
    .await;
    realtime.disconnect_user(7).await.expect("all nodes");
    all_say(&both, "room:1", &[]).await;
}

/// 100 ms away, with 20 changes a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_node_is_with_a_store_that_is_100_ms_away() {
    let store = Store::start().await;
    let way = slow_way(store.address(), Duration::from_millis(100)).await;
    let node = Server::start(at(way)).await;
    let (mut clients, mut away) = (Vec::new(), Duration::ZERO);
    let begun = Instant::now();
    for n in 0.. {
        if begun.elapsed() > Duration::from_secs(20) {
            break;
        }
        let user = format!("user-{n}");
        let address = node.address;
        clients.push(tokio::spawn(async move {
            let socket = TcpStream::connect(address).await.unwrap();
            Client::open_on(socket, Kind::Ws, Some(&user), "room:1").await.unwrap()
        }));
        tokio::time::sleep(Duration::from_millis(40)).await;
        if begun.elapsed() > Duration::from_secs(5) && node.realtime.health().degraded.is_some() {
            away += Duration::from_millis(40);
        }
    }
    assert!(
        away < Duration::from_secs(5),
        "alone for {away:?} of 15 s: {:?}",
        node.realtime.health()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_full_lets_go_of_those_who_leave() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    let mut watcher = Client::open(&both[1], Kind::Sse, None, "room:1").await;
    let user = Client::open(&both[0], Kind::Ws, Some("7"), "room:1").await;
    all_say(&both, "room:1", &["7"]).await;
    store.ask(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    user.close(1000).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (one, other) = (members(&both[0], "room:1").await, members(&both[1], "room:1").await);
    let health = [both[0].realtime.health().degraded, both[1].realtime.health().degraded];
    let frames = watcher.drain(Duration::from_millis(50)).await;
    assert!(one.is_empty() && other.is_empty(), "{one:?} {other:?} {health:#?} {frames:?}");
}

/// A key that somebody else has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_room_that_cannot_be_read_does_not_take_the_others_from_the_node() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    for shard in 0..16 {
        store.ask(&["SET", &format!("{{umbral:{shard}}}:g:room:bad"), "x"]).await;
    }
    let _bad = Client::open(&both[0], Kind::Ws, Some("7"), "room:bad").await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let _good = Client::open(&both[1], Kind::Ws, Some("8"), "room:good").await;
    let _good = Client::open(&both[0], Kind::Ws, Some("9"), "room:good").await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let said = [members(&both[0], "room:good").await, members(&both[1], "room:good").await];
    assert_eq!(said[0], said[1], "{:?}", both[0].realtime.health().degraded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_there_before_all_nodes_were_drained_is_not_there_when_they_are_back() {
    let store = Store::start().await;
    let [node] = nodes::<1>(&store, Duration::ZERO).await;
    let _user = Client::open(&node, Kind::Ws, Some("7"), "room:1").await;
    all_say(std::slice::from_ref(&node), "room:1", &["7"]).await;
    node.realtime.drain().await;
    drop(node);
    // The process is away for a moment, as in any update.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let [node] = nodes::<1>(&store, Duration::ZERO).await;
    let mut client = Client::open(&node, Kind::Sse, Some("8"), "room:1").await;
    let sync = client.event("presence:sync").await;
    assert_eq!(sync.data.as_array().map(Vec::len), Some(1), "{sync:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_tried_again_after_growing_pauses() {
    let store = Store::start().await;
    store.ask(&["ACL", "SETUSER", "node", "on", ">right", "~*", "&*", "+@all"]).await;
    let rooms = PresenceSpec::prefixes(["room:"]);
    let url = store.url().replace("redis://", "redis://node:secret@");
    let node = Server::start(Server::plugin().with_presence(rooms).redis(url)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let why = node.realtime.health().degraded.unwrap().why;
    let log = store.ask(&["INFO", "commandstats"]).await;
    let hellos =
        log.lines().find(|line| line.starts_with("cmdstat_hello")).unwrap_or_default().to_owned();
    assert!(!why.contains("secret"));
    let calls = hellos.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u32>().ok());
    assert!(calls.is_some_and(|calls| calls <= 12), "{why}: {hellos}");
}

/// A node that hangs costs those who ask about a user two seconds, and part of the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_groups_of_a_user_are_all_of_them_or_it_is_said() {
    let store = Store::start().await;
    let way = Proxy::start(store.address()).await;
    let both =
        [Server::start(plugin(&store, Duration::ZERO)).await, Server::start(at(way.address)).await];
    let _looks_on = Client::open(&both[0], Kind::Sse, None, "room:1").await;
    let _user = Client::open(&both[1], Kind::Ws, Some("7"), "room:1").await;
    all_say(&both, "room:1", &["7"]).await;
    assert_eq!(both[0].presence().groups_of(7).await.len(), 1);
    way.set(Mode::Swallow);
    let begun = Instant::now();
    let groups = both[0].presence().groups_of(7).await;
    let (took, health) = (begun.elapsed(), both[0].realtime.health().degraded);
    let is_there = both[0].presence().contains("room:1", 7).await.unwrap();
    assert!(
        groups.len() == 1,
        "{groups:?} after {took:?}, {health:?}, though contains() says {is_there}"
    );
}

/// 16 clients that name nodes which there are not, one call after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_for_nodes_that_were_never_there_are_refused_at_once_and_cost_the_store_nothing() {
    let store = Store::start().await;
    let both = nodes::<2>(&store, Duration::ZERO).await;
    let mut client = Client::open(&both[0], Kind::SseV1, Some("7"), "").await;
    let conn = client.token().await;
    let token = conn.split('.').next().unwrap().to_owned();
    let calls = |log: &str, name: &str| -> u64 {
        let line = log.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
        line.and_then(|line| line.split(['=', ',']).nth(1)?.parse().ok()).unwrap_or(0)
    };
    let before = store.ask(&["INFO", "commandstats"]).await;
    let begun = Instant::now();
    let asked = (0..200).map(|n| {
        let body = json!({ "conn": format!("{token}.{n:x}"), "n": n, "groups": [] });
        let node = &both[1];
        async move { node.control("7", &body).await.0 }
    });
    let answers = futures_util::future::join_all(asked).await;
    let took = begun.elapsed();
    let after = store.ask(&["INFO", "commandstats"]).await;
    let more = |name: &str| calls(&after, name) - calls(&before, name);
    let (published, scripts) = (more("publish"), more("evalsha"));
    let mut counts: std::collections::BTreeMap<u16, u32> = std::collections::BTreeMap::new();
    answers.iter().for_each(|status| *counts.entry(*status).or_default() += 1);
    assert!(
        took < Duration::from_secs(5) && published + scripts < 50,
        "{counts:?} in {took:?}, {published} messages, {scripts} scripts"
    );
}
