//! The wire beyond presence itself: refusals, `control`, the WebSocket's operations,
//! messages, assets, origins, and the handles an application holds.

use std::time::Duration;

use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Client, EVENT_STREAM, Kind, Server, USER_HEADER, eventually, settled};
use umbral_presence::{
    Limits, MessageContext, MessageHandler, PresenceSpec, Realtime, SendError, Transition,
};

const LONG: Duration = Duration::from_secs(60);

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A request, and the status and JSON that it is answered with.
async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    headers: Headers<'_>,
    body: &str,
) -> (u16, Value) {
    let mut request = reqwest::Client::new().request(method, server.url(path));
    if !headers.iter().any(|(name, _)| *name == "accept") {
        request = request.header(EVENT_STREAM.0, EVENT_STREAM.1);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = settled("an answer", request.body(body.to_owned()).send()).await;
    let response = response.expect("a server");
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    // A stream does not end.
    let is_json = kind.is_some_and(|kind| kind == "application/json");
    (status, if is_json { response.json().await.unwrap_or_default() } else { Value::Null })
}

async fn control(server: &Server, user: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/json"), (USER_HEADER, user)];
    ask(server, Method::POST, "/realtime/control", &headers, &body.to_string()).await
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or("no code")
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_reason() {
    let server = Server::with_rooms(LONG).await;
    let long = format!("/realtime/sse?groups={}", "x".repeat(201));
    let many: Vec<String> = (0..101).map(|n| format!("room:{n}")).collect();
    let many = format!("/realtime/sse?groups={}", many.join(","));
    let evil = ("origin", "https://evil.example");
    let cases: &[(&str, Headers<'_>, u16, &str)] = &[
        ("/realtime/sse?groups=a%20b", &[], 400, "bad_group"),
        ("/realtime/sse?groups=a,,b", &[], 400, "bad_group"),
        ("/realtime/sse?groups=%40user:7", &[], 400, "bad_group"),
        ("/realtime/sse?groups=a&groups=b", &[], 400, "bad_query"),
        ("/realtime/sse?v=2", &[], 400, "bad_version"),
        (&long, &[], 400, "bad_group"),
        (&many, &[], 400, "too_many_groups"),
        ("/realtime/sse?groups=room:private", &[], 403, "denied"),
        ("/realtime/sse?groups=room:1", &[evil], 403, "origin"),
        ("/realtime/sse?groups=room:1", &[("sec-fetch-site", "cross-site")], 403, "origin"),
        ("/realtime/members?group=room:1", &[evil], 403, "origin"),
        ("/realtime/members", &[], 400, "bad_query"),
        ("/realtime/members?group=", &[], 400, "bad_group"),
        ("/realtime/members?group=room:private", &[], 403, "denied"),
        ("/realtime/members?group=news", &[], 404, "no_presence"),
        ("/realtime/sse?groups=room:1", &[("accept", "*/*")], 406, "no_event_stream"),
        ("/realtime/ws?groups=room:1", &[], 400, "no_websocket"),
        ("/realtime/sse?groups=room:1", &[(USER_HEADER, "a\tb")], 500, "identity"),
    ];
    for (path, headers, status, reason) in cases {
        let (got, body) = ask(&server, Method::GET, path, headers, "").await;
        assert_eq!((got, code(&body)), (*status, *reason), "{path} {headers:?}");
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()));
        // What a client can keep to is told as a number.
        let limit = (*reason == "too_many_groups").then_some(100);
        assert_eq!(body["error"]["limit"].as_u64(), limit, "{path}");
    }
    server.is_empty().await;
}

#[tokio::test]
async fn a_bad_control_call_is_refused_with_a_reason() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    let good = json!({ "conn": token, "n": 1, "groups": [] }).to_string();
    let unknown = json!({ "conn": "0".repeat(32), "n": 1, "groups": [] }).to_string();
    let forged = json!({ "conn": "7", "n": 1, "groups": [] }).to_string();
    let bad_name = json!({ "conn": token, "n": 1, "groups": ["a b"] }).to_string();
    let bad_type = json!({ "conn": token, "n": "one", "groups": [] }).to_string();
    let huge = json!({ "conn": token, "n": 1, "groups": ["x".repeat(300_000)] }).to_string();
    let json = ("content-type", "application/json");
    let me = (USER_HEADER, "7");
    let cases: &[(Headers<'_>, &str, u16, &str)] = &[
        (&[me], &good, 415, "not_json"),
        (&[me, ("content-type", "text/plain")], &good, 415, "not_json"),
        (&[me, json], "{", 400, "bad_json"),
        (&[me, json], &bad_type, 400, "bad_json"),
        (&[me, json], &huge, 413, "too_large"),
        (&[me, json], &bad_name, 400, "bad_group"),
        (&[me, json], &unknown, 404, "unknown_connection"),
        (&[me, json], &forged, 404, "unknown_connection"),
        (&[me, json, ("origin", "https://evil.example")], &good, 403, "origin"),
        (&[me, json, ("sec-fetch-site", "cross-site")], &good, 403, "origin"),
    ];
    for (headers, body, status, reason) in cases {
        let path = "/realtime/control";
        let (got, answer) = ask(&server, Method::POST, path, headers, body).await;
        assert_eq!((got, code(&answer)), (*status, *reason), "{headers:?} {body:.80}");
    }
    // None of them has touched the stream.
    assert!(server.presence().contains("room:1", 7).await.unwrap());
}

#[tokio::test]
async fn control_changes_the_groups_of_a_stream_and_shows_nothing_to_others() {
    let server = Server::with_rooms(LONG).await;
    let mut other = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    assert_eq!(token.len(), 32);
    client.event("presence:sync").await;

    let groups = ["room:1", "room:2", "room:private"];
    let (status, body) =
        control(&server, "7", &json!({ "conn": token, "n": 2, "groups": groups })).await;
    let expected = json!({ "n": 2, "joined": ["room:2"], "left": [], "denied": ["room:private"] });
    assert_eq!((status, body), (200, expected));
    assert_eq!(client.event("presence:sync").await.channel, "room:2");

    // A call that was overtaken changes nothing, and says which one counts.
    let (status, body) =
        control(&server, "7", &json!({ "conn": token, "n": 1, "groups": [] })).await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "n": 2, "joined": [], "left": [], "denied": [] }));

    let leaves = json!({ "conn": token, "n": 3, "groups": ["room:2"] });
    let (_, body) = control(&server, "7", &leaves).await;
    assert_eq!(body["left"], json!(["room:1"]));
    // A goodbye: at once, long before the grace.
    other.event("presence:leave").await;
    let (_, again) = control(&server, "7", &leaves).await;
    assert_eq!(again, json!({ "n": 3, "joined": [], "left": [], "denied": [] }));
}

