//! A member is its id, or exactly what the resolver said of it, and nothing else is shown.

mod resolving;

use std::time::Duration;

use serde_json::json;
use tests::{Chunks, Client, Kind, Server};
use umbral_presence::{Limits, PresenceSpec};
use uuid::Uuid;

/// Long enough that no test ends within it, for those that must not see a grace end.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_member_is_its_id_and_nothing_else() {
    let server = Server::with_rooms(LONG).await;
    let uuid = Uuid::new_v4().to_string();
    for (n, id) in [i64::MIN.to_string().as_str(), "ada", &uuid].into_iter().enumerate() {
        let group = format!("room:{n}");
        let mut watcher = Client::open(&server, Kind::Sse, None, &group).await;
        assert_eq!(watcher.event("presence:sync").await.data, json!([]));
        let mut member = Client::open(&server, Kind::WsV1, Some(id), &group).await;
        assert_eq!(member.event("presence:sync").await.data, json!([{ "id": id }]));
        assert_eq!(watcher.event("presence:join").await.data, json!({ "id": id }));
        member.close(1000).await;
        assert_eq!(watcher.event("presence:leave").await.data, json!({ "id": id }));
    }
}

#[tokio::test]
async fn a_resolver_decides_exactly_what_is_shown() {
    let payload = |id: &str| json!({ "name": format!("User {id}"), "vip": null, "n": [1, 2.5] });
    let spec = PresenceSpec::prefixes(["room:"]).resolver(payload);
    let server = Server::start(Server::plugin().with_presence(spec)).await;
    let mut watcher = Client::open(&server, Kind::Ws, None, "room:1").await;
    watcher.event("presence:sync").await;
    let mut member = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    assert_eq!(member.event("presence:sync").await.data, json!([payload("7")]));
    assert_eq!(watcher.event("presence:join").await.data, payload("7"));
    server.realtime.disconnect_user(7).await.expect("no other node");
    assert_eq!(watcher.event("presence:leave").await.data, payload("7"));
}

#[tokio::test]
async fn a_resolver_that_panics_hides_its_member_and_nobody_else() {
    let spec = PresenceSpec::prefixes(["room:"]).resolver(|id| {
        assert_ne!(id, "13", "no such user");
        json!({ "id": id })
    });
    let server = Server::start(Server::plugin().with_presence(spec)).await;
    let mut unlucky = Client::open(&server, Kind::Sse, Some("13"), "room:1").await;
    assert_eq!(unlucky.event("presence:sync").await.data, json!([]));
    let _other = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    assert_eq!(unlucky.event("presence:join").await.data, json!({ "id": "7" }));
    drop(unlucky);
    assert_eq!(server.presence().count("room:1").await.unwrap(), 1);
}

#[tokio::test]
async fn debug_output_of_the_handles_is_short_and_says_nothing_of_anybody() {
    let server = Server::with_rooms(LONG).await;
    let mut clients = Vec::new();
    for n in 0..20 {
        let user = format!("secret-{n}");
        clients.push(Client::open(&server, Kind::SseV1, Some(&user), "room:1,room:2").await);
    }
    let (presence, realtime) = (server.presence(), &server.realtime);
    let watch = presence.watch("room:1").unwrap();
    let texts = [format!("{presence:?}"), format!("{realtime:?}"), format!("{watch:?}")];
    for text in texts.iter().chain([&format!("{:?}", realtime.to_group("room:1"))]) {
        assert!(text.len() < 400 && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_payload_that_is_too_long_counts_as_no_answer() {
    // Two quotes, and so many letters.
    let spec = PresenceSpec::prefixes(["room:"])
        .resolver(|id| json!("x".repeat(id.parse::<usize>().expect("a number") - 2)));
    let limits = Limits { payload_bytes: 64, ..Limits::default() };
    let server = Server::start(Server::plugin().with_presence(spec).limits(limits)).await;
    let mut longest = Client::open(&server, Kind::Ws, Some("64"), "room:1").await;
    let _too_long = Client::open(&server, Kind::Ws, Some("65"), "room:1").await;
    let _short = Client::open(&server, Kind::Ws, Some("10"), "room:1").await;
    let seen = longest.frames_until_now(&server, "room:1").await;
    let shown: Vec<_> = seen.iter().map(|frame| frame.data.to_string().len()).collect();
    assert_eq!(shown, ["[]".len() + 64, 10]);
    assert_eq!(server.presence().count("room:1").await, Ok(2));
}

#[tokio::test]
async fn the_ids_of_a_stream_tell_nothing_of_what_others_are_sent() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let mut insider =
        Client::open(&server, Kind::Sse, Some("insider"), "room:private,room:private2").await;
    let mut visitor = Chunks::open(&server.realtime, "visitor", "groups=news").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        for _ in 0..10 {
            let sent = server.realtime.to_group("room:private").send("secret", &n).await;
            sent.expect("a valid name");
        }
        server.realtime.to_group("news").send("news", &n).await.expect("a valid name");
        insider.event("secret").await;
        // The number, and what has it.
        let mut text = String::new();
        while !text.ends_with("\n\n") {
            text.push_str(&visitor.text().await.expect("an open stream"));
        }
        ids.extend(text.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned));
    }
    assert_eq!(ids, ["0", "1", "2", "3", "4"]);
    // With `v=1` there is none.
    let mut visitor = Chunks::open(&server.realtime, "visitor", "groups=news&v=1").await;
    server.realtime.to_group("news").send("news", &5).await.expect("a valid name");
    for _ in 0..2 {
        assert!(!visitor.text().await.expect("an open stream").contains("id: "));
    }
}
