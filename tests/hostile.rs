//! Requests that nobody should make, each with the refusal that it gets. Afterwards the
//! server serves as before, and nothing of them is left.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Client, Fold, Kind, Server, USER_HEADER, eventually, read_head, settled};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};
use umbral_presence::{Limits, PresenceSpec, RealtimePlugin};

const LONG: Duration = Duration::from_secs(60);

/// A page that none of the server's is.
const EVIL: (&str, &str) = ("origin", "https://evil.example");

const JSON: (&str, &str) = ("content-type", "application/json");

/// What goes wrong below HTTP gets a status and no more.
const BARE: &str = "";

/// A request as it goes over the wire, and how it is refused.
struct Case {
    what: String,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
    /// No more comes after it, although it promises more.
    ends_early: bool,
}

fn raw(what: &str, request: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Case {
    Case { what: what.to_owned(), request: request.into(), status, code, ends_early: false }
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nhost: here\r\naccept: text/event-stream\r\n{headers}")
}

fn with(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    status: u16,
    code: &'static str,
) -> Case {
    let what = format!("{method} {target:.60} {headers:?}");
    raw(&what, format!("{}\r\n", head(method, target, headers)), status, code)
}

fn get(target: &str, status: u16, code: &'static str) -> Case {
    with("GET", target, &[], status, code)
}

fn control(headers: &[(&str, &str)], body: &[u8], status: u16, code: &'static str) -> Case {
    let head = head("POST", "/realtime/control", headers);
    let mut request = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend(body);
    let what = format!("control {headers:?} {:.80}", String::from_utf8_lossy(body));
    raw(&what, request, status, code)
}

fn names() -> Vec<Case> {
    let sse = |groups: &str| get(&format!("/realtime/sse?groups={groups}"), 400, "bad_group");
    let many = |count| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>().join(",");
    let too_many =
        |count| get(&format!("/realtime/sse?groups={}", many(count)), 400, "too_many_groups");
    vec![
        sse("a,,b"),
        sse("a,"),
        sse(",a"),
        sse("a%20b"),
        sse("a+b"),
        sse("a%09"),
        sse("a%0Ab"),
        sse("a%00"),
        sse("a%7F"),
        sse("a%E2%80%83b"),
        sse("a%C2%85b"),
        sse("%40user:7"),
        sse("@broadcast"),
        sse("@conn"),
        sse(&"x".repeat(201)),
        sse(&"%C3%A9".repeat(101)),
        sse(&"x".repeat(60_000)),
        too_many(101),
        too_many(9_000),
        get(&format!("/realtime/sse?groups={}", "x".repeat(70_000)), 414, BARE),
        get("/realtime/members?group=a,b", 400, "bad_group"),
        get("/realtime/members?group=", 400, "bad_group"),
        get("/realtime/members?group=%40user:7", 400, "bad_group"),
        get("/realtime/members?group=room:private", 403, "denied"),
        get("/realtime/members?group=news", 404, "no_presence"),
        get("/realtime/sse?groups=room:1,room:private", 403, "denied"),
        with("GET", "/realtime/sse", &[(USER_HEADER, "a\tb")], 500, "identity"),
        with("GET", "/realtime/sse", &[(USER_HEADER, &"x".repeat(201))], 500, "identity"),
    ]
}

fn queries() -> Vec<Case> {
    let sse = |query: &str, code| get(&format!("/realtime/sse?{query}"), 400, code);
    vec![
        sse("groups=a&groups=b", "bad_query"),
        sse("groups=a&v=1&v=1", "bad_query"),
        sse("group=room:1", "bad_query"),
        sse("groups=room:1&v=1&conn=x", "bad_query"),
        sse("groups=%FF", "bad_query"),
        sse("groups=%C0%AF", "bad_query"),
        sse("groups=%ED%A0%80", "bad_query"),
        sse("groups=a&x=%FE", "bad_query"),
        sse("v=2", "bad_version"),
        sse("v=", "bad_version"),
        sse("v=1%00", "bad_version"),
        sse("v=01", "bad_version"),
        get("/realtime/members", 400, "bad_query"),
        get("/realtime/members?groups=room:1", 400, "bad_query"),
        get("/realtime/members?group=room:1&group=room:2", 400, "bad_query"),
        get("/realtime/members?group=%FF", 400, "bad_query"),
        get("/realtime/members?group=room:1&v=1", 400, "bad_query"),
    ]
}

fn methods() -> Vec<Case> {
    let refused = |method, target| with(method, target, &[], 405, BARE);
    vec![
        refused("POST", "/realtime/sse?groups=room:1"),
        refused("HEAD", "/realtime/sse?groups=room:1"),
        refused("PUT", "/realtime/members?group=room:1"),
        refused("DELETE", "/realtime/members?group=room:1"),
        refused("GET", "/realtime/control"),
        refused("PATCH", "/realtime/control"),
        refused("POST", "/realtime/ws?groups=room:1"),
        refused("TRACE", "/realtime/sse"),
        refused("BREW", "/realtime/sse"),
        get("/realtime/sse/", 404, BARE),
        get("/realtime/../sse", 404, BARE),
        get("//realtime/sse", 404, BARE),
        get("/realtime/SSE", 404, BARE),
    ]
}

fn origins() -> Vec<Case> {
    let sse = |headers| with("GET", "/realtime/sse?groups=room:1", headers, 403, "origin");
    vec![
        sse(&[EVIL]),
        sse(&[("origin", "null")]),
        sse(&[("origin", "")]),
        sse(&[("origin", "http://here:8080")]),
        sse(&[("origin", "http://here.evil.example")]),
        sse(&[("origin", "http://here@evil.example")]),
        sse(&[("sec-fetch-site", "cross-site")]),
        sse(&[("sec-fetch-site", "same-site")]),
        with("GET", "/realtime/members?group=room:1", &[EVIL], 403, "origin"),
        with("GET", "/realtime/ws?groups=room:1", &[EVIL, UPGRADE, KEY, VERSION], 403, "origin"),
        raw(
            "an origin and no host",
            "GET /realtime/sse HTTP/1.1\r\norigin: http://here\r\n\r\n",
            403,
            "origin",
        ),
    ]
}

const UPGRADE: (&str, &str) = ("connection", "upgrade\r\nupgrade: websocket");
const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
const VERSION: (&str, &str) = ("sec-websocket-version", "13");

fn upgrades() -> Vec<Case> {
    let ws = |headers| with("GET", "/realtime/ws?groups=room:1", headers, 400, "no_websocket");
    let asks = |query: &str, status, code| {
        with("GET", &format!("/realtime/ws?{query}"), &[UPGRADE, KEY, VERSION], status, code)
    };
    vec![
        ws(&[]),
        ws(&[UPGRADE, VERSION]),
        ws(&[UPGRADE, KEY]),
        ws(&[UPGRADE, KEY, ("sec-websocket-version", "8")]),
        ws(&[("upgrade", "websocket"), KEY, VERSION]),
        ws(&[("connection", "upgrade\r\nupgrade: h2c"), KEY, VERSION]),
        asks("groups=a%20b", 400, "bad_group"),
        asks("groups=%FF", 400, "bad_query"),
        asks("group=room:1", 400, "bad_query"),
        asks("groups=room:private", 403, "denied"),
        asks("v=3", 400, "bad_version"),
    ]
}

/// What is not HTTP, or hardly.
fn protocols() -> Vec<Case> {
    let start = "GET /realtime/sse HTTP/1.1\r\nhost: here\r\n";
    let flood: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    vec![
        raw("noise", b"\x00\x01\x02\x03\r\n\r\n".as_slice(), 400, BARE),
        raw(
            "the start of TLS",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".as_slice(),
            400,
            BARE,
        ),
        raw("another version", "GET /realtime/sse HTTP/3.0\r\nhost: here\r\n\r\n", 400, BARE),
        raw("no version", "GET /realtime/sse\r\n\r\n", 400, BARE),
        raw("a method that is none", "G(T /realtime/sse HTTP/1.1\r\n\r\n", 400, BARE),
        raw("a target with a space", "GET /realtime/sse ? HTTP/1.1\r\n\r\n", 400, BARE),
        with("GET", "/realtime/sse", &[("x", &"y".repeat(100_000))], 431, "long_head"),
        raw("200 headers", format!("{start}{flood}\r\n"), 431, BARE),
        raw("a header of 1 MB", format!("{start}x: {}\r\n\r\n", "y".repeat(1_000_000)), 431, BARE),
        raw("a header's name with a space", format!("{start}x y: z\r\n\r\n"), 400, BARE),
        raw("a header with a zero", format!("{start}x: \0\r\n\r\n"), 400, BARE),
        raw(
            "two lengths",
            format!("{start}content-length: 1\r\ncontent-length: 2\r\n\r\n"),
            400,
            BARE,
        ),
        raw("a negative length", format!("{start}content-length: -1\r\n\r\n"), 400, BARE),
    ]
}

fn calls(token: &str) -> Vec<Case> {
    let good = json!({ "conn": token, "n": 1, "groups": ["room:1"] }).to_string();
    let me = (USER_HEADER, "7");
    let json = |body: &str| control(&[me, JSON], body.as_bytes(), 400, "bad_json");
    let conn = |conn: &str| {
        let body = json!({ "conn": conn, "n": 1, "groups": [] }).to_string();
        control(&[me, JSON], body.as_bytes(), 404, "unknown_connection")
    };
    let groups = |groups: Value, sync: Value, code| {
        let body = json!({ "conn": token, "n": 1, "groups": groups, "sync": sync }).to_string();
        control(&[me, JSON], body.as_bytes(), 400, code)
    };
    let with = |part: &str, other: &str| json(&good.replace(part, other));
    let many: Vec<String> = (0..101).map(|n| format!("g{n}")).collect();
    let huge = "x".repeat(300_000);
    // Of a call whose token is none no name is looked at, however many and whatever they are.
    let nobody = json!({ "conn": "0".repeat(32), "n": 1, "groups": vec!["a b"; 10_000] });
    let start = format!("{}\r\n", head("POST", "/realtime/control", &[me, JSON]).trim_end());
    vec![
        control(&[me], good.as_bytes(), 415, "not_json"),
        control(&[me, ("content-type", "text/plain")], good.as_bytes(), 415, "not_json"),
        control(
            &[me, ("content-type", "application/x-www-form-urlencoded")],
            b"n=1",
            415,
            "not_json",
        ),
        control(&[me, ("content-type", "json")], good.as_bytes(), 415, "not_json"),
        control(&[me, JSON, EVIL], good.as_bytes(), 403, "origin"),
        control(&[me, JSON, ("sec-fetch-site", "cross-site")], good.as_bytes(), 403, "origin"),
        json(""),
        json("{"),
        json("null"),
        json("[]"),
        json("\"conn\""),
        json("{}"),
        json(&format!("{good}}}")),
        json(&format!("\u{feff}{good}")),
        json(&"[".repeat(50_000)),
        with("\"n\":1", "\"n\":-1"),
        with("\"n\":1", "\"n\":1.5"),
        with("\"n\":1", "\"n\":\"1\""),
        with("\"n\":1", "\"n\":18446744073709551616"),
        with("\"n\":1", "\"n\":1e999"),
        with("\"n\":1", "\"n\":1,\"n\":2"),
        with("\"n\":1", "\"n\":NaN"),
        with("[\"room:1\"]", "\"room:1\""),
        with("[\"room:1\"]", "null"),
        with("[\"room:1\"]", "[7]"),
        with("[\"room:1\"]", "[[\"room:1\"]]"),
        with("[\"room:1\"]", "[\"\\ud800\"]"),
        with("\"groups\":[\"room:1\"]", "\"groups\":[],\"sync\":7"),
        with(&format!("\"{token}\""), "7"),
        control(&[me, JSON], b"{\"conn\":\"\xff\",\"n\":1,\"groups\":[]}", 400, "bad_json"),
        control(
            &[me, JSON],
            &good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
            400,
            "bad_json",
        ),
        control(&[me, JSON], nobody.to_string().as_bytes(), 404, "unknown_connection"),
        conn(""),
        conn("7"),
        conn(&"0".repeat(32)),
        conn(&token[1..]),
        conn(&format!("{token}0")),
        conn(&format!(" {}", &token[1..])),
        conn(&format!("+{}", &token[1..])),
        groups(json!(["a b"]), json!([]), "bad_group"),
        groups(json!(["@user:7"]), json!([]), "bad_group"),
        groups(json!([""]), json!([]), "bad_group"),
        groups(json!(["x".repeat(100_000)]), json!([]), "bad_group"),
        groups(json!(many), json!([]), "too_many_groups"),
        groups(json!([]), json!(["a b"]), "bad_group"),
        groups(json!([]), json!(many), "too_many_groups"),
        groups(json!([huge]), json!([]), "too_large").status(413),
        raw(
            "a chunk without a size",
            format!("{start}transfer-encoding: chunked\r\n\r\nzz\r\n{good}\r\n0\r\n\r\n"),
            400,
            "bad_json",
        ),
        raw(
            "a body that ends early",
            format!("{start}content-length: 1000\r\n\r\n{good}"),
            400,
            "bad_json",
        )
        .ends_early(),
    ]
}

impl Case {
    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn ends_early(self) -> Self {
        Self { ends_early: true, ..self }
    }

    /// What is not as it should be.
    async fn fault(&self, server: &Server) -> Option<String> {
        let mut socket = TcpStream::connect(server.address).await.expect("a server");
        // It may be refused before it is there.
        let _ = socket.write_all(&self.request).await;
        if self.ends_early {
            let _ = socket.shutdown().await;
        }
        let (head, mut body) = match settled(&self.what, read_head(socket)).await {
            Ok(answer) => answer,
            Err(error) => return Some(format!("{}: {error}", self.what)),
        };
        let body = settled("the body", body.read_to_end()).await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = body["error"]["code"].as_str().unwrap_or(BARE);
        let message = body["error"]["message"].as_str().unwrap_or_default();
        let explained = self.code == BARE || (1..2000).contains(&message.len());
        let is_right = (head.status, code) == (self.status, self.code)
            && explained
            && (self.code == BARE || head.header("cache-control") == Some("no-store"));
        (!is_right).then(|| format!("{}: {} {body}", self.what, head.status))
    }

    async fn run(&self, server: &Server) {
        assert_eq!(self.fault(server).await, None);
    }
}

/// What is sent over an open WebSocket, and what comes of it.
struct Intrusion {
    what: &'static str,
    sent: Vec<u8>,
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    /// The connection is closed with this code.
    Close(u16),
    /// A frame says what is wrong, and the connection goes on.
    Refused(&'static str),
    Denied,
}

/// A frame of a client, masked with zeros. `first` has the end mark, the reserved bits and
/// the opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

fn operation(op: &str, groups: &Value) -> Vec<u8> {
    text(&json!({ "op": op, "groups": groups }).to_string())
}

fn intrusions() -> Vec<Intrusion> {
    let many: Vec<String> = (0..101).map(|n| format!("g{n}")).collect();
    let fragments = |first: &[u8], count: usize| {
        let start = frame(0x01, first);
        let more = std::iter::repeat_n(frame(0x00, &[b'x'; 30_000]), count).flatten();
        start.into_iter().chain(more).chain(frame(0x80, b"")).collect::<Vec<u8>>()
    };
    let flood = std::iter::repeat_n(text("hello"), 60).flatten().collect::<Vec<u8>>();
    let table = [
        ("a frame without a mask", b"\x81\x05hello".to_vec(), Answer::Close(1002)),
        ("the first reserved bit", frame(0xc1, b"x"), Answer::Close(1002)),
        ("the second reserved bit", frame(0xa1, b"x"), Answer::Close(1002)),
        ("the third reserved bit", frame(0x91, b"x"), Answer::Close(1002)),
        ("an opcode of data that is none", frame(0x83, b"x"), Answer::Close(1002)),
        ("an opcode of control that is none", frame(0x8b, b"x"), Answer::Close(1002)),
        ("a ping in fragments", frame(0x09, b"x"), Answer::Close(1002)),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), Answer::Close(1002)),
        ("a close of one byte", frame(0x88, b"x"), Answer::Close(1002)),
        ("a close with a reserved code", frame(0x88, &1005_u16.to_be_bytes()), Answer::Close(1002)),
        ("a continuation of nothing", frame(0x80, b"x"), Answer::Close(1002)),
        ("a text inside another one", [frame(0x01, b"x"), text("y")].concat(), Answer::Close(1002)),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: here\r\n\r\n".to_vec(), Answer::Close(1002)),
        ("no UTF-8", frame(0x81, b"\xff\xfe"), Answer::Close(1007)),
        ("no UTF-8 in a fragment", fragments(b"\xc0\xaf", 0), Answer::Close(1007)),
        ("half a character", frame(0x81, b"\xc3"), Answer::Close(1007)),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), Answer::Close(1007)),
        ("a long message", frame(0x81, &[b'x'; 65_537]), Answer::Close(1009)),
        ("a long message in fragments", fragments(b"x", 3), Answer::Close(1009)),
        ("a long binary message", frame(0x82, &[0; 65_537]), Answer::Close(1009)),
        (
            "a length of 2^62",
            [&[0x81, 0xff][..], &(1_u64 << 62).to_be_bytes(), &[0; 4]].concat(),
            Answer::Close(1009),
        ),
        (
            "a length of 2^64-1",
            [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(),
            Answer::Close(1009),
        ),
        ("a join of a bad name", operation("join", &json!(["a b"])), Answer::Refused("bad_group")),
        (
            "a join of a reserved name",
            operation("join", &json!(["@user:7"])),
            Answer::Refused("bad_group"),
        ),
        (
            "a join of a long name",
            operation("join", &json!(["x".repeat(60_000)])),
            Answer::Refused("bad_group"),
        ),
        (
            "a join of 101 groups",
            operation("join", &json!(many)),
            Answer::Refused("too_many_groups"),
        ),
        (
            "a join of 100 more",
            operation("join", &json!(many[1..])),
            Answer::Refused("too_many_groups"),
        ),
        ("a leave of a bad name", operation("leave", &json!([""])), Answer::Refused("bad_group")),
        (
            "a sync of 101 groups",
            operation("sync", &json!(many)),
            Answer::Refused("too_many_groups"),
        ),
        ("a denied group", operation("join", &json!(["room:private"])), Answer::Denied),
        ("a flood", flood, Answer::Refused("too_fast")),
    ];
    table.into_iter().map(|(what, sent, answer)| Intrusion { what, sent, answer }).collect()
}