#[tokio::test]
async fn another_identity_ends_the_stream_at_once() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = client.token().await;
    client.event("presence:sync").await;
    let call = json!({ "conn": token, "n": 1, "groups": ["room:1"] });
    let (status, body) = control(&server, "8", &call).await;
    assert_eq!((status, code(&body)), (409, "identity_changed"));
    assert_eq!(client.next().await, None);
    server.is_empty().await;
    assert_eq!(control(&server, "7", &call).await.0, 404);
}

#[tokio::test]
async fn a_websocket_joins_and_leaves_groups() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "").await;
    let groups = ["room:1", "room:private"];
    client.send(&json!({ "op": "join", "groups": groups })).await;
    assert_eq!(client.event("presence:sync").await.channel, "room:1");
    assert_eq!(client.event("@joined").await.data, json!({ "groups": ["room:1"] }));
    assert_eq!(client.event("@denied").await.data, json!({ "groups": ["room:private"] }));
    client.send(&json!({ "op": "leave", "groups": ["room:1", "room:9"] })).await;
    assert_eq!(client.event("@left").await.data, json!({ "groups": ["room:1"] }));
    assert!(!server.presence().contains("room:1", 7).await.unwrap());

    client.send(&json!({ "op": "join", "groups": ["a b"] })).await;
    assert_eq!(client.event("@refused").await.data["error"]["code"], "bad_group");
    let many: Vec<String> = (0..101).map(|n| format!("room:{n}")).collect();
    client.send(&json!({ "op": "join", "groups": many })).await;
    assert_eq!(client.event("@refused").await.data["error"]["code"], "too_many_groups");
}

