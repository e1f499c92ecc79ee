//! Everybody gets the snapshot first and then every change in one order, and changes that come
//! together are told together.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tests::{
    Chunks, Client, Fold, Frame, Kind, Pipes, Server, USER_HEADER, call, control, get, json,
    presence_of, read_head, settled,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};
use umbral_presence::Realtime;

const LONG: Duration = Duration::from_secs(60);

fn rooms() -> Realtime {
    Server::rooms().build().expect("a plugin that can be built")
}

/// The channels and events of frames.
fn kinds(frames: &[Frame]) -> Vec<(&str, &str)> {
    frames.iter().map(|frame| (&*frame.channel, &*frame.event)).collect()
}

#[tokio::test]
async fn a_websocket_asks_for_the_snapshot_of_one_group() {
    let server = Server::with_rooms(LONG).await;
    for kind in [Kind::Ws, Kind::WsV1] {
        let mut client = Client::open(&server, kind, Some("7"), "room:1,room:2").await;
        client.frames_until_now(&server, "room:1").await;
        client.frames_until_now(&server, "room:2").await;
        // Of what it is not in it gets nothing.
        client.send(&json!({ "op": "sync", "groups": ["room:2", "room:3"] })).await;
        client.send(&json!({ "op": "leave", "groups": ["room:1"] })).await;
        let sync = client.next().await.expect("an open stream");
        assert_eq!(kinds(std::slice::from_ref(&sync)), [("room:2", "presence:sync")]);
        assert_eq!(sync.data, json!([{ "id": "7" }]));
        assert_eq!(client.next().await.expect("an open stream").event, "@left");
        client.close(1000).await;
    }
    server.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_control_call_asks_for_the_snapshot_of_one_group() {
    let realtime = rooms();
    let mut stream = Chunks::open(&realtime, "7", "groups=room:1,room:2&v=1").await;
    let token = stream.token().await;
    for _ in 0..2 {
        assert_eq!(kinds(&stream.frames().await.expect("a snapshot"))[0].1, "presence:sync");
    }
    let groups = ["room:1", "room:2"];
    let call = json!({ "conn": token, "n": 1, "groups": groups, "sync": ["room:2", "room:3"] });
    let (status, _, body) = control(&realtime, "7", &call).await;
    assert_eq!((status, &body["joined"]), (200, &json!([])));
    realtime.broadcast().send("behind", &1).await.expect("a valid event");
    let sync = stream.frames().await.expect("a snapshot");
    assert_eq!(kinds(&sync), [("room:2", "presence:sync")]);
    assert_eq!(kinds(&stream.frames().await.expect("a message")), [("@broadcast", "behind")]);
}

#[tokio::test]
async fn a_reconnect_begins_with_a_snapshot_whatever_was_seen_before() {
    let server = Server::with_rooms(LONG).await;
    let _other = Client::open(&server, Kind::Sse, Some("8"), "room:1").await;
    for (v, id) in [("", "0"), ("&v=1", "0"), ("", "18446744073709551615"), ("", "nonsense")] {
        for _ in 0..3 {
            server.realtime.to_group("room:1").send("news", &1).await.expect("a valid name");
        }
        let mut socket = TcpStream::connect(server.address).await.expect("a server");
        let request = format!(
            "GET /realtime/sse?groups=room:1{v} HTTP/1.1\r\nhost: here\r\n{USER_HEADER}: 7\r\n\
             accept: text/event-stream\r\n\
             last-event-id: {id}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.expect("room in the buffer");
        let mut text = Vec::new();
        settled("a snapshot", async {
            let (head, mut body) = read_head(socket).await.expect("an answer");
            assert_eq!(head.status, 200);
            while !text.windows(13).any(|window| window == b"presence:sync") {
                assert_ne!(body.read(&mut text).await.expect("an open stream"), 0);
            }
        })
        .await;
        let text = String::from_utf8(text).expect("text");
        assert!(!text.contains("news"), "{text}");
        let sync = text.lines().find(|line| line.contains("presence:sync"));
        let data = sync.and_then(|line| line.strip_prefix("data: ")).expect("data");
        let sync: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(sync["d"], json!([{ "id": "8" }, { "id": "7" }]));
    }
}

/// How many come at once: the first is told at once, the others when the tick is over.
const BURST: usize = 200;

#[tokio::test(start_paused = true)]
async fn a_burst_of_joins_is_one_diff_or_one_write() {
    let realtime = rooms();
    let mut plain = Chunks::open(&realtime, "watcher", "groups=room:1").await;
    let mut diffs = Chunks::open(&realtime, "watcher", "groups=room:1&v=1").await;
    let pipes = Pipes::serve(&realtime);
    let mut websocket = pipes.websocket("watcher", "groups=room:1").await;
    let mut websocket_diffs = pipes.websocket("watcher", "groups=room:1&v=1").await;
    let mut rosters = [Fold::kept_up("room:1"), Fold::kept_up("room:1")];
    rosters[0].take(&plain.frames().await.expect("a snapshot")[0]);
    diffs.token().await;
    rosters[1].take(&diffs.frames().await.expect("a snapshot")[0]);
    sleep(Duration::from_secs(1)).await;

    let mut burst = Vec::new();
    for n in 0..BURST {
        burst.push(Chunks::open(&realtime, &n.to_string(), "groups=room:1").await);
    }
    sleep(Duration::from_secs(1)).await;
    for expected in [1, BURST - 1] {
        let frames = plain.frames().await.expect("one write");
        assert_eq!(kinds(&frames), vec![("room:1", "presence:join"); expected]);
        frames.iter().for_each(|frame| rosters[0].take(frame));
        let frames = diffs.frames().await.expect("one write");
        assert_eq!(kinds(&frames), [("room:1", "presence:diff")]);
        assert_eq!(frames[0].data.as_array().map(Vec::len), Some(expected));
        frames.iter().for_each(|frame| rosters[1].take(frame));
    }
    for roster in &rosters {
        assert_eq!(roster.ids().len(), BURST + 1);
        assert_eq!(roster.version(), Some(BURST as u64 + 1));
    }
    // Nothing else was told to anybody.
    realtime.broadcast().send("end", &1).await.expect("a valid event");
    assert_eq!(plain.frames().await.expect("a message")[0].event, "end");
    assert_eq!(diffs.frames().await.expect("a message")[0].event, "end");
    let mut counts = [0, 0];
    for (socket, count) in [&mut websocket, &mut websocket_diffs].into_iter().zip(&mut counts) {
        loop {
            let message = socket.next().await.expect("an open stream").expect("a frame");
            let Ok(text) = message.into_text() else { continue };
            let Ok(frame) = serde_json::from_str::<Frame>(&text) else { continue };
            match frame.event.as_str() {
                "end" => break,
                "presence:join" | "presence:diff" => *count += 1,
                _ => {}
            }
        }
    }
    assert_eq!(counts, [BURST, 2]);
}

#[tokio::test]
async fn sync_comes_once_and_to_the_joiner_alone() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut first = Client::open(&server, kind, Some("1"), "room:1").await;
        assert_eq!(first.event("presence:sync").await.data, json!([{ "id": "1" }]));
        let mut second = Client::open(&server, kind, Some("2"), "room:1").await;
        let sync = second.event("presence:sync").await;
        assert_eq!(sync.data, json!([{ "id": "1" }, { "id": "2" }]));
        let seen = second.frames_until_now(&server, "room:1").await;
        assert_eq!(presence_of(&seen), [""; 0], "{kind:?}: no join of oneself");
        let seen = first.frames_until_now(&server, "room:1").await;
        assert!(!presence_of(&seen).contains(&"presence:sync"), "{kind:?}");
        server.realtime.disconnect_user(1).await.expect("no other node");
        server.realtime.disconnect_user(2).await.expect("no other node");
        drop((first, second));
        server.is_empty().await;
    }
}

