//! Requests that say by a token who asks. The clock is the test's.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, StatusCode, header::CONTENT_TYPE, request::Parts};
use serde_json::{Value, json};
use tests::{Chunks, Pipes, Server, call, code, get, json as body};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use umbral_presence::{
    Identity, Limits, MessageContext, MessageHandler, PresenceSpec, Realtime, RealtimePlugin,
};

const SECOND: Duration = Duration::from_secs(1);

/// Users are called like their tokens. `old` has run out, and `late` has an end that has passed.
fn plugin() -> RealtimePlugin {
    Server::plugin().with_presence(PresenceSpec::prefixes(["room:"])).identity_resolver(
        |parts: Parts| async move {
            let header = parts.headers.get("authorization")?.to_str().ok()?;
            let token = header.strip_prefix("Bearer ")?.to_owned();
            let now = SystemTime::now();
            let end = if token == "late" { now - 30 * SECOND } else { now + 60 * SECOND };
            (token != "old").then(|| Identity::new(token).until(end))
        },
    )
}

fn realtime() -> Realtime {
    plugin().build().expect("a plugin that can be built")
}

type Socket = WebSocketStream<DuplexStream>;

/// What the server says next, as JSON, or how it ends.
async fn next(socket: &mut Socket) -> Result<Value, (u16, String)> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return Ok(serde_json::from_str(&text).expect("JSON"));
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                return Err((frame.code.into(), frame.reason.to_string()));
            }
            Some(Ok(_)) => {}
            end => return Err((0, format!("{end:?}"))),
        }
    }
}

async fn say(socket: &mut Socket, text: &Value) {
    socket.send(Message::text(text.to_string())).await.expect("a socket that is open");
}

/// A socket whose first text is still to come.
async fn visitor(pipes: &Pipes) -> Socket {
    pipes.websocket("", "groups=room:1&v=1&auth=1").await
}