#[tokio::test]
async fn a_websocket_that_goes_away_keeps_its_grace_and_one_that_closes_does_not() {
    let server = Server::with_rooms(LONG).await;
    let reload = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    reload.close(1001).await;
    eventually("it is gone", || async { server.realtime.health().connections == 0 }).await;
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    let back = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    back.close(1000).await;
    server.is_empty().await;
}

#[tokio::test]
async fn a_reload_shows_nothing_to_others() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    for kind in Kind::ALL {
        for _ in 0..3 {
            let page = Client::open(&server, kind, Some("7"), "room:1").await;
            drop(page);
            eventually("the page is gone", || async { server.realtime.health().connections == 1 })
                .await;
        }
    }
    let frames = watcher.frames_until_now(&server, "room:1").await;
    let events: Vec<_> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, ["presence:sync", "presence:join"]);
}

#[tokio::test]
async fn a_grace_ends_with_a_leave() {
    let server = Server::with_rooms(Duration::from_millis(200)).await;
    let mut watcher = Client::open(&server, Kind::Sse, Some("1"), "room:1").await;
    let page = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    watcher.event("presence:join").await;
    drop(page);
    eventually("the page is gone", || async { server.realtime.health().connections == 1 }).await;
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    watcher.event("presence:leave").await;
    drop(watcher);
    server.is_empty().await;
}

#[tokio::test]
async fn members_gives_the_snapshot() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Sse, Some("7"), "room:1").await;
    let sync = client.event("presence:sync").await;
    let path = "/realtime/members?group=room:1";
    let (status, body) = ask(&server, Method::GET, path, &[], "").await;
    assert_eq!(status, 200);
    assert_eq!(body, json!({ "group": "room:1", "v": sync.v, "members": [{ "id": "7" }] }));
    let empty = ask(&server, Method::GET, "/realtime/members?group=room:2", &[], "").await.1;
    assert_eq!(empty, json!({ "group": "room:2", "v": 0, "members": [] }));
}

#[tokio::test]
async fn messages_reach_a_user_a_group_and_everybody() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut seven = Client::open(&server, kind, Some("7"), "room:1").await;
        let mut eight = Client::open(&server, kind, Some("8"), "room:2").await;
        server.realtime.to_user(7).send("mail", &1).await.unwrap();
        server.realtime.to_group("room:2").send("chat", &"hi\n\n").await.unwrap();
        server.realtime.broadcast().send("news", &json!({ "a": null })).await.unwrap();
        let mail = seven.event("mail").await;
        assert_eq!((mail.channel.as_str(), mail.data), ("@user:7", json!(1)));
        let chat = eight.event("chat").await;
        assert_eq!((chat.channel.as_str(), chat.data), ("room:2", json!("hi\n\n")));
        for client in [&mut seven, &mut eight] {
            let news = client.event("news").await;
            assert_eq!((news.channel.as_str(), news.data), ("@broadcast", json!({ "a": null })));
        }
        let seen = seven.frames_until_now(&server, "room:1").await;
        assert!(!seen.iter().any(|frame| frame.event == "chat"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_an_error() {
    let server = Server::with_rooms(LONG).await;
    let realtime = &server.realtime;
    let bad = std::collections::HashMap::from([((1, 2), 3)]);
    assert!(matches!(realtime.to_group("a b").send("x", &1).await, Err(SendError::Group(_))));
    assert!(matches!(realtime.to_user("").send("x", &1).await, Err(SendError::User(_))));
    assert!(matches!(realtime.broadcast().send("x", &bad).await, Err(SendError::Data { .. })));
    for event in ["", "presence:join", "@hello", "a\nb"] {
        let sent = realtime.broadcast().send(event, &1).await;
        assert!(matches!(sent, Err(SendError::Event(_))), "{event:?}");
    }
}

/// Publishes `{"group", "text"}` and answers with what came of it.
struct Relay;

impl MessageHandler for Relay {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let group = message["group"].as_str().expect("a message that names a group");
        let sent = context.publish(group, "chat", &message["text"]).await;
        let outcome = sent.map_or_else(|error| error.to_string(), |()| "sent".to_owned());
        let done = context.publish("room:log", "outcome", &outcome).await;
        done.expect("a log that everybody may write to");
    }
}

#[tokio::test]
async fn what_a_client_sends_goes_to_the_handler_and_through_the_policy() {
    let server = Server::start(Server::plugin().message_handler(Relay)).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "room:1,room:log").await;
    client.send(&json!({ "group": "room:1", "text": "hi" })).await;
    assert_eq!(client.event("chat").await.data, json!("hi"));
    assert_eq!(client.event("outcome").await.data, json!("sent"));
    client.send(&json!({ "group": "room:private", "text": "hi" })).await;
    let outcome = client.event("outcome").await.data;
    assert!(outcome.as_str().unwrap().contains("does not let this user send"), "{outcome}");
    // A handler that panics loses one message and nothing else.
    client.send(&json!({ "no": "group" })).await;
    client.send(&json!({ "group": "room:1", "text": "still here" })).await;
    assert_eq!(client.event("chat").await.data, json!("still here"));
}

