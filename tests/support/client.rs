//! Clients of both transports that read the same frames.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::HeaderName;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    frame::{Frame, Kind},
    http1::{Body, read_head},
    server::{Server, USER_HEADER},
    wait::settled,
};

/// An open stream.
pub struct Client {
    stream: Transport,
    /// Frames that were read while looking for another one.
    ahead: VecDeque<Frame>,
}

enum Transport {
    Sse { body: Body, buffer: Vec<u8>, searched: usize, retry: Option<Duration> },
    Ws(Box<WebSocketStream<TcpStream>>),
}

impl Client {
    /// Opens a stream as `user`, or anonymously.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn open(server: &Server, kind: Kind, user: Option<&str>, groups: &str) -> Self {
        match Self::try_open(server, kind, user, groups).await {
            Ok(client) => client,
            Err((status, body)) => panic!("refused with {status}: {body}"),
        }
    }

    /// Opens a stream, or gives the status and the body of the refusal.
    ///
    /// # Errors
    ///
    /// The refusal.
    ///
    /// # Panics
    ///
    /// Where the server does not answer.
    pub async fn try_open(
        server: &Server,
        kind: Kind,
        user: Option<&str>,
        groups: &str,
    ) -> Result<Self, (u16, Value)> {
        settled("the stream opens", async {
            let socket = TcpStream::connect(server.address).await.expect("a server");
            Self::open_on(socket, kind, user, groups).await.expect("an answer")
        })
        .await
    }

    /// Opens a stream with a header, such as a cookie, or gives the status and the body of the
    /// refusal.
    ///
    /// # Errors
    ///
    /// The refusal.
    ///
    /// # Panics
    ///
    /// Where the server does not answer.
    pub async fn with_header(
        server: &Server,
        kind: Kind,
        header: (&str, &str),
        groups: &str,
    ) -> Result<Self, (u16, Value)> {
        settled("the stream opens", async {
            let socket = TcpStream::connect(server.address).await.expect("a server");
            Self::say_on(socket, kind, Some(header), groups).await.expect("an answer")
        })
        .await
    }

    /// Opens a stream on a connected socket, or gives the status and the body of the refusal.
    ///
    /// # Errors
    ///
    /// Where the server ends the connection without an answer.
    pub async fn open_on(
        socket: TcpStream,
        kind: Kind,
        user: Option<&str>,
        groups: &str,
    ) -> io::Result<Result<Self, (u16, Value)>> {
        Self::say_on(socket, kind, user.map(|user| (USER_HEADER, user)), groups).await
    }

    async fn say_on(
        socket: TcpStream,
        kind: Kind,
        header: Option<(&str, &str)>,
        groups: &str,
    ) -> io::Result<Result<Self, (u16, Value)>> {
        let (host, path) = (socket.peer_addr()?, kind.path(groups));
        let stream = if kind.is_sse() {
            open_sse(socket, host, &path, header).await?
        } else {
            open_ws(socket, host, &path, header).await?
        };
        Ok(stream.map(|stream| Self { stream, ahead: VecDeque::new() }))
    }

    /// The socket, whatever is done to it.
    pub fn socket(&mut self) -> &mut TcpStream {
        match &mut self.stream {
            Transport::Sse { body, .. } => body.socket(),
            Transport::Ws(socket) => socket.get_mut(),
        }
    }

    /// The next frame; `None` where the stream has ended.
    ///
    /// # Panics
    ///
    /// Where none comes in time.
    pub async fn next(&mut self) -> Option<Frame> {
        if let Some(frame) = self.ahead.pop_front() {
            return Some(frame);
        }
        settled("the next frame", self.stream.read()).await
    }

    /// The next frame, however long it takes. Nothing is lost where this is not waited for to
    /// the end.
    pub async fn read(&mut self) -> Option<Frame> {
        match self.ahead.pop_front() {
            Some(frame) => Some(frame),
            None => self.stream.read().await,
        }
    }

    /// The next frame that `wanted` says yes to. Those before it are kept.
    ///
    /// # Panics
    ///
    /// Where it does not come in time, or the stream ends.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.ahead.iter().position(&wanted) {
            return self.ahead.remove(at).expect("the position is of this queue");
        }
        loop {
            let read = settled(what, self.stream.read()).await;
            let Some(frame) = read else {
                panic!("the stream ended before {what}; kept: {:?}", self.ahead);
            };
            if wanted(&frame) {
                return frame;
            }
            self.ahead.push_back(frame);
        }
    }

    /// Reads to the end.
    ///
    /// # Panics
    ///
    /// Where no frame comes in time, or the stream goes on all the same.
    pub async fn end(&mut self) {
        settled("the end", async { while self.next().await.is_some() {} }).await;
    }

    /// The next frame of this event.
    pub async fn event(&mut self, event: &str) -> Frame {
        self.expect(event, |frame| frame.event == event).await
    }

    /// Everything that has been read or arrives within `time`.
    pub async fn drain(&mut self, time: Duration) -> Vec<Frame> {
        let mut frames: Vec<_> = self.ahead.drain(..).collect();
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(Some(frame)) = tokio::time::timeout_at(deadline, self.stream.read()).await {
            frames.push(frame);
        }
        frames
    }

    /// The frames up to a message that is sent now to `group`, which is therefore behind
    /// everything that was sent before.
    ///
    /// # Panics
    ///
    /// Where the stream ends before it.
    pub async fn frames_until_now(&mut self, server: &Server, group: &str) -> Vec<Frame> {
        let mark = server.mark(group).await;
        self.frames_until(&mark).await
    }

    /// The frames up to a [mark](Server::mark).
    ///
    /// # Panics
    ///
    /// Where the stream ends before it.
    pub async fn frames_until(&mut self, mark: &str) -> Vec<Frame> {
        let mut frames: Vec<_> = self.ahead.drain(..).collect();
        loop {
            match settled("the mark", self.stream.read()).await {
                Some(frame) if frame.event == "mark" && frame.data == json!(mark) => return frames,
                Some(frame) => frames.push(frame),
                None => panic!("the stream ended before the mark"),
            }
        }
    }

    /// Sends a text over a WebSocket.
    ///
    /// # Panics
    ///
    /// On an event stream, or where the connection is gone.
    pub async fn send(&mut self, text: &Value) {
        let Transport::Ws(socket) = &mut self.stream else {
            panic!("an event stream goes one way");
        };
        let message = Message::text(text.to_string());
        socket.send(message).await.expect("an open connection");
    }

    /// Closes a WebSocket with a code and waits for the answer; just ends an event stream.
    pub async fn close(self, code: u16) {
        if let Transport::Ws(mut socket) = self.stream {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
            // The server may have gone first.
            let _ = socket.send(Message::Close(Some(frame))).await;
            let _ = timeout(Duration::from_secs(5), async {
                while let Some(Ok(_)) = socket.next().await {}
            })
            .await;
        }
    }

    /// Reads a WebSocket to its end, and gives the code that the server closes it with.
    ///
    /// # Panics
    ///
    /// Where the end does not come in time.
    pub async fn close_code(self) -> Option<u16> {
        let Transport::Ws(mut socket) = self.stream else {
            return None;
        };
        settled("the end", async {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        })
        .await
    }

    /// How long an event stream was told to wait before the next one.
    pub fn retry(&self) -> Option<Duration> {
        match self.stream {
            Transport::Sse { retry, .. } => retry,
            Transport::Ws(_) => None,
        }
    }

    /// The token of a stream with `v=1`, from its first frame.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn token(&mut self) -> String {
        let hello = self.event("@hello").await;
        hello.data["conn"].as_str().expect("a token").to_owned()
    }
}

