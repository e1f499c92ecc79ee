//! Those who break every rule, and what they are told.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tests::{Client, Kind, Random, USER_HEADER, eventually, settled};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    Remains,
    world::{CONNECTIONS_PER_USER, GROUPS_PER_CONNECTION, MESSAGE_BYTES, World},
};

const ROOM: &str = "room:2";

pub(crate) async fn rage(world: Arc<World>, n: u64, mut random: Random) -> Remains {
    let user = format!("vandal-{n}");
    while !world.is_over() {
        let (world, user) = (&world, user.as_str());
        match random.below(12) {
            0 => noise(world, &[], &mut random).await,
            1 => half_a_request(world, user, &mut random).await,
            2 => noise_in_a_websocket(world, user, &mut random).await,
            3 => too_long_a_message(world, user).await,
            4 => too_many_messages(world, user).await,
            5 => too_many_groups(world, user).await,
            6 => forged_token(world, user, &mut random).await,
            7 => somebody_else_s_call(world, user).await,
            8 => too_many_calls(world, user).await,
            9 => stale_token(world, user).await,
            10 => a_denied_room(world, user).await,
            _ => too_many_connections(world, user).await,
        }
        world.counted.vandalism.count();
    }
    Vec::new()
}

async fn open(world: &World, kind: Kind, user: &str) -> Client {
    let opened = try_open(world, kind, user, ROOM).await;
    opened.unwrap_or_else(|status| panic!("refused with {status}"))
}

/// Opens a stream once earlier ones are seen to be gone, or gives the status of the refusal.
async fn try_open(world: &World, kind: Kind, user: &str, groups: &str) -> Result<Client, u16> {
    loop {
        match world.open(kind, Some(user), groups).await {
            Err(429) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened,
        }
    }
}

/// Sends bytes without a meaning after `start`, and waits for the end or goes.
async fn noise(world: &World, start: &[u8], random: &mut Random) {
    let mut socket = world.connect().await;
    let mut bytes = start.to_vec();
    bytes.extend((0..random.below(3000)).map(|_| u8::try_from(random.below(256)).expect("a byte")));
    // The server may have had enough before the last one.
    let _ = socket.write_all(&bytes).await;
    let _ = socket.shutdown().await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(1), socket.read_to_end(&mut answer)).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
}

async fn half_a_request(world: &World, user: &str, random: &mut Random) {
    let request = format!(
        "GET /realtime/sse?groups={ROOM} HTTP/1.1\r\nhost: here\r\n\
         accept: text/event-stream\r\n{USER_HEADER}: {user}\r\n\r\n"
    );
    let mut socket = world.connect().await;
    if random.below(2) == 0 {
        socket.set_zero_linger().expect("a socket option that is there");
    }
    let part = &request.as_bytes()[..random.index(request.len())];
    socket.write_all(part).await.expect("room in the buffer");
}

async fn noise_in_a_websocket(world: &World, user: &str, random: &mut Random) {
    let mut client = open(world, Kind::Ws, user).await;
    // An empty frame with reserved bits, which ends the connection whatever follows.
    let mut bytes = vec![0xf1, 0x80, 0, 0, 0, 0];
    bytes.extend((0..random.below(200)).map(|_| u8::try_from(random.below(256)).expect("a byte")));
    let _ = client.socket().write_all(&bytes).await;
    settled("the end", async { while client.read().await.is_some() {} }).await;
}

async fn too_long_a_message(world: &World, user: &str) {
    let mut client = open(world, Kind::Ws, user).await;
    client.send(&json!("x".repeat(MESSAGE_BYTES))).await;
    settled("the end", async { while client.read().await.is_some() {} }).await;
}

async fn too_many_messages(world: &World, user: &str) {
    let mut client = open(world, Kind::WsV1, user).await;
    for _ in 0..120 {
        client.send(&json!("hello")).await;
    }
    let refused = client.event("@refused").await;
    assert_eq!(refused.data["error"]["code"], "too_fast");
}

async fn too_many_groups(world: &World, user: &str) {
    let names: Vec<String> = (0..=GROUPS_PER_CONNECTION).map(|n| format!("room:x{n}")).collect();
    let refused = world.open(Kind::Sse, Some(user), &names.join(",")).await;
    assert_eq!(refused.err(), Some(400));
    let mut client = open(world, Kind::Ws, user).await;
    client.send(&json!({ "op": "join", "groups": names })).await;
    let refused = client.event("@refused").await;
    assert_eq!(refused.data["error"]["code"], "too_many_groups");
}

fn call(token: &str, n: u64) -> Value {
    json!({ "conn": token, "n": n, "groups": [ROOM] })
}

async fn forged_token(world: &World, user: &str, random: &mut Random) {
    let token = format!("{:016x}{:016x}", random.below(u64::MAX), random.below(u64::MAX));
    assert_eq!(world.control(Some(user), &call(&token, 1)).await.0, 404);
}

async fn somebody_else_s_call(world: &World, user: &str) {
    let mut client = open(world, Kind::SseV1, user).await;
    let token = client.token().await;
    assert_eq!(world.control(None, &call(&token, 1)).await.0, 409);
    settled("the end", async { while client.read().await.is_some() {} }).await;
    assert_eq!(world.control(Some(user), &call(&token, 2)).await.0, 404);
}

async fn too_many_calls(world: &World, user: &str) {
    let mut client = open(world, Kind::SseV1, user).await;
    let token = &client.token().await;
    let calls = (1..=60).map(|n| async move { world.control(Some(user), &call(token, n)).await });
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|(status, ..)| [200, 429].contains(status)), "{answers:?}");
    for (_, _, retry) in answers.iter().filter(|(status, ..)| *status == 429) {
        assert_eq!(retry.as_deref(), Some("1"));
    }
}

async fn stale_token(world: &World, user: &str) {
    let mut client = open(world, Kind::SseV1, user).await;
    let token = client.token().await;
    drop(client);
    eventually("the token is gone with its stream", || async {
        world.control(Some(user), &call(&token, 1)).await.0 == 404
    })
    .await;
}

async fn a_denied_room(world: &World, user: &str) {
    let groups = "room:2,room:private";
    assert_eq!(try_open(world, Kind::Ws, user, groups).await.err(), Some(403));
    let opened = try_open(world, Kind::SseV1, user, groups).await;
    let mut client = opened.expect("an open stream");
    let hello = client.event("@hello").await;
    assert_eq!(hello.data["denied"], json!(["room:private"]));
}

async fn too_many_connections(world: &World, user: &str) {
    let mut clients = Vec::new();
    while clients.len() <= CONNECTIONS_PER_USER {
        match world.open(Kind::Sse, Some(user), ROOM).await {
            Ok(client) => clients.push(client),
            Err(status) => return assert_eq!(status, 429),
        }
    }
    panic!("{} connections of one user", clients.len());
}