#[tokio::test]
async fn an_application_sees_who_is_where() {
    let server = Server::with_rooms(Duration::ZERO).await;
    let presence = server.presence();
    let mut transitions = presence.watch("room:1").unwrap();
    let mut next = async || settled("a transition", transitions.next()).await.unwrap();
    assert_eq!(next().await, Transition::Sync([].into()));
    let client = Client::open(&server, Kind::Sse, Some("7"), "room:1,room:2,news").await;
    let Transition::Join(member) = next().await else {
        panic!("a join was to come");
    };
    assert_eq!((member.id().as_str(), member.payload().get()), ("7", r#"{"id":"7"}"#));
    let members = presence.members("room:1").await.unwrap();
    assert_eq!(members, std::slice::from_ref(&member));
    assert_eq!(serde_json::to_value(&member).unwrap(), json!({ "id": "7" }));
    assert!(presence.contains("room:2", 7).await.unwrap());
    assert!(!presence.contains("news", 7).await.unwrap());
    let groups = presence.groups_of(7).await;
    assert_eq!(groups.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["room:1", "room:2"]);
    drop(client);
    assert_eq!(next().await, Transition::Leave(member));
    assert!(presence.members("a b").await.is_err());
    drop(transitions);
    server.is_empty().await;
}

#[tokio::test]
async fn a_user_can_be_disconnected() {
    let server = Server::with_rooms(LONG).await;
    for kind in Kind::ALL {
        let mut client = Client::open(&server, kind, Some("7"), "room:1").await;
        let mut other = Client::open(&server, kind, Some("8"), "room:1").await;
        client.event("presence:sync").await;
        server.realtime.disconnect_user(7);
        assert!(!server.presence().contains("room:1", 7).await.unwrap());
        while client.next().await.is_some() {}
        let seen = other.frames_until_now(&server, "room:1").await;
        assert!(!seen.is_empty());
        server.realtime.disconnect_user(8);
    }
    server.is_empty().await;
}

#[tokio::test]
async fn who_loses_the_right_gets_denied_and_nothing_after_it() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    let open = Arc::new(AtomicBool::new(true));
    let plugin =
        Server::plugin().with_presence(PresenceSpec::prefixes(["room:"])).group_policy_async_fn({
            let open = open.clone();
            move |_, group| {
                let open = open.load(Ordering::SeqCst);
                async move { open || group == "room:2" }
            }
        });
    let server = Server::start(plugin).await;
    for kind in Kind::ALL {
        open.store(true, Ordering::SeqCst);
        let mut client = Client::open(&server, kind, Some("7"), "room:1,room:2").await;
        server.realtime.recheck_policy(7).await;
        assert_eq!(server.presence().groups_of(7).await.len(), 2);
        open.store(false, Ordering::SeqCst);
        server.realtime.recheck_policy(7).await;
        assert_eq!(client.event("@denied").await.data, json!({ "groups": ["room:1"] }));
        server.realtime.to_group("room:1").send("secret", &1).await.unwrap();
        let seen = client.frames_until_now(&server, "room:2").await;
        assert!(!seen.iter().any(|frame| frame.event == "secret"));
        assert_eq!(server.presence().groups_of(7).await.len(), 1);
        server.realtime.disconnect_user(7);
    }
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

#[tokio::test]
async fn limits_are_kept() {
    let limits = Limits { connections: 3, connections_per_user: 2, ..Limits::default() };
    let server = Server::start(Server::plugin().limits(limits)).await;
    let first = Client::open(&server, Kind::Sse, Some("7"), "a").await;
    let second = Client::open(&server, Kind::Ws, Some("7"), "a").await;
    let third = Client::try_open(&server, Kind::Sse, Some("7"), "a").await.err().unwrap();
    assert_eq!((third.0, code(&third.1)), (429, "too_many_connections"));
    let other = Client::open(&server, Kind::Sse, Some("8"), "a").await;
    let fourth = Client::try_open(&server, Kind::Ws, Some("9"), "a").await.err().unwrap();
    assert_eq!((fourth.0, code(&fourth.1)), (503, "full"));
    drop((first, second, other));
    server.is_empty().await;
    Client::open(&server, Kind::Sse, Some("7"), "a").await;
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_connection() {
    let server = Server::with_rooms(LONG).await;
    let mut client = Client::open(&server, Kind::Ws, Some("7"), "room:1").await;
    client.event("presence:sync").await;
    client.send(&json!("x".repeat(70_000))).await;
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn draining_refuses_the_new_and_ends_the_old() {
    let server = Server::with_rooms(LONG).await;
    let mut clients = Vec::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let user = n.to_string();
        clients.push(Client::open(&server, kind, Some(&user), "room:1").await);
    }
    let drained = tokio::spawn({
        let realtime = server.realtime.clone();
        async move { realtime.drain().await }
    });
    for client in &mut clients {
        assert_eq!(client.event("@drain").await.data, json!({ "within": 5 }));
    }
    let refused = Client::try_open(&server, Kind::Sse, Some("9"), "room:1").await;
    let (status, body) = refused.err().unwrap();
    assert_eq!((status, code(&body)), (503, "draining"));
    for client in &mut clients {
        while client.next().await.is_some() {}
    }
    drained.await.unwrap();
    assert!(server.realtime.health().draining);
}

#[tokio::test]
async fn two_realtimes_in_one_process_do_not_see_each_other() {
    let (one, two) = (Server::with_rooms(LONG).await, Server::with_rooms(LONG).await);
    let _client = Client::open(&one, Kind::Sse, Some("7"), "room:1").await;
    let mut other = Client::open(&two, Kind::Sse, Some("8"), "room:1").await;
    assert_eq!(other.event("presence:sync").await.data, json!([{ "id": "8" }]));
    assert_eq!(two.realtime.health().connections, 1);
    one.realtime.broadcast().send("news", &1).await.unwrap();
    let seen = other.frames_until_now(&two, "room:1").await;
    assert_eq!(seen, []);
}

#[tokio::test]
async fn the_client_is_served_with_an_etag_under_any_base_path() {
    let server = Server::start(Server::plugin().at("/rt/v1")).await;
    let http = reqwest::Client::new();
    for name in ["client.js", "client.mjs", "worker.js", "leader.js", "ws.js", "iterate.js"] {
        let url = server.url(&format!("/rt/v1/{name}"));
        let response = http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let etag = response.headers()["etag"].clone();
        assert!(!response.text().await.unwrap().contains("__HASH__"), "{name}");
        let again = http.get(&url).header("if-none-match", &etag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{name}");
        let by_hash = format!("{url}?v={}", etag.to_str().unwrap().trim_matches('"'));
        let response = http.get(by_hash).send().await.unwrap();
        let cache = response.headers()["cache-control"].to_str().unwrap();
        assert!(cache.contains("immutable"), "{cache}");
    }
    let missing = http.get(server.url("/realtime/client.js")).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_allowed_origin_may_connect_and_the_own_one_always() {
    let plugin = Server::plugin().allowed_origins(["https://app.example.com"]);
    let server = Server::start(plugin).await;
    let own = server.url("");
    for (origin, status) in [
        ("https://app.example.com", 200),
        (own.as_str(), 200),
        ("https://evil.example.com", 403),
        ("null", 403),
    ] {
        let request = reqwest::Client::new().get(server.url("/realtime/sse"));
        let request = request.header("origin", origin).header(EVENT_STREAM.0, EVENT_STREAM.1);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}

#[tokio::test]
async fn an_own_page_passes_every_route_behind_a_proxy_that_changes_the_host_where_the_browser_says_so()
 {
    let server = Server::with_rooms(LONG).await;
    let site = |site| ("sec-fetch-site", site);
    let page = ("origin", "https://chat.example.com");
    let referer = ("referer", "https://chat.example.com/room/1");
    let json = ("content-type", "application/json");
    let unknown = json!({ "conn": "0".repeat(32), "n": 1, "groups": [] }).to_string();
    // The status of each where the page is let in.
    let routes = [
        (Method::GET, "/realtime/sse?groups=news", "", 200, ""),
        (Method::GET, "/realtime/members?group=room:1", "", 200, ""),
        (Method::GET, "/realtime/ws?groups=news", "", 101, ""),
        (Method::POST, "/realtime/control", unknown.as_str(), 404, "unknown_connection"),
    ];
    let upgrade: Headers<'_> = &[
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    let cases: &[(Headers<'_>, bool)] = &[
        (&[site("same-origin"), page, referer], true),
        (&[site("same-origin"), referer], true),
        (&[site("none")], true),
        (&[site("cross-site"), page], false),
        (&[site("same-site"), page], false),
        // Over plain HTTP the browser says less, and each request all the same.
        (&[page, referer], false),
        (&[referer], false),
        (&[], true),
    ];
    for (method, path, body, status, reason) in routes {
        for (headers, is_let_in) in cases {
            let more = if path.contains("/ws") { upgrade } else { &[json] };
            let headers = [headers, more].concat();
            let (got, answer) = ask(&server, method.clone(), path, &headers, body).await;
            let wanted = if *is_let_in { (status, reason) } else { (403, "origin") };
            assert_eq!(
                (got, answer["error"]["code"].as_str().unwrap_or("")),
                wanted,
                "{path} {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_page_can_have_a_visitors_browser_load_opens_no_stream() {
    let server = Server::with_rooms(LONG).await;
    let open = async |accept: &str, headers: Headers<'_>| {
        let http = reqwest::Client::new().get(server.url("/realtime/sse?groups=room:1"));
        let mut http = http.header(USER_HEADER, "7");
        for (name, value) in
            [("accept", accept)].iter().chain(headers).filter(|(_, v)| !v.is_empty())
        {
            http = http.header(*name, *value);
        }
        let response = http.send().await.unwrap();
        let status = response.status().as_u16();
        let present = server.presence().contains("room:1", 7).await.unwrap();
        assert_eq!(present, status == 200);
        (status, if status == 200 { Value::Null } else { response.json().await.unwrap() })
    };
    let picture = "image/avif,image/webp,*/*;q=0.8";
    // Over plain HTTP a picture says no more than this.
    let (status, body) = open(picture, &[]).await;
    assert_eq!((status, code(&body)), (406, "no_event_stream"));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("Accept: text/event-stream"), "{message}");
    assert_eq!(open("", &[]).await.0, 406);
    // An own page may show what visitors have posted.
    let own: Headers<'_> = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "image")];
    assert_eq!(open(picture, own).await.0, 406);
    assert_eq!(open(picture, &[("referer", &server.url("/page"))]).await.0, 406);
    assert_eq!(open(picture, &[("referer", "http://evil.example/")]).await.0, 403);
    server.is_empty().await;
    // A script's call and a person's address bar are meant, and `EventSource` says so.
    let script: Headers<'_> = &[("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
    assert_eq!(open("*/*", script).await.0, 200);
    assert_eq!(open("text/event-stream", &[]).await.0, 200);
}

#[tokio::test]
async fn only_the_allowed_hosts_are_served() {
    let server = Server::start(Server::plugin().allowed_hosts(["example.com"])).await;
    let rebound: Headers<'_> = &[("host", "evil.example"), ("origin", "http://evil.example")];
    for path in ["/realtime/sse?groups=a", "/realtime/members?group=a"] {
        let (status, body) = ask(&server, Method::GET, path, rebound, "").await;
        assert_eq!((status, code(&body)), (403, "host"), "{path}");
    }
    let own: Headers<'_> = &[("host", "example.com:8080"), ("origin", "http://example.com:8080")];
    let (status, _) = ask(&server, Method::GET, "/realtime/members?group=a", own, "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_the_answers_and_another_may_not() {
    let origin = "https://app.example.com";
    let server = Server::start(Server::plugin().allowed_origins([origin])).await;
    let http = reqwest::Client::new();
    for (from, allowed) in [(origin, Some(origin)), ("https://evil.example.com", None)] {
        for method in [Method::GET, Method::OPTIONS] {
            let request = http
                .request(method.clone(), server.url("/realtime/control"))
                .header("origin", from)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type");
            let response = request.send().await.unwrap();
            let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(header("access-control-allow-origin"), allowed, "{method} {from}");
            if method == Method::OPTIONS && allowed.is_some() {
                assert_eq!(response.status(), 200);
                assert_eq!(header("access-control-allow-credentials"), Some("true"));
                assert_eq!(header("access-control-allow-headers"), Some("content-type"));
            }
        }
    }
    // Without an allowed origin there is nothing that anybody could read.
    let server = Server::start(Server::plugin()).await;
    let request = http.get(server.url("/realtime/sse")).header("origin", server.url(""));
    let request = request.header(EVENT_STREAM.0, EVENT_STREAM.1);
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[test]
fn a_plugin_that_cannot_work_does_not_build() {
    let built = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .with_presence(PresenceSpec::prefixes(["room:"]))
        .at("rt/")
        .allowed_origins(["example.com", "https://*.example.com"])
        .allowed_hosts(["http://example.com"])
        .expect_declared(["nowhere:"])
        .limits(Limits {
            connections: 0,
            outbox_bytes: 1,
            inbound_bytes_per_second: 64 * 1024,
            messages_per_second: 100,
            tick: Duration::MAX,
            drain_window: Duration::MAX,
            ..Limits::default()
        })
        .build();
    let error = built.map(|_: Realtime| ()).unwrap_err();
    let text = error.to_string();
    assert_eq!(text.matches("transports.rs:").count(), 2, "{text}");
    for part in [
        "\"room:\"",
        "\"rt/\"",
        "allowed origin \"example.com\" is none",
        "allowed origin \"https://*.example.com\" has a '*'",
        "allowed host \"http://example.com\" is none",
        "limit connections is 0",
        "limit outbox_bytes is 1",
        "limit inbound_bytes_per_second is 65536",
        "at least 102400",
        "limit tick of",
        "limit drain_window of",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
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

#[test]
fn what_was_expected_and_is_not_linked_is_named() {
    let built = Server::plugin().expect_declared(["nowhere:"]).build();
    let text = built.map(|_: Realtime| ()).unwrap_err().to_string();
    assert!(text.contains("\"nowhere:\"") && text.contains("use that_crate as _;"), "{text}");
}

#[tokio::test]
async fn a_stale_goodbye_removes_nothing_newer() {
    let server = Server::with_rooms(LONG).await;
    let mut watcher = Client::open(&server, Kind::Sse, None, "room:1").await;
    for kind in [Kind::Ws, Kind::WsV1] {
        let old = Client::open(&server, kind, Some("7"), "room:1").await;
        let new = Client::open(&server, kind, Some("7"), "room:1").await;
        old.close(1000).await;
        eventually("the old one is gone", || async { server.realtime.health().connections == 2 })
            .await;
        assert!(server.presence().contains("room:1", 7).await.unwrap());
        // And the other way round: the newer one's goodbye is not the older one's.
        let newest = Client::open(&server, kind, Some("7"), "room:1").await;
        newest.close(1000).await;
        eventually("the newest is gone", || async { server.realtime.health().connections == 2 })
            .await;
        assert!(server.presence().contains("room:1", 7).await.unwrap());
        drop(new);
    }
    // A stream that says goodbye to a room says it for itself.
    let mut old = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let _new = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let leave = json!({ "conn": old.token().await, "n": 1, "groups": [] });
    let (_, body) = control(&server, "7", &leave).await;
    assert_eq!(body["left"], json!(["room:1"]));
    assert!(server.presence().contains("room:1", 7).await.unwrap());
    let seen = watcher.frames_until_now(&server, "room:1").await;
    let events: Vec<_> = seen.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, ["presence:sync", "presence:join"]);
}
