//! A WebSocket over HTTP/2 (RFC 8441): many of them share a connection, and each is asked for
//! by an extended `CONNECT`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode};
use hyper::{client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tests::{Client, Frame, Kind, Pipes, Server, USER_HEADER, fill, settled, until_gone};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role},
    },
};

const GRACE: Duration = Duration::from_millis(200);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// One HTTP/2 connection, which ends when this is dropped.
struct Connection {
    address: String,
    requests: http2::SendRequest<String>,
    task: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    async fn open(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address).await.expect("a server");
        Self::open_on(socket, server.address.to_string()).await
    }

    async fn open_on<IO>(socket: IO, address: String) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(socket);
        let (requests, connection) =
            http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        let task = tokio::spawn(connection);
        let mut this = Self { address, requests, task };
        // The server's settings, which allow the extended `CONNECT`, have arrived with the
        // first answer.
        let request = this.request(Method::GET, "/realtime/members?group=room:1");
        let answer = this.requests.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        this
    }

    fn request(&self, method: Method, path: &str) -> Request<String> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(uri).body(String::new());
        request.expect("a request")
    }

    /// What a browser sends.
    fn connect(&self, path: &str, user: &str) -> Request<String> {
        let mut request = self.request(Method::CONNECT, path);
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let origin = format!("http://{}", self.address);
        for (name, value) in
            [("sec-websocket-version", "13"), ("origin", &origin), (USER_HEADER, user)]
        {
            request.headers_mut().insert(name, value.parse().expect("a header's value"));
        }
        request
    }

    /// The status and the body of a refusal.
    async fn refused(&mut self, request: Request<String>) -> (StatusCode, Value) {
        let answer = settled("an answer", self.requests.send_request(request)).await;
        let (head, mut body) = answer.expect("an answer").into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = next_chunk(&mut body).await {
            bytes.extend_from_slice(&chunk);
        }
        (head.status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn websocket(&mut self, user: &str, query: &str) -> Socket {
        let request = self.connect(&format!("/realtime/ws?{query}"), user);
        let answer = settled("an answer", self.requests.send_request(request)).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let upgraded = hyper::upgrade::on(answer).await.expect("an upgrade");
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn next_chunk(body: &mut hyper::body::Incoming) -> Option<Bytes> {
    use hyper::body::Body;
    let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_frame(cx)).await;
    frame?.expect("a body").into_data().ok()
}

/// The next frame of this event.
async fn event(socket: &mut Socket, event: &str) -> Frame {
    settled(event, async {
        loop {
            let message = socket.next().await.expect("an open connection");
            if let Message::Text(text) = message.expect("an open connection") {
                let frame: Frame = serde_json::from_str(&text).expect("a frame");
                if frame.event == event {
                    return frame;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn websockets_of_one_connection_come_and_go_one_by_one() {
    let server = Server::with_rooms(GRACE).await;
    let mut connection = Connection::open(&server).await;
    let mut ann = connection.websocket("ann", "groups=room:1").await;
    let snapshot = event(&mut ann, "presence:sync").await;
    assert_eq!(snapshot.data, json!([{ "id": "ann" }]));

    let mut bob = connection.websocket("bob", "groups=room:1").await;
    assert_eq!(event(&mut ann, "presence:join").await.data, json!({ "id": "bob" }));
    let join = json!({ "op": "join", "groups": ["room:2"] }).to_string();
    bob.send(Message::text(join)).await.expect("an open connection");
    assert_eq!(event(&mut bob, "@joined").await.data["groups"], json!(["room:2"]));

    // Those of HTTP/1.1 are in the same rooms.
    let other = Client::open(&server, Kind::Ws, Some("eve"), "room:1").await;
    assert_eq!(event(&mut ann, "presence:join").await.data, json!({ "id": "eve" }));
    drop(other);
    assert_eq!(event(&mut ann, "presence:leave").await.data, json!({ "id": "eve" }));

    let goodbye = CloseFrame { code: 1000.into(), reason: "".into() };
    bob.close(Some(goodbye)).await.expect("an open connection");
    assert_eq!(event(&mut ann, "presence:leave").await.data, json!({ "id": "bob" }));
    assert_eq!(server.realtime.health().connections, 1);
    drop((connection, ann));
    server.is_empty().await;
}

#[tokio::test]
async fn what_is_long_arrives_whole_and_a_reader_that_stops_holds_up_nobody() {
    let server = Server::with_rooms(GRACE).await;
    let mut connection = Connection::open(&server).await;
    let mut reader = connection.websocket("ann", "groups=room:1").await;
    let stuck = connection.websocket("bob", "groups=room:1").await;
    event(&mut reader, "presence:sync").await;
    let text = "é".repeat(100 * 1024);
    for n in 0..20 {
        let message = json!([n, text]);
        server.realtime.to_group("room:1").send("chat", &message).await.expect("a valid name");
        assert_eq!(event(&mut reader, "chat").await.data, message);
    }
    drop(stuck);
    server.has_connections(1).await;
}

#[tokio::test]
async fn a_refusal_has_its_status_and_its_code() {
    let server = Server::with_rooms(GRACE).await;
    let mut connection = Connection::open(&server).await;
    let path = "/realtime/ws?groups=room:1";
    let from = |origin: &str| {
        let mut request = connection.connect(path, "ann");
        request.headers_mut().insert("origin", origin.parse().expect("a header's value"));
        request
    };
    let mut no_version = connection.connect(path, "ann");
    no_version.headers_mut().remove("sec-websocket-version");
    let mut other_protocol = connection.connect(path, "ann");
    other_protocol.extensions_mut().insert(Protocol::from_static("connect-udp"));
    let cases = [
        (from("https://evil.example"), 403, "origin"),
        (from("http://127.0.0.1:1"), 403, "origin"),
        (from("null"), 403, "origin"),
        (no_version, 400, "no_websocket"),
        (other_protocol, 400, "no_websocket"),
        (connection.request(Method::GET, path), 405, "no_websocket"),
        (connection.connect("/realtime/ws?groups=room:private", "ann"), 403, "denied"),
        (connection.connect("/realtime/ws?groups=a%20b", "ann"), 400, "bad_group"),
    ];
    for (request, status, code) in cases {
        let what = format!("{request:?}");
        let (refused, body) = connection.refused(request).await;
        assert_eq!((refused.as_u16(), &body["error"]["code"]), (status, &json!(code)), "{what}");
    }
    drop(connection);
    server.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_gone_within_25_seconds_and_its_connection_serves_on() {
    for kibibytes in [0, 1024] {
        let realtime = Server::rooms().build().expect("a plugin that can be built");
        let pipes = Pipes::serve(&realtime);
        let pipe = pipes.connect(64 * 1024);
        let mut connection = Connection::open_on(pipe, "here".to_owned()).await;
        // The client's side of HTTP/2 answers what it is asked, and its side of the WebSocket
        // does not.
        let stuck = connection.websocket("7", "groups=room:1").await;
        fill(&realtime, kibibytes).await;
        let gone = until_gone(&realtime).await;
        assert!(gone < Duration::from_secs(25), "{kibibytes} KiB: {gone:?}");
        let mut other = connection.websocket("8", "groups=room:1").await;
        let snapshot = event(&mut other, "presence:sync").await;
        assert_eq!(snapshot.data, json!([{ "id": "8" }]));
        drop(stuck);
    }
}
