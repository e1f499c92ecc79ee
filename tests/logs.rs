//! What an operator reads: what could be cured, with the cure, and what happens to connections;
//! and nothing that is secret.

use std::{
    io::{self, Write},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::{Request, StatusCode, Version};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tests::{Chunks, Client, EVENT_STREAM, Kind, Server, USER_HEADER, call, eventually};
use tokio::time::sleep;
use umbral_presence::{Limits, MessageContext, MessageHandler, PresenceSpec};

/// Everything that has been logged in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("text")
    }

    /// The lines that hold all of this.
    fn lines(&self, parts: &[&str]) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.map(str::to_owned).collect()
    }

    /// Waits for lines that hold all of this.
    async fn has(&self, parts: &[&str]) {
        let what = format!("a line with {parts:?}");
        eventually(&what, || async { !self.lines(parts).is_empty() }).await;
    }
}

/// Says nothing, and is secretive.
struct Quiet;

impl MessageHandler for Quiet {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        let _ = context.publish("room:secretive", "echo", &text).await;
    }
}

#[tokio::test]
async fn a_session_leaves_its_lines_and_none_of_its_secrets() {
    const SECRETS: [&str; 7] = [
        "secret-cookie",
        "secret-authorization",
        "secret-payload",
        "secret-message",
        "secret-data",
        "secret-body",
        "secret-refresh",
    ];
    let log = &*LOG;
    let rooms = PresenceSpec::prefixes(["room:"])
        .grace(Duration::ZERO)
        .resolver(|user| json!({ "id": user, "name": "secret-payload" }));
    let plugin = Server::plugin().with_presence(rooms).message_handler(Quiet);
    let plugin = plugin.recheck_every(Duration::from_millis(50)).recheck_headers([USER_HEADER]);
    let server = Server::start(plugin).await;
    let headers = [
        ("cookie", "session=secret-cookie"),
        ("authorization", "Bearer secret-authorization"),
        (USER_HEADER, "eve"),
        EVENT_STREAM,
    ];
    let http = reqwest::Client::new();
    let ask = async |path: &str| {
        let request = http.get(server.url(path));
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        request.send().await.expect("an answer")
    };
    let stream = ask("/realtime/sse?groups=room:secretive&v=1").await;
    assert_eq!(stream.status(), StatusCode::OK);
    let refused = ask("/realtime/sse?groups=room:private").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let body = ask("/realtime/members?group=room:secretive").await.text().await.expect("a body");
    assert!(body.contains("secret-payload"));
    let mut member = Client::open(&server, Kind::SseV1, Some("adam"), "room:secretive").await;
    let token = member.token().await;
    member.event("presence:sync").await;
    for body in [
        json!({ "conn": token, "n": "secret-body", "groups": [] }),
        json!({ "conn": token, "n": 1, "groups": ["room:secretive", "room:other", "room:private"] }),
        json!({ "conn": "secret-body", "n": 2, "groups": [] }),
    ] {
        let request = http.post(server.url("/realtime/control")).header(USER_HEADER, "adam");
        request.json(&body).send().await.expect("an answer");
    }
    let mut socket = Client::open(&server, Kind::WsV1, Some("eve"), "room:secretive").await;
    socket.send(&json!({ "text": "secret-message" })).await;
    socket.send(&json!({ "op": "join", "groups": ["secret-body,"] })).await;
    socket.event("@refused").await;
    let room = server.realtime.to_group("room:secretive");
    room.send("news", &"secret-data").await.expect("a valid group");
    member.event("news").await;
    server.presence().refresh("eve").await.expect("no other node");
    socket.send(&json!({ "op": "leave", "groups": ["room:secretive"] })).await;
    socket.event("@left").await;
    socket.close(1000).await;
    server.realtime.disconnect_user("adam").await.expect("no other node");
    drop(stream);
    for parts in [
        &["DEBUG", "open", "user=eve", "event stream"][..],
        &["DEBUG", "open", "user=eve", "WebSocket"],
        &["DEBUG", "join", "user=eve", "group=room:secretive"],
        &["DEBUG", "denied", "user=eve", "group=room:private"],
        &["DEBUG", "denied", "user=adam", "group=room:private"],
        &["DEBUG", "join", "user=adam", "group=room:other"],
        &["DEBUG", "leave", "user=eve", "group=room:secretive", "goodbye=true"],
        &["DEBUG", "close", "user=eve", "the client has said goodbye"],
        &["DEBUG", "close", "user=adam", "the application has sent the user away"],
        &["DEBUG", "close", "user=eve", "the peer is gone"],
        &["DEBUG", "refused", "status=403", "denied"],
        &["DEBUG", "refused", "status=400", "bad_json"],
        &["DEBUG", "refused", "status=404", "unknown_connection"],
    ] {
        log.has(parts).await;
    }
    server.realtime.drain().await;
    for part in ["a drain begins", "the drain is over"] {
        log.has(&["DEBUG", part]).await;
    }
    let text = log.text();
    for secret in SECRETS.iter().copied().chain([token.as_str()]) {
        let lines = log.lines(&[secret]);
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
    assert!(text.contains("umbral_presence"));
}

/// Logs what it hears.
struct Loud;

impl MessageHandler for Loud {
    async fn on_message(&self, _: &MessageContext, text: &str) {
        tracing::info!(text, "the handler hears");
    }
}

#[tokio::test]
async fn what_happens_for_a_connection_happens_in_its_spans() {
    let log = &*LOG;
    let rooms = PresenceSpec::prefixes(["room:"]).resolver(|user| {
        tracing::info!("the resolver is asked");
        json!({ "id": user })
    });
    let plugin = Server::plugin()
        .with_presence(rooms)
        .identity_resolver(|_| async {
            tracing::info!("the identity resolver is asked");
            Some("spanned".to_owned())
        })
        .group_policy_fn(|_, _| {
            tracing::info!("the policy is asked");
            true
        })
        .message_handler(Loud);
    let server = Server::start(plugin).await;
    let mut socket = Client::open(&server, Kind::WsV1, None, "room:spanned").await;
    socket.send(&json!("spanned")).await;

    let handshake = "presence.handshake{transport=\"websocket\"}";
    log.has(&[&format!("{handshake}:presence.identity: "), "the identity resolver is asked"]).await;
    let policy = format!("{handshake}:presence.policy{{user=spanned group=room:spanned}}");
    log.has(&[&policy, "the policy is asked"]).await;
    log.has(&["presence.resolve{spec=tests/logs.rs:", "user=spanned", "the resolver is asked"])
        .await;
    let connection = "user=spanned transport=\"websocket\"}: ";
    log.has(&["INFO presence.connection{connection=", connection, "the handler hears"]).await;
    socket.close(1000).await;
    for what in ["open", "join", "leave", "close"] {
        log.has(&["DEBUG", "presence.connection{connection=", connection, what]).await;
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_warned_of_once_with_the_cure() {
    let log = &*LOG;
    let server = Server::start(Server::plugin()).await;
    for _ in 0..5 {
        for path in ["/realtime/sse", "/realtime/members?group=a"] {
            let request = reqwest::Client::new().get(server.url(path));
            let request = request.header("origin", "https://chat.logged.example");
            let answer = request.header("host", "backend.logged:3000").send().await;
            assert_eq!(answer.expect("an answer").status(), StatusCode::FORBIDDEN);
        }
    }
    let lines = log.lines(&["WARN", "https://chat.logged.example"]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["backend.logged:3000", "`allowed_origins`"] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
}

#[tokio::test]
async fn the_host_of_a_refused_request_is_told_over_http_2_as_well() {
    let log = &*LOG;
    let plugin = Server::plugin().allowed_hosts(["served.logged"]);
    let realtime = plugin.build().expect("a plugin that can be built");
    for (host, part) in [("served.logged", "https://page.logged"), ("other.logged", "another host")]
    {
        let request = Request::get(format!("https://{host}/realtime/sse"));
        let request = request.version(Version::HTTP_2).header("origin", "https://page.logged");
        let answer = call(&realtime, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let lines = log.lines(&["WARN", part, host]);
        assert_eq!(lines.len(), 1, "{host}: {}", log.text());
    }
}

#[tokio::test]
async fn nobody_fills_the_log_by_what_makes_the_application_fail() {
    let log = &*LOG;
    let plugin = Server::plugin()
        .with_presence(PresenceSpec::prefixes(["room:"]).resolver(|_| panic!("flood")))
        .with_presence(PresenceSpec::matching(|name| {
            assert_ne!(name, "unmatched-flood");
            false
        }))
        .identity_resolver(|parts| async move {
            let user = parts.headers.get(USER_HEADER)?.to_str().ok()?.to_owned();
            Some(if user == "flood-nobody" { "\n".to_owned() } else { user })
        })
        .group_policy_fn(|_, group| if group == "flood" { panic!("flood") } else { true })
        .limits(Limits { opens_per_user: 1000, ..Limits::default() });
    let realtime = plugin.build().expect("a plugin that can be built");
    for (user, groups, status) in [
        ("flood-nobody", "", StatusCode::INTERNAL_SERVER_ERROR),
        ("flood-somebody", "flood", StatusCode::INTERNAL_SERVER_ERROR),
        ("flood-somebody", "room:flood", StatusCode::OK),
        ("flood-somebody", "unmatched-flood", StatusCode::OK),
    ] {
        for _ in 0..50 {
            let request = Request::get(format!("/realtime/sse?groups={groups}"));
            let request = request.header(EVENT_STREAM.0, EVENT_STREAM.1).header(USER_HEADER, user);
            let answer = call(&realtime, request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status(), status);
        }
    }
    for parts in [
        &["the identity resolver gave no usable answer", "times=1"][..],
        &["the policy gave no answer", "user=flood-somebody", "group=flood", "times=1"],
        &["a member is not shown", "user=flood-somebody", "group=room:flood", "times=1"],
        &["matching a name panicked", "group=\"unmatched-flood\"", "times=1"],
    ] {
        // One more where the machine stood still for so long.
        let lines = log.lines(&[&["ERROR"], &parts[..parts.len() - 1]].concat());
        assert!((1..=3).contains(&lines.len()), "{parts:?}: {lines:#?}");
        log.has(parts).await;
    }
}

/// An error that has a cause.
#[derive(Debug)]
struct Away(io::Error);

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no session")
    }
}

impl std::error::Error for Away {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn an_error_of_the_application_is_logged_with_what_has_caused_it() {
    let log = &*LOG;
    let plugin = Server::plugin().identity_resolver(|_| async {
        Err::<Option<String>, _>(Away(io::Error::other("the socket is closed")))
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let request = Request::get("/realtime/sse").header(EVENT_STREAM.0, EVENT_STREAM.1);
    let answer = call(&realtime, request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let line = "it failed: no session: the socket is closed";
    log.has(&["ERROR", "the identity resolver gave no usable answer", line]).await;
}

#[test]
fn more_connections_than_files_are_warned_of_when_it_is_built() {
    let log = &*LOG;
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let files: usize = line.split_whitespace().nth(3).expect("a value").parse().expect("a number");
    let connections = files + 4321;
    let limits = Limits { connections, ..Limits::default() };
    let _realtime = Server::plugin().limits(limits).build().expect("a plugin that can be built");
    let connections = format!("connections is {connections}");
    let lines = log.lines(&["WARN", &connections, &format!("may have {files} files open")]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[tokio::test]
async fn a_limit_is_warned_of_by_name_and_seldom() {
    let log = &*LOG;
    let limits = Limits {
        connections: 7,
        connections_per_user: 3,
        groups_per_connection: 6,
        control_per_second: 5,
        messages_per_second: 4,
        message_bytes: 2500,
        ..Limits::default()
    };
    let server = Server::start(Server::plugin().limits(limits)).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::open(&server, Kind::WsV1, Some("greedy"), "").await);
    }
    for _ in 0..20 {
        assert!(Client::try_open(&server, Kind::Sse, Some("greedy"), "").await.is_err());
        let groups = "a,b,c,d,e,f,g";
        assert!(Client::try_open(&server, Kind::Sse, Some("other"), groups).await.is_err());
        open[0].send(&json!({ "op": "leave", "groups": [] })).await;
    }
    let mut stream = Client::open(&server, Kind::SseV1, Some("caller"), "").await;
    let token = stream.token().await;
    for n in 0..20 {
        let request = reqwest::Client::new().post(server.url("/realtime/control"));
        let body: Value = json!({ "conn": token, "n": n, "groups": [] });
        let request = request.header(USER_HEADER, "caller").json(&body);
        request.send().await.expect("an answer");
    }
    open[1].send(&json!("x".repeat(3000))).await;
    while open.len() < 6 {
        let user = format!("user-{}", open.len());
        open.push(Client::open(&server, Kind::Sse, Some(&user), "").await);
    }
    // One of the seven is the caller's; the one that said too much may have gone.
    for _ in 0..20 {
        let user = "late";
        if let Ok(client) = Client::try_open(&server, Kind::Sse, Some(user), "").await {
            open.push(client);
        }
    }
    for (limit, value, user) in [
        ("connections_per_user", 3, "user=greedy"),
        ("groups_per_connection", 6, ""),
        ("messages_per_second", 4, "user=greedy"),
        ("control_per_second", 5, "user=caller"),
        ("message_bytes", 2500, "user=greedy"),
        ("connections", 7, ""),
    ] {
        let (name, value) = (format!("the limit `{limit}` is reached"), format!("value={value}"));
        log.has(&["WARN", &name, &value, user]).await;
        assert_eq!(log.lines(&[&name, &value]).len(), 1, "{limit}");
    }
}

#[test]
fn the_headers_that_a_recheck_leaves_are_told_when_it_is_built() {
    let log = &*LOG;
    let every = Duration::from_millis(123_457);
    let plugin = || Server::plugin().recheck_headers(["x-told"]).recheck_every(every);
    plugin().build().expect("a plugin that can be built");
    let lines = log.lines(&["INFO", "every=123.457s"]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in [
        "headers=authorization, cookie, host, x-told ",
        "`recheck_headers` and `recheck_extension` name more",
    ] {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
}

#[tokio::test]
async fn a_recheck_that_does_not_keep_up_is_warned_of_with_the_cure() {
    let log = &*LOG;
    let is_slow = Arc::new(AtomicBool::new(false));
    let slow = is_slow.clone();
    let plugin = Server::plugin().recheck_every(Duration::from_millis(201));
    let plugin = plugin.recheck_headers([USER_HEADER]).group_policy_async_fn(move |_, _| {
        let is_slow = slow.load(Ordering::SeqCst);
        async move {
            if is_slow {
                sleep(Duration::from_secs(1)).await;
            }
            true
        }
    });
    let realtime = plugin.build().expect("a plugin that can be built");
    let mut streams = Vec::new();
    for n in 0..500 {
        streams.push(Chunks::open(&realtime, &format!("slow-{n}"), "groups=a").await);
    }
    is_slow.store(true, Ordering::SeqCst);
    let warning = ["WARN", "`recheck_every` does not keep up", "every=201ms"];
    log.has(&warning).await;
    assert!(log.lines(&warning)[0].contains("choose a longer interval"));
}
