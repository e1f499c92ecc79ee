//! Requests over HTTP, or hardly.

use serde_json::{Value, json};
use tests::{Server, USER_HEADER, read_head, settled};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// A page that none of the server's is.
const EVIL: (&str, &str) = ("origin", "https://evil.example");

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// What goes wrong below HTTP gets a status and no more.
pub(super) const BARE: &str = "";

/// A request as it goes over the wire, and how it is refused.
pub(super) struct Case {
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

pub(super) fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nhost: here\r\naccept: text/event-stream\r\n{headers}")
}

pub(super) fn with(
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

pub(super) fn control(
    headers: &[(&str, &str)],
    body: &[u8],
    status: u16,
    code: &'static str,
) -> Case {
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
    pub(super) async fn fault(&self, server: &Server) -> Option<String> {
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

    pub(super) async fn run(&self, server: &Server) {
        assert_eq!(self.fault(server).await, None);
    }
}

/// All of them, with the token of an open stream of user 7.
pub(super) fn cases(token: &str) -> Vec<Case> {
    let tables = [names(), queries(), methods(), origins(), upgrades(), protocols(), calls(token)];
    tables.into_iter().flatten().collect()
}