#[tokio::test]
async fn join_and_leave_stream_after_the_snapshot() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let sync = watcher.event("presence:sync").await;
    let member = Client::open(&server, Kind::Ws, Some("2"), "room:1").await;
    let join = watcher.event("presence:join").await;
    member.close(1000).await;
    let leave = watcher.event("presence:leave").await;
    assert_eq!((join.data, join.v), (json!({ "id": "2" }), sync.v.map(|v| v + 1)));
    assert_eq!((leave.data, leave.v), (json!({ "id": "2" }), sync.v.map(|v| v + 2)));
    assert_eq!(join.k, leave.k);
}

/// Timers may be late by this much.
const SLACK: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn asking_for_the_members_does_not_end_the_tick() {
    let realtime = rooms();
    let ask = async || {
        let answer = json(call(&realtime, get("members?group=room:1", None)).await).await;
        (answer["v"].as_u64().expect("a version"), answer["members"].clone())
    };
    let open = async |user| call(&realtime, get("sse?groups=room:1", Some(user))).await;
    let _first = open("7").await;
    let second = open("8").await;
    // It says what others have been told, and the version that belongs to it.
    assert_eq!(ask().await, (1, json!([{ "id": "7" }])));
    assert_eq!(realtime.presence().count("room:1").await, Ok(2));
    sleep(SLACK).await;
    assert_eq!(ask().await, (2, json!([{ "id": "7" }, { "id": "8" }])));
    drop(second);
    realtime.disconnect_user(8).await.expect("no other node");
    let third = open("9").await;
    assert_eq!(ask().await.1, json!([{ "id": "7" }]));
    drop(third);
}