impl Intrusion {
    async fn run(&self, server: &Server) {
        let mut client = Client::open(server, Kind::Ws, Some("7"), "room:1").await;
        // It may have enough before the last byte.
        let _ = client.socket().write_all(&self.sent).await;
        match self.answer {
            Answer::Close(code) => {
                assert_eq!(client.close_code().await, Some(code), "{}", self.what);
            }
            Answer::Refused(code) => {
                let refused = client.expect(self.what, |frame| frame.event == "@refused").await;
                assert_eq!(refused.data["error"]["code"], code, "{}", self.what);
            }
            Answer::Denied => {
                let denied = client.expect(self.what, |frame| frame.event == "@denied").await;
                assert_eq!(denied.data, json!({ "groups": ["room:private"] }), "{}", self.what);
            }
        }
    }
}

/// Texts that are nobody's business are taken for what they are: messages of the
/// application, which has no handler here.
async fn texts_without_a_meaning_change_nothing(server: &Server) {
    let mut client = Client::open(server, Kind::Ws, Some("7"), "room:1").await;
    for sent in [
        "{\"op\":\"jump\",\"groups\":[]}".to_owned(),
        "{\"op\":\"join\",\"groups\":\"room:2\"}".to_owned(),
        "{\"op\":\"join\"}".to_owned(),
        "{\"op\":\"join\",\"groups\":[7]}".to_owned(),
        "[".repeat(60_000),
        "null".to_owned(),
        String::new(),
    ] {
        client.socket().write_all(&text(&sent)).await.expect("an open connection");
    }
    client.socket().write_all(&frame(0x82, &[0; 1000])).await.expect("an open connection");
    client.socket().write_all(&operation("join", &json!(["room:3"]))).await.expect("a connection");
    let joined = client.expect("the operation behind them", |frame| frame.event == "@joined").await;
    assert_eq!(joined.data, json!({ "groups": ["room:3"] }));
    client.close(1000).await;
}