impl Transport {
    async fn read(&mut self) -> Option<Frame> {
        match self {
            Self::Sse { body, buffer, searched, retry } => loop {
                if let Some(frame) = take_event(buffer, searched, retry) {
                    return Some(frame);
                }
                if body.read(buffer).await.ok()? == 0 {
                    return None;
                }
            },
            Self::Ws(socket) => loop {
                if let Message::Text(text) = socket.next().await?.ok()? {
                    let frame: Frame = serde_json::from_str(&text).expect("a frame");
                    // A sign of life, as a ping is on an event stream.
                    if frame.event != "@ping" {
                        return Some(frame);
                    }
                }
            },
        }
    }
}

/// The first whole event of the buffer that is neither a ping nor how long to wait, which is
/// noted.
fn take_event(
    buffer: &mut Vec<u8>,
    searched: &mut usize,
    retry: &mut Option<Duration>,
) -> Option<Frame> {
    loop {
        // What has been looked at is not looked at again: an event may come in many pieces.
        let new = buffer.get(*searched..).unwrap_or_default();
        let Some(end) = new.windows(2).position(|pair| pair == b"\n\n") else {
            *searched = buffer.len().saturating_sub(1);
            return None;
        };
        let end = std::mem::take(searched) + end;
        let event: Vec<u8> = buffer.drain(..end + 2).collect();
        let event = String::from_utf8(event).expect("a stream of UTF-8");
        // A plain stream numbers what is written to it.
        let event = match event.strip_prefix("id: ") {
            Some(numbered) => numbered.split_once('\n').expect("a number and an event").1,
            None => &event,
        };
        if let Some(data) = event.strip_prefix("event: u\ndata: ") {
            return Some(serde_json::from_str(data).expect("a frame"));
        }
        if let Some(wait) = event.strip_prefix("retry: ") {
            *retry = Some(Duration::from_millis(wait.trim().parse().expect("milliseconds")));
            continue;
        }
        assert_eq!(event, "event: ping\ndata: {}\n\n");
    }
}

async fn open_sse(
    mut socket: TcpStream,
    host: SocketAddr,
    path: &str,
    header: Option<(&str, &str)>,
) -> io::Result<Result<Transport, (u16, Value)>> {
    let header = header.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
    let accept = "accept: text/event-stream\r\n";
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{accept}{header}\r\n");
    socket.write_all(request.as_bytes()).await?;
    let (head, mut body) = read_head(socket).await?;
    if head.status != 200 {
        let body = body.read_to_end().await?;
        return Ok(Err((head.status, serde_json::from_slice(&body).unwrap_or_default())));
    }
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    Ok(Ok(Transport::Sse { body, buffer: Vec::new(), searched: 0, retry: None }))
}

async fn open_ws(
    socket: TcpStream,
    host: SocketAddr,
    path: &str,
    header: Option<(&str, &str)>,
) -> io::Result<Result<Transport, (u16, Value)>> {
    let mut request = format!("ws://{host}{path}").into_client_request().expect("a URL");
    if let Some((name, value)) = header {
        let name = HeaderName::try_from(name).expect("a header's name");
        request.headers_mut().insert(name, value.parse().expect("a header's value"));
    }
    match client_async(request, socket).await {
        Ok((socket, _)) => Ok(Ok(Transport::Ws(Box::new(socket)))),
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body = serde_json::from_slice(body).unwrap_or_default();
            Ok(Err((response.status().as_u16(), body)))
        }
        Err(tungstenite::Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}