#[tokio::test(start_paused = true)]
async fn a_websocket_says_in_its_first_text_whose_it_is() {
    let realtime = realtime();
    let pipes = Pipes::serve(&realtime);
    let mut ann = visitor(&pipes).await;
    assert_eq!(realtime.health().connections, 0, "nobody is connected before that");
    say(&mut ann, &json!({ "op": "auth", "token": "ann" })).await;
    let hello = next(&mut ann).await.expect("a hello");
    assert_eq!((&hello["event"], &hello["data"]["me"]), (&json!("@hello"), &json!("ann")));
    assert_eq!(next(&mut ann).await.expect("a snapshot")["event"], "presence:sync");
    assert_eq!(realtime.presence().count("room:1").await, Ok(1));

    let mut nobody = visitor(&pipes).await;
    say(&mut nobody, &json!({ "op": "auth", "token": null })).await;
    assert_eq!(next(&mut nobody).await.expect("a hello")["data"]["me"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_whose_token_is_nobodys_is_told_so_and_ends() {
    let realtime = realtime();
    let pipes = Pipes::serve(&realtime);
    for (first, expected) in [
        (json!({ "op": "auth", "token": "old" }), "unauthenticated"),
        (json!({ "op": "auth", "token": "a\nb" }), "no_auth"),
        (json!({ "op": "auth", "token": 7 }), "no_auth"),
        (json!({ "op": "join", "groups": ["room:1"] }), "no_auth"),
        (json!({ "group": "room:1", "event": "chat" }), "no_auth"),
    ] {
        let mut socket = visitor(&pipes).await;
        say(&mut socket, &first).await;
        let refused = next(&mut socket).await.expect("a refusal");
        assert_eq!(refused["event"], "@refused", "{first}");
        assert_eq!(refused["data"]["error"]["code"], expected, "{first}");
        let (close, reason) = next(&mut socket).await.expect_err("an end");
        assert_eq!((close, reason.as_str()), (1008, "refused"), "{first}");
    }
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_say_whose_it_is_ends_after_ten_seconds() {
    let realtime = realtime();
    let pipes = Pipes::serve(&realtime);
    let start = Instant::now();
    let mut silent = visitor(&pipes).await;
    let end = next(&mut silent).await.expect_err("an end, and nothing before");
    assert_eq!(end, (1008, "no sign-in came in time".to_owned()));
    assert!(start.elapsed() >= 10 * SECOND && start.elapsed() < 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn websockets_that_have_not_said_whose_they_are_are_as_few_as_connections_may_be() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let realtime = plugin().limits(limits).build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(visitor(&pipes).await);
    }
    // The same head as a socket's, to the routes themselves.
    let mut one_more = get("ws?groups=room:1&v=1&auth=1", None);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        one_more.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let upgrade = hyper::upgrade::on(Request::new(()));
    one_more.extensions_mut().insert(upgrade);
    let refused = call(&realtime, one_more).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(code(&body(refused).await), "busy");
    // Each gives its place back, however it ends.
    drop(waiting.pop());
    say(&mut waiting[0], &json!({ "op": "auth", "token": "old" })).await;
    next(&mut waiting[0]).await.expect("a refusal");
    say(&mut waiting[1], &json!({ "op": "auth", "token": "ann" })).await;
    next(&mut waiting[1]).await.expect("a hello");
    sleep(2 * SECOND).await;
    for _ in 0..3 {
        waiting.push(visitor(&pipes).await);
    }
}

/// Fails the test where it is given anything.
struct Nothing;

impl MessageHandler for Nothing {
    async fn on_message(&self, context: &MessageContext, _text: &str) {
        context.reply("given", &true).expect("a name and a value");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_late_is_refused_and_no_application_sees_it() {
    let plugin = plugin().message_handler(Nothing);
    let realtime = plugin.build().expect("a plugin that can be built");
    let pipes = Pipes::serve(&realtime);
    let mut ann = visitor(&pipes).await;
    for _ in 0..2 {
        say(&mut ann, &json!({ "op": "auth", "token": "ann" })).await;
    }
    let refused = loop {
        let frame = next(&mut ann).await.expect("a frame");
        assert_ne!(frame["event"], "given");
        if frame["event"] == "@refused" {
            break frame;
        }
    };
    assert_eq!(refused["data"]["error"]["code"], "no_auth");
}

async fn bearer(realtime: &Realtime, path: &str, token: &str) -> (StatusCode, Option<HeaderValue>) {
    let mut request = get(path, None);
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("text"));
    let response = call(realtime, request).await;
    (response.status(), response.headers().get("www-authenticate").cloned())
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_a_token_that_has_run_out_is_refused_and_not_opened_for_nobody() {
    let realtime = realtime();
    let (status, challenge) = bearer(&realtime, "sse?v=1&groups=room:1&auth=1", "old").await;
    assert_eq!(status, 401);
    assert_eq!(challenge.expect("a challenge"), "Bearer error=\"invalid_token\"");
    assert_eq!(bearer(&realtime, "sse?v=1&groups=room:1&auth=1", "ann").await.0, 200);
    // Without `auth=1` the header may be another layer's.
    assert_eq!(bearer(&realtime, "sse?v=1&groups=", "old").await.0, 200);
    // Without a token nobody is signed in.
    let response = call(&realtime, get("sse?v=1&groups=&auth=1", None)).await;
    assert_eq!(response.status(), 200);
    let refused = call(&realtime, get("sse?v=1&groups=&auth=yes", None)).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(code(&body(refused).await), "bad_query");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_put_into_the_query_by_mistake_is_not_repeated() {
    let refused = call(&realtime(), get("sse?v=1&groups=&auth=s3cret", None)).await;
    let refused = body(refused).await;
    assert_eq!(code(&refused), "bad_query");
    assert!(!refused.to_string().contains("s3cret"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_whose_end_has_passed_is_nobodys() {
    let plugin = plugin()
        .group_policy_fn(|user: Option<&str>, group: &str| user.is_some() || group == "room:open");
    let realtime = plugin.build().expect("a plugin that can be built");
    assert_eq!(bearer(&realtime, "sse?v=1&groups=room:1&auth=1", "late").await.0, 401);
    assert_eq!(realtime.presence().count("room:1").await, Ok(0));
    for (token, status) in [("ann", 200), ("late", 403)] {
        assert_eq!(bearer(&realtime, "members?group=room:1", token).await.0, status, "{token}");
    }
    // Where the header is not said to be a token, the stream is anonymous.
    let mut open = get("sse?v=1&groups=room:open", None);
    open.headers_mut().insert("authorization", HeaderValue::from_static("Bearer late"));
    let mut stream = Chunks::of(call(&realtime, open).await);
    let frames = stream.frames().await.expect("frames");
    assert_eq!((&*frames[0].event, &frames[0].data["me"]), ("@hello", &Value::Null));
    assert_eq!(realtime.presence().count("room:open").await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_token_that_is_nobodys_changes_nothing_on_an_anonymous_stream_either() {
    let realtime = realtime();
    let open = get("sse?v=1&groups=room:1&auth=1", None);
    let mut stream = Chunks::of(call(&realtime, open).await);
    let conn = stream.token().await;
    for (n, token, status) in [(1, Some("old"), 401), (2, Some("late"), 401), (3, None, 200)] {
        let wanted = json!({ "conn": conn, "n": n, "groups": ["room:1", "room:2"] });
        let request = Request::post("/realtime/control?auth=1");
        let request = request.header(CONTENT_TYPE, "application/json");
        let mut request = request.body(Body::from(wanted.to_string())).expect("a request");
        if let Some(token) = token {
            let token = format!("Bearer {token}").parse().expect("text");
            request.headers_mut().insert("authorization", token);
        }
        let response = call(&realtime, request).await;
        assert_eq!(response.status(), status, "{token:?}");
        if status == 200 {
            assert_eq!(
                body(response).await["joined"],
                json!(["room:2"]),
                "nothing was joined before"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_token_that_has_run_out_changes_nothing_and_a_newer_one_keeps_the_stream() {
    let realtime = realtime();
    let mut open = get("sse?v=1&groups=room:1&auth=1", None);
    open.headers_mut().insert("authorization", HeaderValue::from_static("Bearer ann"));
    let mut stream = Chunks::of(call(&realtime, open).await);
    let conn = stream.token().await;
    let control = async |path: &str, token: Option<&str>, n: u64| {
        let wanted = json!({ "conn": conn, "n": n, "groups": ["room:2"] });
        let request = Request::post(format!("/realtime/{path}"));
        let request = request.header(CONTENT_TYPE, "application/json");
        let mut request = request.body(Body::from(wanted.to_string())).expect("a request");
        if let Some(token) = token {
            let token = format!("Bearer {token}").parse().expect("text");
            request.headers_mut().insert("authorization", token);
        }
        call(&realtime, request).await.status().as_u16()
    };
    assert_eq!(control("control?auth=1", Some("old"), 1).await, 401);
    assert_eq!(realtime.presence().count("room:1").await, Ok(1), "the stream stays");
    assert_eq!(control("control?auth=1", Some("ann"), 2).await, 200);
    assert_eq!(realtime.presence().count("room:2").await, Ok(1));
    // Who signs out is nobody from then on.
    assert_eq!(control("control?auth=1", None, 3).await, 409);
    assert_eq!(realtime.presence().count("room:2").await, Ok(0));
}