/// A request that is never finished.
async fn drip(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).await.expect("a server");
    let request = head("GET", "/realtime/sse?groups=room:1", &[(USER_HEADER, "7")]);
    socket.write_all(request.as_bytes()).await.expect("room in the buffer");
    socket
}

/// A `control` call whose body comes byte by byte.
async fn drip_a_body(server: &Server) {
    let start = Instant::now();
    let headers = [(USER_HEADER, "7"), JSON, ("content-length", "1000")];
    let request = format!("{}\r\n", head("POST", "/realtime/control", &headers));
    let mut socket = TcpStream::connect(server.address).await.expect("a server");
    socket.write_all(request.as_bytes()).await.expect("room in the buffer");
    let (mut reading, mut writing) = socket.into_split();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    settled("an answer to half a body", async {
        while !answer.windows(8).any(|window| window == b"too_slow") {
            assert_ne!(reading.read_buf(&mut answer).await.expect("an answer"), 0);
        }
    })
    .await;
    dripping.abort();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert!(start.elapsed() >= Duration::from_secs(10));
}

/// The usual rooms, where one user may open connections as fast as can be.
fn hasty(grace: Duration) -> RealtimePlugin {
    let limits = Limits { opens_per_user: 10_000, members_per_second: 10_000, ..Limits::default() };
    let specs = PresenceSpec::prefixes(["room:", "public:lobby"]).grace(grace);
    Server::plugin().limits(limits).with_presence(specs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_nobody_should_send_is_refused_and_leaves_nothing_behind() {
    let server = std::sync::Arc::new(Server::start(hasty(Duration::ZERO)).await);
    let mut dripping = Vec::new();
    for _ in 0..200 {
        dripping.push(drip(&server).await);
    }
    let bodies: JoinSet<()> = (0..20)
        .map(|_| {
            let server = server.clone();
            async move { drip_a_body(&server).await }
        })
        .collect();

    let mut victim = Client::open(&server, Kind::SseV1, Some("7"), "room:1").await;
    let token = victim.token().await;
    let mut cases = names();
    for more in [queries(), methods(), origins(), upgrades(), protocols(), calls(&token)] {
        cases.extend(more);
    }
    let intrusions = intrusions();
    assert!(cases.len() + intrusions.len() > 80);
    let mut faults = Vec::new();
    for case in &cases {
        faults.extend(case.fault(&server).await);
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // None of them has touched the stream whose token was shown.
    assert!(server.presence().contains("room:1", 7).await.expect("a valid name"));
    assert_eq!(server.realtime.health().connections, 1, "half a request is no connection");

    // Another user's token ends the stream that it is of, and does nothing else.
    let stolen = json!({ "conn": token, "n": 9, "groups": ["room:9"] }).to_string();
    let case = control(&[(USER_HEADER, "8"), JSON], stolen.as_bytes(), 409, "identity_changed");
    case.run(&server).await;
    settled("the end", async { while victim.next().await.is_some() {} }).await;
    let gone = control(&[(USER_HEADER, "7"), JSON], stolen.as_bytes(), 404, "unknown_connection");
    gone.run(&server).await;

    for intrusion in &intrusions {
        intrusion.run(&server).await;
    }
    texts_without_a_meaning_change_nothing(&server).await;
    server.is_empty().await;

    // It serves as before, while half of the requests still hang.
    for kind in Kind::ALL {
        let mut roster = Fold::kept_up("room:1");
        let mut client = Client::open(&server, kind, Some("7"), "room:1").await;
        let other = Client::open(&server, kind, Some("8"), "room:1").await;
        eventually("both are there", || async { server.presence().count("room:1").await == Ok(2) })
            .await;
        for frame in client.frames_until_now(&server, "room:1").await {
            roster.take(&frame);
        }
        assert_eq!(roster.ids(), ["7", "8"], "{kind:?}");
        drop((client, other));
        server.is_empty().await;
    }
    bodies.join_all().await;
    drop(dripping);
    server.is_empty().await;
}

#[tokio::test]
async fn a_look_at_a_stream_shows_nobody() {
    let server = Server::start(hasty(LONG)).await;
    with("HEAD", "/realtime/sse?groups=room:1", &[(USER_HEADER, "7")], 405, BARE)
        .run(&server)
        .await;
    server.is_empty().await;
}
