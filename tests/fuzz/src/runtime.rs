//! The runtime's inputs from outside. Each function takes any bytes, and panics where the
//! library does, or where it breaks a promise.

use std::{cell::OnceCell, future::Future, sync::LazyLock, time::Duration};

use axum::body::{Body, to_bytes};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, Uri, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tests::{Chunks, Pipes, Server, USER_HEADER, call};
use tokio::{runtime::Runtime, time::sleep};
use tokio_tungstenite::tungstenite::{Error, Message};
use umbral_presence::{
    Group, GroupName, MAX_GROUP_NAME_BYTES, MessageContext, MessageHandler, PresenceSpec, Realtime,
    presence,
};

/// Placeholders of both kinds: a type that reads few texts, and one that reads every text.
#[presence(pattern = "org:{org}:doc:{doc}")]
#[derive(Debug, PartialEq)]
struct Doc {
    org: u64,
    doc: String,
}

/// Whether no name holds this character, by the cases of `tests/vectors`.
fn is_refused(c: char) -> bool {
    static RANGES: LazyLock<Vec<[u32; 2]>> = LazyLock::new(|| {
        let rules = include_str!("../../vectors/names.json");
        let rules: serde_json::Value = serde_json::from_str(rules).expect("JSON");
        let ranges = rules["refused"].as_array().expect("a list");
        let point = |text: &serde_json::Value| {
            u32::from_str_radix(text.as_str().expect("a text"), 16).expect("a code point")
        };
        ranges.iter().map(|range| [point(&range[0]), point(&range[1])]).collect()
    });
    RANGES.iter().any(|[first, last]| (*first..=*last).contains(&u32::from(c)))
}

/// A name is taken where it keeps the rules and refused otherwise; a typed group is read
/// from the name that it writes, and from no other.
pub fn group_name(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let is_good = (1..=MAX_GROUP_NAME_BYTES).contains(&text.len())
        && !text.starts_with('@')
        && !text.contains(is_refused);
    match GroupName::new(&text) {
        Ok(name) => {
            assert!(is_good, "{text:?}");
            assert_eq!(name.as_str(), text);
            assert_eq!(serde_json::to_value(&name).ok(), Some(json!(text)));
        }
        Err(error) => {
            assert!(!is_good, "{text:?}");
            assert!(error.to_string().len() < 10 * MAX_GROUP_NAME_BYTES, "{error}");
        }
    }
    if let Ok(doc) = text.parse::<Doc>() {
        let name = doc.group_name().expect("a name that was read");
        assert_eq!(name.as_str(), text);
    }
    let doc = Doc { org: input.len() as u64, doc: text.into_owned() };
    if let Ok(name) = doc.group_name() {
        assert_eq!(name.as_str().parse::<Doc>().ok(), Some(doc));
    }
}

/// Any text in the place of a query, at every route that reads one.
pub fn query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for path in ["sse", "members"] {
        let Ok(uri) = format!("/realtime/{path}?{text}").parse::<Uri>() else {
            continue;
        };
        run(async |realtime| {
            let request = Request::get(uri).body(Body::empty()).expect("a request");
            let response = call(realtime, request).await;
            match response.status() {
                StatusCode::OK if path == "sse" => {}
                StatusCode::OK => assert!(json_of(response).await["members"].is_array()),
                status => is_refusal(status, &json_of(response).await),
            }
        });
    }
}

/// Where the token of an open stream goes in the body of a `control` call.
const TOKEN: &str = "TOKEN";

/// Any text as the body of a `control` call.
pub fn control(input: &[u8]) {
    run(async |realtime| {
        let mut stream = Chunks::open(realtime, "7", "v=1&groups=room:1").await;
        let token = stream.token().await;
        let body = match std::str::from_utf8(input) {
            Ok(text) => text.replace(TOKEN, &token).into_bytes(),
            Err(_) => input.to_vec(),
        };
        for _ in 0..2 {
            let request = Request::post("/realtime/control")
                .header(USER_HEADER, "7")
                .header(CONTENT_TYPE, "application/json");
            let request = request.body(Body::from(body.clone())).expect("a request");
            let response = call(realtime, request).await;
            let status = response.status();
            let answer = json_of(response).await;
            if status == StatusCode::OK {
                assert!(answer["n"].is_u64() && answer["denied"].is_array(), "{answer}");
            } else {
                is_refusal(status, &answer);
            }
        }
        // Its groups are those that somebody is in.
        let members = realtime.presence().groups_of(7).await.len();
        assert!(members <= realtime.health().groups);
        drop(stream);
    });
}

/// Any texts, one a line, over a WebSocket.
pub fn websocket(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    run(async |realtime| {
        let pipes = Pipes::serve(realtime);
        let mut socket = pipes.websocket("7", "v=1&groups=room:1").await;
        for line in text.split('\n').take(20) {
            if socket.send(Message::text(line)).await.is_err() {
                break;
            }
        }
        let _ = socket.close(None).await;
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).expect("a frame is JSON");
                    assert!(frame["channel"].is_string() && frame["event"].is_string(), "{frame}");
                }
                Some(Ok(_)) => {}
                // The server may go first where a message is too long.
                None | Some(Err(Error::Io(_) | Error::Protocol(_))) => break,
                Some(Err(error)) => panic!("{error}"),
            }
        }
        drop(socket);
        is_empty(realtime).await;
    });
}

/// Publishes every text where it says.
struct Relay;

impl MessageHandler for Relay {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let event = text.get(..text.floor_char_boundary(20)).unwrap_or_default();
        let _ = context.publish(text, event, &text).await;
        let _ = context.publish("room:1", event, &text).await;
    }
}

/// Runs one input against a server of its thread, and looks for what is left of it.
fn run(test: impl AsyncFnOnce(&Realtime)) {
    thread_local! {
        static SERVER: OnceCell<(Runtime, Realtime)> = const { OnceCell::new() };
    }
    SERVER.with(|server| {
        let (runtime, realtime) = server.get_or_init(start);
        runtime.block_on(async {
            bounded(test(realtime)).await;
            is_empty(realtime).await;
        });
    });
}

fn start() -> (Runtime, Realtime) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    let rooms = PresenceSpec::prefixes(["room:", "public:lobby"]).grace(Duration::ZERO);
    let plugin = Server::plugin().with_presence(rooms).message_handler(Relay);
    (runtime, plugin.build().expect("a plugin that can be built"))
}

/// No input may keep the server for longer than its own timeouts allow.
async fn bounded(future: impl Future<Output = ()>) {
    let bound = Duration::from_secs(60);
    tokio::time::timeout(bound, future).await.expect("an input that is done with");
}

async fn is_empty(realtime: &Realtime) {
    for _ in 0..100 {
        let health = realtime.health();
        if (health.connections, health.groups, health.users) == (0, 0, 0) {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("left behind: {:?}", realtime.health());
}

async fn json_of(response: Response<Body>) -> Value {
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&body).expect("an answer is JSON")
}

fn is_refusal(status: StatusCode, body: &Value) {
    assert!(status.is_client_error(), "{status}: {body}");
    for part in ["code", "message"] {
        let text = body["error"][part].as_str().unwrap_or_default();
        assert!(!text.is_empty() && text.len() < 100_000, "{status}: {body}");
    }
}
